"""A sample of fixed size over a DataFrame, beside Spark's own `takeSample`, on the same cached rows in the same session."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure
from devstack import spark_jars
from sketches.spark import fixed_size_sample
from veilocity.settings import load
from veilocity.spark import start_session

__all__ = ["figures"]

ROWS = 2_000_000
SIZE = 1_000
REPEATS = 3


def _seconds(work: Callable[[], int]) -> float:
    """Return the best of some runs; each must return the wanted number of rows."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = work()
        best = min(best, time.perf_counter() - began)
        if found != SIZE:
            raise AssertionError(f"a sample of {found} rows instead of {SIZE}: what was measured is no sample")
    return best


def figures() -> list[Figure]:
    """Measure at two million rows."""
    settings = load({})
    jars = ",".join(str(jar) for jar in spark_jars(settings))
    with tempfile.TemporaryDirectory() as folder:
        session = start_session(settings.model_copy(update={"spark_jars": jars}), "bench-sample", Path(folder), {})
        try:
            frame = session.range(ROWS).selectExpr("id", "concat('payment-', id) AS payment", "id % 997 AS shop").cache()
            frame.count()
            ours = _seconds(lambda: len(fixed_size_sample(frame, SIZE, 7).collect()))
            by_id = _seconds(lambda: len(fixed_size_sample(frame, SIZE, 7, ["payment"]).collect()))
            theirs = _seconds(lambda: len(frame.rdd.takeSample(False, SIZE, 7)))
        finally:
            session.stop()
    peer = "rdd.takeSample"
    return [
        Figure("sample.ratio_to_takesample", round(theirs / ours, 1), "times", ">= 20", peer, round(theirs / ours, 1)),
        Figure("sample.rows_per_s", round(ROWS / ours, 0), "rows/s", "stated", peer, round(theirs / ours, 1)),
        Figure("sample.by_identity_rows_per_s", round(ROWS / by_id, 0), "rows/s", "stated", peer, round(theirs / by_id, 1)),
    ]

"""Chapters on sliding windows: exact, and in logarithmic memory.

Guarantee: each chapter is a function of the stream and the seed.

References: Datar, Gionis, Indyk and Motwani, "Maintaining stream statistics over sliding windows", SIAM J. Computing 31 (2002).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketches.course.chapter import Chapter
from sketches.course.stream import Stream
from sketches.course.study import Study
from sketches.dgim import Dgim, DgimSum
from sketches.sliding import ExactSlidingCounter, SlidingCounter

__all__ = ["CHAPTERS"]

_PART = "Sliding windows"
_BITS = 12
_INVERSE_ERRORS = (2, 4, 8, 16, 32, 64)
_SHOWN = 10
"""One over the error of the counter that is shown."""


def _window(stream: Stream) -> int:
    return max(200, len(stream) // 16)


def _ticked(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return each value with its tick, so that the parts of a stream keep their places in time."""
    return list(enumerate(values.tolist(), start=1))


def _feed(counter: SlidingCounter, part: Sequence[Any]) -> None:
    columns = np.asarray(part, dtype=np.int64)
    counter.update_batch_at(columns[:, 0], columns[:, 1])


def _within(values: NDArray[np.int64], window: int) -> Callable[[int], float]:
    """Return the exact sum of the last `window` of the first n values, as a function of n."""
    sums = np.concatenate(([0], np.cumsum(values)))
    return lambda events: float(sums[events] - sums[max(0, events - window)])


def _exact(stream: Stream, seed: int) -> Chapter:
    window, item = _window(stream), stream.burst
    values = (stream.codes == stream.names.index(item)).astype(np.int64)
    ones = _within(values, window)
    study = Study(
        what=f"“{item}” among the last {window:,} events",
        axis="events in the window",
        make=lambda size, run: ExactSlidingCounter(window=size),
        size=window,
        sizes=(window,),
        size_name="window",
        items=_ticked(values),
        feed=_feed,
        certain=True,
        seed=seed,
        answer=lambda counter: counter.estimate(),
        interval=lambda counter: counter.bounds(),
        truth=ones,
        exact_bytes=lambda events: int(8 + 16 * ones(events)),
        runs=1,
    )
    time, memory = study.over_time()
    return Chapter(
        id="exact-sliding-counter",
        part=_PART,
        title="Exact sliding counter",
        theory="Every tick of the window with something in it is kept, so every suffix can be answered without error: the oracle that "
        "the next two are held to.",
        guarantee="estimate(last) = Σ of the values at the last ticks, exactly; memory = 16 bytes for each tick with a value",
        reference="Datar, Gionis, Indyk and Motwani, SIAM J. Computing 31 (2002), section 2: no exact counter needs fewer than N bits.",
        plots=(time, memory, study.merge()),
        figures=(study.figure(),),
    )


def _dgim(stream: Stream, seed: int) -> Chapter:
    window, item = _window(stream), stream.burst
    values = (stream.codes == stream.names.index(item)).astype(np.int64)
    ones = _within(values, window)
    study = Study(
        what=f"“{item}” among the last {window:,} events",
        axis="events in the window",
        make=lambda size, run: Dgim(window=window, error=1.0 / size),
        size=_SHOWN,
        sizes=_INVERSE_ERRORS,
        size_name="1 / promised error",
        items=_ticked(values),
        feed=_feed,
        certain=True,
        seed=seed,
        answer=lambda counter: counter.estimate(),
        interval=lambda counter: counter.bounds(),
        truth=ones,
        exact_bytes=lambda events: int(8 + 16 * ones(events)),
        runs=1,
        trial=len(stream),
        checks=50,
        promise=lambda size: 1.0 / size,
        promise_name="promised at most",
    )
    return Chapter(
        id="dgim",
        part=_PART,
        title="DGIM",
        theory="Ones stand in buckets whose sizes are powers of two, few of each size; a window cuts at most one bucket, the oldest, and "
        "half of it is counted.",
        guarantee="|estimate - truth| ≤ error · truth, certain, for every stream and every suffix of the window",
        reference="Datar, Gionis, Indyk and Motwani, SIAM J. Computing 31 (2002); MMDS 4.6.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _dgim_sum(stream: Stream, seed: int) -> Chapter:
    window = _window(stream)
    values = np.clip(np.round(np.abs(stream.values)), 0, 2**_BITS - 1).astype(np.int64)
    study = Study(
        what=f"sum of “{stream.value_name}” over the last {window:,} events",
        axis="sum in the window",
        make=lambda size, run: DgimSum(window=window, error=1.0 / size, bits=_BITS),
        size=_SHOWN,
        sizes=_INVERSE_ERRORS,
        size_name="1 / promised error",
        items=_ticked(values),
        feed=_feed,
        certain=True,
        seed=seed,
        answer=lambda counter: counter.estimate(),
        interval=lambda counter: counter.bounds(),
        truth=_within(values, window),
        exact_bytes=lambda events: 8 + 16 * min(events, window),
        runs=1,
        trial=min(len(stream), 20_000),
        checks=50,
        promise=lambda size: 1.0 / size,
        promise_name="promised at most",
    )
    return Chapter(
        id="dgim-sum",
        part=_PART,
        title="DGIM for sums",
        theory=f"One counter of ones for each of {_BITS} binary digits; the error of a sum of non-negative terms is no larger than that of "
        "its worst term.",
        guarantee="|estimate - truth| ≤ error · truth, certain; memory O(bits · log(window) / error)",
        reference="Datar, Gionis, Indyk and Motwani, SIAM J. Computing 31 (2002), section 4; MMDS 4.6.6.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


CHAPTERS = (_exact, _dgim, _dgim_sum)

"""The reports as a process: start, stop within seconds, and fail loudly; being killed at any moment is safe."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from privacy.identifiers.keyring import KeyRing
from privacy.policy import compiled_policy
from privacy.process import STOP_WITHIN_S, leave_after, only_one, stop_on_signals
from privacy.reports.runner import run_query
from veilocity import spark
from veilocity.settings import Settings

__all__ = ["run"]

_CONFIGURATION = {
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.streaming.minBatchesToRetain": "20",
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
}


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, or until the query fails.

    Raises:
        VeilocityError: what ended the query.
    """
    stop = threading.Event()
    stop_on_signals(stop)
    # Before Spark starts, so that a fault is told within a second.
    compiled_policy(settings)
    KeyRing.from_file(settings.token_key_file)
    small = settings.model_copy(
        update={"spark_master": settings.reports_spark_master, "spark_driver_memory": settings.reports_driver_memory}
    )
    with only_one(settings.reports_dir, "process of the reports"), ThreadPoolExecutor(max_workers=1, thread_name_prefix="spark") as pool:
        # In a thread: in the main one Spark would take SIGINT over.
        session = pool.submit(spark.start_session, small, "veilocity-reports", settings.reports_dir / "scratch", _CONFIGURATION).result()
        try:
            run_query(settings, session, stop)
        except BaseException:
            leave_after(STOP_WITHIN_S, code=1)
            raise
        finally:
            session.stop()

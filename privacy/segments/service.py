"""`veilocity segments` as a process: look, release what is due, delete what is too old, wait; or do so once."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from privacy.identifiers.keyring import KeyRing
from privacy.policy import compiled_policy
from privacy.segments.job import release_due
from storage.segments_writer import SegmentsDocument, SegmentStore
from veilocity import spark as kernel_spark
from veilocity.errors import FatalError, RetryableError
from veilocity.kafka import wait_for_topics
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["released", "run", "run_once", "start_session"]

_CONFIGURATION = {"spark.sql.shuffle.partitions": "4", "spark.sql.execution.arrow.maxRecordsPerBatch": "50000"}
_DAY_MS = 86_400_000
_STOP_WITHIN_S = 4.0
_LOG = get_logger(__name__)


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; a server that does not answer is asked again at the next look.

    Raises:
        VeilocityError: what ended it.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: _stop(stop))
    # In a thread: started in the main one, Spark would take SIGINT from us.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="spark") as pool:
        while not stop.is_set():
            try:
                pool.submit(run_once, settings).result()
            except RetryableError as cause:
                _LOG.warning("Segments wait for a server.", cause=str(cause), retry_in_s=settings.segments_every_s)
            stop.wait(settings.segments_every_s)


def _stop(stop: threading.Event) -> None:
    """Let the loop end, and leave if a run takes longer: each window is written whole or not at all, so that is safe at any moment."""
    stop.set()
    timer = threading.Timer(_STOP_WITHIN_S, os._exit, (0,))
    timer.daemon = True
    timer.start()


def run_once(settings: Settings) -> list[SegmentsDocument]:
    """Release every window that is due, delete what is too old, and return what was released.

    Raises:
        RetryableError: Kafka or MongoDB does not answer.
        FatalError: policy, key ring or Spark is at fault.
    """
    compiled_policy(settings)
    KeyRing.from_file(settings.token_key_file)
    wait_for_topics(settings)
    # Hours lie between two runs: a session that waits would only hold memory.
    spark = start_session(settings)
    try:
        with SegmentStore(settings) as store:
            return released(settings, spark, store)
    except (Py4JError, PySparkException):
        # Spark's own text may quote records, so it is not repeated; its lines in this log are scrubbed by their pattern.
        raise FatalError("Spark ended the run: the lines of Spark above in this log say why") from None
    finally:
        spark.stop()
        shutil.rmtree(_scratch(settings), ignore_errors=True)


def start_session(settings: Settings) -> SparkSession:
    """Start the session of a run, beside that of the privacy stage."""
    return kernel_spark.start_session(settings, "veilocity-segments", _scratch(settings), _CONFIGURATION)


def _scratch(settings: Settings) -> Path:
    return settings.data_dir / "segments-scratch"


def released(settings: Settings, spark: SparkSession, store: SegmentStore) -> list[SegmentsDocument]:
    """Release what is due, delete what is too old, and return what was released.

    Raises:
        RetryableError: Kafka or MongoDB does not answer.
    """
    found = release_due(settings, spark, store)
    for document in found:
        _LOG.info("Segments were released.", count=len(document.segments), suppressed=document.suppressed_people)
    if settings.segments_keep_days:
        gone = store.expire(time.time_ns() // 1_000_000 - settings.segments_keep_days * _DAY_MS)
        if gone:
            _LOG.info("Old segments were deleted.", count=gone)
    return found

"""`veilocity segments` as a process: look, release what is due, delete what is too old, wait; or do so once.

A look costs a moment: Spark is started when the last answers say that a window has closed, and ended after it, its Java process too.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from privacy.identifiers.keyring import KeyRing
from privacy.policy import compiled_policy
from privacy.process import await_topics, only_one, stop_on_signals
from privacy.segments import telling
from privacy.segments.closing import closed_until_ms, oldest_payment_ms
from privacy.segments.job import HOUR_MS, release_due
from storage.segments import SegmentsDocument
from storage.segments_writer import SegmentStore
from veilocity import spark as kernel_spark
from veilocity.errors import BrokerUnavailableError, FencedError, RetryableError, StoreUnavailableError
from veilocity.eventtime import window_start_ms
from veilocity.kafka import wait_for_topics
from veilocity.logs import get_logger
from veilocity.processes import answer
from veilocity.settings import Settings

__all__ = ["Looks", "released", "run", "run_once", "start_session"]

_CONFIGURATION = {"spark.sql.shuffle.partitions": "4", "spark.sql.execution.arrow.maxRecordsPerBatch": "50000"}
_DAY_MS = 86_400_000
_EXPIRES_EVERY_S = 3600.0
_SPARK_AGAIN_S = 300.0
"""Until a run that Spark ended is tried again: it is dear, and may end alike."""
_NICE = 5
"""What has closed can wait, and the streams beside it cannot; more would never end on a busy machine."""
_LOG = get_logger(__name__)


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; a server that does not answer is asked again at the next look.

    Raises:
        VeilocityError: what ended it.
    """
    stop = threading.Event()
    # Each window is written whole or not at all, so leaving in the middle of a run is safe.
    stop_on_signals(stop)
    compiled_policy(settings)
    KeyRing.from_file(settings.token_key_file)
    answer(settings.segments_metrics_port, settings.metrics_host, "VEILOCITY_SEGMENTS_METRICS_PORT")
    if not await_topics(settings, stop):
        return
    looks = Looks(settings)
    _LOG.info("The service of segments runs.")
    # In a thread: started in the main one, Spark would take SIGINT from us. The thread's Java process is as nice as the thread.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="spark", initializer=os.nice, initargs=(_NICE,)) as pool:
        while not stop.is_set():
            stop.wait(pool.submit(looks.look).result())
    _LOG.info("The service of segments stops.")


class Looks:
    """One look after the other, and what one leaves for the next."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen_ms = -1
        """Until here windows were released, or have nothing to release; -1 before there is a payment."""
        self._expired_s = float("-inf")

    def look(self) -> float:
        """Release what is due, and return the seconds until the next look.

        Raises:
            FatalError: policy, key ring, store or a proof is at fault.
        """
        wait_s = self._settings.segments_every_s
        try:
            self._look()
        except FencedError:
            _LOG.info("Segments wait: another run is under way.", retry_in_s=wait_s)
        except RetryableError as cause:
            reasons = {BrokerUnavailableError: "kafka", StoreUnavailableError: "store"}
            reason = reasons.get(type(cause), "spark")
            telling.failed(reason)
            if reason == "spark":
                wait_s = max(wait_s, _SPARK_AGAIN_S)
            _LOG.warning("A look for segments failed.", cause=str(cause), retry_in_s=wait_s)
        return wait_s

    def _look(self) -> None:
        settings = self._settings
        if time.monotonic() - self._expired_s > _EXPIRES_EVERY_S:
            with only_one(_folder(settings), "run of segments"), SegmentStore(settings) as store:
                # A killed run leaves rows behind.
                shutil.rmtree(_scratch(settings), ignore_errors=True)
                newest = store.newest()
                if newest is not None:
                    telling.told(newest)
                    self._seen_ms = max(self._seen_ms, newest.end_ms)
                _expire(settings, store)
            self._expired_s = time.monotonic()
        width_ms = settings.segments_window_hours * HOUR_MS
        if self._seen_ms < 0:
            # Nothing is to be released before the first payment.
            oldest_ms = oldest_payment_ms(settings)
            self._seen_ms = -1 if oldest_ms is None else window_start_ms(oldest_ms, width_ms)
        releases = compiled_policy(settings).releases
        closed_ms = closed_until_ms(settings, width_ms, releases.delay_s * 1000, releases.idle_s * 1000)
        if 0 <= self._seen_ms < closed_ms:
            found = run_once(settings)
            # What came during the run may have closed more.
            self._seen_ms = max([closed_ms, *(document.end_ms for document in found)])


def run_once(settings: Settings) -> list[SegmentsDocument]:
    """Release every window that is due, delete what is too old, and return what was released.

    Raises:
        RetryableError: Kafka or MongoDB does not answer, or Spark ended the run.
        FencedError: another run is under way.
        FatalError: policy, key ring or store is at fault.
    """
    compiled_policy(settings)
    KeyRing.from_file(settings.token_key_file)
    wait_for_topics(settings)
    began_s = time.monotonic()
    with only_one(_folder(settings), "run of segments"):
        spark = start_session(settings)
        try:
            with SegmentStore(settings) as store:
                return released(settings, spark, store)
        except (Py4JError, PySparkException):
            # Spark's own text may quote records, so it is not repeated; its lines in this log are scrubbed by their pattern.
            raise RetryableError("Spark ended the run: the lines of Spark above in this log say why") from None
        finally:
            # Hours lie between two runs: a session that waits would only hold memory.
            kernel_spark.stop_whole(spark)
            shutil.rmtree(_scratch(settings), ignore_errors=True)
            telling.took(time.monotonic() - began_s)


def start_session(settings: Settings) -> SparkSession:
    """Start the session of a run, beside that of the privacy stage."""
    return kernel_spark.start_session(settings, "veilocity-segments", _scratch(settings), _CONFIGURATION)


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "segments"


def _scratch(settings: Settings) -> Path:
    return _folder(settings) / "scratch"


def released(settings: Settings, spark: SparkSession, store: SegmentStore) -> list[SegmentsDocument]:
    """Release what is due, delete what is too old, and return what was released.

    Raises:
        RetryableError: Kafka or MongoDB does not answer.
    """
    found = release_due(settings, spark, store)
    for document in found:
        telling.told(document, released=1)
        _LOG.info("Segments were released.", count=len(document.segments), suppressed=document.suppressed_people)
    _expire(settings, store)
    return found


def _expire(settings: Settings, store: SegmentStore) -> None:
    if settings.segments_keep_days:
        gone = store.expire(time.time_ns() // 1_000_000 - settings.segments_keep_days * _DAY_MS)
        if gone:
            _LOG.info("Old segments were deleted.", count=gone)

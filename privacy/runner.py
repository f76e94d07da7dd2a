"""What the privacy stage runs once Spark is there: policy, ledger, stores, query, health."""

from __future__ import annotations

import threading
import time

from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from privacy.counting import Counting
from privacy.distributed import Executors
from privacy.executor import PartMasker
from privacy.heartbeat import newest_batch, read_positions
from privacy.identifiers.keyring import KeyRing
from privacy.lag import Lag
from privacy.ledger import Ledger
from privacy.parts import Source
from privacy.policy import Policy, compiled_policy
from privacy.pulse import Pulse
from privacy.regions import here
from privacy.retention import Sweeper
from privacy.rotation import RingInForce
from privacy.stage import Stage, start_query
from privacy.state import sequence_of
from privacy.telemetry import Telemetry, watch_disk
from privacy.watch import Watch
from storage.writers import StoreWriter
from veilocity import metrics
from veilocity.errors import BrokerUnavailableError, FatalError, PortTakenError
from veilocity.kafka import topic_name, wait_for_topics
from veilocity.logs import get_logger
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

__all__ = ["run_query"]

_LOG = get_logger(__name__)
_POLL_S = 0.25


def run_query(settings: Settings, spark: SparkSession, stop: threading.Event) -> None:
    """Run the query until `stop` is set or it fails.

    Raises:
        VeilocityError: what ended the query.
    """
    compiled = compiled_policy(settings)
    if not _await_topics(settings, stop):
        return
    checkpoint = settings.privacy_dir / "checkpoint"
    committed = newest_batch(checkpoint / "commits")
    begun = newest_batch(checkpoint / "offsets")
    keys = RingInForce(settings.privacy_dir, settings.token_key_file, begun)
    policy = Policy.of(compiled, settings, keys.checks)
    ledger = Ledger(settings.privacy_dir, policy)
    ledger.check(committed=committed, begun=begun)
    ledger.accept(committed=committed, begun=begun)
    keys.check(lambda: ledger.load(committed).progress.event_ms)
    writer = StoreWriter(settings)
    pulse, watch, lag, sweeper = Pulse(settings), Watch(settings), Lag(settings, checkpoint), Sweeper(settings)
    if committed >= 0:
        pulse.at(read_positions(checkpoint, committed, topic_name(settings, DECISIONS)), ledger.load(committed).pending)
    try:
        writer.ensure_schema()
        telemetry = Telemetry(policy.k, averages=settings.privacy_averages)
        failures: list[BaseException] = []
        regional = Executors(spark) if settings.privacy_release_form == "executors" else here
        ring = KeyRing.from_file(settings.token_key_file)
        counting = Counting.of(compiled.aggregates, policy.name, ring, settings.privacy_dir, policy.windows.width_ms)
        stage = Stage(policy, ledger, writer, telemetry, lambda: time.time_ns() // 1_000_000, regional, counting)

        def masker(batch: int, sources: dict[str, Source]) -> PartMasker:
            checks = keys.taken_up(batch, lambda: ledger.load(batch - 1).progress.event_ms)
            return PartMasker(str(settings.token_key_file.resolve()), checks, compiled, sequence_of(batch), sources)

        query = start_query(spark, settings, masker, stage, telemetry, checkpoint, pulse, failures.append)
        pulse.start()
        watch.start()
        lag.start()
        sweeper.start()
        watch_disk(settings.privacy_dir)
        _serve_health(settings)
        _LOG.info("The privacy stage runs.")
        _follow(query, stop, failures)
    finally:
        sweeper.stop()
        lag.stop()
        watch.stop()
        pulse.stop()
        writer.close()


def _follow(query: StreamingQuery, stop: threading.Event, failures: list[BaseException]) -> None:
    while not stop.is_set() and query.isActive:
        stop.wait(_POLL_S)
    if stop.is_set():
        _LOG.info("The privacy stage stops.")
        query.stop()
        return
    if failures:
        raise failures[0]
    # Spark's own text may quote records, so it is not repeated here; its lines in this log are scrubbed by their pattern.
    raise FatalError("Spark ended the query: the lines of Spark above in this log say why")


def _await_topics(settings: Settings, stop: threading.Event) -> bool:
    """Return True once the topics are there; False when asked to stop before."""
    while not stop.is_set():
        try:
            wait_for_topics(settings, timeout_s=2.0)
            return not stop.is_set()
        except BrokerUnavailableError:
            _LOG.info("Waiting for Kafka's topics.")
    return False


def _serve_health(settings: Settings) -> None:
    try:
        metrics.serve(settings.privacy_metrics_port, settings.metrics_host)
    except OSError as cause:
        message = f"port {settings.privacy_metrics_port} is taken: set VEILOCITY_PRIVACY_METRICS_PORT to a free one"
        raise PortTakenError(message) from cause

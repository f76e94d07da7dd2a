"""What the privacy stage runs once Spark is there: policy, ledger, stores, query, health."""

from __future__ import annotations

import threading
import time

from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from privacy.counting import Counting
from privacy.distributed import Executors
from privacy.heartbeat import newest_batch, read_positions
from privacy.identifiers.keyring import KeyRing
from privacy.ledger import Ledger
from privacy.policy import Policy, compiled_policy, key_checks
from privacy.pulse import Pulse
from privacy.regions import here
from privacy.retention import Sweeper
from privacy.stage import Stage, start_query
from privacy.telemetry import Telemetry
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
    ring = KeyRing.from_file(settings.token_key_file)
    checks = key_checks(ring)
    if not _await_topics(settings, stop):
        return
    policy = Policy.of(compiled, settings, checks)
    checkpoint = settings.privacy_dir / "checkpoint"
    ledger = Ledger(settings.privacy_dir, policy)
    committed = newest_batch(checkpoint / "commits")
    begun = newest_batch(checkpoint / "offsets")
    ledger.check(committed=committed, begun=begun)
    ledger.accept(committed=committed, begun=begun)
    writer = StoreWriter(settings)
    pulse, watch, sweeper = Pulse(settings), Watch(settings), Sweeper(settings)
    if committed >= 0:
        pulse.at(read_positions(checkpoint, committed, topic_name(settings, DECISIONS)), ledger.load(committed).pending)
    try:
        writer.ensure_schema()
        telemetry = Telemetry()
        failures: list[BaseException] = []
        regional = Executors(spark) if settings.privacy_release_form == "executors" else here
        counting = Counting.of(compiled.aggregates, policy.name, ring, settings.privacy_dir, policy.windows.width_ms)
        stage = Stage(policy, ledger, writer, telemetry, lambda: time.time_ns() // 1_000_000, regional, counting)
        query = start_query(spark, settings, compiled, stage, telemetry, checkpoint, pulse, failures.append)
        pulse.start()
        watch.start()
        sweeper.start()
        _serve_health(settings)
        _LOG.info("The privacy stage runs.")
        _follow(query, stop, failures)
    finally:
        sweeper.stop()
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

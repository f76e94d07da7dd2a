"""What the privacy stage runs once Spark is there: policy, ledger, stores, query, health."""

from __future__ import annotations

import threading
import time

from pyspark.sql import SparkSession

from privacy.counting import Counting
from privacy.distributed import Executors
from privacy.executor import PartMasker
from privacy.heartbeat import newest_batch, read_positions
from privacy.identifiers.keyring import KeyRing
from privacy.lag import Lag
from privacy.ledger import Ledger
from privacy.parts import Source
from privacy.policy import Policy, compiled_policy
from privacy.process import await_topics, follow
from privacy.pulse import Pulse
from privacy.regions import here
from privacy.retention import Sweeper
from privacy.rotation import RingInForce
from privacy.stage import Stage, start_query
from privacy.state import sequence_of
from privacy.telemetry import Telemetry, watch_disk
from privacy.watch import Watch
from storage.writers import StoreWriter
from veilocity.kafka import topic_name
from veilocity.logs import get_logger
from veilocity.processes import answer
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

__all__ = ["run_query"]

_LOG = get_logger(__name__)


def run_query(settings: Settings, spark: SparkSession, stop: threading.Event) -> None:
    """Run the query until `stop` is set or it fails.

    Raises:
        VeilocityError: what ended the query.
    """
    compiled = compiled_policy(settings)
    if not await_topics(settings, stop):
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
        answer(settings.privacy_metrics_port, settings.metrics_host, "VEILOCITY_PRIVACY_METRICS_PORT")
        _LOG.info("The privacy stage runs.")
        follow(query, stop, failures, "The privacy stage stops.")
    finally:
        sweeper.stop()
        lag.stop()
        watch.stop()
        pulse.stop()
        writer.close()

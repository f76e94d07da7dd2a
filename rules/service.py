"""The rules service: a thin loop around the partitions that the group assigns to this process.

Guarantee: every record of `fixes` and `transactions` takes effect exactly once, whatever dies when. Whatever goes wrong with a transaction
ends the process; the next start recovers from what is committed, which is the same path as after a kill.
"""

from __future__ import annotations

import gc
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Event, current_thread, main_thread
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from rules import telemetry
from rules.merge import Merge
from rules.parameters import EngineParameters
from rules.partition import Partition, Record
from rules.recovery import Recovered, recover
from rules.store import PagedStore
from rules.transactions import KafkaOutbox, group_name, is_fatal, translate
from rules.watchdog import Watchdog
from veilocity.errors import FatalError, PortTakenError
from veilocity.kafka import consumer_config, topic_name, wait_for_topics
from veilocity.logs import get_logger
from veilocity.metrics import serve
from veilocity.settings import Settings
from veilocity.topics import FIXES, TRANSACTIONS, Topic

__all__ = ["Service", "run"]

_log = get_logger(__name__)
_WAIT_S = 0.01
"""The client waits this long for a full batch: part of every event's latency."""
_WATCHDOG_S = 30.0
_LAG_EVERY_S = 1.0


@dataclass(slots=True)
class _Owned:
    """One partition of this process."""

    partition: Partition
    store: PagedStore
    outbox: KafkaOutbox
    merge: Merge
    next_offset: dict[str, int]
    """Of the records that were read, by topic."""
    timestamps_ms: list[int] = field(default_factory=list)
    """When Kafka took the records that wait for the commit."""
    opened: float = 0.0
    """When the first of them was processed, on the monotonic clock."""


class Service:
    """One member of the rules group."""

    def __init__(self, settings: Settings, stopping: Event) -> None:
        """Prepare; `run` does the work.

        Args:
            settings: of the service.
            stopping: once set, `run` finishes its transactions and returns.
        """
        self._settings = settings
        self._parameters = EngineParameters.from_settings(settings)
        self._topics: dict[str, Topic] = {topic_name(settings, topic): topic for topic in (FIXES, TRANSACTIONS)}
        self._stopping = stopping
        self._recovering = False
        self._owned: dict[int, _Owned] = {}
        self._watchdog = Watchdog(_WATCHDOG_S)
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="commit")
        self._consumer = Consumer(self._consumer_config())
        self._lag_told = 0.0

    def _consumer_config(self) -> dict[str, Any]:
        return consumer_config(
            self._settings,
            group_name(self._settings),
            **{
                "group.instance.id": self._settings.rules_instance,
                # The same number of both topics must come to the same process.
                "partition.assignment.strategy": "range",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 2_000,
            },
        )

    def is_healthy(self) -> bool:
        """Say whether every assigned partition is at work, or none is assigned yet."""
        return not self._recovering

    def run(self) -> None:
        """Work until stopped.

        Raises:
            BrokerUnavailableError: Kafka did not answer or refused a transaction; start again.
            FencedError: another process has this instance's name or partition.
            StateError: a saved state cannot be read.
        """
        try:
            self._consumer.subscribe(list(self._topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
            _log.info("Rules service waits for its partitions", instance=self._settings.rules_instance)
            while not self._stopping.is_set():
                self._take(self._consumer.consume(self._settings.rules_batch_events, self._patience_s()))
                self._commit([owned for owned in self._owned.values() if owned.partition.is_dirty and self._due_in_s(owned) <= 0.0])
                self._tell_lag()
        except BaseException as cause:
            self._abandon()
            if isinstance(cause, KafkaException):
                raise translate(cause.args[0]) from cause
            raise
        finally:
            self._close()

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            number = message.partition()
            if message.error() is not None:
                self._tell_error(message)
            elif number in self._owned:
                self._add(self._owned[number], message)
        now = time.monotonic()
        for owned in self._owned.values():
            for record in owned.merge.ready(partial(self._holds_more, owned), now):
                self._process(owned, record, now)

    def _add(self, owned: _Owned, message: Message) -> None:
        topic, offset = message.topic(), message.offset()
        if topic is None or offset is None:
            raise FatalError("Kafka gave a record without topic or offset: check the version of the client")
        name = self._topics[topic].name
        owned.next_offset[name] = offset + 1
        owned.merge.add(Record(self._topics[topic], offset, message.key() or b"", message.value() or b"", message.timestamp()[1]))

    def _holds_more(self, owned: _Owned, name: str) -> bool:
        at = TopicPartition(self._settings.kafka_topic_prefix + name, owned.partition.number)
        _, end = self._consumer.get_watermark_offsets(at, cached=True)
        # Negative: nothing was fetched yet.
        return end < 0 or owned.next_offset[name] < end

    @staticmethod
    def _process(owned: _Owned, record: Record, now: float) -> None:
        if not owned.partition.is_dirty:
            owned.opened = now
        outcome = owned.partition.process(record)
        owned.timestamps_ms.append(record.timestamp_ms)
        if outcome is None:
            telemetry.rejected()
        else:
            telemetry.judged(outcome)

    @staticmethod
    def _tell_error(message: Message) -> None:
        error = message.error()
        if error is None:
            return
        # A client that went fatal stays silent for ever; it gets over anything else by itself.
        if is_fatal(error):
            raise KafkaException(error)
        _log.warning("Kafka reports a passing error", error=error.name())

    def _due_in_s(self, owned: _Owned) -> float:
        return owned.opened + self._settings.rules_commit_ms / 1000.0 - time.monotonic()

    def _patience_s(self) -> float:
        due_in_s = (self._due_in_s(owned) for owned in self._owned.values() if owned.partition.is_dirty)
        return max(0.0, min((_WAIT_S, *due_in_s)))

    def _commit(self, owned: list[_Owned]) -> None:
        dirty = [one for one in owned if one.partition.is_dirty]
        if not dirty:
            return
        with self._watchdog.watch():
            # Side by side: most of a commit is waiting for the broker.
            list(self._pool.map(self._commit_one, dirty))

    @staticmethod
    def _commit_one(owned: _Owned) -> None:
        begun = time.monotonic()
        owned.partition.commit()
        now_ms = time.time() * 1000.0
        telemetry.committed(time.monotonic() - begun, [(now_ms - at_ms) / 1000.0 for at_ms in owned.timestamps_ms])
        telemetry.remembered(owned.partition.number, owned.store.subjects, owned.store.size_bytes)
        owned.timestamps_ms.clear()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._recovering, begun_all = True, time.monotonic()
        numbers = sorted({at.partition for at in partitions})
        if len(partitions) != len(numbers) * len(self._topics):
            raise FatalError("fixes and transactions have different partition counts: create them anew with the same count")
        start: list[TopicPartition] = []
        for number in numbers:
            begun = time.monotonic()
            recovered: Recovered = recover(self._settings, consumer, number, self._parameters)
            next_offset = {self._topics[at.topic].name: max(0, at.offset) for at in recovered.start}
            merge = Merge(list(self._topics.values()))
            self._owned[number] = _Owned(recovered.partition, recovered.store, recovered.outbox, merge, next_offset)
            start += recovered.start
            telemetry.recovered(time.monotonic() - begun)
            telemetry.remembered(number, recovered.store.subjects, recovered.store.size_bytes)
        consumer.assign(start)
        # What was restored lives long: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        self._recovering = False
        _log.info(
            "Rules service took over partitions",
            partitions=len(numbers),
            instance=self._settings.rules_instance,
            duration_ms=round((time.monotonic() - begun_all) * 1000),
        )

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._release(partitions, finish=True)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._release(partitions, finish=False)

    def _release(self, partitions: list[TopicPartition], *, finish: bool) -> None:
        released = [self._owned.pop(number) for number in sorted({at.partition for at in partitions}) if number in self._owned]
        if finish:
            self._commit(released)
        for owned in released:
            if not finish:
                owned.outbox.abort()
            owned.outbox.close()
            telemetry.released(owned.partition.number)
        gc.unfreeze()
        _log.info("Rules service gave up partitions", partitions=len(released))

    def _tell_lag(self) -> None:
        now = time.monotonic()
        if now - self._lag_told < _LAG_EVERY_S:
            return
        self._lag_told = now
        assignment = self._consumer.assignment()
        for at in self._consumer.position(assignment) if assignment else ():
            _, end = self._consumer.get_watermark_offsets(at, cached=True)
            if at.offset >= 0 and end >= 0:
                telemetry.lag(self._topics[at.topic].name, at.partition, max(0, end - at.offset))

    def _abandon(self) -> None:
        """Forget uncommitted work without a word to Kafka, which may be what failed: the next owner's start aborts it."""
        for owned in self._owned.values():
            owned.outbox.close()
        self._owned.clear()

    def _close(self) -> None:
        # Closing gives up the partitions, which commits what waits.
        with self._watchdog.watch():
            self._consumer.close()
            self._pool.shutdown()
        self._watchdog.close()


def run(settings: Settings) -> None:
    """Run the rules service until SIGTERM or SIGINT.

    Raises:
        PortTakenError: another program holds the metrics port.
        BrokerUnavailableError: Kafka did not answer.
        FencedError: another process has this instance's name or partition.
    """
    stopping = Event()
    service: list[Service] = []
    try:
        server = serve(settings.rules_metrics_port, settings.metrics_host, is_healthy=lambda: bool(service) and service[0].is_healthy())
    except OSError as cause:
        raise PortTakenError(f"port {settings.rules_metrics_port} is taken: set VEILOCITY_RULES_METRICS_PORT to a free one") from cause
    try:
        # Until here nothing is held, and a signal may simply end the process.
        wait_for_topics(settings)
        if current_thread() is main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda _number, _frame: stopping.set())
        service.append(Service(settings, stopping))
        service[0].run()
    finally:
        if server is not None:
            server.shutdown()
            server.server_close()

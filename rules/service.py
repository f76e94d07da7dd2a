"""The rules service: a thin loop around the partitions that the group assigns to this process.

Guarantee: every record of `fixes` and `transactions` takes effect exactly once, whatever dies when. Whatever goes wrong with a transaction
ends the process; the next start recovers from what is committed, which is the same path as after a kill.
"""

from __future__ import annotations

import gc
import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, current_thread, main_thread
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from rules import telemetry
from rules.hosting import engine_of, scorer_of
from rules.owned import Owned
from rules.partition import INPUTS
from rules.recovery import recover
from rules.transactions import group_name, is_fatal, translate
from rules.watchdog import Watchdog
from veilocity.errors import FatalError
from veilocity.kafka import consumer_config, topic_name, wait_for_topics
from veilocity.logs import get_logger
from veilocity.processes import answering, stop_on_signals
from veilocity.settings import Settings

__all__ = ["Service", "run"]

_log = get_logger(__name__)
_WAIT_S = 0.005
"""The client waits this long for a full batch: part of every event's latency."""
_WATCHDOG_S = 30.0
_LAG_EVERY_S = 1.0
_END = KafkaError._PARTITION_EOF  # noqa: SLF001  # the client's name for the end of a partition
_COLLECT = (50_000, 20, 100_000)


class Service:
    """One member of the rules group."""

    def __init__(self, settings: Settings, stopping: Event) -> None:
        """Prepare; `run` does the work.

        Args:
            settings: of the service.
            stopping: once set, `run` finishes its transactions and returns.
        """
        self._settings = settings
        self._engine = engine_of(settings)
        self._learned = scorer_of(settings, self._engine)
        self._ranks = {topic_name(settings, topic): rank for rank, topic in enumerate(INPUTS)}
        self._stopping = stopping
        self._recovering = False
        self._owned: dict[int, Owned] = {}
        self._lag_told = 0.0
        self._watchdog = Watchdog(_WATCHDOG_S)
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="commit")
        self._consumer = Consumer(self._consumer_config())

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
                # Records that expire unread are lost: recovery says so, a silent jump would not.
                "auto.offset.reset": "error",
                # Marks of transactions are never handed out: the end of a topic that ends in them must be told.
                "enable.partition.eof": True,
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
            StateError: what was saved cannot be gone on from.
        """
        try:
            # The oldest generation is the states, which hold no cycles: walking them would stop the service for 100 ms and more.
            gc.set_threshold(*_COLLECT)
            self._consumer.subscribe(list(self._ranks), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
            _log.info("Rules service waits for its partitions", instance=self._settings.rules_instance)
            while not self._stopping.is_set():
                messages = self._consumer.consume(self._settings.rules_batch_events, self._patience_s())
                self._take(messages)
                now_s, is_drained = time.monotonic(), len(messages) < self._settings.rules_batch_events
                for owned in self._owned.values():
                    self._advance(owned, now_s, is_drained=is_drained)
                self._tell_lag(now_s)
        except BaseException as cause:
            self._abandon()
            if isinstance(cause, KafkaException):
                raise translate(cause.args[0]) from cause
            raise
        finally:
            self._close()

    def _take(self, messages: list[Message]) -> None:
        owned, ranks = self._owned, self._ranks
        for message in messages:
            error = message.error()
            if error is not None and error.code() != _END:
                self._tell_error(error)
                continue
            one = owned.get(message.partition() or 0)
            if one is None:
                continue
            take = one.add if error is None else one.reach_end
            take(message, ranks[message.topic() or ""])

    def _advance(self, owned: Owned, now_s: float, *, is_drained: bool) -> None:
        """Process what is ready, and begin a commit that is due. While one is under way, records wait."""
        if not owned.is_committing():
            owned.process(now_s, is_drained=is_drained)
            if owned.is_due(now_s, self._settings.rules_commit_ms / 1000.0):
                owned.refresh()
                owned.committing = self._begin(owned, save_all=not owned.partition.is_dirty)
        # Also during a commit that takes long: records keep coming.
        owned.control_flow()

    def _begin(self, owned: Owned, *, save_all: bool) -> Future[None]:
        def work() -> None:
            with self._watchdog.watch():
                owned.commit(save_all=save_all)

        return self._pool.submit(work)

    @staticmethod
    def _tell_error(error: KafkaError) -> None:
        # A client that went fatal stays silent for ever; it gets over anything else by itself.
        if is_fatal(error):
            raise KafkaException(error)
        _log.warning("Kafka reports a passing error", error=error.name())

    def _patience_s(self) -> float:
        now_s, limit_s = time.monotonic(), self._settings.rules_commit_ms / 1000.0
        return max(0.0, min((_WAIT_S, *(owned.due_in_s(now_s, limit_s) for owned in self._owned.values()))))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._recovering, begun = True, time.monotonic()
        numbers = sorted({at.partition for at in partitions})
        if len(partitions) != len(numbers) * len(self._ranks):
            raise FatalError("fixes and transactions have different partition counts: create them anew with the same count")
        for owned in self._pool.map(self._take_over, numbers):
            self._owned[owned.partition.number] = owned
        consumer.assign([at for owned in self._owned.values() for at in owned.start()])
        # What was restored lives long: keep the collector from walking it.
        gc.collect()
        gc.freeze()
        self._recovering = False
        _log.info(
            "Rules service took over partitions",
            partitions=len(numbers),
            instance=self._settings.rules_instance,
            duration_ms=round((time.monotonic() - begun) * 1000),
        )

    def _take_over(self, number: int) -> Owned:
        begun = time.monotonic()
        owned = Owned(self._settings, self._consumer, recover(self._settings, self._consumer, number, self._engine, self._learned))
        telemetry.recovered(time.monotonic() - begun)
        return owned

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._release(partitions, finish=True)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._release(partitions, finish=False)

    def _release(self, partitions: list[TopicPartition], *, finish: bool) -> None:
        released = [self._owned.pop(number) for number in sorted({at.partition for at in partitions}) if number in self._owned]
        for owned in released:
            owned.refresh()
        list(self._pool.map(self._finish if finish else Owned.drop, released))
        gc.unfreeze()
        _log.info("Rules service gave up partitions", partitions=len(released))

    def _finish(self, owned: Owned) -> None:
        """Commit what waits, and save what changed: whoever comes next has nothing to process again, and may be of another version."""
        with self._watchdog.watch():
            owned.settle()
        while not owned.partition.is_saved:
            with self._watchdog.watch():
                owned.commit(save_all=True)
        owned.close()

    def _tell_lag(self, now_s: float) -> None:
        if now_s - self._lag_told < _LAG_EVERY_S:
            return
        self._lag_told = now_s
        for owned in self._owned.values():
            owned.tell_lag()

    def _abandon(self) -> None:
        """Forget uncommitted work without a word to Kafka, which may be what failed: the next owner's start aborts it."""
        for owned in self._owned.values():
            owned.close()
        self._owned.clear()

    def _close(self) -> None:
        # Closing gives up the partitions, which commits what waits.
        self._consumer.close()
        with self._watchdog.watch():
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
    port = settings.rules_metrics_port
    with answering(port, settings.metrics_host, "VEILOCITY_RULES_METRICS_PORT", lambda: bool(service) and service[0].is_healthy()):
        # Until here nothing is held, and a signal may simply end the process.
        wait_for_topics(settings)
        if current_thread() is main_thread():
            stop_on_signals(stopping)
        service.append(Service(settings, stopping))
        service[0].run()

"""Running the rules service against a real Kafka, and reading what it left there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from devstack.ports import free_port
from rules.recovery import read_to_end
from tests.unit.rules_world import START_MS
from veilocity.contracts import Alert, Decision, Fix, RulesProgress, Transaction, decode, encode
from veilocity.kafka import client_config, consumer_config, ensure_topics, producer_config, topic_name, wait_for_topics
from veilocity.settings import Settings, load
from veilocity.topics import ALERTS, DECISIONS, FIXES, RULES_PROGRESS, TOPICS, TRANSACTIONS, Topic

_T = TypeVar("_T", bound=msgspec.Struct)
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def own_topics(kafka_server: str, folder: Path) -> Iterator[Settings]:
    """Settings with topics of their own; only Kafka is needed."""
    settings = load(
        {},
        state_dir=folder,
        kafka_bootstrap=kafka_server,
        kafka_topic_prefix=f"t{uuid.uuid4().hex[:10]}.",
        rules_group="rules",
        rules_metrics_port=free_port([]),
    )
    ensure_topics(settings)
    wait_for_topics(settings)
    yield settings
    admin = AdminClient(client_config(settings))
    for dropped in admin.delete_topics([topic_name(settings, topic) for topic in TOPICS]).values():
        dropped.result()


def write(settings: Settings, events: Iterable[Fix | Transaction], *, at_their_time: bool = False) -> None:
    """Write events as the gateway does, and wait until Kafka has them.

    Args:
        settings: where to.
        events: to write.
        at_their_time: Kafka's timestamps are as far apart as the events, as if they had been written then. They end today, because
            Kafka drops what is older than its retention.
    """
    producer = Producer(producer_config(settings))
    shift_ms = int(time.time() * 1000) - 4 * 3_600_000 - START_MS
    for event in events:
        topic = FIXES if isinstance(event, Fix) else TRANSACTIONS
        while True:
            try:
                timestamp_ms = event.received_ms + shift_ms if at_their_time else 0
                producer.produce(topic_name(settings, topic), encode(event), event.subject.encode(), timestamp=timestamp_ms)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(30) == 0
    producer.close()


def messages(settings: Settings, topic: Topic) -> list[Message]:
    """Return every committed record of a topic."""
    found: list[Message] = []
    for number in range(settings.kafka_partitions):
        read_to_end(settings, topic, number, found.append)
    return found


def records(settings: Settings, topic: Topic, kind: type[_T]) -> list[_T]:
    return [decode(message.value() or b"", kind) for message in messages(settings, topic)]


def decisions(settings: Settings) -> list[Decision]:
    return records(settings, DECISIONS, Decision)


def alerts(settings: Settings) -> list[Alert]:
    return records(settings, ALERTS, Alert)


def progress(settings: Settings) -> list[RulesProgress]:
    """Return the newest counters of each partition."""
    newest: dict[int, RulesProgress] = {one.partition: one for one in records(settings, RULES_PROGRESS, RulesProgress)}
    return list(newest.values())


def events_read(settings: Settings) -> int:
    return sum(one.fixes_read + one.transactions_read for one in progress(settings))


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Ask until it holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.1)


class Process:
    """The rules service as a process of its own."""

    def __init__(self, settings: Settings, **changes: object) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VEILOCITY_")}
        for name in ("kafka_bootstrap", "kafka_topic_prefix", "rules_group", "rules_instance", "rules_metrics_port", "rules_history_s"):
            environment[f"VEILOCITY_{name.upper()}"] = str(changes.get(name, getattr(settings, name)))
        self._command = [sys.executable, "-m", "veilocity.cli", "rules"]
        self._environment = environment
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=ROOT, env=self._environment, stderr=subprocess.PIPE)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.communicate()

    def restart(self) -> None:
        self.process = self._start()

    def stop(self) -> tuple[int, str, float]:
        """Ask it to end; return exit code, log and seconds it took."""
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=30)
        return self.process.returncode, log.decode(), time.monotonic() - begun


@contextmanager
def running(settings: Settings, **changes: object) -> Iterator[Process]:
    service = Process(settings, **changes)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.communicate()


def committed_offsets(settings: Settings) -> dict[tuple[str, int], int]:
    """Return the group's offsets on the input topics."""
    consumer = Consumer(consumer_config(settings, settings.kafka_topic_prefix + settings.rules_group))
    wanted = [
        TopicPartition(topic_name(settings, topic), number)
        for topic in (FIXES, TRANSACTIONS)
        for number in range(settings.kafka_partitions)
    ]
    found = {(at.topic, at.partition): at.offset for at in consumer.committed(wanted, timeout=10)}
    consumer.close()
    return found

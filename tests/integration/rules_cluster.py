"""Running the rules service against a real Kafka, and reading what it left there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from devstack.ports import free_port
from rules.hosting import SubjectState, engine_of
from rules.journal import Entry, is_entry, unpack
from rules.merge import FIX, PAYMENT, Record, Run, in_order, take_until
from rules.partition import INPUTS, Judge, Partition, Position
from rules.recovery import Saved, read_to_end
from rules.snapshots import BUCKETS
from rules.store import Limits, StateStore
from tests.unit.rules_world import LAGOS, LONDON, PARIS, START_MS, fix, payment
from veilocity.contracts import Alert, AlertState, Decision, Fix, RulesProgress, Transaction, decode, encode
from veilocity.kafka import client_config, consumer_config, ensure_topics, producer_config, topic_name, wait_for_topics
from veilocity.settings import Settings, load
from veilocity.topics import ALERTS, DECISIONS, FIXES, REJECTS, RULES_PROGRESS, RULES_STATE, TOPICS, TRANSACTIONS, Topic

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


def write(settings: Settings, events: Sequence[Fix | Transaction], *, at_their_time: bool = False, in_turn: bool = False) -> None:
    """Write events as the gateway does, and wait until Kafka has them.

    Args:
        settings: where to.
        events: to write.
        at_their_time: Kafka's timestamps are as far apart as the events, as if they had been written then. They end today, because
            Kafka drops what is older than its retention.
        in_turn: Kafka's timestamps are a millisecond apart, so that a fix and a payment are judged in the order given here.
    """
    producer = Producer(producer_config(settings))
    now_ms = int(time.time() * 1000)
    shift_ms = now_ms - 4 * 3_600_000 - START_MS
    for number, event in enumerate(events):
        topic = FIXES if isinstance(event, Fix) else TRANSACTIONS
        while True:
            try:
                timestamp_ms = event.received_ms + shift_ms if at_their_time else now_ms - len(events) + number if in_turn else 0
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


def is_amended(decision: Decision) -> bool:
    return getattr(decision, "revision", 1) > 1


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
        kafka, rules = "kafka_bootstrap kafka_topic_prefix", "group instance metrics_port folder models_dir models_policy"
        for name in (*kafka.split(), *(f"rules_{one}" for one in rules.split())):
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


def city(people: int, steps: int, seed: int) -> list[Fix | Transaction]:
    """Events of many people; a few payments are made impossibly far away."""
    rng = random.Random(seed)  # noqa: S311  # test data
    events: list[Fix | Transaction] = []
    for step in range(steps):
        for person in range(people):
            subject, at_s = f"person-{person}", step * 20.0 + rng.random() * 15
            home = LONDON if person % 2 else PARIS
            if rng.random() < 0.04:
                place = LAGOS if rng.random() < 0.15 else home
                events.append(payment(at_s, place, id=f"{subject}-{step}", subject=subject))
            else:
                place = (home[0] + rng.random() / 100, home[1] + rng.random() / 100)
                events.append(fix(at_s, place, accuracy_m=5 + rng.random() * 50, device=f"phone-{person}", subject=subject))
    return events


def standing(revisions: Iterable[Alert]) -> set[tuple[object, ...]]:
    """Return what is alike in the alerts that hold at the end, whatever the order of the events."""
    newest: dict[str, Alert] = {}
    for alert in sorted(revisions, key=lambda one: one.revision):
        newest[alert.id] = alert
    held = [alert for alert in newest.values() if alert.state is not AlertState.RETRACTED]
    return {(alert.id, alert.first, alert.second, alert.sentence, alert.episode, alert.severity) for alert in held}


def judged(settings: Settings, events: Iterable[Fix | Transaction]) -> set[tuple[object, ...]]:
    """Return the alerts that hold when the engine alone judges the events in their order."""
    engine, states, revisions = engine_of(settings), dict[str, SubjectState](), list[Alert]()
    for event in events:
        revisions += engine.process(states.setdefault(event.subject, SubjectState()), event).alerts
    return standing(revisions)


class Told:
    """One partition as an unbroken run leaves it that does what the journal tells, from the first record on."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.records: list[tuple[str, bytes, bytes | None]] = []
        self.journal = journal(settings, number)
        limits = Limits(settings.rules_state_ttl_s * 10**9, settings.rules_subjects_max)
        self.store = StateStore(limits)
        self.partition = Partition(Judge(engine_of(settings), self.store), self, RulesProgress(number), Position(0, (0, 0)))
        lanes = tuple(deque(_inputs(settings, topic, number)) for topic in INPUTS)
        for entry in self.journal:
            for ends in entry.runs:
                self.partition.process(
                    Run(in_order([*take_until(lanes[FIX], ends[FIX]), *take_until(lanes[PAYMENT], ends[PAYMENT])]), ends)
                )
        self.left = sum(map(len, lanes))

    def send(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        self.records.append((topic.name, key, value))

    def commit(self, _: object) -> None:
        raise AssertionError("nothing is committed")

    def of(self, topic: Topic) -> list[tuple[bytes, bytes | None]]:
        return [(key, value) for name, key, value in self.records if name == topic.name]


def _inputs(settings: Settings, topic: Topic, number: int) -> list[Record]:
    found: list[Record] = []
    rank = INPUTS.index(topic)

    def take(message: Message) -> None:
        found.append(Record(message.timestamp()[1], rank, message.offset() or 0, message.value() or b"", message.key() or b""))

    read_to_end(settings, topic, number, take)
    return found


def journal(settings: Settings, number: int) -> list[Entry]:
    """Return what the journal of one partition tells, in order."""
    found: list[Entry] = []

    def take(message: Message) -> None:
        if is_entry(message.key() or b""):
            found.append(unpack(message.value() or b""))

    read_to_end(settings, RULES_STATE, number, take)
    return found


def saved_states(settings: Settings, number: int) -> StateStore:
    """Return the states of one partition as they were last saved."""
    saved, store = Saved(), StateStore(Limits(2**62, 2**40))
    read_to_end(settings, RULES_STATE, number, lambda message: saved.take(message.key() or b"", message.value()))
    saved.restore(store, (-1, -1))
    return store


def as_bytes(store: StateStore) -> list[tuple[bytes, bytes | None]]:
    return [record for bucket in range(BUCKETS) for record in store.save(bucket, 0, 0)]


def assert_unbroken(settings: Settings) -> None:
    """Results, counters and saved states of every partition are, byte for byte, those of a run without a break.

    The service must have been stopped in peace, so that everything is saved.
    """
    counters = {one.partition: one for one in progress(settings)}
    for number in range(settings.kafka_partitions):
        told = Told(settings, number)
        assert [entry.sequence for entry in told.journal] == list(range(1, len(told.journal) + 1))
        assert told.journal[-1].behind == {}
        assert told.left == 0
        for topic in (DECISIONS, ALERTS, REJECTS):
            found: list[tuple[bytes, bytes | None]] = []
            read_to_end(settings, topic, number, lambda message, found=found: found.append((message.key() or b"", message.value())))  # type: ignore[misc]  # a default argument binds the loop's value
            assert found == told.of(topic)
        assert counters[number] == told.partition.progress
        assert as_bytes(saved_states(settings, number)) == as_bytes(told.store)

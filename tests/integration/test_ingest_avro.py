"""The feeds of Avro on a real Kafka and a real Apicurio; Confluent's own serializers stand for the other systems."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from devstack.environment import variables
from devstack.ports import free_port
from ingest.avro.feeds import subject_of
from ingest.avro.registry import Registry
from ingest.avro.schemas import Payment, avro_schema
from ingest.avro.wire import frame, to_schema
from tests.integration.ingest_world import eventually, read_all
from veilocity import settings as kernel_settings
from veilocity.contracts import Channel, Decision, Reject, Severity, SubjectId, Transaction, Verdict, decode, encode
from veilocity.errors import InvalidInputError, ServiceUnavailableError, SettingsError, StateError
from veilocity.kafka import client_config, consumer_config, end_offsets, ensure_topics, producer_config, topic_name, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import AVRO_DECISIONS, AVRO_PAYMENTS, DECISIONS, EXTRAS, REJECTS, TOPICS, TRANSACTIONS, Topic

pytestmark = pytest.mark.services
AT_MS = 1_795_305_600_000
GOOD = {
    "authorised_ms": AT_MS,
    "amount": "12.50",
    "currency": "EUR",
    "merchant": "Café",
    "category": "food",
    "channel": "card-present",
    "card": "c1",
}


THEIRS = {
    "type": "record",
    "name": "TheirPayment",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "authorised_ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        *({"name": name, "type": ["null", "string"], "default": None} for name in ("currency", "merchant", "category", "channel", "card")),
        {"name": "theirs", "type": "int", "default": 0},
    ],
}


@pytest.fixture
def settings(kafka_server: str, registry_server: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of one test alone: its own topics and subjects."""
    found = kernel_settings.load(
        {},
        state_dir=tmp_path / "state",
        kafka_bootstrap=kafka_server,
        kafka_topic_prefix=f"t{uuid.uuid4().hex[:10]}.",
        registry_url=registry_server,
        avro_metrics_port=free_port(),
    )
    topics = (*TOPICS, *EXTRAS)
    ensure_topics(found, topics=topics)
    wait_for_topics(found, topics=topics)
    yield found
    admin = AdminClient(client_config(found))
    for dropped in admin.delete_topics([topic_name(found, topic) for topic in topics]).values():
        dropped.result()


@pytest.fixture
def registry(settings: Settings) -> Iterator[Registry]:
    opened = Registry(settings)
    yield opened
    opened.close()


@pytest.fixture
def client(settings: Settings) -> Iterator[SchemaRegistryClient]:
    """What other systems have."""
    with SchemaRegistryClient({"url": settings.registry_url}) as opened:
        yield opened


def send(settings: Settings, topic: Topic, values: Sequence[bytes | None], keys: Sequence[bytes] = ()) -> None:
    producer = Producer(producer_config(settings))
    for value, key in zip_longest(values, keys):
        producer.produce(topic_name(settings, topic), value, key)
    assert producer.flush(30) == 0


def run_until(settings: Settings, log: Path, reached: Callable[[], bool], number: int) -> int:
    """Run `veilocity feeds avro` until something holds, then send it a signal; return its exit code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(kernel_settings.PREFIX)}
    argv = [sys.executable, "-m", "veilocity.cli", "feeds", "avro"]
    with log.open("ab") as stream:
        running = subprocess.Popen(argv, env=kept | variables(settings), stdout=stream, stderr=stream, start_new_session=True)
    try:
        eventually("the feeds get on", lambda: reached() or running.poll() is not None)
        assert running.poll() is None, log.read_text(encoding="utf-8")
    finally:
        if running.poll() is None:
            os.killpg(running.pid, number)
        code = running.wait(30)
    return code


def values_of(settings: Settings, topic: Topic) -> list[bytes]:
    """Return every committed record of a topic."""
    return [message.value() or b"" for message in committed(settings, topic)]


def committed(settings: Settings, topic: Topic) -> list[Any]:
    name = topic_name(settings, topic)
    consumer = Consumer(consumer_config(settings, "reader", **{"enable.partition.eof": True}))
    found = []
    try:
        partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
        consumer.assign([TopicPartition(name, partition, 0) for partition in partitions])
        open_ends = set(partitions)
        while open_ends:
            message = consumer.poll(20.0)
            assert message is not None, f"{name} fell silent"
            if message.error() is None:
                found.append(message)
            else:
                open_ends.discard(message.partition())
    finally:
        consumer.close()
    return found


def decision(number: int) -> Decision:
    payment = Transaction(
        id=f"p{number}",
        subject=SubjectId(f"s{number % 7}"),
        authorised_ms=AT_MS,
        received_ms=AT_MS + 1,
        amount_minor=1250,
        currency="EUR",
        merchant="Café",
        category="food",
        channel=Channel.ATM,
        lat=48.85,
        lon=2.35,
    )
    return Decision(payment, Verdict.FLAGGED, 0.75, ("impossible_travel",), {"impossible-travel": "1"}, severity=Severity.HIGH)


def test_payments_come_in_and_bad_rows_go_to_rejects_with_a_reason(
    settings: Settings, registry: Registry, client: SchemaRegistryClient, tmp_path: Path
) -> None:
    conf = {"subject.name.strategy": topic_subject_name_strategy}
    serialize = AvroSerializer(client, json.dumps(THEIRS), conf=conf)
    context = SerializationContext("elsewhere", MessageField.VALUE)
    at = datetime.datetime.fromtimestamp(AT_MS / 1000, tz=datetime.UTC)
    theirs = GOOD | {"id": "theirs-1", "authorised_ms": at, "amount": Decimal("107.23")}
    number = registry.register(subject_of(settings, AVRO_PAYMENTS), avro_schema(Payment))
    ours = to_schema(avro_schema(Payment))
    good = frame(number, ours, GOOD | {"id": "ours-1"})
    bad: list[bytes | None] = [
        frame(number, ours, GOOD | {"id": "null-1", "currency": None}),
        frame(number, ours, GOOD | {"id": "wrong-1", "lat": 1.0}),
        frame(number, ours, GOOD | {"id": "late-1", "authorised_ms": 0}),
        frame(9_999_999, ours, GOOD | {"id": "unknown-1"}),
        good[:9],
        b"{}",
        None,
    ]
    send(settings, AVRO_PAYMENTS, [good, *bad, serialize(theirs, context)])
    code = run_until(
        settings, tmp_path / "log", lambda: len(values_of(settings, TRANSACTIONS)) + len(values_of(settings, REJECTS)) == 9, signal.SIGTERM
    )
    assert code == 0
    accepted = {one.id: one for one in (decode(value, Transaction) for value in values_of(settings, TRANSACTIONS))}
    assert {identity: one.amount_minor for identity, one in accepted.items()} == {"ours-1": 1250, "theirs-1": 10723}
    assert {one.subject for one in accepted.values()} == {"c1"}
    assert {one.authorised_ms for one in accepted.values()} == {AT_MS}
    refused = [decode(value, Reject) for value in values_of(settings, REJECTS)]
    assert {one.source for one in refused} == {"avro"}
    reasons = {"missing_field": 1, "invalid_coordinates": 1, "invalid_time": 1, "unknown_schema": 1, "undecodable": 1, "malformed": 2}
    assert Counter(one.reason.value for one in refused) == reasons


def test_decisions_are_read_by_anybody_who_has_the_registry(settings: Settings, client: SchemaRegistryClient, tmp_path: Path) -> None:
    made = [decision(number) for number in range(50)]
    send(settings, DECISIONS, [encode(one) for one in made], [one.transaction.subject.encode() for one in made])
    send(settings, DECISIONS, [b"no decision"])
    run_until(settings, tmp_path / "log", lambda: len(values_of(settings, AVRO_DECISIONS)) == 50, signal.SIGTERM)
    conf = {"subject.name.strategy": topic_subject_name_strategy}
    deserialize = AvroDeserializer(client, conf=conf)
    context = SerializationContext(topic_name(settings, AVRO_DECISIONS), MessageField.VALUE)
    messages = committed(settings, AVRO_DECISIONS)
    read = [msgspec.convert(deserialize(message.value(), context), Decision) for message in messages]
    assert sorted(read, key=lambda one: one.transaction.id) == sorted(made, key=lambda one: one.transaction.id)
    assert {message.key().decode(): message.partition() for message in messages} == {
        (message.key() or b"").decode(): message.partition() for message in read_all(settings, DECISIONS) if message.key()
    }
    assert [decode(value, Reject).reason.value for value in values_of(settings, REJECTS)] == ["undecodable"]


def test_the_registry_refuses_a_schema_that_readers_could_not_follow(
    settings: Settings, registry: Registry, client: SchemaRegistryClient
) -> None:
    subject = subject_of(settings, AVRO_DECISIONS)
    described = avro_schema(Decision)
    number = registry.register(subject, described)
    assert registry.register(subject, described) == number
    grown = described | {"fields": [*described["fields"], {"name": "added", "type": ["null", "string"], "default": None}]}
    assert registry.register(subject, grown) != number
    for fault in ({"name": "demanded", "type": "string"}, {"name": "added", "type": "long"}):
        with pytest.raises(StateError, match="give every new field a default and change no type"):
            registry.register(subject, described | {"fields": [*described["fields"], fault]})
    assert client.get_compatibility(subject) == "BACKWARD"
    assert len(client.get_versions(subject)) == 2
    assert registry.schema(number)["name"] == "veilocity.Decision"


def test_what_the_registry_cannot_do_is_said(settings: Settings, registry: Registry, client: SchemaRegistryClient) -> None:
    with pytest.raises(SettingsError, match="set VEILOCITY_REGISTRY_URL"):
        Registry(settings.model_copy(update={"registry_url": ""}))
    away = Registry(settings.model_copy(update={"registry_url": f"http://127.0.0.1:{free_port()}"}))
    with closing(away), pytest.raises(ServiceUnavailableError, match="is it running"):
        away.schema(1)
    with pytest.raises(InvalidInputError, match="unknown_schema"):
        registry.schema(9_999_999)
    text = Schema(json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}), "JSON")
    number = client.register_schema(f"{settings.kafka_topic_prefix}json-value", text)
    with pytest.raises(InvalidInputError, match="unknown_schema"):
        registry.schema(number)


def test_killed_again_and_again_each_payment_arrives_once(settings: Settings, registry: Registry, tmp_path: Path) -> None:
    count, kills = 4_000, 2
    slow = settings.model_copy(update={"avro_batch_records": 50})
    number = registry.register(subject_of(settings, AVRO_PAYMENTS), avro_schema(Payment))
    ours = to_schema(avro_schema(Payment))
    send(settings, AVRO_PAYMENTS, [frame(number, ours, GOOD | {"id": f"p{one}", "card": f"c{one % 97}"}) for one in range(count)])
    reached: list[int] = []
    for _ in range(kills):
        target = min(count, (reached[-1] if reached else 0) + count // 8)
        run_until(slow, tmp_path / "log", partial(came_to, settings, target), signal.SIGKILL)
        reached.append(written(settings))
    run_until(settings, tmp_path / "log", lambda: len(values_of(settings, TRANSACTIONS)) >= count, signal.SIGTERM)
    found = Counter(decode(value, Transaction).id for value in values_of(settings, TRANSACTIONS))
    assert reached[0] < count, "the first kill came after the work"
    assert found == {f"p{one}": 1 for one in range(count)}


def came_to(settings: Settings, target: int) -> bool:
    return written(settings) >= target


def written(settings: Settings) -> int:
    """Return how far the topic of payments is written, markers included."""
    return sum(end_offsets(settings, TRANSACTIONS).values())

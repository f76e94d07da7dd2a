"""How every room talks to Kafka: client settings in one place, topics made once, and waiting by asking.

Keys are placed by the murmur2 partitioner, as Java clients do, so that a subject has the same partition whoever writes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from veilocity.errors import BrokerUnavailableError
from veilocity.settings import Settings
from veilocity.topics import TOPICS, Topic

__all__ = [
    "client_config",
    "consumer_config",
    "end_offsets",
    "ensure_topics",
    "first_offsets",
    "producer_config",
    "topic_name",
    "wait_for_topics",
]

_PASSING = frozenset(
    (
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.KAFKA_STORAGE_ERROR,
    )
)
"""What a broker says while it takes over a new partition, or one of a broker that died: asked again, it answers."""


def topic_name(settings: Settings, topic: Topic) -> str:
    """Return the topic's name on this cluster."""
    return settings.kafka_topic_prefix + topic.name


def client_config(settings: Settings) -> dict[str, Any]:
    """Return what every client needs to reach the brokers."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "security.protocol": settings.kafka_security_protocol,
        # Reconnect quickly: services start beside the broker, not after it.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "socket.keepalive.enable": True,
        # At 3 the client prints a plain line for every attempt to connect, past our log: 40 a second in an outage.
        "log_level": 2,
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism
        config["sasl.username"] = settings.kafka_username
        config["sasl.password"] = settings.kafka_password.get_secret_value()
    if settings.kafka_security_protocol.endswith("SSL") and settings.kafka_ca_file:
        config["ssl.ca.location"] = settings.kafka_ca_file
    return config


def producer_config(settings: Settings, **overrides: Any) -> dict[str, Any]:
    """Return the settings of a producer that loses and doubles nothing: acks of all replicas, idempotent, murmur2."""
    return {
        **client_config(settings),
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 5,
        **overrides,
    }


def consumer_config(settings: Settings, group: str, **overrides: Any) -> dict[str, Any]:
    """Return the settings of a consumer of committed records that starts at the beginning and commits nothing by itself."""
    return {
        **client_config(settings),
        "group.id": group,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        # The default of 1,000 ms lets an empty queue cost a second (measured: a quarter of the rate).
        "fetch.queue.backoff.ms": 10,
        "fetch.wait.max.ms": 50,
        "queued.min.messages": 20_000,
        **overrides,
    }


def ensure_topics(settings: Settings, timeout_s: float = 30.0, topics: Sequence[Topic] = TOPICS) -> list[str]:
    """Create the topics that are missing; return their names.

    Args:
        settings: where Kafka is, and how topics are made.
        timeout_s: how long Kafka may take.
        topics: which; by default those of the whole system.

    Raises:
        BrokerUnavailableError: Kafka did not answer in `timeout_s`.
    """
    admin = AdminClient(client_config(settings))
    wanted = [
        NewTopic(
            topic_name(settings, topic),
            num_partitions=topic.partitions or settings.kafka_partitions,
            replication_factor=settings.kafka_replication,
            config=topic.configuration(),
        )
        for topic in topics
    ]
    created = []
    for name, future in admin.create_topics(wanted, operation_timeout=timeout_s, request_timeout=timeout_s).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as cause:
            if cause.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise BrokerUnavailableError(f"Kafka at {settings.kafka_bootstrap} did not create its topics: is it running?") from cause
    return created


def wait_for_topics(settings: Settings, timeout_s: float = 60.0, topics: Sequence[Topic] = TOPICS) -> None:
    """Return once every topic has a leader for each partition.

    Raises:
        BrokerUnavailableError: not within `timeout_s`.
    """
    admin = AdminClient(client_config(settings))
    wanted = {topic_name(settings, topic) for topic in topics}
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            known = admin.list_topics(timeout=2.0).topics
        except KafkaException:
            known = {}
        if all(name in known and known[name].partitions and all(p.leader >= 0 for p in known[name].partitions.values()) for name in wanted):
            return
        time.sleep(0.1)
    raise BrokerUnavailableError(f"Kafka at {settings.kafka_bootstrap} has no topics yet: start it, or run `veilocity up`")


def end_offsets(settings: Settings, topic: Topic, timeout_s: float = 5.0) -> dict[int, int]:
    """Return the number of records ever written to each partition (markers of transactions included).

    A topic that is not there has no partitions.

    Raises:
        BrokerUnavailableError: Kafka did not answer in `timeout_s`.
    """
    return {partition: end for partition, (_, end) in _watermarks(settings, topic, timeout_s).items()}


def first_offsets(settings: Settings, topic: Topic, timeout_s: float = 5.0) -> dict[int, int]:
    """Return where each partition begins: 0 until Kafka deletes old records.

    Raises:
        BrokerUnavailableError: Kafka did not answer in `timeout_s`.
    """
    return {partition: first for partition, (first, _) in _watermarks(settings, topic, timeout_s).items()}


def _watermarks(settings: Settings, topic: Topic, timeout_s: float) -> dict[int, tuple[int, int]]:
    consumer = Consumer(consumer_config(settings, f"{settings.kafka_topic_prefix}veilocity-offsets"))
    deadline = time.monotonic() + timeout_s
    try:
        while True:
            try:
                return _watermarks_of(consumer, topic_name(settings, topic), timeout_s)
            except KafkaException as cause:
                if time.monotonic() > deadline or cause.args[0].code() not in _PASSING:
                    raise BrokerUnavailableError(f"Kafka at {settings.kafka_bootstrap} does not answer: is it running?") from cause
            time.sleep(0.05)
    finally:
        consumer.close()


def _watermarks_of(consumer: Consumer, name: str, timeout_s: float) -> dict[int, tuple[int, int]]:
    found = consumer.list_topics(name, timeout=timeout_s).topics[name]
    if found.error is not None and found.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise KafkaException(found.error)
    return {p: consumer.get_watermark_offsets(TopicPartition(name, p), timeout=timeout_s) for p in sorted(found.partitions)}

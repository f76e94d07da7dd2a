"""The two feeds: what each reads, and what it makes of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import Message

from ingest.avro.decisions import SUBJECT_RECORD, to_avro
from ingest.avro.payments import SOURCE, judge
from ingest.avro.registry import Registry
from ingest.avro.relay import Convert
from ingest.avro.schemas import Payment, avro_schema
from ingest.avro.wire import to_schema
from ingest.fields import Arrival, Resolver, reject
from ingest.outcome import Record, records
from ingest.telemetry import ITEMS, REJECTS
from veilocity.contracts import encode
from veilocity.errors import ContractError
from veilocity.kafka import topic_name
from veilocity.settings import Settings
from veilocity.topics import AVRO_DECISIONS, AVRO_PAYMENTS, DECISIONS, Topic
from veilocity.topics import REJECTS as REJECTS_TOPIC

__all__ = ["DECISIONS_FEED", "PAYMENTS_FEED", "Feed", "decisions_feed", "payments_feed", "subject_of"]

PAYMENTS_FEED, DECISIONS_FEED = "avro-payments", "avro-decisions"


class Feed(NamedTuple):
    """One direction."""

    name: str
    source: Topic
    convert: Convert


def subject_of(settings: Settings, topic: Topic) -> str:
    """Return the name under which a registry keeps the schemas of a topic's values."""
    return f"{topic_name(settings, topic)}-value"


def payments_feed(settings: Settings, registry: Registry, resolver: Resolver) -> Feed:
    """Register the schema that senders may use, and return the feed into `transactions`.

    Raises:
        StateError: the registry refuses the schema.
        ServiceUnavailableError: it does not answer.
    """
    registry.register(subject_of(settings, AVRO_PAYMENTS), avro_schema(Payment))

    def convert(messages: Sequence[Message]) -> list[Record]:
        arrival = Arrival(time.time_ns() // 1_000_000, settings.ingest_future_limit_s)
        outcome = judge([message.value() for message in messages], registry.schema, arrival, resolver)
        ITEMS.labels(SOURCE, "accepted").inc(len(outcome.accepted))
        ITEMS.labels(SOURCE, "rejected").inc(len(outcome.rejects))
        for reason, count in outcome.reasons().items():
            REJECTS.labels(SOURCE, reason).inc(count)
        return records(outcome)

    return Feed(PAYMENTS_FEED, AVRO_PAYMENTS, convert)


def decisions_feed(settings: Settings, registry: Registry) -> Feed:
    """Register the schema of decisions, and return the feed out of `decisions`.

    Raises:
        StateError: the registry refuses the schema.
        ServiceUnavailableError: it does not answer.
    """
    described = avro_schema(SUBJECT_RECORD)
    number = registry.register(subject_of(settings, AVRO_DECISIONS), described)
    schema = to_schema(described)

    def convert(messages: Sequence[Message]) -> list[Record]:
        arrival = Arrival(time.time_ns() // 1_000_000, settings.ingest_future_limit_s)
        made: list[Record] = []
        for message in messages:
            value = message.value() or b""
            try:
                made.append(Record(AVRO_DECISIONS, message.key(), to_avro(value, number, schema)))
                ITEMS.labels(DECISIONS_FEED, "accepted").inc()
            except ContractError as cause:
                made.append(Record(REJECTS_TOPIC, None, encode(reject(cause, value, DECISIONS_FEED, arrival))))
                ITEMS.labels(DECISIONS_FEED, "rejected").inc()
                REJECTS.labels(DECISIONS_FEED, cause.reason.value).inc()
        return made

    return Feed(DECISIONS_FEED, DECISIONS, convert)

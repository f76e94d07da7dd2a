"""Whether a window may have closed, without Spark: a look at the last few answers of each partition of `decisions`.

It is a hint. Spark reads all of the topic and decides; where the last answers of a partition are not its newest, a window is released at a
later look than it could be.
"""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from privacy.segments.rows import payment_ms
from privacy.segments.schedule import closed_ms
from veilocity.errors import BrokerUnavailableError
from veilocity.eventtime import window_start_ms
from veilocity.kafka import consumer_config, end_offsets, first_offsets, topic_name
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

__all__ = ["closed_until_ms", "newest_payments"]

_TAIL = 100
"""Offsets; with transactions some of them are marks."""
_WITHIN_S = 10.0
_POLL_S = 0.5
_AT_END = KafkaError._PARTITION_EOF  # noqa: SLF001  # librdkafka's own codes begin so


def closed_until_ms(settings: Settings, width_ms: int, delay_ms: int, idle_ms: int) -> int:
    """Return the end of the newest window that has closed, by event time; at most 0 where none has.

    Raises:
        BrokerUnavailableError: Kafka does not answer.
    """
    return window_start_ms(closed_ms(newest_payments(settings).values(), delay_ms, idle_ms), width_ms)


def newest_payments(settings: Settings) -> dict[int, int]:
    """Return the newest time of a payment among the last answers of each partition that has any.

    Raises:
        BrokerUnavailableError: Kafka does not answer.
    """
    first = first_offsets(settings, DECISIONS)
    name = topic_name(settings, DECISIONS)
    tails = [
        TopicPartition(name, number, max(first[number], end - _TAIL)) for number, end in end_offsets(settings, DECISIONS).items() if end
    ]
    found: dict[int, int] = {}
    if not tails:
        return found
    group = f"{settings.kafka_topic_prefix}veilocity-segments-look"
    consumer = Consumer(consumer_config(settings, group, **{"enable.partition.eof": True}))
    try:
        consumer.assign(tails)
        for message in _until_the_end(consumer, len(tails)):
            number, time_ms = message.partition(), payment_ms(message.value())
            if number is not None and time_ms is not None:
                found[number] = max(time_ms, found.get(number, 0))
    except KafkaException as cause:
        raise _unavailable() from cause
    finally:
        consumer.close()
    return found


def _until_the_end(consumer: Consumer, partitions: int) -> list[Message]:
    messages: list[Message] = []
    ended: set[int | None] = set()
    deadline = time.monotonic() + _WITHIN_S
    while len(ended) < partitions:
        if time.monotonic() > deadline:
            raise _unavailable()
        for message in consumer.consume(_TAIL, _POLL_S):
            error = message.error()
            if error is None:
                messages.append(message)
            elif error.code() == _AT_END:
                ended.add(message.partition())
            else:
                raise KafkaException(error)
    return messages


def _unavailable() -> BrokerUnavailableError:
    return BrokerUnavailableError("Kafka does not give the last decisions: is it running?")

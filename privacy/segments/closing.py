"""Whether a window may have closed, without Spark: a look at the last few answers of each partition of `decisions`.

It is a hint. Spark reads all of the topic and decides; where the last answers of a partition are not its newest, a window is released at a
later look than it could be.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from privacy.segments.rows import payment_ms
from privacy.segments.schedule import closed_ms
from veilocity.errors import BrokerUnavailableError
from veilocity.eventtime import window_start_ms
from veilocity.kafka import consumer_config, end_offsets, first_offsets, topic_name
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

__all__ = ["closed_until_ms", "newest_payments", "oldest_payment_ms"]

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
    tails = {number: max(first[number], end - _TAIL) for number, end in end_offsets(settings, DECISIONS).items()}
    # A stream that is faster than we read must not keep us.
    return {number: max(times) for number, times in _payments(settings, tails, 10 * _TAIL).items()}


def oldest_payment_ms(settings: Settings) -> int | None:
    """Return the oldest time of a payment among the first answers of all partitions; None without any.

    Raises:
        BrokerUnavailableError: Kafka does not answer.
    """
    found = _payments(settings, first_offsets(settings, DECISIONS), _TAIL)
    return min((min(times) for times in found.values()), default=None)


def _payments(settings: Settings, offsets: dict[int, int], most: int) -> dict[int, list[int]]:
    """Return times of payments by partition, from offsets on to the end, or of so many records."""
    name = topic_name(settings, DECISIONS)
    group = f"{settings.kafka_topic_prefix}veilocity-segments-look"
    consumer = Consumer(consumer_config(settings, group, **{"enable.partition.eof": True}))
    found: dict[int, list[int]] = {}
    try:
        consumer.assign([TopicPartition(name, number, offset) for number, offset in offsets.items()])
        for number, value in _records(consumer, name, set(offsets), most):
            time_ms = payment_ms(value)
            if time_ms is not None:
                found.setdefault(number, []).append(time_ms)
    except KafkaException as cause:
        raise _unavailable() from cause
    finally:
        consumer.close()
    return found


def _records(consumer: Consumer, name: str, waiting: set[int], most: int) -> Iterator[tuple[int, bytes | None]]:
    counts: Counter[int] = Counter()
    deadline = time.monotonic() + _WITHIN_S
    while waiting:
        if time.monotonic() > deadline:
            raise _unavailable()
        for message in consumer.consume(_TAIL, _POLL_S):
            error, number = message.error(), message.partition()
            if error is not None and error.code() != _AT_END:
                raise KafkaException(error)
            if number is None or number not in waiting:
                continue
            if error is None:
                counts[number] += 1
                yield number, message.value()
            if error is not None or counts[number] >= most:
                waiting.discard(number)
                consumer.pause([TopicPartition(name, number)])


def _unavailable() -> BrokerUnavailableError:
    return BrokerUnavailableError("Kafka does not give the last decisions: is it running?")

"""Taking over a partition: from what is committed to a partition that can go on.

The order matters. First the producer, which fences the former owner and ends its open transaction; only then are the committed offsets, the
states and the counters final. They were written in one transaction, so they belong together whatever the former owner died of.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from rules.parameters import EngineParameters
from rules.partition import Partition
from rules.store import PagedStore
from rules.transactions import KafkaOutbox, group_name
from veilocity.contracts import RulesProgress, decode
from veilocity.errors import BrokerUnavailableError
from veilocity.kafka import consumer_config, topic_name
from veilocity.logs import get_logger
from veilocity.settings import Settings
from veilocity.topics import FIXES, RULES_PROGRESS, RULES_STATE, TRANSACTIONS, Topic

__all__ = ["Recovered", "read_to_end", "recover"]

_log = get_logger(__name__)
_T = TypeVar("_T")
_TIMEOUT_S = 10.0
_TAIL_RECORDS = 64
"""Every commit writes the counters: the newest are among the last few records unless a transaction was aborted again and again."""


class Recovered(NamedTuple):
    """A partition that can go on, and where in its inputs."""

    partition: Partition
    store: PagedStore
    outbox: KafkaOutbox
    start: list[TopicPartition]


def recover(settings: Settings, consumer: Consumer, number: int, parameters: EngineParameters) -> Recovered:
    """Take over one partition.

    Args:
        settings: of the service.
        consumer: member of the group that was assigned the partition.
        number: of the partition.
        parameters: of the engine.

    Raises:
        BrokerUnavailableError: Kafka did not answer.
        StateError: the counters or a state are damaged or of a newer version.
    """
    outbox = KafkaOutbox(settings, consumer, number)
    start = _committed(settings, consumer, number)
    store = PagedStore(parameters)
    read_to_end(settings, RULES_STATE, number, lambda message: store.restore(message.key() or b"", message.value()))
    partition = Partition(parameters, store, outbox, _progress(settings, number))
    return Recovered(partition, store, outbox, start)


def _committed(settings: Settings, consumer: Consumer, number: int) -> list[TopicPartition]:
    wanted = [TopicPartition(topic_name(settings, topic), number) for topic in (FIXES, TRANSACTIONS)]
    found = _asked_again(lambda: consumer.committed(wanted, timeout=_TIMEOUT_S), "the committed offsets")
    return [TopicPartition(at.topic, at.partition, at.offset if at.offset >= 0 else OFFSET_BEGINNING) for at in found]


def _progress(settings: Settings, number: int) -> RulesProgress:
    newest = [RulesProgress(partition=number)]

    def take(message: Message) -> None:
        if message.key() == str(number).encode():
            newest[0] = decode(message.value() or b"", RulesProgress)

    end = read_to_end(settings, RULES_PROGRESS, number, take, tail=_TAIL_RECORDS)
    if newest[0].fixes_read + newest[0].transactions_read == 0 and end > _TAIL_RECORDS:
        read_to_end(settings, RULES_PROGRESS, number, take)
    return newest[0]


def read_to_end(settings: Settings, topic: Topic, number: int, take: Callable[[Message], None], tail: int | None = None) -> int:
    """Hand every committed record of one partition to `take`, up to the end it had at the start; return that end.

    The end is reached when the position says so: the last offsets of a partition may hold no record but the marks of transactions.

    Args:
        settings: of the service.
        topic: to read.
        number: of the partition.
        take: called with each record.
        tail: only so many offsets before the end; by default all.

    Raises:
        BrokerUnavailableError: Kafka did not answer.
    """
    extra = {"enable.partition.eof": True, "fetch.queue.backoff.ms": 1, "queued.min.messages": 100_000}
    at = TopicPartition(topic_name(settings, topic), number)
    reader = Consumer(consumer_config(settings, f"{group_name(settings)}-restore", **extra))
    try:
        first, end = _asked_again(lambda: reader.get_watermark_offsets(at, timeout=_TIMEOUT_S), f"the end of {topic.name}")
        position = first if tail is None else max(first, end - tail)
        if position < end:
            reader.assign([TopicPartition(at.topic, number, position)])
            _read(reader, position, end, take)
        return end
    finally:
        reader.close()


def _read(reader: Consumer, position: int, end: int, take: Callable[[Message], None]) -> None:
    heard = time.monotonic()
    while position < end:
        for message in reader.consume(2_000, 0.01):
            reached = _take(message, take)
            if reached is not None:
                position, heard = reached, time.monotonic()
        if time.monotonic() - heard > _TIMEOUT_S:
            raise BrokerUnavailableError("Kafka stopped giving back what was saved: is it running?")


def _asked_again(ask: Callable[[], _T | None], what: str) -> _T:
    """Ask until Kafka answers: of a topic just made, a broker may not know for a moment that it leads it."""
    deadline = time.monotonic() + _TIMEOUT_S
    reason = "no answer in time"
    while time.monotonic() < deadline:
        try:
            answer = ask()
        except KafkaException as cause:
            reason = cause.args[0].name()
            time.sleep(0.1)
        else:
            if answer is not None:
                return answer
    raise BrokerUnavailableError(f"Kafka does not tell {what} ({reason}): is it running?")


def _take(message: Message, take: Callable[[Message], None]) -> int | None:
    """Handle one message and return the position after it; None when it only tells of trouble."""
    error, offset = message.error(), message.offset()
    if error is None and offset is not None:
        take(message)
        return offset + 1
    if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's name for the end of a partition
        return offset
    _log.warning("Kafka reports a passing error", error=error.name() if error is not None else "no offset")
    return None

"""The Kafka outbox: one transactional producer that belongs to one partition.

Its `transactional.id` is made from the partition, not from the process: whoever works on the partition next fences whoever did before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from veilocity.errors import BrokerUnavailableError, FencedError, VeilocityError
from veilocity.kafka import producer_config
from veilocity.logs import get_logger
from veilocity.settings import Settings
from veilocity.topics import Topic

__all__ = ["KafkaOutbox", "group_name", "is_fatal", "translate"]

_log = get_logger(__name__)

_TIMEOUT_S = 25.0
"""Longest wait for Kafka in one call; the watchdog ends the process soon after."""
_FATAL = KafkaError._FATAL  # noqa: SLF001  # the client's name for its own error codes
_FENCED = frozenset(
    (
        KafkaError._FENCED,  # noqa: SLF001  # as above
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    )
)


def group_name(settings: Settings) -> str:
    """Return the consumer group's name on this cluster; transactional ids begin with it."""
    return settings.kafka_topic_prefix + settings.rules_group


def is_fatal(error: KafkaError) -> bool:
    """Say whether the client that reports this will never work again."""
    return error.fatal() or error.code() == _FATAL or error.code() in _FENCED


def translate(error: KafkaError) -> VeilocityError:
    """Return the error to end the process with: recovery starts from what is committed."""
    # Of a consumer the code says only that it is fatal, and the text why.
    if error.code() in _FENCED or (error.code() == _FATAL and "fenced" in error.str()):
        return FencedError("another rules instance took over: give every running instance its own VEILOCITY_RULES_INSTANCE")
    return BrokerUnavailableError(
        f"Kafka refused to go on ({error.name()}): see that it runs and start the rules service again, it recovers"
    )


class KafkaOutbox:
    """Results of one partition on their way into one transaction after another."""

    def __init__(self, settings: Settings, consumer: Consumer, number: int) -> None:
        """Fence the partition's former owner and abort what it left open.

        Args:
            settings: of the service.
            consumer: member of the group whose offsets are committed.
            number: of the partition.

        Raises:
            BrokerUnavailableError: Kafka did not answer.
        """
        self._settings = settings
        self._consumer = consumer
        self._number = number
        self._open = False
        self._metadata: object = None
        self._producer = Producer(
            producer_config(
                settings,
                **{
                    "transactional.id": f"{group_name(settings)}-{number}",
                    # A dangling transaction stalls every reader until this has passed.
                    "transaction.timeout.ms": 10_000,
                    # Snapshots come in bursts.
                    "queue.buffering.max.kbytes": 65_536,
                },
            )
        )
        self._call(self._producer.init_transactions)

    def refresh(self) -> None:
        """Ask who the member is now, before a commit. Only for the thread that polls the consumer: in any other the client hangs."""
        self._metadata = self._consumer.consumer_group_metadata()

    def send(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        """Add one record to the transaction; the first one begins it."""
        if not self._open:
            self._call(lambda _: self._producer.begin_transaction())
            self._open = True
        while True:
            try:
                self._producer.produce(self._settings.kafka_topic_prefix + topic.name, value, key, partition=self._number)
                return
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as cause:
                raise translate(cause.args[0]) from cause

    def commit(self, offsets: Mapping[str, int]) -> None:
        """Commit the transaction together with the offsets, as the member that `refresh` found.

        Raises:
            FencedError: another instance works on the partition now; nothing of this transaction is visible.
            BrokerUnavailableError: Kafka refused or did not answer; the process must end and recover.
        """
        positions = [TopicPartition(self._settings.kafka_topic_prefix + name, self._number, next_) for name, next_ in offsets.items()]
        self._call(lambda timeout_s: self._producer.send_offsets_to_transaction(positions, self._metadata, timeout_s))
        self._call(self._producer.commit_transaction)
        self._open = False

    def abort(self) -> None:
        """Drop what was not committed; whatever goes wrong, the next owner aborts it too."""
        if self._open:
            self._call(self._producer.abort_transaction)
            self._open = False

    def close(self) -> None:
        """Let go of the producer; one that was fenced complains and is gone all the same."""
        try:
            self._producer.close()
        except KafkaException as cause:
            _log.warning("A producer did not close cleanly", error=cause.args[0].name(), partition=self._number)

    @staticmethod
    def _call(step: Callable[[float], None]) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                return step(max(0.1, deadline - time.monotonic()))
            except KafkaException as cause:
                error: KafkaError = cause.args[0]
                if error.retriable() and time.monotonic() < deadline:
                    continue
                raise translate(error) from cause

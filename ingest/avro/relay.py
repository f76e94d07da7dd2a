"""Records of one topic turned into records of others, each once: results and offsets are committed in one Kafka transaction.

Whatever fails, the relay is closed and made anew: the next one fences what the former left open and goes on where it had committed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from ingest.outcome import Record
from veilocity.errors import BrokerUnavailableError, FencedError, RetryableError
from veilocity.kafka import consumer_config, producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import Topic

__all__ = ["Convert", "Relay"]

Convert = Callable[[Sequence[Message]], list[Record]]
"""Turns messages into what is to be written; may raise `RetryableError`, then nothing is committed."""
_ANSWER_S = 20.0
_WAIT_S = 0.2
_FENCED = frozenset(
    (
        KafkaError._FENCED,  # noqa: SLF001  # the client's name for its own error codes
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    )
)


class Relay:
    """One consumer and its transactional producer; for one thread."""

    def __init__(self, settings: Settings, name: str, source: Topic, convert: Convert) -> None:
        """Fence and abort what a former relay of this name and instance left open.

        Args:
            settings: of the feeds.
            name: of this relay: its consumer group and the beginning of its transactional id.
            source: what is read.
            convert: what becomes of it.

        Raises:
            BrokerUnavailableError: Kafka does not answer.
        """
        group = f"{settings.kafka_topic_prefix}veilocity-{name}"
        self._settings = settings
        self._convert = convert
        self._batch = settings.avro_batch_records
        transactional: dict[str, Any] = {
            "transactional.id": f"{group}-{settings.avro_instance}",
            # A transaction that dangles stalls every reader of its topics until this has passed.
            "transaction.timeout.ms": 10_000,
        }
        self._producer = Producer(producer_config(settings, **transactional))
        # A static member that comes back has its partitions at once; otherwise the group waits for one that was killed.
        self._consumer = Consumer(
            consumer_config(settings, group, **{"group.instance.id": settings.avro_instance, "session.timeout.ms": 10_000})
        )
        try:
            self._call(lambda: self._producer.init_transactions(_ANSWER_S))
            self._call(lambda: self._consumer.subscribe([topic_name(settings, source)]))
        except BaseException:
            self.close()
            raise

    def step(self) -> int:
        """Turn over what has come, for a moment at most; return how many records that were.

        Raises:
            FencedError: another process has our name.
            BrokerUnavailableError: Kafka does not answer; nothing is committed. Close this relay and make another.
            RetryableError: what `convert` raises; as above.
        """
        messages = self._call(lambda: self._consumer.consume(self._batch, _WAIT_S))
        found = [message for message in messages if message.error() is None]
        for message in messages:
            error = message.error()
            if error is not None and error.fatal():
                raise _translate(error)
        if not found:
            return 0
        records = self._convert(found)
        self._call(self._producer.begin_transaction)
        for topic, key, value in records:
            self._produce(topic, key, value)
        self._call(lambda: self._commit(found))
        return len(found)

    def close(self) -> None:
        """Let both clients go; what is not committed is aborted by the next relay."""
        # Asked to close, the producer would wait for a broker that may be away.
        self._producer.purge()
        self._consumer.close()

    def _produce(self, topic: Topic, key: bytes | None, value: bytes | None) -> None:
        while True:
            try:
                self._call(lambda: self._producer.produce(topic_name(self._settings, topic), value, key))
                return
            except BufferError:
                self._producer.poll(0.05)

    def _commit(self, messages: Sequence[Message]) -> None:
        """Commit with the places behind the messages: Kafka refuses it to a member that has lost one of their partitions meanwhile."""
        ends: dict[tuple[str, int], int] = {}
        for message in messages:
            ends[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
        places = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
        self._producer.send_offsets_to_transaction(places, self._consumer.consumer_group_metadata(), _ANSWER_S)
        self._producer.commit_transaction(_ANSWER_S)

    @staticmethod
    def _call(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except KafkaException as cause:
            raise _translate(cause.args[0]) from cause


def _translate(error: KafkaError) -> FencedError | RetryableError:
    # Of a consumer the code says only that it is fatal, and the text why.
    if error.code() in _FENCED or (error.fatal() and "fenced" in error.str()):
        return FencedError("another process feeds Avro under this name: give each its own VEILOCITY_AVRO_INSTANCE")
    return BrokerUnavailableError(f"Kafka refused to go on ({error.name()}): is it running?")

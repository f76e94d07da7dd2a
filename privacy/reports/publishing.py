"""Reports on Kafka: each window once, whatever is killed, repeated or computed again.

The windows of one report are given out in the order in which they end, in one partition, and those of a micro-batch in one transaction. So
the last committed window of each report says which ones are there: what ends later is published, everything else is not. The topic itself
is the ledger, and it holds for a repeated micro-batch as for an empty checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from storage.reports import ReportDocument, stored
from veilocity.errors import BrokerUnavailableError, FencedError
from veilocity.kafka import consumer_config, producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import REPORTS, Topic

__all__ = ["Publisher", "read_all"]

_PATIENCE_S = 30.0
_POLL_S = 5.0
_FENCED = (
    KafkaError._FENCED,  # noqa: SLF001  # librdkafka's own codes begin so
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
)
_AT_END = KafkaError._PARTITION_EOF  # noqa: SLF001  # librdkafka's own codes begin so


class _Published(msgspec.Struct):
    report: str
    end_ms: int


class Publisher:
    """Writes to the topic; one process at a time, an older one is fenced."""

    def __init__(self, settings: Settings) -> None:
        """Take the topic over and read what is in it.

        Raises:
            BrokerUnavailableError: Kafka does not answer.
        """
        self._topic = topic_name(settings, REPORTS)
        name = f"{settings.kafka_topic_prefix}veilocity-reports"
        self._producer = Producer(producer_config(settings, **{"transactional.id": name}))
        try:
            # First: what an older process has begun is broken off, so what is read next is all that there will be.
            self._producer.init_transactions(_PATIENCE_S)
        except KafkaException as cause:
            raise _unavailable() from cause
        self._ends: dict[str, int] = {}
        for value in read_all(settings, REPORTS):
            self._seen(msgspec.json.decode(value, type=_Published))

    def publish(self, documents: Sequence[ReportDocument]) -> int:
        """Write what is not there yet, in one transaction; return how many that were.

        Args:
            documents: of each report in the order of their ends.

        Raises:
            BrokerUnavailableError: Kafka does not answer: begin anew with another publisher.
            FencedError: another process took over.
        """
        fresh = [one for one in documents if one.end_ms > self._ends.get(one.report, -1)]
        if not fresh:
            return 0
        try:
            self._producer.begin_transaction()
            for one in fresh:
                self._producer.produce(self._topic, msgspec.json.encode(stored(one)), one.id, partition=0)
            self._producer.commit_transaction(_PATIENCE_S)
        except KafkaException as cause:
            if cause.args[0].code() in _FENCED:
                raise FencedError("another process publishes the reports: stop one of the two") from cause
            raise _unavailable() from cause
        for one in fresh:
            self._seen(_Published(one.report, one.end_ms))
        return len(fresh)

    def _seen(self, one: _Published) -> None:
        self._ends[one.report] = max(one.end_ms, self._ends.get(one.report, -1))


def read_all(settings: Settings, topic: Topic) -> Iterator[bytes]:
    """Give every committed record of a topic of one partition, from the first to the last that is there now.

    Raises:
        BrokerUnavailableError: Kafka does not answer.
    """
    name = f"{settings.kafka_topic_prefix}veilocity-reports-start"
    consumer = Consumer(consumer_config(settings, name, **{"enable.partition.eof": True}))
    try:
        consumer.assign([TopicPartition(topic_name(settings, topic), 0, 0)])
        while True:
            message = consumer.poll(_POLL_S)
            if message is None:
                raise _unavailable()
            error = message.error()
            if error is not None and error.code() == _AT_END:
                return
            if error is not None:
                raise _unavailable()
            yield message.value() or b"{}"
    except KafkaException as cause:
        raise _unavailable() from cause
    finally:
        consumer.close()


def _unavailable() -> BrokerUnavailableError:
    return BrokerUnavailableError("Kafka does not take or give the reports: is it running?")

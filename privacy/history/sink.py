"""One life of the sink: from a connection to its loss. A thin shell between a consumer and the history.

Offsets are committed after the rows, so a sink that dies between the two writes some rows a second time, which changes nothing: what is in
the history is exact.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event

from confluent_kafka import Consumer, KafkaException, Message

from privacy.history.names import Names
from privacy.history.telemetry import MAINTAINED, READINGS
from storage.postgres.readings import Written
from storage.postgres.schema import prepare
from storage.postgres.tiers import maintain
from storage.postgres.writing import write
from veilocity.contracts import Fix, decode
from veilocity.errors import BrokerUnavailableError, ContractError, SchemaVersionError, StateError
from veilocity.kafka import consumer_config, topic_name
from veilocity.logs import get_logger
from veilocity.postgres import connect
from veilocity.settings import Settings
from veilocity.topics import FIXES

__all__ = ["work"]

_READ_S = 0.2
_SESSION_MS = 10_000
_logger = get_logger(__name__)


def work(settings: Settings, names: Names, stop: Event, tell: Callable[[bool], None]) -> None:
    """Read and write until told to stop.

    Args:
        settings: Kafka, PostgreSQL, tiers.
        names: makes pseudonyms.
        stop: when set, this returns.
        tell: told whether the sink writes.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
        BrokerUnavailableError: Kafka refuses to go on with this consumer. After either, call again: it goes on behind the last commit.
        StateError: a record or the tables are newer than this program.
    """
    connection = connect(settings.postgres_dsn.get_secret_value(), "veilocity history")
    # A sink that was killed holds its partitions until then; the client's default is 45 s.
    group = {"session.timeout.ms": _SESSION_MS}
    consumer = Consumer(consumer_config(settings, settings.kafka_topic_prefix + settings.history_group, **group))
    try:
        prepare(connection, settings.history_keep_days)
        consumer.subscribe([topic_name(settings, FIXES)])
        tell(True)
        _logger.info("The sink of the sensor history is connected")
        due_s = 0.0
        while not stop.is_set():
            if time.monotonic() >= due_s:
                kept = maintain(connection, _now_ms(), settings.history_full_hours, settings.history_keep_days)
                MAINTAINED.inc(len(kept.dropped))
                due_s = time.monotonic() + settings.history_maintain_s
            messages = _read(consumer, settings.history_batch_readings)
            if messages:
                fixes = _fixes(messages)
                _count(write(connection, names.readings(fixes), _now_ms(), settings.history_keep_days), len(messages) - len(fixes))
                _commit(consumer)
    finally:
        consumer.close()
        connection.close()


def _read(consumer: Consumer, most: int) -> list[Message]:
    try:
        messages = consumer.consume(most, _READ_S)
    except KafkaException as cause:
        raise BrokerUnavailableError("Kafka does not let the sink read on") from cause
    for message in messages:
        error = message.error()
        if error is not None and (error.fatal() or not error.retriable()):
            raise BrokerUnavailableError(f"Kafka does not let the sink read on: {error.name()}")
    return [message for message in messages if message.error() is None]


def _fixes(messages: Sequence[Message]) -> list[Fix]:
    found = []
    for message in messages:
        try:
            found.append(decode(message.value() or b"", Fix))
        except SchemaVersionError as cause:
            # Nothing was committed: an upgraded sink writes it.
            raise StateError("a fix was written by a newer Veilocity: upgrade the sink of the sensor history") from cause
        except ContractError as cause:
            # The rules service reads the same record and puts it on `rejects`.
            _logger.error("A fix was skipped", reason=cause.reason, partition=message.partition(), offset=message.offset())
    return found


def _count(written: Written, refused: int) -> None:
    for outcome, count in written._asdict().items():
        READINGS.labels(outcome).inc(count)
    READINGS.labels("refused").inc(refused)


def _commit(consumer: Consumer) -> None:
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as cause:
        # Another sink has the partition now, or Kafka is away: the rows are written again, which changes nothing.
        _logger.warning("Offsets were not committed; rows may be written again", cause=cause.args[0].name())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""Writing to Kafka so that an answer of 200 is never a lie.

`Sender.send_all` returns when every record of a request is on all replicas, and raises otherwise. After it raised, records may or may not
be in Kafka: the sender of the request repeats, and repeats are dropped by identity further on. What cannot happen is a return without
the records in Kafka. Whoever has other work meanwhile calls `begin` and later waits for what it returns.

While Kafka is down only one request at a time waits for it; the others are told at once. Otherwise a few hundred phones would fill all
threads with waiting, and answers would take far longer than the promised two seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ingest.outcome import Record
from veilocity.errors import BrokerUnavailableError
from veilocity.kafka import producer_config, topic_name
from veilocity.logs import get_logger
from veilocity.settings import Settings
from veilocity.topics import DIRECTORY, TOPICS

__all__ = ["Offsets", "Sender", "Sending"]

Offsets = dict[int, int]
"""Highest offset written per partition of the directory topic."""

_POLL_S = 0.1
_logger = get_logger(__name__)


class _Pending:
    """The acknowledgements one request waits for. Only the poll thread counts down, so no lock is needed."""

    __slots__ = ("done", "failure", "offsets", "remaining")

    def __init__(self, count: int) -> None:
        self.remaining = count
        self.done = threading.Event()
        if count == 0:
            self.done.set()
        self.failure: KafkaError | None = None
        self.offsets: Offsets = {}

    def acknowledged(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self.failure = error
        self.remaining -= 1
        if self.remaining == 0:
            self.done.set()

    def located(self, error: KafkaError | None, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            self.offsets[partition] = max(offset, self.offsets.get(partition, -1))
        self.acknowledged(error, message)


class Sending:
    """Records on their way."""

    def __init__(self, pending: _Pending, deadline: float, failed: Callable[[KafkaError], None]) -> None:
        self._pending = pending
        self._deadline = deadline
        self._failed = failed

    @property
    def is_done(self) -> bool:
        """Whether `wait` would return or raise at once."""
        return self._pending.done.is_set()

    def wait(self) -> Offsets:
        """Return when Kafka has acknowledged every record; the offsets of directory records, by partition.

        Raises:
            BrokerUnavailableError: not acknowledged in time. Any of the records may or may not have been written.
        """
        pending = self._pending
        if not pending.done.wait(max(0.0, self._deadline - time.monotonic())):
            raise BrokerUnavailableError("Kafka did not acknowledge in time: repeat the request in a few seconds")
        if pending.failure is not None:
            self._failed(pending.failure)
            raise BrokerUnavailableError("Kafka did not acknowledge: repeat the request in a few seconds") from KafkaException(
                pending.failure
            )
        return pending.offsets


class Sender:
    """One idempotent producer for all request threads of one process. Make it after the fork."""

    def __init__(self, settings: Settings, create: Callable[[dict[str, Any]], Producer] = Producer) -> None:
        """Start the producer and the thread that serves its acknowledgements.

        Args:
            settings: brokers and how long a request may wait.
            create: makes the producer; a test passes its own.
        """
        self._timeout_s = settings.ingest_ack_timeout_s
        self._names = {topic.name: topic_name(settings, topic) for topic in TOPICS}
        # A record that nobody waits for any more is given up, so that an outage fills no queue.
        self._config = producer_config(settings, **{"message.timeout.ms": int(self._timeout_s * 1000)})
        self._create = create
        self._producer = create(self._config)
        self._down = False
        self._probe = threading.Lock()
        self._renewal = threading.Lock()
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="acknowledgements", daemon=True)
        self._poller.start()

    def send_all(self, records: Sequence[Record], timeout_s: float | None = None) -> Offsets:
        """Return when Kafka has acknowledged every record; the offsets of directory records, by partition.

        Args:
            records: what to write, in order.
            timeout_s: how long to wait, at most; by default the setting.

        Raises:
            BrokerUnavailableError: not acknowledged in time. Any of the records may or may not have been written.
        """
        if not records:
            return {}
        probing = self._down
        if probing and not self._probe.acquire(blocking=False):
            raise BrokerUnavailableError("Kafka does not answer: repeat the request in a few seconds")
        try:
            offsets = self.begin(records, timeout_s).wait()
        except BrokerUnavailableError as failure:
            if not self._down:
                _logger.error("Kafka does not acknowledge; requests are answered 503", cause=str(failure.__cause__ or failure))
            self._down = True
            raise
        finally:
            if probing:
                self._probe.release()
        if self._down:
            self._down = False
            _logger.info("Kafka acknowledges again")
        return offsets

    def begin(self, records: Sequence[Record], timeout_s: float | None = None) -> Sending:
        """Hand records to the producer, in order, and return what their acknowledgements are waited for by.

        Args:
            records: what to write, in order.
            timeout_s: how long they may take, at most; by default the setting.

        Raises:
            BrokerUnavailableError: not all were taken. Any of them may be written nevertheless.
        """
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        pending = _Pending(len(records))
        producer = self._producer
        try:
            for topic, key, value in records:
                notify = pending.located if topic is DIRECTORY else pending.acknowledged
                producer.produce(self._names[topic.name], value, key, on_delivery=notify)
        except BufferError as cause:
            raise BrokerUnavailableError("Kafka is slower than its senders: repeat the request in a few seconds") from cause
        except KafkaException as cause:
            self._renew_after(cause.args[0], producer)
            raise BrokerUnavailableError("Kafka did not take a record: repeat the request in a few seconds") from cause
        return Sending(pending, deadline, lambda error: self._renew_after(error, producer))

    def _renew_after(self, error: KafkaError, failed: Producer) -> None:
        """Replace a producer that says it will never work again; it lost nothing that was acknowledged."""
        if not error.fatal():
            return
        with self._renewal:
            if self._producer is failed:
                self._producer = self._create(self._config)
                _logger.error("The Kafka producer failed for good and was replaced", error=error.name())

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(_POLL_S)

    def close(self, timeout_s: float = 0.5) -> None:
        """Wait a moment for what is under way, then stop; nothing can be sent any more."""
        self._producer.flush(timeout_s)
        self._stopping.set()
        self._poller.join(timeout_s)

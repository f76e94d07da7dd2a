"""Keeps the directory in memory equal to its topic.

A thread reads the topic from its beginning and follows it. The gateway is ready once the thread has read to the end: before that it
would give events to the wrong person. A change is answered only after this thread has read it back, so whoever got a 200 for it finds it
in force.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingest.directory import Directory, differences
from ingest.outcome import DirectoryChange, Outcome, records
from ingest.producer import Offsets, Sender
from ingest.telemetry import DIRECTORY_ENTRIES
from veilocity.contracts import DirectoryEntry, decode
from veilocity.errors import BrokerUnavailableError, ContractError, RetryableError
from veilocity.kafka import consumer_config, topic_name, wait_for_topics
from veilocity.logs import get_logger
from veilocity.settings import Settings
from veilocity.topics import DIRECTORY

__all__ = ["DirectoryFeed"]

_POLL_S = 0.1
_RETRY_S = 0.5
_TOPICS_S = 2.0
_logger = get_logger(__name__)


class DirectoryFeed:
    """Follows the topic `directory` in a thread of its own."""

    def __init__(self, settings: Settings, directory: Directory, sender: Sender, initial: Sequence[DirectoryChange] = ()) -> None:
        """Prepare; `start` begins.

        Args:
            settings: where Kafka is.
            directory: the map to fill; this object alone writes to it.
            sender: writes the initial changes.
            initial: changes of the operator's file, written once the topic has been read, where they differ from it.
        """
        self.directory = directory
        self._settings = settings
        self._sender = sender
        self._initial = initial
        self._positions: Offsets = {}
        self._moved = threading.Condition()
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="directory", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether the topic was read to its end and the initial changes are in force."""
        return self._ready.is_set()

    def start(self) -> None:
        """Begin to follow the topic."""
        self._thread.start()

    def stop(self, timeout_s: float = _RETRY_S) -> None:
        """Stop following; wait for the thread a moment, as it holds nothing that must be saved."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def wait_for(self, offsets: Mapping[int, int], timeout_s: float) -> None:
        """Return once everything up to `offsets` (by partition) is in the directory.

        Raises:
            BrokerUnavailableError: not within `timeout_s`. The change is in Kafka and will come into force; repeating it is harmless.
        """
        with self._moved:
            if not self._moved.wait_for(lambda: self._reached(offsets), timeout_s):
                raise BrokerUnavailableError("the directory was written but not read back in time: repeat the request")

    def _reached(self, offsets: Mapping[int, int]) -> bool:
        return all(self._positions.get(partition, -1) >= offset for partition, offset in offsets.items())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except (KafkaException, RetryableError) as cause:
                _logger.warning("The directory cannot be read; trying again", cause=type(cause).__name__)
                self._stopping.wait(_RETRY_S)

    def _follow(self) -> None:
        self._wait_for_topics()
        if self._stopping.is_set():
            return
        group = f"{self._settings.kafka_topic_prefix}veilocity-directory"
        consumer = Consumer(consumer_config(self._settings, group, **{"enable.partition.eof": True}))
        try:
            name = topic_name(self._settings, DIRECTORY)
            partitions = consumer.list_topics(name, timeout=_TOPICS_S).topics[name].partitions
            consumer.assign([TopicPartition(name, partition, self._start_of(partition)) for partition in partitions])
            self._read(consumer, unfinished=set(partitions))
        finally:
            consumer.close()

    def _wait_for_topics(self) -> None:
        while not self._stopping.is_set():
            try:
                wait_for_topics(self._settings, timeout_s=_TOPICS_S)
                return
            except BrokerUnavailableError:
                # Services start beside the broker: the topics may come any moment.
                continue

    def _start_of(self, partition: int) -> int:
        return self._positions[partition] + 1 if partition in self._positions else OFFSET_BEGINNING

    def _read(self, consumer: Consumer, unfinished: set[int]) -> None:
        target: Offsets | None = None
        while not self._stopping.is_set():
            message = consumer.poll(_POLL_S)
            if message is not None:
                self._take(message, unfinished)
            if self.ready or unfinished:
                continue
            if target is None:
                target = self._sender.send_all(records(Outcome(accepted=[*differences(self.directory, self._initial)])))
            if self._reached(target):
                self._ready.set()
                _logger.info("The directory is read", items=len(self.directory))

    def _take(self, message: Message, unfinished: set[int]) -> None:
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name for "end reached"
                unfinished.discard(-1 if partition is None else partition)
            elif error.fatal():
                raise KafkaException(error)
            return
        self._apply(message)
        if partition is not None and offset is not None:
            with self._moved:
                self._positions[partition] = offset
                self._moved.notify_all()

    def _apply(self, message: Message) -> None:
        value = message.value()
        try:
            if value is None:
                self.directory.delete((message.key() or b"").decode("utf-8", "replace"))
            else:
                self.directory.put(decode(value, DirectoryEntry))
        except ContractError as cause:
            _logger.error("A directory record was skipped", reason=cause.reason, partition=message.partition(), offset=message.offset())
        DIRECTORY_ENTRIES.set(len(self.directory))

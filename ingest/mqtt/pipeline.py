"""Batches on their way to Kafka: the next ones are read and judged while the first waits for its acknowledgement.

Batches come out in the order in which they went in, each only when all of it is in Kafka. When one fails, it and all after it are sent
anew in their order, so the last record of a phone is always the last that it published; the rules service drops what comes twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ingest.mqtt.bridge import Batch
from ingest.outcome import Record
from veilocity.errors import BrokerUnavailableError

__all__ = ["Pipeline"]


class _Sending(Protocol):
    @property
    def is_done(self) -> bool: ...

    def wait(self) -> object: ...


class _Kafka(Protocol):
    def begin(self, records: Sequence[Record]) -> _Sending: ...

    def send_all(self, records: Sequence[Record]) -> object: ...


class _UnderWay(NamedTuple):
    batch: Batch
    sending: _Sending | None
    """None: to be sent anew, when its turn comes. Then all behind it are None, too."""


class Pipeline:
    """A bounded queue of batches; for one thread."""

    def __init__(self, kafka: _Kafka, most_messages: int) -> None:
        """Begin empty.

        Args:
            kafka: `ingest.producer.Sender`, or what plays it.
            most_messages: from how many on it is full. One batch always fits.
        """
        self._kafka = kafka
        self._most = most_messages
        self._under_way: deque[_UnderWay] = deque()

    def __len__(self) -> int:
        """Return how many batches are under way."""
        return len(self._under_way)

    @property
    def is_full(self) -> bool:
        """Whether one should be finished before another one is started."""
        return sum(len(batch.messages) for batch, _ in self._under_way) >= self._most

    @property
    def is_ready(self) -> bool:
        """Whether `finish` would not have to wait."""
        return bool(self._under_way) and (sending := self._under_way[0].sending) is not None and sending.is_done

    def start(self, batch: Batch) -> None:
        """Send a batch behind those that are under way. What cannot be sent now is sent when its turn comes."""
        sending = None
        if not self._under_way or self._under_way[-1].sending is not None:
            try:
                sending = self._kafka.begin(batch.records)
            except BrokerUnavailableError:
                # Told by `finish`, in its turn: those before it may be well.
                sending = None
        self._under_way.append(_UnderWay(batch, sending))

    def finish(self) -> Batch:
        """Return the oldest batch once all of it is in Kafka.

        Raises:
            BrokerUnavailableError: it is not, or nobody knows: call again.
            IndexError: nothing is under way.
        """
        batch, sending = self._under_way[0]
        if sending is None:
            self._kafka.send_all(batch.records)
            behind = [later.batch for later in self._under_way][1:]
            self._under_way.clear()
            for later in behind:
                self.start(later)
            return batch
        try:
            sending.wait()
        except BrokerUnavailableError:
            self._under_way = deque(_UnderWay(each, None) for each, _ in self._under_way)
            raise
        self._under_way.popleft()
        return batch

    def forget(self) -> None:
        """Drop what is under way: nobody was told that it arrived."""
        self._under_way.clear()

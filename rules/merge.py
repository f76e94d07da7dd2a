"""The two input topics of one partition, joined in the order in which Kafka took their records.

Alerts do not depend on the order, but a decision is made once, with what is known by then. After an outage the client hands out thousands
of payments before the first fix; judged in that order none of them would have a neighbour. So a record waits while the other topic is
known to hold more, for a limited time and number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from rules.partition import Record
from veilocity.topics import Topic

__all__ = ["Merge"]

PATIENCE_S = 2.0
"""A topic that ends in marks of transactions looks as if it held more for ever."""
MAX_WAITING = 20_000


class Merge:
    """Records that wait for their turn."""

    def __init__(self, topics: Sequence[Topic], patience_s: float = PATIENCE_S, max_waiting: int = MAX_WAITING) -> None:
        """Start empty.

        Args:
            topics: of the input.
            patience_s: longest wait for the other topic since the last record was handed on.
            max_waiting: records that may wait.
        """
        self._queues: dict[str, deque[Record]] = {topic.name: deque() for topic in topics}
        self._patience_s = patience_s
        self._max_waiting = max_waiting
        self._held_since: float | None = None

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return sum(map(len, self._queues.values()))

    def add(self, record: Record) -> None:
        """Take one record; those of one topic come in its order."""
        self._queues[record.topic.name].append(record)

    def ready(self, holds_more: Callable[[str], bool], now_s: float) -> Iterator[Record]:
        """Yield the records whose turn it is.

        Args:
            holds_more: whether Kafka is known to hold records of a topic (by name) that were not added yet.
            now_s: monotonic time.
        """
        while self.waiting:
            empty = [name for name, queue in self._queues.items() if not queue]
            if any(holds_more(name) for name in empty) and not self._is_impatient(now_s):
                return
            self._held_since = None
            yield from self._run()

    def _is_impatient(self, now_s: float) -> bool:
        if self._held_since is None:
            self._held_since = now_s
        return now_s - self._held_since >= self._patience_s or self.waiting >= self._max_waiting

    def _run(self) -> Iterator[Record]:
        """Yield in order until a queue that had records has none."""
        queues = [queue for queue in self._queues.values() if queue]
        while all(queues):
            yield min(queues, key=lambda queue: queue[0].timestamp_ms).popleft()

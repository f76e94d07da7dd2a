"""The two input topics of one partition, joined in the order in which Kafka took their records.

A decision is made with what is known by then. After an outage the client hands out thousands of payments before the first fix; judged in
that order none of them would have a neighbour. So a record waits while the other topic is known to hold earlier ones, for a limited time
and number.

What is handed on at once is a `Run`, and the order inside a run is a function of its records alone (`in_order`): whoever knows where the
runs ended gets the same order again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["FIX", "PAYMENT", "Merge", "Record", "Run", "in_order", "take_until"]

FIX, PAYMENT = 0, 1
"""The rank of a record's topic: of two records of the same moment the fix comes first."""
PATIENCE_S = 2.0
"""A topic that ends in marks of transactions looks as if it held more for ever."""
MAX_WAITING = 40_000
ENOUGH_WAITING = 10_000
"""From so many records of one topic on, the client should hold that topic back."""


class Record(NamedTuple):
    """One record of an input topic. Records sort as they are to be processed."""

    timestamp_ms: int
    """When Kafka took it."""
    rank: int
    """Of its topic: `FIX` or `PAYMENT`."""
    offset: int
    value: bytes
    key: bytes


class Run(NamedTuple):
    """Records whose turn it is."""

    records: list[Record]
    ends: tuple[int, int]
    """The next offset of both topics; -1 where the run holds none."""


def in_order(records: list[Record]) -> list[Record]:
    """Return the records of one run in the order of their processing: by Kafka's time, topic and offset.

    >>> [one.offset for one in in_order([Record(5, PAYMENT, 0, b"", b""), Record(5, FIX, 8, b"", b""), Record(4, FIX, 9, b"", b"")])]
    [9, 8, 0]
    """
    return sorted(records)


def take_until(lane: deque[Record], end: int) -> list[Record]:
    """Take the records before an offset out of a lane that is in offset order."""
    taken: list[Record] = []
    while lane and lane[0].offset < end:
        taken.append(lane.popleft())
    return taken


class Merge:
    """Records that wait for their turn."""

    def __init__(self, patience_s: float = PATIENCE_S, max_waiting: int = MAX_WAITING) -> None:
        """Start empty.

        Args:
            patience_s: longest wait for the other topic since the last record was handed on.
            max_waiting: records that may wait.
        """
        self.lanes: tuple[deque[Record], deque[Record]] = (deque(), deque())
        """Of both topics, by rank; records are added in the order of their offsets."""
        self._patience_s = patience_s
        self._max_waiting = max_waiting
        self._held_since: float | None = None

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return len(self.lanes[FIX]) + len(self.lanes[PAYMENT])

    def is_full(self, rank: int) -> bool:
        """Say whether so much of one topic waits that the client should hold it back."""
        return len(self.lanes[rank]) >= ENOUGH_WAITING

    def is_low(self, rank: int) -> bool:
        """Say whether a topic that was held back should flow again."""
        return len(self.lanes[rank]) < ENOUGH_WAITING // 4

    def ready(self, holds_more: Callable[[int], bool], now_s: float) -> Run | None:
        """Return the records whose turn it is, None when there are none.

        Args:
            holds_more: whether Kafka is known to hold records of a topic (by rank) that were not added yet.
            now_s: monotonic time.
        """
        if not self.waiting:
            return None
        limits: list[int | None] = [None, None]
        if not self._is_impatient(now_s):
            limits = [self._limit_ms(PAYMENT, FIX, holds_more), self._limit_ms(FIX, PAYMENT, holds_more)]
        fixes, payments = self._cut(FIX, limits[FIX]), self._cut(PAYMENT, limits[PAYMENT])
        if not fixes and not payments:
            if self._held_since is None:
                self._held_since = now_s
            return None
        self._held_since = None
        ends = tuple(taken[-1].offset + 1 if taken else -1 for taken in (fixes, payments))
        return Run(in_order(fixes + payments), (ends[FIX], ends[PAYMENT]))

    def _is_impatient(self, now_s: float) -> bool:
        return self.waiting >= self._max_waiting or (self._held_since is not None and now_s - self._held_since >= self._patience_s)

    def _limit_ms(self, awaited: int, rank: int, holds_more: Callable[[int], bool]) -> int | None:
        """Return up to when records of `rank` may go on; None when nothing of the other topic is awaited."""
        if not self.lanes[rank] or not holds_more(awaited):
            return None
        known = self.lanes[awaited]
        return known[-1].timestamp_ms if known else -1

    def _cut(self, rank: int, limit_ms: int | None) -> list[Record]:
        lane = self.lanes[rank]
        if limit_ms is None:
            taken = list(lane)
            lane.clear()
            return taken
        taken = []
        while lane and lane[0].timestamp_ms <= limit_ms:
            taken.append(lane.popleft())
        return taken

"""The two input topics of one partition, joined in the order in which Kafka took their records.

A decision is made with what is known by then. After an outage the client hands out thousands of payments before the first fix; judged in
that order none of them would have a neighbour. So a record waits until the next one of the other topic is known, or that topic's end was
reached. What waits is bounded by holding back the topic that is ahead, and not by giving up: the order of a long backlog hangs on it. Only
when Kafka has nothing to hand out at all is a topic of which nothing is heard no longer waited for, after a while.

What is handed on at once is a `Run`, and the order inside a run is a function of its records alone (`in_order`): whoever knows where the
runs ended gets the same order again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

__all__ = ["FIX", "PAYMENT", "Merge", "Reach", "Record", "Run", "in_order", "take_until"]

FIX, PAYMENT = 0, 1
"""The rank of a record's topic: of two records of the same moment the fix comes first."""
PATIENCE_S = 10.0
"""A topic may have no leader, or end in somebody's open transaction: then it tells nothing, and the other one must go on."""
ENOUGH_WAITING = 10_000
"""From so many records of one topic on, the client should hold that topic back."""
MAX_RUN = 250
"""Between two runs a transaction may be committed. In a backlog a record may take milliseconds, and a transaction lives for seconds."""


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


class Reach:
    """How far one topic was read, and so whether more of it is to come."""

    def __init__(self, next_offset: int) -> None:
        """Begin before the first record.

        Args:
            next_offset: of the first record that is wanted.
        """
        self.next_offset = next_offset
        """Of the next record that is wanted."""
        self.is_held_back = False
        """Whether the client was told not to read it."""
        self._end_offset = -1
        self._is_heard_of = False

    @property
    def read_offset(self) -> int:
        """Everything before this offset was handed out; marks of transactions may lie between it and `next_offset`."""
        return max(self.next_offset, self._end_offset)

    def take(self, offset: int) -> bool:
        """Note a record; say whether it is new: around a rebalance the client may hand one out twice."""
        self._is_heard_of = True
        if offset < self.next_offset:
            return False
        self.next_offset = offset + 1
        return True

    def reach_end(self, offset: int) -> None:
        """Note that there was nothing to read from this offset on. It passes no record over: a former assignment may have told it."""
        self._is_heard_of = True
        self._end_offset = offset

    def hold_back(self) -> None:
        """Note that the client no longer reads it."""
        self.is_held_back = True

    def let_flow(self) -> None:
        """Note that the client reads it again; until something is heard of it, the end that was known is an old one."""
        self.is_held_back = self._is_heard_of = False

    def holds_more(self, end: int) -> bool:
        """Say whether it must be waited for.

        Args:
            end: offset of its end when something was last read of it; negative when nothing was.
        """
        return self.is_held_back or not self._is_heard_of or end < 0 or self.read_offset < end


class Merge:
    """Records that wait for their turn."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        """Start empty.

        Args:
            patience_s: longest wait for a topic of which nothing is heard. Once it is over, nothing waits until something is heard.
        """
        self.lanes: tuple[deque[Record], deque[Record]] = (deque(), deque())
        """Of both topics, by rank; records are added in the order of their offsets."""
        self._patience_s = patience_s
        self._silent_since_s: float | None = None

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

    def ready(self, holds_more: Callable[[int], bool], now_s: float, *, is_drained: bool = True) -> Run | None:
        """Return the records whose turn it is, None when there are none.

        Args:
            holds_more: whether a topic (by rank) may hold records that were not added yet.
            now_s: monotonic time at which the client was last asked for records.
            is_drained: whether the client then handed out all it had. While it has more, what is awaited may be among it, however long
                the records before it take to judge.
        """
        limits_ms = [self._limit_ms(PAYMENT, FIX, holds_more), self._limit_ms(FIX, PAYMENT, holds_more)]
        fixes, payments = self._cut(limits_ms)
        if fixes or payments:
            self._silent_since_s = None
        elif self.waiting and (all(self.lanes) or self._is_impatient(now_s, is_drained)):
            # The first records of both topics wait for each other where a clock was set back: the topic whose last one is earlier goes on.
            limits_ms[min((lane[-1].timestamp_ms, rank) for rank, lane in enumerate(self.lanes) if lane)[1]] = inf
            fixes, payments = self._cut(limits_ms)
        else:
            return None
        ends = tuple(taken[-1].offset + 1 if taken else -1 for taken in (fixes, payments))
        return Run(in_order(fixes + payments), (ends[FIX], ends[PAYMENT]))

    def _is_impatient(self, now_s: float, is_drained: bool) -> bool:
        if not is_drained:
            self._silent_since_s = None
            return False
        if self._silent_since_s is None:
            self._silent_since_s = now_s
        return now_s - self._silent_since_s >= self._patience_s

    def _limit_ms(self, awaited: int, rank: int, holds_more: Callable[[int], bool]) -> float:
        """Return up to when records of `rank` may go on."""
        if not self.lanes[rank] or not holds_more(awaited):
            return inf
        known = self.lanes[awaited]
        return known[-1].timestamp_ms if known else -inf

    def _cut(self, limits_ms: Sequence[float]) -> tuple[list[Record], list[Record]]:
        """Take the first records of both topics, merged, up to their limits."""
        lanes, taken = self.lanes, (list[Record](), list[Record]())
        heads_ms = [_head_ms(lane, limit_ms) for lane, limit_ms in zip(lanes, limits_ms, strict=True)]
        for _ in range(MAX_RUN):
            rank = FIX if heads_ms[FIX] <= heads_ms[PAYMENT] else PAYMENT
            if heads_ms[rank] == inf:
                break
            taken[rank].append(lanes[rank].popleft())
            heads_ms[rank] = _head_ms(lanes[rank], limits_ms[rank])
        return taken


def _head_ms(lane: deque[Record], limit_ms: float) -> float:
    """Return the time of the first record of a lane; infinite when there is none up to the limit."""
    return head_ms if lane and (head_ms := lane[0].timestamp_ms) <= limit_ms else inf

"""Events of several files as one stream in order of time.

A file in order is streamed; one that is not is sorted in memory, and so must fit there. What a file is, a first pass over it says, which
reads nothing but times.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from rules.backtest.files import Row, read_event, rows
from veilocity.contracts import Fix, Transaction
from veilocity.errors import RejectError, RejectReason

__all__ = ["Order", "Recording", "Survey", "event_time_ns", "survey"]


class Order(StrEnum):
    """By which time events are judged one after the other."""

    ARRIVAL = "arrival"
    """`received_ms`: as the live service saw them."""
    EVENT = "event"
    """`fix_ns` and `authorised_ms`: as if nothing had come late."""


class _Times(msgspec.Struct):
    received_ms: int
    fix_ns: int | None = None
    authorised_ms: int | None = None


_times = msgspec.json.Decoder(_Times)


class Survey(msgspec.Struct, frozen=True):
    """What the first pass says of a file."""

    path: Path
    rows: int
    in_order: bool


@dataclass
class Recording:
    """The events of some files; iterate as often as needed.

    Of two events of the same time the one of the earlier file, then of the earlier row, comes first.
    """

    files: Sequence[Survey]
    order: Order
    rejects: Counter[RejectReason] = field(default_factory=Counter)
    """Rows that are no events, of the last iteration."""

    @property
    def rows(self) -> int:
        """How many rows all files have together."""
        return sum(file.rows for file in self.files)

    def __iter__(self) -> Iterator[Fix | Transaction]:
        """Yield the events; a row that is none is counted in `rejects` and costs only itself."""
        self.rejects.clear()
        time_of = _TIMES[self.order]
        return heapq.merge(*(self._events(file, time_of) for file in self.files), key=time_of)

    def _events(self, file: Survey, time_of: Callable[[Fix | Transaction], int]) -> Iterator[Fix | Transaction]:
        events = self._read(file.path)
        return events if file.in_order else iter(sorted(events, key=time_of))

    def _read(self, path: Path) -> Iterator[Fix | Transaction]:
        for row in rows(path):
            try:
                yield read_event(row)
            except RejectError as refusal:
                self.rejects[refusal.reason] += 1


def survey(path: Path, order: Order) -> Survey:
    """Return how many rows a file has and whether they are in order.

    Raises:
        SettingsError: the file cannot be read.
    """
    count, newest_ns, in_order = 0, -(2**63), True
    for row in rows(path):
        count += 1
        time_ns = _time_ns(row, order)
        if time_ns is not None:
            in_order = in_order and time_ns >= newest_ns
            newest_ns = time_ns
    return Survey(path, count, in_order)


def _time_ns(row: Row, order: Order) -> int | None:
    """Return the time by which a row is sorted; None where it has none, so that it is no event either."""
    try:
        times = _times.decode(row) if isinstance(row, bytes) else msgspec.convert(row, _Times, strict=False)
    except msgspec.MsgspecError:
        return None
    if order is Order.ARRIVAL:
        return times.received_ms * 1_000_000
    return times.fix_ns if times.fix_ns is not None else (times.authorised_ms or 0) * 1_000_000


def event_time_ns(event: Fix | Transaction) -> int:
    """Return when an event happened, nanoseconds since 1970."""
    return event.fix_ns if isinstance(event, Fix) else event.authorised_ms * 1_000_000


def _arrival_ms(event: Fix | Transaction) -> int:
    return event.received_ms


_TIMES: dict[Order, Callable[[Fix | Transaction], int]] = {Order.ARRIVAL: _arrival_ms, Order.EVENT: event_time_ns}

"""Rows of a second file that belong between the batches of a first one by their times. Pure.

The boundary between two batches is the time of the first row of the later one. A batch takes every row of the second file before that, the
last batch takes the rest: intervals are half-open and leave no gap, so no row is lost between batches and none is sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingest.bank.localtime import ns_from_local
from ingest.protocols.normal import ns_from_any
from veilocity.errors import InvalidInputError

__all__ = ["Batch", "Beside", "Row", "paired", "time_ns"]

Row = dict[str, str]
_UTC = ZoneInfo("UTC")


def time_ns(text: str | None) -> int | None:
    """Return a time as nanoseconds, to be compared only: ISO (without an offset UTC) or Unix seconds or milliseconds; None for neither.

    >>> time_ns("1970-01-01 00:00:01"), time_ns("1"), time_ns("soon")
    (1000000000, 1000000000, None)
    """
    if not text:
        return None
    try:
        return ns_from_local(text, _UTC) if "-" in text else ns_from_any(text)
    except InvalidInputError:
        return None


class Beside:
    """The second file: hands out its rows before a boundary, one at a time."""

    def __init__(self, rows: Iterable[Row], time_of: Callable[[Row], int | None]) -> None:
        self._rows = iter(rows)
        self._time_of = time_of
        self._held: list[Row] = []
        """The one row that has been looked at and belongs to a later batch."""

    def before(self, boundary_ns: int | None) -> Iterator[Row]:
        """Yield the rows up to the first one at or after the boundary; all that are left without one.

        A row whose time cannot be read goes with its neighbours. A row that comes too late in the file goes at once, with the batch
        under way.
        """
        while True:
            row = self._held.pop() if self._held else next(self._rows, None)
            if row is None:
                return
            at_ns = self._time_of(row)
            if boundary_ns is not None and at_ns is not None and at_ns >= boundary_ns:
                self._held.append(row)
                return
            yield row


class Batch(NamedTuple):
    """One batch, and the times between which its rows lie, where they state any."""

    rows: list[Row]
    from_ns: int | None
    until_ns: int | None
    """Time of the first row of the next batch; None for the last batch."""


def paired(found: Iterable[list[Row]], time_of: Callable[[Row], int | None]) -> Iterator[Batch]:
    """Yield every batch with its boundaries; two batches are in memory at a time."""
    before: list[Row] | None = None
    for rows in found:
        if before is not None:
            # A first row without a time draws no boundary: then what lies between waits for the batch after.
            opened_ns = time_of(before[0])
            boundary_ns = time_of(rows[0])
            yield Batch(before, opened_ns, boundary_ns if boundary_ns is not None else _NOTHING_YET)
        before = rows
    if before is not None:
        yield Batch(before, time_of(before[0]), None)


_NOTHING_YET = -(2**63)
"""A boundary that every time lies behind."""

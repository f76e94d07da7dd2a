"""The trees by which quasi-identifiers are generalised: each value's path from itself to `*`.

    cell      H3 cell, its ancestors two and four resolutions up, `*`
    hour      `2026-11-22T14`, six hours `2026-11-22T12/18`, day `2026-11-22`, `*`, all in UTC
    amount    band, decade, currency, `*`
    category  category, group, `*`

A value that is missing is a value of its own, printed `none`, and generalises to `*` only: nobody can tell by a class whether a payment
without a place might have been in a cell. Every value of a path covers the values before it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import h3

from privacy.amounts import band_path
from privacy.categories import category_path

__all__ = [
    "EVERYTHING",
    "HEIGHTS",
    "MISSING",
    "PATHS",
    "TIME",
    "QuasiIdentifiers",
    "cell_path",
    "cell_resolution",
    "covering_level",
    "hour_of",
    "hour_path",
]

EVERYTHING = "*"
MISSING = "none"
_BLOCK_HOURS = 6


class QuasiIdentifiers(NamedTuple):
    """What an outsider may know about a payment, exact or generalised."""

    cell: str
    hour: str
    """Printed time: an hour, six hours, a day or `*`."""
    amount_band: str
    category: str


@lru_cache(maxsize=100_000)
def cell_path(cell: str) -> tuple[str, str, str, str]:
    """Return a cell and what stands above it.

    >>> cell_path("872830828ffffff")
    ('872830828ffffff', '85283083fffffff', '832830fffffffff', '*')
    >>> cell_path("none")
    ('none', 'none', 'none', '*')
    """
    if cell == MISSING:
        return MISSING, MISSING, MISSING, EVERYTHING
    resolution = h3.get_resolution(cell)
    near = h3.cell_to_parent(cell, max(0, resolution - 2))
    far = h3.cell_to_parent(cell, max(0, resolution - 4))
    return cell, near, far, EVERYTHING


def cell_resolution(cell: str) -> int:
    """Return the H3 resolution of a printed cell, -1 where it is none.

    >>> cell_resolution("85283083fffffff"), cell_resolution("*")
    (5, -1)
    """
    return -1 if cell in (MISSING, EVERYTHING) else h3.get_resolution(cell)


def hour_of(minute_ms: int) -> str:
    """Return the hour of a time in UTC.

    >>> hour_of(1_690_598_220_000)
    '2023-07-29T02'
    """
    return f"{datetime.fromtimestamp(minute_ms / 1000, tz=UTC):%Y-%m-%dT%H}"


@lru_cache(maxsize=10_000)
def hour_path(hour: str) -> tuple[str, str, str, str]:
    """Return an hour and what stands above it: six hours from midnight, the day, everything.

    >>> hour_path("2026-11-22T14")
    ('2026-11-22T14', '2026-11-22T12/18', '2026-11-22', '*')
    """
    day, _, number = hour.partition("T")
    first = int(number) // _BLOCK_HOURS * _BLOCK_HOURS
    return hour, f"{day}T{first:02d}/{first + _BLOCK_HOURS:02d}", day, EVERYTHING


def covering_level(start_ms: int, end_ms: int) -> int:
    """Return the lowest level of a printed time that covers a whole stretch of event time.

    >>> hour_ms = 3_600_000
    >>> [covering_level(0, width * hour_ms) for width in (1, 6, 24, 48)]
    [0, 1, 2, 3]
    """
    first, last = hour_path(hour_of(start_ms)), hour_path(hour_of(end_ms - 1))
    return next(level for level, (one, other) in enumerate(zip(first, last, strict=True)) if one == other)


PATHS: tuple[Callable[[str], tuple[str, ...]], ...] = (cell_path, hour_path, band_path, category_path)
"""The path of each quasi-identifier, in the order of `QuasiIdentifiers`."""
HEIGHTS = (3, 3, 3, 2)
"""Steps from the exact value to `*`, in the same order."""
TIME = QuasiIdentifiers._fields.index("hour")
"""Place of the time among the quasi-identifiers."""

"""The trees by which quasi-identifiers are generalised: each value's path from itself to `*`.

    cell      H3 cell, its ancestors two and four resolutions up, `*`
    hour      `2026-11-22T14`, `*`
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

__all__ = ["EVERYTHING", "HEIGHTS", "MISSING", "PATHS", "QuasiIdentifiers", "cell_path", "cell_resolution", "hour_of", "hour_path"]

EVERYTHING = "*"
MISSING = "none"


class QuasiIdentifiers(NamedTuple):
    """What an outsider may know about a payment, exact or generalised."""

    cell: str
    hour: str
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


def hour_path(hour: str) -> tuple[str, str]:
    """Return an hour and what stands above it."""
    return hour, EVERYTHING


PATHS: tuple[Callable[[str], tuple[str, ...]], ...] = (cell_path, hour_path, band_path, category_path)
"""The path of each quasi-identifier, in the order of `QuasiIdentifiers`."""
HEIGHTS = (3, 1, 3, 2)
"""Steps from the exact value to `*`, in the same order."""

"""A window too large for one search is cut by region first: each region alone, then what is left of all regions together.

The cut rests on the rows alone: the H3 ancestor of each row's cell at `REGION_RESOLUTION` (about 86,000 km²), rows without a place being a
region of their own, and it is made only where the window holds more than `region_rows` rows. So it gives the same classes wherever the
regions are anonymised: in this process, or on Spark's executors (`privacy.distributed`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import h3
import msgspec
import numpy as np

from privacy.anonymity import Classes, Limits, anonymise, sensitive_counts
from privacy.columns import Indexes
from privacy.hierarchies import MISSING, QuasiIdentifiers
from privacy.table import RowTable

__all__ = ["REGION_RESOLUTION", "Found", "Region", "Regional", "Terms", "anonymise_region", "anonymise_window", "here", "region_of"]

REGION_RESOLUTION = 2
_CELL = QuasiIdentifiers._fields.index("cell")


class Terms(msgspec.Struct, frozen=True):
    """What one window is released under."""

    limits: Limits
    """Of the window: its `loss` says what is rather left than released."""
    region_loss: float
    """Most that a class of one region may lose."""
    region_rows: int
    """Rows from which a window is cut."""
    time_level: int
    """Lowest level at which times may be printed."""


class Region(msgspec.Struct, frozen=True):
    """What one search gets: everything it needs."""

    table: RowTable
    limits: Limits
    time_level: int
    whole: dict[str, int]
    """How often each sensitive value occurs in the window."""


class Found(msgspec.Struct, frozen=True):
    """What one search gives."""

    classes: Classes
    fault: str = ""
    """Why a class failed its proof, where it did: then nothing may be released."""


Regional = Callable[[Sequence[Region]], list[Found]]
"""Anonymises regions somewhere, in their order."""


def region_of(cell: str) -> str:
    """Return the region of a cell.

    >>> region_of("872830828ffffff"), region_of("none")
    ('822837fffffffff', 'none')
    """
    if cell == MISSING:
        return MISSING
    return str(h3.cell_to_parent(cell, min(REGION_RESOLUTION, h3.get_resolution(cell))))


def anonymise_window(table: RowTable, terms: Terms, regional: Regional) -> tuple[Classes, list[Found]]:
    """Return the classes of a window, and what the regions gave (nothing where the window was not cut).

    Every row is in one class or left. The same rows give the same classes wherever regions are searched.

    Args:
        table: of the window, ordered.
        terms: what classes must keep.
        regional: where regions are searched.
    """
    whole = sensitive_counts(table)
    if table.count <= terms.region_rows:
        return anonymise(table, terms.limits, terms.time_level, whole), []
    limits = msgspec.structs.replace(terms.limits, loss=min(terms.region_loss, terms.limits.loss))
    cut = _cut(table)
    found = regional([Region(table.take(rows), limits, terms.time_level, whole) for rows in cut])
    labels = np.full(table.count, -1, dtype=np.int64)
    printed: list[QuasiIdentifiers] = []
    for rows, one in zip(cut, found, strict=True):
        _put(labels, rows, one.classes, len(printed))
        printed.extend(one.classes.printed)
    left = np.flatnonzero(labels < 0)
    together = anonymise(table.take(left), terms.limits, terms.time_level, whole)
    _put(labels, left, together, len(printed))
    return _merged(labels, [*printed, *together.printed]), found


def anonymise_region(region: Region) -> Found:
    """Return the classes of one region."""
    return Found(anonymise(region.table, region.limits, region.time_level, region.whole))


def here(regions: Sequence[Region]) -> list[Found]:
    """Anonymise regions in this process."""
    return [anonymise_region(region) for region in regions]


def _cut(table: RowTable) -> list[Indexes]:
    """Return the rows of each region, the regions in their order."""
    cells = table.quasi[_CELL]
    regions = [region_of(cell) for cell in cells.values.tolist()]
    number = {region: place for place, region in enumerate(sorted(set(regions)))}
    codes = np.array([number[region] for region in regions], dtype=np.int64)[cells.codes]
    order = np.argsort(codes, kind="stable")
    return [rows for rows in np.split(order, np.cumsum(np.bincount(codes, minlength=len(number)))[:-1]) if len(rows)]


def _put(labels: Indexes, rows: Indexes, classes: Classes, before: int) -> None:
    """Give rows of a window the classes that they have in a part of it, numbered behind those that are there."""
    labels[rows] = np.where(classes.labels < 0, -1, classes.labels + before)


def _merged(labels: Indexes, found: Sequence[QuasiIdentifiers]) -> Classes:
    """Return classes that are printed alike as one: safe if they were, as people only add up and distances do not grow."""
    printed = sorted(set(found))
    rank = {one: number for number, one in enumerate(printed)}
    # The last element is what -1 finds: rows that are left stay left.
    return Classes(np.array([*(rank[one] for one in found), -1], dtype=np.int64)[labels], printed)

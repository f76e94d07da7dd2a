"""A window too large for one search is cut by region first: each region alone, then what is left of all regions together.

The cut rests on the rows alone: the H3 ancestor of each row's cell at `REGION_RESOLUTION` (about 86,000 km²), rows without a place being a
region of their own, and it is made only where the window holds more than `region_rows` rows. So it gives the same classes wherever the
regions are anonymised: in this process, or on Spark's executors (`privacy.distributed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import h3
import msgspec

from privacy.anonymity import AnonymousClass, Limits, Row, anonymise, sensitive_counts
from privacy.hierarchies import MISSING, QuasiIdentifiers

__all__ = ["REGION_RESOLUTION", "Found", "Region", "Regional", "Terms", "anonymise_region", "anonymise_window", "here", "region_of"]

REGION_RESOLUTION = 2


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


class Region(msgspec.Struct, frozen=True, array_like=True):
    """What one search gets: everything it needs, so that it can be sent."""

    rows: tuple[Row, ...]
    limits: Limits
    time_level: int
    whole: dict[str, int]
    """How often each sensitive value occurs in the window."""


class Found(msgspec.Struct, frozen=True, array_like=True):
    """What one search gives: rows as their places in the region, which is small to send."""

    classes: list[tuple[QuasiIdentifiers, list[int]]]
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


def anonymise_window(rows: Sequence[Row], terms: Terms, regional: Regional) -> tuple[list[AnonymousClass], list[Row], list[Found]]:
    """Return the classes of a window, the rows that are left, and what the regions gave (nothing where the window was not cut).

    Every row is in one class or left. The same rows give the same classes whatever their order and wherever regions are searched.
    """
    whole = sensitive_counts(rows)
    if len(rows) <= terms.region_rows:
        classes, left = anonymise(rows, terms.limits, terms.time_level, whole)
        return classes, left, []
    limits = msgspec.structs.replace(terms.limits, loss=min(terms.region_loss, terms.limits.loss))
    regions = [Region(tuple(some), limits, terms.time_level, whole) for some in _cut(rows)]
    found = regional(regions)
    classes, left = [], []
    for region, one in zip(regions, found, strict=True):
        taken: set[int] = set()
        for printed, places in one.classes:
            taken.update(places)
            classes.append(AnonymousClass(printed, tuple(region.rows[place] for place in places)))
        left.extend(row for place, row in enumerate(region.rows) if place not in taken)
    together, left = anonymise(left, terms.limits, terms.time_level, whole)
    return _merged([*classes, *together]), left, found


def anonymise_region(region: Region) -> Found:
    """Return the classes of one region."""
    classes, _ = anonymise(region.rows, region.limits, region.time_level, region.whole)
    place = {row.id: index for index, row in enumerate(region.rows)}
    return Found([(one.printed, [place[row.id] for row in one.rows]) for one in classes])


def here(regions: Sequence[Region]) -> list[Found]:
    """Anonymise regions in this process."""
    return [anonymise_region(region) for region in regions]


def _cut(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of each region, the regions in their order."""
    regions = {cell: region_of(cell) for cell in {row.quasi.cell for row in rows}}
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(regions[row.quasi.cell], []).append(row)
    return [parts[region] for region in sorted(parts)]


def _merged(classes: Iterable[AnonymousClass]) -> list[AnonymousClass]:
    """Return classes that are printed alike as one: safe if they were, as people only add up and distances do not grow."""
    rows: dict[QuasiIdentifiers, list[Row]] = {}
    for one in classes:
        rows.setdefault(one.printed, []).extend(one.rows)
    return [AnonymousClass(printed, tuple(sorted(rows[printed], key=lambda row: row.id))) for printed in sorted(rows)]

"""What a released class prints, read as an outsider reads it: each printed value is a set, and this says what is in it.

Nothing here is shared with the search that made the classes: spans come from the text itself. Only the group of a category needs the
published tree.

    cell       an H3 cell and all below it; `none`: payments without a place; `*`
    time       an hour `2026-11-22T14`, six hours `2026-11-22T12/18`, a day `2026-11-22`, `*`; UTC
    band       `EUR 20-50` (from 20, below 50), `EUR back 20-50`, all of a currency `EUR *`, `*`
    category   itself, `[group]`, `*`
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import h3

from privacy.categories import group_of

__all__ = ["EVERYTHING", "NOWHERE", "band_covers", "category_covers", "cell_covers", "malformed", "time_span_ms"]

EVERYTHING = "*"
NOWHERE = "none"
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2})(?:/([0-9]{2}))?)?")
_BAND = re.compile(r"([A-Z]{3})( back)? ([0-9]+)-([0-9]+)")
_CURRENCY = re.compile(r"([A-Z]{3}) \*")
_GROUP = re.compile(r"\[([^\[\]]+)\]")
_BLOCK_HOURS = 6
_FOREVER_MS = (0, 2**62)


@lru_cache(maxsize=100_000)
def time_span_ms(printed: str) -> tuple[int, int]:
    """Return the first millisecond of a printed time and the first after it.

    Raises:
        ValueError: it is no hour, block of six hours, day or `*`.

    >>> start_ms, end_ms = time_span_ms("2026-11-22T12/18")
    >>> (end_ms - start_ms) // 3_600_000
    6
    """
    if printed == EVERYTHING:
        return _FOREVER_MS
    match = _TIME.fullmatch(printed)
    if match is None:
        raise ValueError("no printed time")
    day, first, last = match.groups()
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    begin, hours = (0, 24) if first is None else (int(first), 1 if last is None else int(last) - int(first))
    aligned = last is None or (hours == _BLOCK_HOURS and begin % _BLOCK_HOURS == 0)
    if not aligned or not 0 <= begin < 24:
        raise ValueError("no printed time")
    start = midnight + timedelta(hours=begin)
    start_ms = int(start.timestamp()) * 1000
    return start_ms, start_ms + hours * 3_600_000


@lru_cache(maxsize=200_000)
def cell_covers(printed: str, cell: str) -> bool:
    """Say whether a printed cell covers a payment's cell, or `none`.

    >>> cell_covers("85283083fffffff", "872830828ffffff"), cell_covers("none", "none"), cell_covers("85283083fffffff", "none")
    (True, True, False)
    """
    if EVERYTHING in (printed, cell) or NOWHERE in (printed, cell):
        return printed in (EVERYTHING, cell)
    resolution = h3.get_resolution(printed)
    return resolution <= h3.get_resolution(cell) and h3.cell_to_parent(cell, resolution) == printed


@lru_cache(maxsize=200_000)
def band_covers(printed: str, band: str) -> bool:
    """Say whether a printed band covers the narrow band of a payment.

    >>> band_covers("EUR 10-100", "EUR 20-50"), band_covers("EUR *", "EUR back 20-50"), band_covers("EUR 10-100", "EUR back 20-50")
    (True, True, False)
    """
    if printed in (EVERYTHING, band):
        return True
    inner, outer = _BAND.fullmatch(band), _BAND.fullmatch(printed)
    if inner is None:
        return False
    currency = _CURRENCY.fullmatch(printed)
    if currency is not None:
        return currency.group(1) == inner.group(1)
    return (
        outer is not None
        and outer.group(1, 2) == inner.group(1, 2)
        and int(outer.group(3)) <= int(inner.group(3))
        and int(inner.group(4)) <= int(outer.group(4))
    )


@lru_cache(maxsize=200_000)
def category_covers(printed: str, category: str) -> bool:
    """Say whether a printed category covers a payment's.

    >>> category_covers("[going-out]", "cafe"), category_covers("cafe", "bar")
    (True, False)
    """
    if printed in (EVERYTHING, category):
        return True
    group = _GROUP.fullmatch(printed)
    return group is not None and group.group(1) == group_of(category)


def malformed(cell: str, cell_resolution: int, hour: str, amount_band: str) -> dict[str, str]:
    """Return what is wrong with printed values, by field.

    >>> malformed("*", -1, "2026-11-22T14", "EUR 20-50")
    {}
    >>> sorted(malformed("here", 7, "2026-11-22T14:05", "EUR 50-20"))
    ['amount_band', 'cell', 'hour']
    """
    faults = {}
    if cell in (EVERYTHING, NOWHERE):
        if cell_resolution != -1:
            faults["cell_resolution"] = "is not -1 where there is no cell"
    elif not h3.is_valid_cell(cell):
        faults["cell"] = "is no H3 cell, none or *"
    elif h3.get_resolution(cell) != cell_resolution:
        faults["cell_resolution"] = "is not the resolution of the cell"
    try:
        time_span_ms(hour)
    except ValueError:
        faults["hour"] = "is no hour, block of six hours, day or *"
    if not _is_band(amount_band):
        faults["amount_band"] = "is no band of amounts, currency or *"
    return faults


def _is_band(printed: str) -> bool:
    if printed == EVERYTHING or _CURRENCY.fullmatch(printed):
        return True
    match = _BAND.fullmatch(printed)
    return match is not None and int(match.group(3)) < int(match.group(4))

"""The stream of the course: simulated payments of known shape, or one column of a CSV file.

All chapters see one sequence of items (names of shops, for example) and one number beside each item. Simulated shops have popularities
p(i) proportional to 1 / (i + 3)^1.05 (Zipf and Mandelbrot), so a few are frequent and many are rare; one in eight is another shop's name
with a slip of the pen, which the similarity chapters must find; and one shop has a sale between 60 % and 75 % of the stream, when every
eighth payment is its, which the windows must follow. Amounts are log-normal. A file brings its own column; where it holds text, the number
beside an item is how many events ago the same item came last.

Guarantee: the same seed and number of events give the same stream on every machine, as only uniform numbers of a counter-based generator
are drawn, and amounts are rounded to cents.

References: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox); Mandelbrot, "An informational theory of the
statistical structure of language" (1953).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import csv

from veilocity.errors import SettingsError

__all__ = ["FEWEST_EVENTS", "MOST_EVENTS", "Stream", "read_csv", "simulate"]

FEWEST_EVENTS, MOST_EVENTS = 2_000, 1_000_000
_SALE_FROM, _SALE_TO, _SALE_SHARE, _SALE_SHOP = 0.60, 0.75, 0.125, 40
_STARTS = (
    "Al",
    "Bor",
    "Cas",
    "Del",
    "Fer",
    "Gran",
    "Hol",
    "Kes",
    "Lin",
    "Mor",
    "Nor",
    "Pel",
    "Quin",
    "Ros",
    "Sten",
    "Tal",
    "Ul",
    "Ver",
    "Wil",
    "Zan",
)
_ENDS = ("berg", "dale", "ford", "grove", "ham", "kirk", "ley", "mont", "ner", "port", "son", "stead", "ton", "vale", "well", "wick")
_TRADES = (
    "Bakery",
    "Books",
    "Cafe",
    "Cycles",
    "Dental",
    "Flowers",
    "Fuel",
    "Garden",
    "Grocers",
    "Motors",
    "Optics",
    "Pharmacy",
    "Shoes",
    "Travel",
)


@dataclass(frozen=True)
class Stream:
    """One sequence of items, each with a number."""

    source: str
    """What it is, as a sentence."""
    items: tuple[str, ...]
    values: NDArray[np.float64]
    value_name: str

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.items)

    @cached_property
    def _numbered(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        numbers: dict[str, int] = {}
        codes = np.fromiter((numbers.setdefault(item, len(numbers)) for item in self.items), dtype=np.int64, count=len(self.items))
        return tuple(numbers), codes

    @property
    def names(self) -> tuple[str, ...]:
        """The distinct items, in the order in which they first came."""
        return self._numbered[0]

    @property
    def codes(self) -> NDArray[np.int64]:
        """The place of each event's item among `names`."""
        return self._numbered[1]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each of `names` came."""
        return np.bincount(self.codes, minlength=len(self.names))

    @cached_property
    def _so_far(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return, after each event, how many items were distinct, what they hold in bytes, and what all items hold."""
        new = np.zeros(len(self), dtype=np.int64)
        new[np.unique(self.codes, return_index=True)[1]] = 1
        sizes = np.fromiter((len(item.encode()) for item in self.items), dtype=np.int64, count=len(self.items))
        return np.cumsum(new), np.cumsum(new * sizes), np.cumsum(sizes)

    def distinct(self, events: int) -> int:
        """Return how many distinct items the first events hold."""
        return int(self._so_far[0][events - 1])

    def distinct_bytes(self, events: int) -> int:
        """Return the bytes of the distinct items of the first events: what an exact set remembers at least."""
        return int(self._so_far[1][events - 1])

    def counts_bytes(self, events: int) -> int:
        """Return the bytes of the distinct items of the first events with a count of 8 bytes each: what an exact table remembers."""
        return self.distinct_bytes(events) + 8 * self.distinct(events)

    def all_bytes(self, events: int) -> int:
        """Return the bytes of the first events' items: what a copy of the stream holds."""
        return int(self._so_far[2][events - 1])

    def ranked(self, place: int) -> str:
        """Return the item at a place of the order by frequency, 0 for the most frequent; the last one where there are not so many."""
        order = np.argsort(-self.counts, kind="stable")
        return self.names[int(order[min(place, len(order) - 1)])]

    @cached_property
    def burst(self) -> str:
        """The one of the fifty most frequent items whose frequency changes most: the largest share of its events in a twentieth of them."""
        slices = np.arange(len(self)) * 20 // len(self)
        frequent = np.argsort(-self.counts, kind="stable")[:50]
        peaks = [np.bincount(slices[self.codes == item], minlength=20).max() / self.counts[item] for item in frequent]
        return self.names[int(frequent[int(np.argmax(peaks))])]

    def first(self, events: int) -> Stream:
        """Return the beginning of the stream."""
        return self if events >= len(self) else Stream(self.source, self.items[:events], self.values[:events], self.value_name)


def simulate(events: int, seed: int) -> Stream:
    """Return simulated payments at shops.

    Args:
        events: how many, `FEWEST_EVENTS` to `MOST_EVENTS`.
        seed: the same seed, the same stream; 0 to 2^64 - 1.

    Raises:
        SettingsError: too few or too many events, or no seed.

    >>> stream = simulate(2_000, seed=7)
    >>> len(stream), stream.items == simulate(2_000, seed=7).items, stream.items == simulate(2_000, seed=8).items
    (2000, True, False)
    """
    _check_size(events)
    if not 0 <= seed < 2**64:
        raise SettingsError("--seed: give a number from 0 to 2^64 - 1")
    draws = np.random.Generator(np.random.Philox(key=seed))
    shops = _shop_names(max(200, min(events // 12, 20_000)), draws)
    weights = 1.0 / (np.arange(len(shops)) + 3.0) ** 1.05
    cumulative = np.cumsum(weights / weights.sum())
    chosen = np.minimum(np.searchsorted(cumulative, draws.random(events), side="right"), len(shops) - 1)
    place = np.arange(events) / events
    chosen[(place >= _SALE_FROM) & (place < _SALE_TO) & (draws.random(events) < _SALE_SHARE)] = _SALE_SHOP
    first, second = 1.0 - draws.random(events), draws.random(events)
    normal: NDArray[np.float64] = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    amounts: NDArray[np.float64] = np.exp(3.2 + 1.1 * normal).round(2)
    source = f"{events:,} simulated payments at {len(shops):,} shops, seed {seed}"
    return Stream(source, tuple(shops[number] for number in chosen.tolist()), amounts, "amount")


def read_csv(path: Path, column: str, events: int) -> Stream:
    """Return the first events of one column of a CSV file; empty fields and infinite numbers are left out.

    Raises:
        SettingsError: no such file or column, no CSV, or too few rows.
    """
    _check_size(events)
    try:
        with csv.open_csv(path) as reader:
            if column not in reader.schema.names:
                raise SettingsError(f"--column: the file has no such column; it has {', '.join(reader.schema.names)}")
            found: list[Any] = []
            for batch in reader:
                known: list[Any] = batch.column(column).drop_null().to_pylist()
                found += (value for value in known if not isinstance(value, float) or math.isfinite(value))
                if len(found) >= events:
                    break
    except (OSError, pyarrow.ArrowException) as cause:
        raise SettingsError(f"--file: cannot be read as CSV ({type(cause).__name__}): give a file with a row of names on top") from cause
    if len(found) < FEWEST_EVENTS:
        raise SettingsError(f"--file: the column holds {len(found):,} values; a course needs at least {FEWEST_EVENTS:,}")
    del found[events:]
    items = tuple(str(item) for item in found)
    source = f"{len(items):,} values of the column “{column}” of {path.name}"
    if all(isinstance(item, int | float) for item in found):
        return Stream(source, items, np.asarray(found, dtype=np.float64), column)
    return Stream(source, items, _gaps(items), "events since the item came last")


def _check_size(events: int) -> None:
    if not FEWEST_EVENTS <= events <= MOST_EVENTS:
        raise SettingsError(f"--events: give {FEWEST_EVENTS:,} to {MOST_EVENTS:,}")


def _gaps(items: tuple[str, ...]) -> NDArray[np.float64]:
    last: dict[str, int] = {}
    gaps = np.empty(len(items))
    for place, item in enumerate(items):
        gaps[place] = place - last.get(item, -1)
        last[item] = place
    return gaps


def _shop_names(count: int, draws: np.random.Generator) -> list[str]:
    """Return distinct names; one in eight differs from an earlier one by a slip of the pen."""
    places = [f"{start}{end}" for start, end in itertools.product(_STARTS, _ENDS)]
    names: dict[str, None] = {}
    while len(names) < count:
        first, second, trade, slip = draws.random(4)
        if slip < 0.125 and names:
            known = next(itertools.islice(names, int(first * len(names)), None))
            names[_slipped(known, second)] = None
        else:
            owner, where = places[int(first * len(places))], places[int(second * len(places))]
            names[f"{owner} {where} {_TRADES[int(trade * len(_TRADES))]}"] = None
    return list(names)


def _slipped(name: str, where: float) -> str:
    """Return a name that lacks one letter in its middle words, or is followed by a company's form."""
    if where < 0.5:
        return f"{name} Ltd"
    cut = 1 + int((where - 0.5) * 2.0 * (len(name) - 2))
    return name[:cut] + name[cut + 1 :]

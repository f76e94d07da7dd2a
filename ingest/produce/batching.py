"""Batches of a stream of rows, and seconds spread evenly over each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

from ingest.simulator.chance import Dice, generator
from veilocity.errors import SettingsError

__all__ = ["Sizes", "batches", "sizes_of", "spread_s"]

_T = TypeVar("_T")
_RANGE = re.compile(r"(\d{1,7})(?:\s*-\s*(\d{1,7}))?")


class Sizes(NamedTuple):
    """How many rows a batch has: a size from `low` to `high`, both included, drawn for each batch by its number alone."""

    low: int
    high: int
    seed: int

    def of(self, number: int) -> int:
        """Return the size of batch `number`, counted from 0.

        >>> [Sizes(500, 1000, 1).of(number) for number in (0, 1, 0)]
        [864, 901, 864]
        """
        return Dice(generator(self.seed, "rows of a batch", number)).whole(self.low, self.high)


def sizes_of(text: str, seed: int) -> Sizes:
    """Read `500-1000`, or `500` for batches of one size.

    Raises:
        SettingsError: neither, or no row at all.

    >>> sizes_of("500-1000", 1)
    Sizes(low=500, high=1000, seed=1)
    """
    found = _RANGE.fullmatch(text.strip())
    low = int(found[1]) if found else 0
    high = int(found[2] or found[1]) if found else 0
    if not 1 <= low <= high:
        raise SettingsError("--rows must be a range such as 500-1000, or a number of rows such as 500")
    return Sizes(low, high, seed)


def batches(rows: Iterable[_T], sizes: Sizes, first: int = 0) -> Iterator[list[_T]]:
    """Yield the rows in order, batch by batch; one batch is in memory at a time, and the last may be smaller.

    Args:
        rows: read once, from front to back.
        sizes: of the batches.
        first: number of the first batch, for a play that goes on.

    Guarantee: the batches put together are the rows, each once.
    """
    source, number = iter(rows), first
    while batch := list(islice(source, sizes.of(number))):
        yield batch
        number += 1


def spread_s(count: int, every_s: int, start_s: int) -> list[int]:
    """Return the second of each of `count` rows: row i gets start + floor(every i / count).

    Guarantee: ascending, from `start_s` to at most `start_s + every_s - 1`, and the rows of two seconds differ by one at most. So there
    is never a second more than the batch lasts, whatever `count` is.

    >>> spread_s(7, 5, 100)
    [100, 100, 101, 102, 102, 103, 104]
    """
    return [start_s + every_s * index // count for index in range(count)]

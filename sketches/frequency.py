"""How often each item came, in a table of fixed size: the Count-Min sketch, plain or with conservative update.

Theory: a table of `depth` rows and `width` columns; each row has a hash function of its own, and adds an item's weight to one cell. A cell
holds its item's count and what collides with it, so the smallest of an item's cells is never too small. Conservative update raises a cell
only to the least value that keeps it an upper bound (the item's present estimate plus its weight), so it is never above the plain table.

Guarantee: for weights of total N, the truth f(x) and the estimate e(x) of an item chosen without knowledge of the seed,

    f(x) <= e(x)                                                    always
    P(e(x) - f(x) >= eps N) <= (1 / (width eps)) ^ depth            Markov's inequality in each of the independent rows

so `width = ceil(e / eps)` and `depth = ceil(ln(1 / delta))` give an error below eps N with probability 1 - delta (`for_error`). Both hold
for a merge as well: cells add. For the plain table the merge equals the table of the whole stream, bit for bit. For a conservative one it
does not, because conservative update depends on the order: the sum of two upper bounds is an upper bound and no cell passes the plain one,
so the guarantee stays, but the table is less tight than that of the whole stream would be.

A row's column is (32 bits of the hash * width) / 2^32, whose probability differs from 1 / width by less than 2^-32. Memory: 8 bytes a cell.

References: Cormode and Muthukrishnan, "An improved data stream summary: the Count-Min sketch and its applications", J. Algorithms 55
(2005); Estan and Varghese, "New directions in traffic measurement and accounting", SIGCOMM 2002, for conservative update.
"""

from __future__ import annotations

import math
from operator import index
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch, require_confidence
from sketches.hashing import HASH_NAME, Column, Hashes, Item, hash_column, hash_item, mix64, mix_column
from veilocity.errors import SketchMismatchError

__all__ = ["CountMin", "CountMinParameters", "whole_weight"]

_MOST_CELLS = 2**32
_MOST_WEIGHT = 2**63 - 1
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
# Splitting a batch lets conservative update find more items that share no cell within their part; an eighth of the width keeps most apart.
_SHARE_OF_WIDTH, _SMALLEST_PART = 8, 256

Cells = NDArray[np.int64]


class CountMinParameters(Parameters, frozen=True, kw_only=True):
    """What two Count-Min tables share."""

    width: int
    depth: int
    seed: int
    conservative: bool


class _Content(msgspec.Struct, array_like=True):
    total: int
    table: bytes


class CountMin(Sketch):
    """How often an item came: never too low, rarely much too high.

    >>> visits = CountMin(width=2_000, depth=5, seed=7)
    >>> visits.update_batch(["lagos"] * 40 + ["london"] * 2)
    >>> visits.estimate("lagos"), visits.estimate("paris")
    (40.0, 0.0)
    >>> visits.update_weighted("paris", 3)
    >>> visits.bounds("paris", confidence=0.99)
    Bounds(low=2.9434825552910344, high=3.0)
    """

    __slots__ = ("_pairs", "_table", "_total")

    kind = b"CMIN"
    repeats = Repeats.COUNTED
    hash_name = HASH_NAME
    parameter_type = CountMinParameters

    def __init__(self, width: int, depth: int, seed: int, conservative: bool = False) -> None:
        """Start with every count at zero.

        Args:
            width: columns; the error is about e / width of the total.
            depth: rows; the chance of a larger error is about e^-depth.
            seed: 0 to 2^64 - 1; who must resist chosen items keeps it secret.
            conservative: raise as few cells as possible: smaller errors, slower updates, a merge that is less tight.
        """
        if width < 1 or depth < 1 or width * depth > _MOST_CELLS or width > _MOST_CELLS // 16:
            raise SketchMismatchError("a Count-Min table has 1 to 2^28 columns, at least one row and at most 2^32 cells: see for_error")
        if not 0 <= seed < 2**64:
            raise SketchMismatchError("a seed is a whole number from 0 to 2^64 - 1")
        super().__init__(CountMinParameters(width=width, depth=depth, seed=seed, conservative=conservative))
        self._table: Cells = np.zeros(width * depth, dtype=np.int64)
        # What is mixed into a hash for each two rows: nothing for the first two, as the hash itself is mixed.
        self._pairs = [mix64(seed ^ row << 32) for row in range(0, depth, 2)]
        self._total = 0

    @classmethod
    def for_error(cls, error: float, failure: float, seed: int, conservative: bool = False) -> Self:
        """Return an empty table whose estimate of an item is less than `error` * total too high, but with probability `failure`.

        >>> CountMin.for_error(error=0.001, failure=0.01, seed=1).parameters
        CountMinParameters(width=2719, depth=5, seed=1, conservative=False)
        """
        if not (0.0 < error < 1.0 and 0.0 < failure < 1.0):
            raise SketchMismatchError("error and failure lie between 0 and 1")
        return cls(math.ceil(math.e / error), math.ceil(-math.log(failure)), seed, conservative)

    @property
    def total(self) -> int:
        """The weight of everything taken in, N."""
        return self._total

    def update(self, item: Item) -> None:
        """Count an item once."""
        self.update_weighted(item, 1)

    def update_weighted(self, item: Item, weight: int) -> None:
        """Count an item `weight` times, at least once.

        Raises:
            SketchMismatchError: not a whole number from 1 on, the total would pass 2^63, or the item has no stable hash.
        """
        weight = whole_weight(weight)
        cells = self._cells_of(hash_item(item, self.parameters.seed))
        self._count_in(weight)
        table = self._table
        if not self.parameters.conservative:
            for cell in cells:
                table[cell] += weight
            return
        least = min(int(table[cell]) for cell in cells) + weight
        for cell in cells:
            table[cell] = max(int(table[cell]), least)

    def update_batch(self, column: Column) -> None:
        """Count each item of a column once; the same as one by one."""
        hashes = hash_column(column, self.parameters.seed)
        self._count_in(len(hashes))
        if self.parameters.conservative:
            size = max(_SMALLEST_PART, self.parameters.width // _SHARE_OF_WIDTH)
            for start in range(0, len(hashes), size):
                self._update_conservatively(hashes[start : start + size])
            return
        cells = self._cells(hashes)
        if cells.size * 4 < self._table.size:
            np.add.at(self._table, cells.ravel(), 1)
        else:
            self._table += np.bincount(cells.ravel(), minlength=self._table.size)

    def _update_conservatively(self, hashes: Hashes) -> None:
        """Count items in order; those that share no cell with another of them all at once, because their order does not matter."""
        distinct, positions, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        cells = self._cells(distinct)
        _, places, sharing = np.unique(cells, return_inverse=True, return_counts=True)
        alone = (sharing[places.reshape(cells.shape)] == 1).all(axis=0)
        own = cells[:, alone]
        values = self._table[own]
        self._table[own] = np.maximum(values, values.min(axis=0) + counts[alone])
        rest = positions[~alone[positions]]
        if rest.size:
            self._one_by_one(cells[:, rest])

    def _one_by_one(self, cells: Cells) -> None:
        touched, places = np.unique(cells, return_inverse=True)
        values: list[int] = self._table[touched].tolist()
        rows: list[list[int]] = places.reshape(cells.shape).T.tolist()  # type: ignore[assignment]  # two axes make lists of lists
        for row in rows:
            least = min([values[place] for place in row]) + 1
            for place in row:
                if values[place] < least:  # noqa: PLR1730  # the hot loop: a call of max would double its time
                    values[place] = least
        self._table[touched] = values

    def estimate(self, item: Item) -> float:
        """Return how often an item came: never below the truth."""
        cells = self._cells_of(hash_item(item, self.parameters.seed))
        return float(min(self._table[cell] for cell in cells))

    def estimate_batch(self, column: Column) -> NDArray[np.float64]:
        """Return the estimate of each item of a column.

        >>> visits = CountMin(width=100, depth=4, seed=7)
        >>> visits.update("lagos")
        >>> visits.estimate_batch(["lagos", "paris"]).tolist()
        [1.0, 0.0]
        """
        cells = self._cells(hash_column(column, self.parameters.seed))
        least: NDArray[np.float64] = self._table[cells].min(axis=0).astype(np.float64)
        return least

    def bounds(self, item: Item, confidence: float = 0.95) -> Bounds:
        """Return an interval that holds an item's count with this confidence; its upper end is certain."""
        require_confidence(confidence)
        estimate = self.estimate(item)
        error = (1.0 - confidence) ** (-1.0 / self.parameters.depth) / self.parameters.width
        return Bounds(max(0.0, estimate - error * self._total), estimate)

    @property
    def memory_bytes(self) -> int:
        """Eight bytes a cell."""
        return self._table.nbytes

    def _count_in(self, weight: int) -> None:
        # No cell is above the total, so this one comparison keeps every cell from overflowing.
        if self._total + weight > _MOST_WEIGHT:
            raise SketchMismatchError("a Count-Min table counts to 2^63 - 1: start a new one for this period")
        self._total += weight

    def _cells_of(self, hashed: int) -> list[int]:
        width, cells, start = self.parameters.width, [], 0
        for pair in self._pairs:
            word = mix64(hashed ^ pair) if start else hashed
            cells += [((word & 0xFFFFFFFF) * width >> 32) + start, ((word >> 32) * width >> 32) + start + width]
            start += 2 * width
        return cells[: self.parameters.depth]

    def _cells(self, hashes: Hashes) -> Cells:
        """Return for each row (first axis) and item the place of its cell; two rows share the two halves of a mixed word."""
        width = self.parameters.width
        cells = np.empty((self.parameters.depth, len(hashes)), dtype=np.int64)
        for row in range(self.parameters.depth):
            if row % 2 == 0:
                word = mix_column(hashes ^ np.uint64(self._pairs[row // 2])) if row else hashes
            half = word >> _HALF if row % 2 else word & _LOW
            cells[row] = (half * np.uint64(width) >> _HALF).astype(np.int64) + row * width
        return cells

    def _join(self, other: Self) -> None:
        self._count_in(other._total)
        self._table += other._table

    def _content(self) -> object:
        return _Content(self._total, self._table.astype("<i8").tobytes())

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=_Content)
        if len(saved.table) != parameters.width * parameters.depth * 8:
            raise ValueError("the table has another size than its parameters say")
        restored = cls(**msgspec.structs.asdict(parameters))
        restored._table = np.frombuffer(saved.table, dtype="<i8").astype(np.int64)
        if saved.total < 0 or restored._table.min() < 0 or restored._table.max() > saved.total:
            raise ValueError("a count is outside of what the total allows")
        restored._total = saved.total
        return restored


def whole_weight(weight: int) -> int:
    """Return a weight that may be added to a count.

    Raises:
        SketchMismatchError: not a whole number from 1 on.

    >>> whole_weight(3)
    3
    """
    try:
        number = index(weight)
    except TypeError:
        number = 0
    if number < 1:
        raise SketchMismatchError("a weight is a whole number of at least 1: the bounds hold for counts that only grow")
    return number

"""The second frequency moment of a stream, how unevenly its items come: the tug-of-war sketch in its fast form.

Theory: F2 = sum of f(x)^2 over the items. A row has `width` counters; an item adds its sign, +1 or -1, to one of them. The sum of the
squares of a row's counters is F2 in the mean, because the products of different items cancel. The estimate is the median of `depth` rows.
With width 1 this is the sketch of 1996; more columns divide the variance as more copies of it would, for the time of one.

Guarantee: column and sign come from one polynomial of degree 3 over the Mersenne prime p = 2^61 - 1, so any four items are independent, and

    E[row] = F2,  Var[row] <= 2 F2^2 / width
    P(|row - F2| > eps F2) <= 2 / (width eps^2)                                        Chebyshev
    P(|median - F2| > eps F2) <= P(Binomial(depth, 2 / (width eps^2)) >= depth / 2)    so many rows must fail

(`bounds` solves the last line for eps, `for_error` for width and depth), up to the 2^-32 by which a column's probability differs from
1 / width and the 2^-61 by which that of a sign differs from 1/2. The sketch is linear: merging adds, weights may be negative, and the merge
is the sketch of both streams, bit for bit. Memory: 8 bytes a counter.

Products modulo p do not fit 64 bits, and letting them overflow breaks the independence (a known fault of other libraries): here a factor is
cut into 30 and 31 bits, so that every partial product and their sum stay below 2^64, and 2^61 = 1 (mod p) folds them back.

References: Alon, Matias and Szegedy, "The space complexity of approximating the frequency moments", STOC 1996; Thorup and Zhang,
"Tabulation based 4-universal hashing with applications to second moment estimation", SODA 2004, for the fast form; Carter and Wegman,
"Universal classes of hash functions", J. Computer and System Sciences 18 (1979), for polynomials.
"""

from __future__ import annotations

import math
from operator import index
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch, require_confidence
from sketches.hashing import HASH_NAME, Column, Hashes, Item, hash_column, hash_item, mix64
from veilocity.errors import SketchMismatchError

__all__ = ["MERSENNE", "AmsF2", "AmsF2Parameters", "group_failure", "multiply_add"]

MERSENNE = 2**61 - 1
_MOST_CELLS = 2**32
_MOST_WEIGHT = 2**63 - 1
_DEGREE = 3
_GROUP_FAILURE = 1 / 8
_PRIME = np.uint64(MERSENNE)
_LOW_31, _LOW_30 = np.uint64(2**31 - 1), np.uint64(2**30 - 1)
_ONE, _30, _31, _61 = np.uint64(1), np.uint64(30), np.uint64(31), np.uint64(61)


class AmsF2Parameters(Parameters, frozen=True, kw_only=True):
    """What two sketches share."""

    depth: int
    width: int
    seed: int


class _Content(msgspec.Struct, array_like=True):
    weight: int
    table: bytes


class AmsF2(Sketch):
    """The sum of the squares of how often each item came.

    >>> pages = AmsF2(depth=5, width=1_000, seed=2)
    >>> pages.update_batch(["home"] * 30 + ["search"] * 10)
    >>> pages.estimate(), 1_000 in pages.bounds()
    (1000.0, True)
    >>> pages.update_weighted("search", -10)
    >>> pages.estimate()
    900.0
    """

    __slots__ = ("_coefficients", "_table", "_weight")

    kind = b"AMF2"
    repeats = Repeats.COUNTED
    hash_name = HASH_NAME
    parameter_type = AmsF2Parameters

    def __init__(self, depth: int, width: int, seed: int) -> None:
        """Start with nothing counted.

        Args:
            depth: rows, whose median is the estimate; each makes a large error rarer.
            width: counters in a row; the typical relative error is sqrt(2 / width).
            seed: 0 to 2^64 - 1; who must resist chosen items keeps it secret.
        """
        if depth < 1 or not 1 <= width < 2**31 or depth * width > _MOST_CELLS:
            raise SketchMismatchError("a sketch has at least one row, 1 to 2^31 - 1 columns and at most 2^32 counters: see for_error")
        if not 0 <= seed < 2**64:
            raise SketchMismatchError("a seed is a whole number from 0 to 2^64 - 1")
        super().__init__(AmsF2Parameters(depth=depth, width=width, seed=seed))
        self._coefficients = [[_coefficient(seed, row, place) for place in range(_DEGREE + 1)] for row in range(depth)]
        self._table: NDArray[np.int64] = np.zeros((depth, width), dtype=np.int64)
        self._weight = 0

    @classmethod
    def for_error(cls, error: float, failure: float, seed: int) -> Self:
        """Return an empty sketch whose relative error is above `error` with a probability of at most `failure`.

        >>> AmsF2.for_error(error=0.1, failure=0.01, seed=1).parameters
        AmsF2Parameters(depth=7, width=1600, seed=1)
        """
        if not (0.0 < error < 1.0 and 0.0 < failure < 1.0):
            raise SketchMismatchError("error and failure lie between 0 and 1")
        depth = 1
        while _half_fail(depth, _GROUP_FAILURE) > failure:
            depth += 2
        return cls(depth, math.ceil(2.0 / (error * error * _GROUP_FAILURE) - 1e-6), seed)

    def update(self, item: Item) -> None:
        """Count an item once."""
        self.update_weighted(item, 1)

    def update_weighted(self, item: Item, weight: int) -> None:
        """Add a weight to an item's count; a negative one takes away.

        Raises:
            SketchMismatchError: no whole number, the weights' sizes would pass 2^63 together, or the item has no stable hash.
        """
        try:
            change = index(weight)
        except TypeError as cause:
            raise SketchMismatchError("a weight is a whole number") from cause
        key = (hash_item(item, self.parameters.seed) >> 3) % MERSENNE
        self._weigh_in(abs(change))
        for row, (cubic, square, linear, constant) in enumerate(self._coefficients):
            value = (((cubic * key + square) * key + linear) * key + constant) % MERSENNE
            self._table[row, (value >> 29) * self.parameters.width >> 32] += change if value & 1 else -change

    def update_batch(self, column: Column) -> None:
        """Count each item of a column once; the same as one by one."""
        hashes = hash_column(column, self.parameters.seed)
        self._weigh_in(len(hashes))
        # The sketch is linear: equal items are added up before they are hashed four more times.
        distinct, counts = np.unique(hashes, return_counts=True)
        keys = distinct >> np.uint64(3)
        width = np.uint64(self.parameters.width)
        for row, coefficients in enumerate(self._coefficients):
            values = _polynomial(coefficients, keys)
            columns = ((values >> np.uint64(29)) * width >> np.uint64(32)).astype(np.int64)
            np.add.at(self._table[row], columns, np.where(values & _ONE, counts, -counts))

    def _rows(self) -> NDArray[np.float64]:
        squares: NDArray[np.float64] = (self._table.astype(np.float64) ** 2).sum(axis=1)
        return squares

    def estimate(self) -> float:
        """Return F2, the sum of the squares of how often each item came."""
        return float(np.median(self._rows()))

    def bounds(self, confidence: float = 0.95) -> Bounds:
        """Return an interval that holds F2 with this confidence; without an upper end if the sketch is too small for one."""
        error = math.sqrt(2.0 / (self.parameters.width * group_failure(self.parameters.depth, confidence)))
        estimate = self.estimate()
        return Bounds(estimate / (1.0 + error), estimate / (1.0 - error) if error < 1.0 else math.inf)

    @property
    def memory_bytes(self) -> int:
        """Eight bytes a counter, and four coefficients a row."""
        return self._table.nbytes + 8 * (_DEGREE + 1) * len(self._table)

    def _weigh_in(self, weight: int) -> None:
        # No counter is above the sum of all sizes, so this one comparison keeps every counter from overflowing.
        if self._weight + weight > _MOST_WEIGHT:
            raise SketchMismatchError("a sketch takes weights of 2^63 - 1 in all: start a new one for this period")
        self._weight += weight

    def _join(self, other: Self) -> None:
        self._weigh_in(other._weight)
        self._table += other._table

    def _content(self) -> object:
        return _Content(self._weight, self._table.astype("<i8").tobytes())

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=_Content)
        if len(saved.table) != parameters.width * parameters.depth * 8 or not 0 <= saved.weight <= _MOST_WEIGHT:
            raise ValueError("the table has another size than its parameters say")
        restored = cls(**msgspec.structs.asdict(parameters))
        table = np.frombuffer(saved.table, dtype="<i8").astype(np.int64).reshape(parameters.depth, parameters.width)
        if table.max() > saved.weight or table.min() < -saved.weight:
            raise ValueError("a counter is outside of what the weights allow")
        restored._table, restored._weight = table, saved.weight
        return restored


def group_failure(groups: int, confidence: float) -> float:
    """Return how often a single group may fail so that the median of all fails no more often than 1 - confidence.

    The median of g groups can only be wrong if g / 2 of them or more are. Found by halving, rounded down.

    Raises:
        SketchMismatchError: a confidence that is not between 0 and 1.

    >>> round(group_failure(1, 0.95), 4), round(group_failure(9, 0.95), 4)
    (0.05, 0.2514)
    """
    require_confidence(confidence)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _half_fail(groups, middle) <= 1.0 - confidence else (low, middle)
    return low


def _half_fail(groups: int, failure: float) -> float:
    """Return P(Binomial(groups, failure) >= groups / 2)."""
    need = (groups + 1) // 2
    return math.fsum(math.comb(groups, k) * failure**k * (1.0 - failure) ** (groups - k) for k in range(need, groups + 1))


def multiply_add(values: Hashes, factors: Hashes, addend: int) -> Hashes:
    """Return values * factors + addend modulo 2^61 - 1, exactly; all below 2^61.

    With a = a1 2^31 + a0 and b = b1 2^31 + b0 the product is a1 b1 2^62 + (a1 b0 + a0 b1) 2^31 + a0 b0. Modulo p, 2^62 is 2, and with
    the middle term = m1 2^30 + m0 its share is m1 + m0 2^31. The sum is below 2^61 + 2^32 + 2^61 + 2^62 + 2^61 < 2^64.

    >>> int(multiply_add(np.array([2**61 - 2], dtype=np.uint64), np.array([2**61 - 3], dtype=np.uint64), 5)[0])
    7
    """
    high, low = values >> _31, values & _LOW_31
    factor_high, factor_low = factors >> _31, factors & _LOW_31
    middle = high * factor_low + low * factor_high
    total = (high * factor_high << _ONE) + (middle >> _30) + ((middle & _LOW_30) << _31) + low * factor_low + np.uint64(addend)
    total = (total & _PRIME) + (total >> _61)
    reduced: Hashes = np.where(total >= _PRIME, total - _PRIME, total)
    return reduced


def _polynomial(coefficients: list[int], keys: Hashes) -> Hashes:
    values = np.full(len(keys), coefficients[0], dtype=np.uint64)
    for coefficient in coefficients[1:]:
        values = multiply_add(values, keys, coefficient)
    return values


def _coefficient(seed: int, row: int, place: int) -> int:
    return (mix64(mix64(seed) ^ mix64(row * (_DEGREE + 1) + place + 1)) >> 3) % MERSENNE

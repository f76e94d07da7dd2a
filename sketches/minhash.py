"""MinHash: the Jaccard similarity of sets from a few hundred bytes of each, however large they are.

Theory: under a random order of all items the chance that two sets share their first item is their Jaccard similarity J, so the share of
equal places in two signatures of n places estimates J. An item is hashed once to 64 bits; place i orders the items by

    (a_i h + b_i) mod 2^32        h the lower 32 bits of the hash, a_i odd

a bijection of 32 bits, exact in unsigned 32-bit arithmetic: the machine's wrap-around is the modulus. With one permutation the upper 32
bits of the same hash pick a place (a bin) and the lower 32 order the items in it, so an item costs one step and not n. In a signature a
bin that stayed empty is filled from the bin that a hash of (bin, attempt) names, the same in every set (optimal densification); after 64
attempts from the next full bin to its right, so the work is bounded.

Guarantee: as far as the hash is random, the estimate is unbiased but for ties of 32-bit values, with

    |mean - J| <= u / 2^33        u = items in both sets together; 0.00001 at 100,000

The matches are binomial in (n, J), the estimate's standard deviation is sqrt(J (1 - J) / n) <= 1 / (2 sqrt(n)), and `bounds`, the interval
of Clopper and Pearson, holds J with at least the confidence asked for. With one permutation `estimate` compares the m bins that are not
empty in both sets at once; given m the matches are hypergeometric, narrower than the binomial. Taking in an item again changes nothing,
a merge is the sketch of the union, and an empty set is not compared: two empty signatures would claim a similarity of 1. Bands of a
signature find similar sets with the recall that `solve_bands` states; `sketches.lsh` does so.

References: Broder, "On the resemblance and containment of documents" (1997); Clopper and Pearson, Biometrika 26 (1934); Li, Owen and
Zhang, "One permutation hashing", NIPS 2012; Shrivastava, "Optimal densification for fast and accurate minwise hashing", ICML 2017;
Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.hashing import HASH_NAME, Column, Hashes, Item, hash_column, hash_item
from sketches.intervals import binomial_bounds
from veilocity.errors import SketchMismatchError

__all__ = ["Bands", "MinHash", "MinHashParameters", "Signatures", "estimate", "recall", "signatures", "solve_bands"]

Signatures = NDArray[np.uint32]
"""One row of minima per set, or one row alone."""

_MOST_PLACES = 2**16
_EMPTY = 2**32 - 1
_ATTEMPTS = 64
_BLOCK = 65_536
"""Values worked on at once: two such arrays take half a megabyte, which the second cache of a core holds."""
_LARGE, _FEW = 4096, 8  # sets of more items, and fewer sets side by side, are folded one by one
# Permutations and donors have seeds of their own, apart from that of the items.
_PERMUTATIONS, _DONORS = 0x6D696E68, 0x64656E73


class Bands(NamedTuple):
    """How signatures are cut, and what that finds."""

    bands: int
    rows: int
    expected_recall: float
    """Chance that a pair exactly at the wanted similarity is found; higher above it."""


class MinHashParameters(Parameters, frozen=True, kw_only=True):
    """What two MinHashes must share."""

    places: int
    seed: int
    one_permutation: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.places <= _MOST_PLACES:
            raise SketchMismatchError("a signature has 1 to 65,536 places: 128 estimate a similarity to about 0.04")
        if not 0 <= self.seed < 2**64:
            raise SketchMismatchError("a seed is a number of 0 to 2^64 - 1")


class MinHash(Sketch):
    """One set, as the minima of its items under many orders.

    >>> left, right = MinHash(places=256, seed=1), MinHash(places=256, seed=1)
    >>> left.update_batch([f"word {number}" for number in range(0, 3000)])
    >>> right.update_batch([f"word {number}" for number in range(1000, 4000)])
    >>> 0.4 < left.estimate(right) < 0.6, 0.5 in left.bounds(right, confidence=0.99)
    (True, True)
    >>> left.merge(right)  # now the union, of which `right` is three quarters
    >>> 0.75 in left.bounds(right, confidence=0.99)
    True
    """

    __slots__ = ("_filled", "_minima")

    kind = b"MINH"
    repeats = Repeats.HARMLESS
    hash_name = HASH_NAME
    parameter_type = MinHashParameters

    parameters: MinHashParameters

    def __init__(self, places: int = 128, seed: int = 1, one_permutation: bool = False) -> None:
        """Start with the empty set.

        Args:
            places: of the signature; the standard deviation of an estimate is at most 1 / (2 sqrt(places)).
            seed: of the hash; only sketches of one seed compare.
            one_permutation: an item costs one step instead of `places`; for sets that are much larger than `places`.
        """
        super().__init__(MinHashParameters(places=places, seed=seed, one_permutation=one_permutation))
        self._minima = np.full(places, _EMPTY, dtype=np.uint32)
        self._filled = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was taken in."""
        return not self._filled

    def update(self, item: Item) -> None:
        """Take one item."""
        self._take(np.array([hash_item(item, self.parameters.seed)], dtype=np.uint64))

    def update_batch(self, column: Column) -> None:
        """Take a column; the same as each of its items one by one."""
        self._take(hash_column(column, self.parameters.seed))

    def _take(self, hashes: Hashes) -> None:
        places, seed = self.parameters.places, self.parameters.seed
        if not hashes.size:
            return
        if self.parameters.one_permutation:
            bins, values = _bins(hashes, places)
            np.minimum.at(self._minima, bins, values)
        else:
            np.minimum(self._minima, _minima_of_one(hashes.astype(np.uint32), places, seed), out=self._minima)
        self._filled = True

    @property
    def signature(self) -> Signatures:
        """The row of minima, without empty places; two rows compare with `sketches.minhash.estimate`.

        Raises:
            SketchMismatchError: the set is empty.
        """
        self._require_items()
        if self.parameters.one_permutation:
            return _densified(self._minima[np.newaxis], self.parameters.seed).reshape(-1)
        return self._minima.copy()

    def estimate(self, other: MinHash) -> float:
        """Return the estimated Jaccard similarity to another set, 0 to 1.

        Raises:
            SketchMismatchError: one of the sets is empty, or the sketches differ in places, seed or permutations.
        """
        return float(np.divide(*self._matches(other)))

    def bounds(self, other: MinHash, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the Jaccard similarity to another set with at least this confidence.

        Raises:
            SketchMismatchError: as `estimate`, or no confidence between 0 and 1.
        """
        return binomial_bounds(*self._matches(other), confidence)

    def _matches(self, other: MinHash) -> tuple[int, int]:
        if type(other) is not MinHash or other.parameters != self.parameters:
            raise SketchMismatchError("two MinHashes compare only with the same places, seed and kind of permutation: build both alike")
        self._require_items()
        other._require_items()
        first, second = self._minima, other._minima
        # In a classical signature no place is empty, so all of them are compared.
        compared = (first != _EMPTY) | (second != _EMPTY) if self.parameters.one_permutation else np.ones(first.size, dtype=np.bool_)
        return int(np.count_nonzero((first == second) & compared)), int(np.count_nonzero(compared))

    def _require_items(self) -> None:
        if not self._filled:
            raise SketchMismatchError("an empty set resembles nothing: leave it out")

    def _join(self, other: Self) -> None:
        np.minimum(self._minima, other._minima, out=self._minima)
        self._filled = self._filled or other._filled

    def _content(self) -> object:
        return [self._filled, self._minima.astype("<u4").tobytes()]

    @classmethod
    def _restore(cls, parameters: MinHashParameters, content: msgspec.Raw) -> Self:
        filled, minima = msgspec.msgpack.decode(content, type=tuple[bool, bytes])
        restored = cls(parameters.places, parameters.seed, parameters.one_permutation)
        if len(minima) != 4 * parameters.places:
            raise ValueError("as many minima as places")
        restored._minima[:] = np.frombuffer(minima, dtype="<u4")
        restored._filled = filled
        return restored

    @property
    def memory_bytes(self) -> int:
        """Bytes of what is remembered."""
        return int(self._minima.nbytes) + 1


def signatures(sets: Sequence[Collection[Item]], places: int = 128, seed: int = 1, one_permutation: bool = False) -> Signatures:
    """Return one row of `places` minima per set: what `MinHash` of the same parameters has as its signature, for all sets at once.

    Raises:
        SketchMismatchError: a set is empty. Two empty signatures would claim a similarity of 1.

    >>> rows = signatures([frozenset("abcdef"), frozenset("abcdeg")])
    >>> rows.shape, bool(0.4 < estimate(rows[0], rows[1]) < 0.95)
    ((2, 128), True)
    """
    parameters = MinHashParameters(places=places, seed=seed, one_permutation=one_permutation)
    sizes = np.fromiter(map(len, sets), dtype=np.int64, count=len(sets))
    if not sizes.all():
        raise SketchMismatchError("an empty set resembles nothing: leave it out")
    if not sizes.size:
        return np.empty((0, places), dtype=np.uint32)
    hashes = hash_column(_concatenated(sets), seed)
    if parameters.one_permutation:
        rows = np.full(sizes.size * places, _EMPTY, dtype=np.uint32)
        bins, values = _bins(hashes, places)
        bins += np.repeat(np.arange(sizes.size, dtype=np.int64) * places, sizes)
        np.minimum.at(rows, bins, values)
        return _densified(rows.reshape(-1, places), seed)
    return _permuted(hashes.astype(np.uint32), sizes, places, seed)


def estimate(first: Signatures, second: Signatures) -> float:
    """Return the Jaccard similarity estimated from two signatures; standard deviation at most 1 / (2 sqrt(places)).

    Raises:
        SketchMismatchError: the signatures differ in length.
    """
    if first.shape != second.shape:
        raise SketchMismatchError("two signatures compare only with the same number of places")
    return int(np.count_nonzero(first == second)) / first.size


def recall(similarity: float, bands: int, rows: int) -> float:
    """Return the chance that two sets of this Jaccard similarity agree in at least one band.

    >>> round(recall(0.7, bands=32, rows=4), 5)
    0.99985
    """
    return float(1.0 - (1.0 - similarity**rows) ** bands)


def solve_bands(similarity: float, places: int, wanted_recall: float = 0.99) -> Bands:
    """Return the cut of `places` with the longest rows that still finds pairs of `similarity` with `wanted_recall`.

    Raises:
        SketchMismatchError: no similarity or recall, or no cut does: more places are needed.

    >>> solve_bands(0.7, places=128)[:2]
    (32, 4)
    """
    if not 0.0 < similarity <= 1.0 or not 0.0 < wanted_recall < 1.0:
        raise SketchMismatchError("a similarity lies in (0, 1] and a wanted recall in (0, 1)")
    for rows in range(places, 0, -1):
        found = recall(similarity, places // rows, rows)
        if found >= wanted_recall:
            return Bands(places // rows, rows, found)
    raise SketchMismatchError("no cut into bands reaches this recall: use longer signatures or a higher similarity")


@lru_cache(maxsize=16)
def _coefficients(places: int, seed: int) -> tuple[Signatures, Signatures]:
    drawn = hash_column(np.arange(2 * places, dtype=np.uint64), seed ^ _PERMUTATIONS) >> np.uint64(32)
    drawn = drawn.astype(np.uint32)
    # Only odd factors are bijections: an even one would fold the values together and let strangers look alike.
    return drawn[:places] | np.uint32(1), drawn[places:]


def _minima_of_one(hashes: Signatures, places: int, seed: int) -> Signatures:
    """Return the minima of one set under each permutation."""
    factors, summands = _coefficients(places, seed)
    least = np.full(places, _EMPTY, dtype=np.uint32)
    step = max(1, _BLOCK // places)
    for start in range(0, hashes.size, step):
        values = hashes[start : start + step, np.newaxis] * factors
        values += summands
        np.minimum(least, values.min(axis=0), out=least)
    return least


def _minima_of_columns(hashes: Signatures, places: int, seed: int) -> Signatures:
    """Return one row of minima per column, each column a set."""
    factors, summands = _coefficients(places, seed)
    least = np.empty((places, hashes.shape[1]), dtype=np.uint32)
    values = np.empty_like(hashes)
    for place in range(places):
        np.multiply(hashes, factors[place], out=values)
        np.add(values, summands[place], out=values)
        np.minimum.reduce(values, axis=0, out=least[place])
    return least.T


def _permuted(hashes: Signatures, sizes: NDArray[np.int64], places: int, seed: int) -> Signatures:
    starts = np.cumsum(sizes) - sizes
    # Sets of about the same size side by side, one column each: a minimum over rows is one vector operation.
    order = np.argsort(sizes, kind="stable")
    rows = np.empty((sizes.size, places), dtype=np.uint32)
    for chosen in _alike_in_size(order, sizes):
        longest = int(sizes[chosen[-1]])
        if longest > _LARGE or chosen.size < _FEW:
            for one in chosen:
                rows[one] = _minima_of_one(hashes[starts[one] : starts[one] + sizes[one]], places, seed)
        else:
            # A shorter set repeats its last item, which changes no minimum.
            steps = np.minimum(np.arange(longest)[:, np.newaxis], sizes[chosen] - 1)
            rows[chosen] = _minima_of_columns(hashes[starts[chosen] + steps], places, seed)
    return rows


def _alike_in_size(order: NDArray[np.int64], sizes: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield runs of sets whose sizes are within a quarter, and which fit a block together."""
    sorted_sizes = sizes[order]
    begin = 0
    while begin < order.size:
        longest = int(sorted_sizes[begin]) * 5 // 4
        end = int(np.searchsorted(sorted_sizes, longest, side="right"))
        end = min(end, begin + max(1, min(2048, _BLOCK // longest)))
        yield order[begin:end]
        begin = end


def _bins(hashes: Hashes, places: int) -> tuple[NDArray[np.int64], Signatures]:
    bins = ((hashes >> np.uint64(32)) * np.uint64(places) >> np.uint64(32)).astype(np.int64)
    # The largest value marks an empty bin.
    return bins, np.minimum(hashes.astype(np.uint32), np.uint32(_EMPTY - 1))


@lru_cache(maxsize=4 * _ATTEMPTS)
def _donors(places: int, seed: int, attempt: int) -> NDArray[np.int64]:
    """Return the bin that each empty bin asks at an attempt."""
    drawn = hash_column(np.arange(places, dtype=np.uint64) << np.uint64(32) | np.uint64(attempt), seed ^ _DONORS)
    return _bins(drawn, places)[0]


def _densified(rows: Signatures, seed: int) -> Signatures:
    """Return rows without empty bins; every row has at least one that is full."""
    places = rows.shape[1]
    filled = rows.copy()
    row, place = np.nonzero(rows == _EMPTY)
    for attempt in range(_ATTEMPTS):
        if not row.size:
            return filled
        value = rows[row, _donors(places, seed, attempt)[place]]
        found = value != _EMPTY
        filled[row[found], place[found]] = value[found]
        row, place = row[~found], place[~found]
    if row.size:
        # The next full bin to the right, round the end: the smallest full index from each place on, looked up in two turns.
        sparse, which = np.unique(row, return_inverse=True)
        full = np.where(np.tile(rows[sparse] != _EMPTY, 2), np.arange(2 * places), 2 * places)
        right = np.minimum.accumulate(full[:, ::-1], axis=1)[:, ::-1] % places
        filled[row, place] = rows[row, right[which, place]]
    return filled


def _concatenated(sets: Sequence[Collection[Item]]) -> Column:
    arrays = [one for one in sets if isinstance(one, np.ndarray)]
    if len(arrays) == len(sets) and len({one.dtype for one in arrays}) == 1:
        return np.concatenate(arrays)
    return list(chain.from_iterable(one.tolist() if isinstance(one, np.ndarray) else one for one in sets))

"""A Bloom filter: which keys were seen before, in a fixed number of bits, with no false "never seen".

Theory: k slices of s bits; a key sets one bit in each, at places taken from its 64-bit hash (`sketches.bits`). A key all of whose bits are
set was seen, or is unlucky.

Guarantee, for capacity c and error rate p:

    a recorded key is always answered "seen", after any merge and any number of saves
    a key never recorded is answered "seen" with probability (1 - (1 - 1/s)^n)^k after n distinct keys: at most p for n up to c,
    but for 64-bit collisions (n / 2^64); the hash's seed must not be known to whoever chooses the keys
    the present error rate is the product of the slices' fills, exactly: over its capacity the filter says what it is worth
    the number of distinct keys is estimated from the fill as n = ln(z / (k s)) / ln(1 - 1/s) with z unset bits, with a standard error of
    sqrt(s (exp(n/s) - n/s - 1) / k): 0.05 % for a million keys at p = 0.001

What is remembered is a set of bits, so that recording a key twice, merging a filter twice, and any order give the same bytes.
Memory: c log2(1/p) / ln 2 bits, 14.4 bits for each key at p = 0.001.

References: Bloom, CACM 13 (1970); Kirsch and Mitzenmacher, "Less hashing, same performance", Random Structures and Algorithms 33 (2008);
Almeida et al., "Scalable Bloom filters", IPL 101 (2007); Swamidass and Baldi, J. Chem. Inf. Model. 47 (2007) for the count from the fill.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.bits import BitSlices, Slicing, check_filter
from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.hashing import HASH_NAME, Column, Item, hash_column, hash_item

__all__ = ["BloomFilter", "BloomParameters"]

_BEYOND_DOUBT = 0.999_999


class BloomParameters(Parameters, frozen=True, kw_only=True):
    """What two Bloom filters must share."""

    capacity: int
    error_rate: float
    seed: int


class BloomFilter(Sketch):
    """Which keys were seen before.

    >>> places = BloomFilter(capacity=1000, error_rate=0.001)
    >>> places.add(b"jo at home"), places.add(b"jo at home"), b"jo at work" in places
    (False, True, False)
    >>> places.update_batch(["jo at work", "jo abroad"])
    >>> places.contains_batch(["jo abroad", "jo on the moon"]).tolist(), round(places.estimate())
    ([True, False], 3)
    >>> BloomFilter.from_bytes(places.to_bytes()).to_bytes() == places.to_bytes()
    True
    """

    __slots__ = ("_bits",)

    kind: ClassVar[bytes] = b"BLOM"
    layout: ClassVar[int] = 2
    repeats: ClassVar[Repeats] = Repeats.HARMLESS
    hash_name: ClassVar[str] = HASH_NAME
    parameter_type: ClassVar[type[Parameters]] = BloomParameters

    def __init__(self, capacity: int, error_rate: float, seed: int = 0) -> None:
        """Start empty.

        Args:
            capacity: distinct keys it holds at its error rate, 1 to 2^30.
            error_rate: chance that a new key is taken for a known one, 1e-12 to 0.5.
            seed: of the hash; filters merge only if they share it.

        Raises:
            SketchMismatchError: a value outside of these.
        """
        check_filter(capacity, error_rate, seed)
        super().__init__(BloomParameters(capacity=capacity, error_rate=error_rate, seed=seed))
        self._bits = BitSlices(Slicing.promising(capacity, error_rate))

    @property
    def capacity(self) -> int:
        """Distinct keys it holds at its error rate."""
        return int(self.parameters.capacity)

    @property
    def error_rate(self) -> float:
        """Chance that a new key is taken for a known one, up to `capacity` keys."""
        return float(self.parameters.error_rate)

    @property
    def overfilled(self) -> bool:
        """Whether, beyond a doubt of 1e-6, more keys than `capacity` are recorded, so that the error rate is no longer promised."""
        return self.bounds(_BEYOND_DOUBT).low > self.capacity

    def __len__(self) -> int:
        """Return the estimated number of distinct keys, as a whole number; twice the number of bits when every bit is set."""
        slicing = self._bits.slicing
        return round(self.estimate()) if self._bits.unset else 2 * slicing.slices * slicing.width

    def __contains__(self, key: Item) -> bool:
        return self._bits.holds_one(hash_item(key, self.parameters.seed))

    def contains_batch(self, column: Column) -> NDArray[np.bool_]:
        """Say of each key of a column whether it was seen.

        Raises:
            SketchMismatchError: a key without a stable hash.
        """
        return self._bits.holds(hash_column(column, self.parameters.seed))

    def add(self, key: Item) -> bool:
        """Record a key; return whether it was (or seemed to be) known.

        Raises:
            SketchMismatchError: a key without a stable hash. 1, 1.0, "1" and b"1" are four keys.
        """
        return self._bits.record_one(hash_item(key, self.parameters.seed))

    def update(self, item: Item) -> None:
        """Record a key."""
        self.add(item)

    def update_batch(self, column: Column) -> None:
        """Record a column of keys; nothing is recorded when one of them is refused.

        Raises:
            SketchMismatchError: a key without a stable hash.
        """
        self._bits.record(hash_column(column, self.parameters.seed))

    def fill(self) -> float:
        """Return the share of bits that are set, 0 to 1; about one half at capacity."""
        return self._bits.ones / (self._bits.slicing.slices * self._bits.slicing.width)

    def present_error_rate(self) -> float:
        """Return the chance that a new key is taken for a known one, given the bits: the product of the slices' fills."""
        return self._bits.present_error_rate()

    def estimate(self) -> float:
        """Return the number of distinct keys recorded, estimated from the fill; infinite when every bit is set."""
        return self._bits.keys()

    def estimated_count(self) -> float:
        """Return what `estimate` returns."""
        return self.estimate()

    def bounds(self, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the number of distinct keys; whole numbers, rounded outwards.

        Raises:
            SketchMismatchError: a confidence outside 0 to 1.
        """
        return self._bits.keys_within(confidence)

    def _join(self, other: BloomFilter) -> None:
        self._bits.unite(other._bits)

    def _content(self) -> object:
        return self._bits.to_bytes()

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> BloomFilter:
        restored = cls(parameters.capacity, parameters.error_rate, parameters.seed)
        restored._bits = BitSlices(restored._bits.slicing, msgspec.msgpack.decode(content, type=bytes))
        return restored

    @property
    def memory_bytes(self) -> int:
        """Bytes of the bits."""
        return self._bits.nbytes

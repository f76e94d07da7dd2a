"""Slices of bits that the filters share: where a key's bits lie, and how many keys a number of set bits stands for.

A filter is cut into k slices of s bits, and a key sets one bit in each. The k places come from the 64-bit words w_t = mix(h(x) + t g), with
h the 64-bit hash of the key, g the golden ratio's odd constant and mix the SplitMix64 finaliser: double hashing (Kirsch and Mitzenmacher)
with the progression mixed. Without the finaliser all places of a key follow from about s^2 progressions, which adds about n / s^2 to the
error: more than the promise itself where a small filter promises a small error. Each half of a word, times s and cut by 2^32, is a place;
where s passes 2^24 a whole word is, so that no place is likelier than another by more than 1 in 2^8 and the error is off by less than 1 in
10^4 of itself.

Guarantee: as slices are independent of one another, after n distinct keys a new key finds all its bits set with probability
(1 - (1 - 1/s)^n)^k, exactly but for 64-bit collisions (n / 2^64), and given the bits with the product of the slices' fills. k is one of the
two whole numbers beside log2(1/p), s the least for which that is at most p at capacity.

    number of keys   n = ln(z / (k s)) / ln(1 - 1/s), where z bits of k s are unset
    its bounds       all n for which z lies within q standard deviations, and half a bit, of its mean k s (1 - 1/s)^n;
                     the variance is k s exp(-n/s) (1 - (1 + n/s) exp(-n/s)), q the normal quantile of the confidence

References: Bloom, CACM 13 (1970); Kirsch and Mitzenmacher, "Less hashing, same performance", Random Structures and Algorithms 33 (2008);
Almeida et al., "Scalable Bloom filters", IPL 101 (2007), for the slices; Whang et al., "A linear-time probabilistic counting algorithm",
ACM TODS 15 (1990), for the count.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, normal_quantile
from sketches.hashing import Hashes, mix_column
from veilocity.errors import SketchMismatchError

__all__ = ["LARGEST_CAPACITY", "BitSlices", "Slicing", "check_filter", "keys_of", "keys_within"]

LARGEST_CAPACITY = 2**30
_ERROR_RATES = (1e-12, 0.5)
_MASK, _LOW = 2**64 - 1, 2**32 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_LANE = 128
_WIDEST_OF_HALVES = 2**24
_CHUNK = 2**14
"""Hashes at a time: what is computed of them then stays in the processor's cache."""
_SPARSE = 32
"""A batch of fewer keys than one for so many bits of a slice is written bit by bit; a larger one through a map of bytes."""

Places = NDArray[np.int64]


def check_filter(capacity: object, error_rate: object, seed: object) -> None:
    """Refuse what no filter can be built of.

    Raises:
        SketchMismatchError: a capacity outside 1 to 2^30, an error rate outside 1e-12 to 0.5, or a seed that is not 64 bits.
    """
    if isinstance(capacity, bool) or not isinstance(capacity, int) or not 1 <= capacity <= LARGEST_CAPACITY:
        raise SketchMismatchError("a filter needs a whole number of keys as its capacity, from 1 to 2^30")
    if not isinstance(error_rate, float) or not _ERROR_RATES[0] <= error_rate <= _ERROR_RATES[1]:
        raise SketchMismatchError("a filter needs an error rate from 1e-12 to 0.5, such as 0.01")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _MASK:
        raise SketchMismatchError("a filter needs a whole number as its seed, from 0 to 2^64 - 1")


def keys_of(unset: int, slices: int, width: int) -> float:
    """Return the number of distinct keys that leave so many bits unset; infinite when none is.

    >>> round(keys_of(7 * 1000 - 7 * 10, 7, 1000), 2)
    10.05
    """
    if unset == 0:
        return math.inf
    return max(0.0, math.log(unset / (slices * width)) / math.log1p(-1.0 / width))


def keys_within(unset: int, slices: int, width: int, confidence: float) -> Bounds:
    """Return the interval of the numbers of distinct keys that so many unset bits speak for.

    Raises:
        SketchMismatchError: a confidence outside 0 to 1.
    """
    deviations, bits = normal_quantile(confidence), slices * width
    if unset == bits:
        return Bounds(0.0, 0.0)

    def mean(keys: float) -> float:
        return bits * math.exp(keys * math.log1p(-1.0 / width))

    def spread(keys: float) -> float:
        load = keys / width
        return deviations * math.sqrt(max(0.0, bits * math.exp(-load) * (1.0 - (1.0 + load) * math.exp(-load))))

    middle = keys_of(unset, slices, width) if unset else math.log(0.5 / bits) / math.log1p(-1.0 / width)
    low, beyond = 0.0, middle
    for _ in range(60):
        half = (low + beyond) / 2.0
        low, beyond = (half, beyond) if mean(half) - spread(half) > unset + 0.5 else (low, half)
    # Each key sets at most one bit of a slice, so that fewer keys than that are impossible.
    least = max(math.floor(low), -((unset - bits) // slices))
    if unset == 0:
        return Bounds(float(least), math.inf)
    inside, high = middle, middle + 1.0
    while mean(high) + spread(high) >= unset - 0.5:
        inside, high = high, high * 2.0
    for _ in range(60):
        half = (inside + high) / 2.0
        inside, high = (half, high) if mean(half) + spread(half) >= unset - 0.5 else (inside, half)
    return Bounds(float(least), float(math.ceil(high)))


class Slicing:
    """Where a key's places lie: one in each of `slices` slices of `width` places."""

    __slots__ = ("_lanes", "_steps", "_unpack", "_wide", "slices", "width", "words")

    def __init__(self, slices: int, width: int) -> None:
        """Lay out so many slices, of 2 to 2^32 - 1 places each."""
        self.slices = slices
        self.width = width
        self._wide = width > _WIDEST_OF_HALVES
        self.words = slices if self._wide else -(-slices // 2)
        ones = sum(1 << _LANE * number for number in range(self.words))
        self._lanes = ones, ones * _MASK, ones * _LOW, ones * _LOW | ones * _LOW << 64
        self._steps = sum(_golden(number) << _LANE * number for number in range(self.words))
        self._unpack = struct.Struct("<" + ("Q8x" * slices if self._wide else "Q" * slices + "8x" * (slices % 2))).unpack

    @classmethod
    def promising(cls, capacity: int, error_rate: float) -> Slicing:
        """Return the smallest layout that keeps an error rate at a capacity.

        >>> one = Slicing.promising(1000, 0.01)
        >>> one.slices, one.width, (1 - (1 - 1 / one.width) ** 1000) ** one.slices <= 0.01
        (7, 1371, True)
        """
        wanted = math.log2(1.0 / error_rate)
        layouts = []
        for slices in {max(1, math.floor(wanted)), max(1, math.ceil(wanted))}:
            fill = error_rate ** (1.0 / slices)
            layouts.append((slices, max(2, math.ceil(-1.0 / math.expm1(math.log1p(-fill) / capacity)))))
        return cls(*min(layouts, key=lambda layout: (layout[0] * layout[1], layout)))

    def places_of(self, hashed: int) -> tuple[int, ...]:
        """Return the place in each slice of the key with this hash."""
        # All words at once, each in its 128 bits of one large integer: a tenth of the byte code of one by one.
        ones, inside, low, both = self._lanes
        words = hashed * ones + self._steps & inside
        words = (words ^ words >> 30 & inside) * _FIRST & inside
        words = (words ^ words >> 27 & inside) * _SECOND & inside
        words ^= words >> 31 & inside
        if self._wide:
            places = words * self.width >> 64
        else:
            places = (words & low | (words >> 32 & low) << 64) * self.width >> 32 & both
        return self._unpack(places.to_bytes(_LANE // 8 * self.words, "little"))

    def places(self, hashes: Hashes) -> Iterator[Places]:
        """Yield, slice by slice, the places of the keys with these hashes; element for element what `places_of` returns."""
        for number in range(self.words):
            yield from self.places_of_word(hashes, number)

    def places_of_word(self, hashes: Hashes, number: int) -> list[Places]:
        """Return the places that one of the words gives: in two slices, or in one where slices are wide or the last is alone."""
        width, low, half = np.uint64(self.width), np.uint64(_LOW), np.uint64(32)
        words = mix_column(hashes + np.uint64(_golden(number)))
        lower, upper = words & low, words >> half
        lower *= width
        lower >>= half
        if not self._wide and 2 * number + 1 == self.slices:
            return [lower.view(np.int64)]
        upper *= width
        if self._wide:
            # The upper 64 of the product's 96 bits, in two halves: 128 bits are not to be had.
            upper += lower
        upper >>= half
        return [upper.view(np.int64)] if self._wide else [lower.view(np.int64), upper.view(np.int64)]


def _golden(number: int) -> int:
    return (number + 1) * _GOLDEN & _MASK


class BitSlices:
    """Slices of bits, packed by eight: what a Bloom filter remembers.

    >>> bits = BitSlices(Slicing(slices=3, width=100))
    >>> bits.record_one(12345), bits.record_one(12345), bits.ones
    (False, True, 3)
    """

    __slots__ = ("_data", "_ones", "_rows", "_starts", "slicing")

    def __init__(self, slicing: Slicing, saved: bytes | None = None) -> None:
        """Start with no bit set, or with those that `to_bytes` returned.

        Raises:
            ValueError: saved bytes of another layout.
        """
        row_bytes = -(-slicing.width // 8)
        size = slicing.slices * row_bytes
        if saved is not None and len(saved) != size:
            raise ValueError("saved bits have another size than their layout")
        self.slicing = slicing
        # One buffer under two names: a byte of a bytearray is read far faster than an element of an array.
        self._data = bytearray(size if saved is None else saved)
        self._rows: NDArray[np.uint8] = np.frombuffer(self._data, dtype=np.uint8).reshape(slicing.slices, row_bytes)
        self._starts = tuple(range(0, size, row_bytes))
        self._ones: int | None = None
        used = slicing.width % 8
        if saved is not None and used and (self._rows[:, -1] >> used).any():
            raise ValueError("saved bits go beyond their slices")

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of both names would be two buffers.
        return _rebuilt, (self.slicing.slices, self.slicing.width, bytes(self._data))

    @property
    def ones(self) -> int:
        """Number of set bits."""
        if self._ones is None:
            self._ones = int(np.bitwise_count(self._rows).sum(dtype=np.int64))
        return self._ones

    @property
    def unset(self) -> int:
        """Number of bits not set."""
        return self.slicing.slices * self.slicing.width - self.ones

    @property
    def nbytes(self) -> int:
        """Bytes of the bits."""
        return len(self._data)

    def record_one(self, hashed: int) -> bool:
        """Set a key's bits; return whether all were set."""
        data, fresh = self._data, 0
        for start, place in zip(self._starts, self.slicing.places_of(hashed), strict=True):
            index = start + (place >> 3)
            before = data[index]
            if not before >> (place & 7) & 1:
                data[index] = before | 1 << (place & 7)
                fresh += 1
        if self._ones is not None:
            self._ones += fresh
        return not fresh

    def record(self, hashes: Hashes) -> None:
        """Set the bits of many keys."""
        if not len(hashes):
            return
        self._ones = None
        chunks = [hashes[start : start + _CHUNK] for start in range(0, len(hashes), _CHUNK)]
        if len(hashes) * _SPARSE < self.slicing.width:
            for chunk in chunks:
                for row, places in zip(self._rows, self.slicing.places(chunk), strict=True):
                    _set_bits(row, places)
            return
        marks = np.empty((2, self.slicing.width), dtype=np.bool_)
        done = 0
        # Word by word, not chunk by chunk: the map of two slices stays in the processor's cache, that of all does not.
        for number in range(self.slicing.words):
            marks[:] = False
            for chunk in chunks:
                found = self.slicing.places_of_word(chunk, number)
                for mark, places in zip(marks, found, strict=False):
                    mark[places] = True
            for mark in marks[: len(found)]:
                self._rows[done] |= np.packbits(mark, bitorder="little")
                done += 1

    def holds_one(self, hashed: int) -> bool:
        """Say whether all bits of a key are set."""
        data = self._data
        for start, place in zip(self._starts, self.slicing.places_of(hashed), strict=True):
            if not data[start + (place >> 3)] >> (place & 7) & 1:
                return False
        return True

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Say of many keys whether all their bits are set."""
        found = np.zeros(len(hashes), dtype=np.bool_)
        for start in range(0, len(hashes), _CHUNK):
            left = np.arange(start, min(start + _CHUNK, len(hashes)))
            rows = iter(self._rows)
            for number in range(self.slicing.words):
                # Of new keys three in four leave with each word.
                hits = [_get_bits(next(rows), places) for places in self.slicing.places_of_word(hashes[left], number)]
                left = left[np.logical_and.reduce(hits)]
            found[left] = True
        return found

    def covers(self, other: BitSlices) -> bool:
        """Say whether every bit of another one of the same layout is set here."""
        return not (other._rows & ~self._rows).any()

    def unite(self, other: BitSlices) -> None:
        """Set every bit of another one of the same layout."""
        self._rows |= other._rows
        self._ones = None

    def present_error_rate(self) -> float:
        """Return the chance that a new key finds all its bits set: the product of the slices' fills."""
        fills = np.bitwise_count(self._rows).sum(axis=1, dtype=np.int64) / self.slicing.width
        return float(fills.prod())

    def keys(self) -> float:
        """Return the estimated number of distinct keys."""
        return keys_of(self.unset, self.slicing.slices, self.slicing.width)

    def keys_within(self, confidence: float) -> Bounds:
        """Return the bounds of the number of distinct keys."""
        return keys_within(self.unset, self.slicing.slices, self.slicing.width, confidence)

    def to_bytes(self) -> bytes:
        """Return the bits, slice after slice, each filled up to whole bytes with zeros."""
        return bytes(self._data)


def _set_bits(row: NDArray[np.uint8], places: Places) -> None:
    bits = places.astype(np.uint8)
    bits &= np.uint8(7)
    np.left_shift(np.uint8(1), bits, out=bits)
    places = places >> 3
    while len(places):
        # Of places in the same byte one alone is written: those that lost are written again. Twice as fast as `bitwise_or.at`.
        row[places] |= bits
        found = row[places]
        found &= bits
        lost = np.flatnonzero(found == 0)
        places, bits = places[lost], bits[lost]


def _get_bits(row: NDArray[np.uint8], places: Places) -> NDArray[np.bool_]:
    found: NDArray[np.uint8] = row[places >> 3] >> (places & 7).astype(np.uint8) & np.uint8(1)
    return found.view(np.bool_)


def _rebuilt(slices: int, width: int, saved: bytes) -> BitSlices:
    return BitSlices(Slicing(slices, width), saved)

"""A Bloom filter: which keys were seen before, in a fixed number of bits, with no false "never seen".

Theory: the filter of pybloom_live is cut into s = ceil(log2(1/p)) slices of m = ceil(c ln(1/p) / (s (ln 2)^2)) bits, and a key sets one
bit in each slice. Guarantees, for capacity c and error rate p:

    a recorded key is always answered "seen"
    a key never recorded is answered "seen" with probability at most p while no more than c keys are recorded
    the number of keys estimated from the fill x is n = ln(1 - x) / ln(1 - 1/m)

What is ours around the library (tests show each): keys are bytes, so that 1 and "1" are two keys; a slice has at least 2^15 bits, because
below that the library hashes with 16 bits, whose bias costs a fifth more errors; a union keeps its count; saved bytes come back without
their padding, so that they can still be united; and a filter over its capacity goes on recording, says so, and tells its error rate.

References: Bloom, CACM 13 (1970); Almeida et al., "Scalable Bloom filters", IPL 101 (2007); Swamidass and Baldi, J. Chem. Inf. Model. 47
(2007) for the count from the fill.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
from bitarray import bitarray
from pybloom_live import BloomFilter as SlicedFilter

from sketches.frame import pack, unpack
from veilocity.errors import SketchMismatchError, StateError

__all__ = ["BloomFilter"]

_KIND = b"BLOM"
_VERSION = 1
_LARGEST_ERROR_RATE = 0.5
_SMALLEST_SLICE_BITS = 2**15


class _Saved(msgspec.Struct, array_like=True):
    capacity: int
    error_rate: float
    count: int
    bits: bytes


class BloomFilter:
    """Which keys were seen before.

    >>> places = BloomFilter(capacity=1000, error_rate=0.001)
    >>> places.add(b"jo at home"), places.add(b"jo at home"), b"jo at work" in places
    (False, True, False)
    >>> BloomFilter.from_bytes(places.to_bytes()).to_bytes() == places.to_bytes()
    True
    """

    __slots__ = ("_capacity", "_count", "_error_rate", "_filter")

    def __init__(self, capacity: int, error_rate: float) -> None:
        """Start empty.

        Args:
            capacity: keys it holds at its error rate, at least 1.
            error_rate: chance that a new key is taken for a known one, above 0 and at most 0.5.
        """
        if capacity < 1 or not 0.0 < error_rate <= _LARGEST_ERROR_RATE:
            raise SketchMismatchError("a Bloom filter needs a capacity of at least 1 and an error rate in (0, 0.5]")
        self._capacity = capacity
        self._error_rate = error_rate
        self._filter = SlicedFilter(max(capacity, _smallest_capacity(error_rate)), error_rate)
        self._count = 0

    @property
    def capacity(self) -> int:
        """Keys it holds at its error rate."""
        return self._capacity

    @property
    def error_rate(self) -> float:
        """Chance that a new key is taken for a known one, up to `capacity` keys."""
        return self._error_rate

    @property
    def overfilled(self) -> bool:
        """Whether more keys than `capacity` are recorded, so that the error rate is no longer promised."""
        return self._count > self._capacity

    def __len__(self) -> int:
        """Return the number of distinct keys recorded: exact but for false positives; estimated after a union."""
        return self._count

    def __contains__(self, key: bytes) -> bool:
        return _text(key) in self._filter

    def add(self, key: bytes) -> bool:
        """Record a key; return whether it was (or seemed to be) known.

        Raises:
            TypeError: the key is not bytes. Encode it yourself, with its type, so that 1 and "1" stay apart.
        """
        # The library stops taking keys once its own counter passes its capacity; forgetting a key would be a false "never seen".
        self._filter.count = 0
        known = self._filter.add(_text(key))
        if not known:
            self._count += 1
        return known

    def update_batch(self, keys: Iterable[bytes]) -> None:
        """Record many keys."""
        for key in keys:
            self.add(key)

    def fill(self) -> float:
        """Return the share of bits that are set, 0 to 1; one half at capacity."""
        return self._filter.bitarray.count() / self._filter.num_bits

    def present_error_rate(self) -> float:
        """Return the chance that a new key is taken for a known one at the present fill: fill to the power of the number of slices."""
        return self.fill() ** self._filter.num_slices

    def estimated_count(self) -> float:
        """Return the number of distinct keys estimated from the fill; infinite when every bit is set."""
        fill = self.fill()
        return math.inf if fill >= 1.0 else math.log1p(-fill) / math.log1p(-1.0 / self._filter.bits_per_slice)

    def merge(self, other: BloomFilter) -> None:
        """Take in another filter: every key of both is answered "seen"; the count is estimated from the fill.

        Raises:
            SketchMismatchError: another capacity or error rate.
        """
        if (self._capacity, self._error_rate) != (other._capacity, other._error_rate):
            raise SketchMismatchError("two Bloom filters merge only with the same capacity and error rate")
        self._filter.bitarray |= other._filter.bitarray
        estimate = self.estimated_count()
        largest = self._count + other._count
        self._count = largest if math.isinf(estimate) else min(largest, max(self._count, other._count, round(estimate)))

    def to_bytes(self) -> bytes:
        """Return the filter as bytes: equal filters, equal bytes."""
        saved = _Saved(self._capacity, self._error_rate, self._count, self._filter.bitarray.tobytes())
        return pack(_KIND, _VERSION, msgspec.msgpack.encode(saved))

    @classmethod
    def from_bytes(cls, data: bytes) -> BloomFilter:
        """Read a filter that `to_bytes` wrote.

        Raises:
            StateError: damaged, newer, or not a Bloom filter.
        """
        try:
            saved = msgspec.msgpack.decode(unpack(data, _KIND, _VERSION), type=_Saved)
        except msgspec.MsgspecError as cause:
            raise StateError("a saved Bloom filter does not decode: restore it from its last snapshot") from cause
        restored = cls(saved.capacity, saved.error_rate)
        bits = bitarray(endian="little")
        bits.frombytes(saved.bits)
        num_bits = restored._filter.num_bits
        if not num_bits <= len(bits) < num_bits + 8:
            raise StateError("a saved Bloom filter has another size than its parameters say: restore it from its last snapshot")
        # Bytes hold whole eights; the padding must go, or the next union finds two lengths.
        del bits[num_bits:]
        restored._filter.bitarray = bits
        restored._count = saved.count
        return restored


def _smallest_capacity(error_rate: float) -> int:
    slices = math.ceil(math.log2(1.0 / error_rate))
    return math.ceil(_SMALLEST_SLICE_BITS * slices * math.log(2.0) ** 2 / -math.log(error_rate))


def _text(key: bytes) -> str:
    if not isinstance(key, bytes):
        raise TypeError("a Bloom filter's key must be bytes: encode it together with its type")
    # The library hashes text only; Latin-1 maps every byte to one character and back.
    return key.decode("latin-1")

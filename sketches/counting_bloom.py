"""A Bloom filter whose keys can be taken out again.

Theory: where a Bloom filter has a bit there is a counter (0 to 255): adding a key raises one counter in each of the k slices, removing it
lowers them, and a key is held while none of its counters is zero. A counter that reaches 255 stays there for good, because nobody knows any
more how many keys it stands for: lowering it could forget one of them.

Guarantee, as long as only what was added is removed:

    a key that is held is always answered "held"
    a key not held is answered "held" with probability (1 - (1 - 1/s)^n)^k while n distinct keys are held: at most p for n up to c, but for
    64-bit collisions (n / 2^64) and for counters at 255, which stand for keys that may be gone
    the smallest of a key's counters is never below the number of times it is held (up to 255), and above it with probability at most
    the product of the slices' fills
    removing a key is refused when one of its counters is zero: it was not held. One that was never added, but seems to be held, cannot be
    told from one that was (probability as above), and removing it can make another key be forgotten

Adding twice counts twice, and needs two removals: feed it through `sketches.deltas` where batches may be replayed. Merging adds counters.
Memory: k s bytes, 8 times a Bloom filter's.

References: Fan, Cao, Almeida and Broder, "Summary cache", IEEE/ACM Trans. Networking 8 (2000), with 8 instead of 4 bits, so that 254
repetitions of one key saturate nothing; Cohen and Matias, "Spectral Bloom filters", SIGMOD 2003, for the smallest counter.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.bits import Places, Slicing, check_filter, keys_of, keys_within
from sketches.contract import Bounds, Parameters, Repeats, Sketch, require_confidence
from sketches.hashing import HASH_NAME, Column, Hashes, Item, hash_column, hash_item
from veilocity.errors import SketchMismatchError

__all__ = ["CountingBloomFilter", "CountingBloomParameters"]

_FULL = 255
_SPARSE = 8
"""A batch with fewer keys than one in so many counters of a slice is sorted; for a larger one all counters are visited."""


class CountingBloomParameters(Parameters, frozen=True, kw_only=True):
    """What two counting filters must share."""

    capacity: int
    error_rate: float
    seed: int


class CountingBloomFilter(Sketch):
    """Which keys are held, where keys come and go.

    >>> open_cases = CountingBloomFilter(capacity=1000, error_rate=0.001)
    >>> open_cases.update_batch(["case 1", "case 2", "case 2"])
    >>> open_cases.estimate("case 2"), open_cases.estimate("case 3")
    (2.0, 0.0)
    >>> open_cases.remove("case 1")
    >>> "case 1" in open_cases, "case 2" in open_cases
    (False, True)
    >>> open_cases.remove("case 1")
    Traceback (most recent call last):
    veilocity.errors.SketchMismatchError: a key that is not held was to be removed: remove only what was added
    """

    __slots__ = ("_counters", "_every_slice", "_slicing")

    kind: ClassVar[bytes] = b"CBLM"
    repeats: ClassVar[Repeats] = Repeats.COUNTED
    hash_name: ClassVar[str] = HASH_NAME
    parameter_type: ClassVar[type[Parameters]] = CountingBloomParameters

    def __init__(self, capacity: int, error_rate: float, seed: int = 0) -> None:
        """Start empty.

        Args:
            capacity: distinct keys it holds at its error rate, 1 to 2^30.
            error_rate: chance that a key that is not held is taken for one that is, 1e-12 to 0.5.
            seed: of the hash; filters merge only if they share it.

        Raises:
            SketchMismatchError: a value outside of these.
        """
        check_filter(capacity, error_rate, seed)
        super().__init__(CountingBloomParameters(capacity=capacity, error_rate=error_rate, seed=seed))
        self._slicing = Slicing.promising(capacity, error_rate)
        self._every_slice = np.arange(self._slicing.slices)
        self._counters: NDArray[np.uint8] = np.zeros((self._slicing.slices, self._slicing.width), dtype=np.uint8)

    def __contains__(self, key: Item) -> bool:
        return bool(self._counters[self._spot(key)].all())

    def contains_batch(self, column: Column) -> NDArray[np.bool_]:
        """Say of each key of a column whether it is held.

        Raises:
            SketchMismatchError: a key without a stable hash.
        """
        hashes = hash_column(column, self.parameters.seed)
        found = np.ones(len(hashes), dtype=np.bool_)
        for row, places in zip(self._counters, self._slicing.places(hashes), strict=True):
            found &= row[places] > 0
        return found

    def update(self, item: Item) -> None:
        """Add a key."""
        spot = self._spot(item)
        before = self._counters[spot]
        self._counters[spot] = before + (before < _FULL)

    def update_batch(self, column: Column) -> None:
        """Add a column of keys; nothing is added when one of them is refused.

        Raises:
            SketchMismatchError: a key without a stable hash.
        """
        for row, places in zip(self._counters, self._slicing.places(hash_column(column, self.parameters.seed)), strict=True):
            touched, times = _counted(places, self._slicing.width)
            row[touched] = np.minimum(row[touched] + times, _FULL)

    def remove(self, key: Item) -> None:
        """Take a key out once.

        Raises:
            SketchMismatchError: it is not held; nothing changes.
        """
        self.remove_batch([key])

    def remove_batch(self, column: Column) -> None:
        """Take a column of keys out, each as often as it occurs; the same as one by one, but nothing changes when one is refused.

        Raises:
            SketchMismatchError: one of them is not held (as often).
        """
        hashes: Hashes = hash_column(column, self.parameters.seed)
        lower: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for row, places in zip(self._counters, self._slicing.places(hashes), strict=True):
            touched, times = _counted(places, self._slicing.width)
            before = row[touched].astype(np.int64)
            after = np.where(before == _FULL, _FULL, before - times)
            if (after < 0).any():
                raise SketchMismatchError("a key that is not held was to be removed: remove only what was added")
            lower.append((touched, after))
        for row, (touched, after) in zip(self._counters, lower, strict=True):
            row[touched] = after

    def estimate(self, key: Item) -> float:
        """Return how many times a key is held: never less than the truth, up to 255.

        Raises:
            SketchMismatchError: a key without a stable hash.
        """
        return float(self._counters[self._spot(key)].min())

    def bounds(self, key: Item, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds how many times a key is held; the key must not have been chosen by its hash.

        Raises:
            SketchMismatchError: a confidence outside 0 to 1, or a key without a stable hash.
        """
        require_confidence(confidence)
        smallest = self.estimate(key)
        sure = smallest == 0.0 or self.present_error_rate() <= 1.0 - confidence
        return Bounds(smallest if sure else 0.0, math.inf if smallest >= _FULL else smallest)

    def estimated_count(self) -> float:
        """Return the number of distinct keys held, estimated from the fill; infinite when no counter is zero."""
        return keys_of(self._unset, self._slicing.slices, self._slicing.width)

    def count_bounds(self, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the number of distinct keys held, as long as no counter is at 255.

        Raises:
            SketchMismatchError: a confidence outside 0 to 1.
        """
        return keys_within(self._unset, self._slicing.slices, self._slicing.width, confidence)

    def saturated(self) -> int:
        """Return how many counters are at 255, where they stay: keys that touch only such ones can no longer be removed."""
        return int(np.count_nonzero(self._counters == _FULL))

    def present_error_rate(self) -> float:
        """Return the chance that a key that is not held is taken for one that is: the product of the slices' fills."""
        return float((np.count_nonzero(self._counters, axis=1) / self._slicing.width).prod())

    @property
    def _unset(self) -> int:
        return self._counters.size - int(np.count_nonzero(self._counters))

    def _spot(self, key: Item) -> tuple[NDArray[np.int64], tuple[int, ...]]:
        """Return the index of a key's counters."""
        return self._every_slice, self._slicing.places_of(hash_item(key, self.parameters.seed))

    def _join(self, other: CountingBloomFilter) -> None:
        room = _FULL - self._counters
        self._counters += np.minimum(other._counters, room)

    def _content(self) -> object:
        return self._counters.tobytes()

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> CountingBloomFilter:
        restored = cls(parameters.capacity, parameters.error_rate, parameters.seed)
        saved = np.frombuffer(msgspec.msgpack.decode(content, type=bytes), dtype=np.uint8)
        if saved.size != restored._counters.size:
            raise ValueError("saved counters have another size than their layout")
        restored._counters = saved.reshape(restored._counters.shape).copy()
        return restored

    @property
    def memory_bytes(self) -> int:
        """Bytes of the counters."""
        return self._counters.nbytes


def _counted(places: Places, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each place once, and how often it occurs."""
    if len(places) * _SPARSE < width:
        return np.unique(places, return_counts=True)
    times = np.bincount(places, minlength=width)
    touched = np.flatnonzero(times)
    return touched, times[touched]

"""The items that come most often, with certain bounds, in a fixed number of counters: the Space-Saving summary.

Theory: `capacity` items have a counter. An item without one takes over the smallest counter m: it starts at m + 1 with a possible error of
m. `floor` is the largest count that was ever given up: no item without a counter came more often.

Guarantee, for any stream of total weight N and any tree of merges; nothing is left to chance:

    count - error <= truth <= count                   for an item with a counter
    0 <= truth <= floor                               for any other
    error <= N / capacity,  floor <= N / capacity     so every item above N / capacity of the weight has a counter

Merging (Agarwal and others) adds counters; an item that only one side has counts the other side's floor, as count and as error; then the
`capacity` largest stay. Why the third line survives: the counts of one summary add up to at most N. Take any `capacity` items of the union:
on each side, those with a counter there bring their counts and the others at most the floor, which no counter of that side is below, so
they bring at most N1 and N2 in all. So the kept counts again add up to at most N1 + N2 = N, and the smallest of them, hence everything
dropped and every floor, is at most N / capacity. Errors add: at most N1 / capacity + N2 / capacity.

Ties go by a seeded hash of the item, so that the summary is a function of its counters alone: the same stream gives the same bytes.
Memory: the items themselves and 24 bytes each. An update of a known item is O(1); of another O(log capacity), amortised.

References: Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and top-k elements in data streams", ICDT 2005; Agarwal,
Cormode, Huang, Phillips, Wei and Yi, "Mergeable summaries", PODS 2012; Cafaro, Pulimeno and Tempesta, "A parallel Space Saving algorithm",
Information Sciences 329 (2016).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from typing import Any, Generic, NamedTuple, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch, require_confidence
from sketches.frequency import whole_weight
from sketches.hashing import HASH_NAME, Column, Item, as_items, hash_column, hash_item
from veilocity.errors import SketchMismatchError

__all__ = [
    "Counters",
    "HeavyHitter",
    "SpaceSaving",
    "SpaceSavingParameters",
    "check_capacity",
    "item_of",
    "keys_of",
    "load_item",
    "save_key",
]

N = TypeVar("N", int, float)
Key = bytes | str | int | tuple[float]
"""An item such that equal keys are equal items: for Python 1 == 1.0, so a real number stands in a tuple."""
Saved = str | int | float | tuple[bool, bytes]
"""A key as it is written; bytes, and text that UTF-8 cannot hold, stand in a pair that says whether they are text."""
_MOST_CAPACITY = 2**28
_MOST_WEIGHT = 2**63 - 1


class HeavyHitter(NamedTuple):
    """An item of the top, and what is certain about it."""

    item: Item
    low: float
    """It came at least this often..."""
    high: float
    """...and at most this often: its counter."""
    guaranteed: bool
    """Whether it is certainly one of the most frequent ones that were asked for (or as frequent as one)."""


class Counters(Generic[N]):
    """Weighted Space-Saving over whole or real weights; no sketch by itself, because it knows neither seed nor bytes.

    >>> counters = Counters(capacity=2, floor=0)
    >>> for key in ("a", "b", "a", "c"):
    ...     counters.add(key, tie=len(key), weight=1)
    >>> counters.counts, counters.errors, counters.floor
    ({'a': 2, 'c': 2}, {'a': 0, 'c': 1}, 1)
    """

    __slots__ = ("_heap", "capacity", "counts", "errors", "floor")

    def __init__(self, capacity: int, floor: N) -> None:
        self.capacity = capacity
        self.counts: dict[Key, N] = {}
        self.errors: dict[Key, N] = {}
        self.floor: N = floor
        # One entry a key, its count as it once was: never above the present one, so the smallest is found by refreshing the top.
        self._heap: list[tuple[N, int, str, Key]] = []

    def add(self, key: Key, tie: int, weight: N) -> None:
        """Add weight to a key; `tie` is its hash."""
        counts = self.counts
        if key in counts:
            counts[key] += weight
        elif len(counts) < self.capacity:
            # The floor is zero until a counter was given up; a full summary never loses one without gaining one.
            self._put(key, tie, self.floor + weight, self.floor)
        else:
            least = self._least()
            heap = self._heap
            gone = heap[0][3]
            del counts[gone], self.errors[gone]
            counts[key] = least + weight
            self.errors[key] = self.floor = least
            heapq.heapreplace(heap, (least + weight, tie, type(key).__name__, key))

    def _put(self, key: Key, tie: int, count: N, error: N) -> None:
        self.counts[key], self.errors[key] = count, error
        heapq.heappush(self._heap, (count, tie, type(key).__name__, key))

    def _least(self) -> N:
        """Return the smallest count, and bring its entry to the top."""
        heap, counts = self._heap, self.counts
        while True:
            count, tie, kind, key = heap[0]
            if counts[key] == count:
                return count
            heapq.heapreplace(heap, (counts[key], tie, kind, key))

    def entries(self) -> list[tuple[Key, N, N]]:
        """Return key, count and error of each, the largest count first."""
        rows = sorted((-self.counts[key], tie, kind, key) for _, tie, kind, key in self._heap)
        return [(key, -count, self.errors[key]) for count, _, _, key in rows]

    def join(self, other: Counters[N]) -> None:
        """Take in other counters, which stay as they are."""
        ties = {entry[3]: entry[1:3] for entry in (*other._heap, *self._heap)}
        rows: list[tuple[N, int, str, Key, N]] = []
        for key, (tie, kind) in ties.items():
            count = self.counts.get(key, self.floor) + other.counts.get(key, other.floor)
            error = self.errors.get(key, self.floor) + other.errors.get(key, other.floor)
            rows.append((-count, tie, kind, key, error))
        rows.sort()
        absent: list[N] = [self.floor + other.floor]
        absent += [-row[0] for row in rows[self.capacity : self.capacity + 1]]
        self.floor = max(absent)
        self._fill((-count, tie, kind, key, error) for count, tie, kind, key, error in rows[: self.capacity])

    def restore(self, rows: Iterable[tuple[Key, int, N, N]], floor: N) -> None:
        """Take the place of counters that were saved: key, tie, count and error of each."""
        self.floor = floor
        self._fill((count, tie, type(key).__name__, key, error) for key, tie, count, error in rows)

    def scale(self, exponent: int) -> None:
        """Multiply everything by a power of two, which is exact."""
        rows = [(self.counts[key], tie, kind, key, self.errors[key]) for _, tie, kind, key in self._heap]
        self.floor = math.ldexp(self.floor, exponent)  # type: ignore[assignment]  # only real weights are scaled
        scaled = ((math.ldexp(count, exponent), tie, kind, key, math.ldexp(error, exponent)) for count, tie, kind, key, error in rows)
        self._fill(scaled)  # type: ignore[arg-type]  # as above

    def _fill(self, rows: Iterable[tuple[N, int, str, Key, N]]) -> None:
        kept = list(rows)
        self.counts = {row[3]: row[0] for row in kept}
        self.errors = {row[3]: row[4] for row in kept}
        self._heap = [row[:4] for row in kept]
        heapq.heapify(self._heap)

    def top(self, k: int) -> list[tuple[Key, N, N, bool]]:
        """Return the k largest: key, count, error, and whether no other can be larger than what is certain of it."""
        rows = self.entries()
        next_count = rows[k][1] if k < len(rows) else self.floor
        return [(key, count, error, count - error >= next_count) for key, count, error in rows[:k]]

    @property
    def memory_bytes(self) -> int:
        """Bytes of the keys, and 24 for count, error and hash of each."""
        return sum(len(key) if isinstance(key, str | bytes) else 8 for key in self.counts) + 24 * len(self.counts)


class SpaceSavingParameters(Parameters, frozen=True, kw_only=True):
    """What two summaries share."""

    capacity: int
    seed: int


class _Content(msgspec.Struct, array_like=True):
    total: int
    floor: int
    rows: list[tuple[Saved, int, int]]


class SpaceSaving(Sketch):
    """The most frequent items, with bounds that are certain.

    >>> shops = SpaceSaving(capacity=3, seed=1)
    >>> shops.update_batch(["market"] * 5 + ["bakery"] * 3 + ["kiosk", "museum"])
    >>> shops.top(2)[0]
    HeavyHitter(item='market', low=5.0, high=5.0, guaranteed=True)
    >>> shops.bounds("museum"), shops.bounds("kiosk")
    (Bounds(low=1.0, high=2.0), Bounds(low=0.0, high=1.0))
    """

    __slots__ = ("_counters", "_total")

    kind = b"SPSV"
    repeats = Repeats.COUNTED
    hash_name = HASH_NAME
    parameter_type = SpaceSavingParameters

    def __init__(self, capacity: int, seed: int) -> None:
        """Start with nothing counted.

        Args:
            capacity: counters, at least 1; an item above 1 / capacity of the weight always has one.
            seed: 0 to 2^64 - 1, of the hash that decides between equal counts.
        """
        check_capacity(capacity, seed)
        super().__init__(SpaceSavingParameters(capacity=capacity, seed=seed))
        self._counters: Counters[int] = Counters(capacity, 0)
        self._total = 0

    @property
    def total(self) -> int:
        """The weight of everything taken in, N."""
        return self._total

    @property
    def floor(self) -> int:
        """The most that an item without a counter can have come."""
        return self._counters.floor

    def update(self, item: Item) -> None:
        """Count an item once."""
        self.update_weighted(item, 1)

    def update_weighted(self, item: Item, weight: int) -> None:
        """Count an item `weight` times, at least once.

        Raises:
            SketchMismatchError: not a whole number from 1 on, the total would pass 2^63, or the item has no stable hash.
        """
        weight = whole_weight(weight)
        tie = hash_item(item, self.parameters.seed)
        self._count_in(weight)
        self._counters.add(keys_of([item])[0], tie, weight)

    def update_batch(self, column: Column) -> None:
        """Count each item of a column once; the same as one by one."""
        items = as_items(column)
        # Hashed before anything is counted: a column with one bad item changes nothing.
        ties = hash_column(items, self.parameters.seed).tolist()
        self._count_in(len(ties))
        counts, add = self._counters.counts, self._counters.add
        for key, tie in zip(keys_of(items), ties, strict=True):
            if key in counts:
                counts[key] += 1
            else:
                add(key, tie, 1)

    def estimate(self, item: Item) -> float:
        """Return the upper bound of how often an item came; for one without a counter that is `floor`."""
        return float(self._counters.counts.get(self._known(item), self.floor))

    def bounds(self, item: Item, confidence: float = 0.95) -> Bounds:
        """Return an interval that certainly holds how often an item came, whatever the confidence."""
        require_confidence(confidence)
        key = self._known(item)
        count = self._counters.counts.get(key, self.floor)
        return Bounds(float(count - self._counters.errors.get(key, count)), float(count))

    def top(self, k: int) -> list[HeavyHitter]:
        """Return the k items with the largest counts; one that is `guaranteed` is certainly among the k most frequent, ties apart."""
        if k < 1:
            raise SketchMismatchError("the top has at least one place")
        return [HeavyHitter(item_of(key), float(count - error), float(count), sure) for key, count, error, sure in self._counters.top(k)]

    def frequent(self, share: float) -> list[HeavyHitter]:
        """Return every item that may have more than this share of the total (`guaranteed`: certainly has); none is missing.

        Raises:
            SketchMismatchError: the share is below 1 / capacity, of which the summary knows nothing for certain.
        """
        if not 1.0 / self.parameters.capacity <= share < 1.0:
            raise SketchMismatchError("a share lies between 1 / capacity and 1: a smaller one needs a larger capacity")
        least = share * self._total
        rows = [row for row in self._counters.entries() if row[1] > least]
        return [HeavyHitter(item_of(key), float(count - error), float(count), count - error > least) for key, count, error in rows]

    def _known(self, item: Item) -> Key:
        hash_item(item, self.parameters.seed)
        return keys_of([item])[0]

    @property
    def memory_bytes(self) -> int:
        """The items, and 24 bytes for count, error and hash of each."""
        return self._counters.memory_bytes

    def _count_in(self, weight: int) -> None:
        if self._total + weight > _MOST_WEIGHT:
            raise SketchMismatchError("a summary counts to 2^63 - 1: start a new one for this period")
        self._total += weight

    def _join(self, other: Self) -> None:
        self._count_in(other._total)
        self._counters.join(other._counters)

    def _content(self) -> object:
        rows = [(save_key(key), count, error) for key, count, error in self._counters.entries()]
        return _Content(self._total, self._counters.floor, rows)

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=_Content)
        restored = cls(parameters.capacity, parameters.seed)
        items = [load_item(row[0]) for row in saved.rows]
        keys = keys_of(items)
        if len(set(keys)) != len(keys) or len(keys) > parameters.capacity or not 0 <= saved.floor <= saved.total:
            raise ValueError("the counters do not fit their parameters")
        if any(not 0 <= error < count <= saved.total for _, count, error in saved.rows):
            raise ValueError("a count is outside of what the total allows")
        ties = hash_column(items, parameters.seed).tolist()
        rows = [(key, tie, count, error) for key, tie, (_, count, error) in zip(keys, ties, saved.rows, strict=True)]
        restored._counters.restore(rows, saved.floor)
        restored._total = saved.total
        return restored


def check_capacity(capacity: int, seed: int) -> None:
    """Refuse what no summary can have.

    Raises:
        SketchMismatchError: fewer than 1 or more than 2^28 counters, or a seed beyond 64 bits.
    """
    if not 1 <= capacity <= _MOST_CAPACITY:
        raise SketchMismatchError("a summary has 1 to 2^28 counters: 1 / capacity is the share of the weight that it cannot resolve")
    if not 0 <= seed < 2**64:
        raise SketchMismatchError("a seed is a whole number from 0 to 2^64 - 1")


def keys_of(items: Sequence[Item] | NDArray[Any]) -> Sequence[Key]:
    """Return the keys of items that have a hash.

    >>> keys_of(["a", 1, 1.0])
    ['a', 1, (1.0,)]
    """
    if isinstance(items, np.ndarray):
        numbers: list[Any] = items.tolist()
        return [_real(number) for number in numbers] if items.dtype.kind == "f" else numbers
    if set(map(type, items)) <= {str, bytes, int}:
        return items  # type: ignore[return-value]  # none of them is real, as was just seen
    return [_key(item) for item in items]


def item_of(key: Key) -> Item:
    """Return the item of a key.

    >>> item_of((1.0,)), item_of("a")
    (1.0, 'a')
    """
    return key[0] if isinstance(key, tuple) else key


def save_key(key: Key) -> Saved:
    """Return a key as MessagePack can hold it.

    >>> save_key("a"), load_item(save_key(chr(0xD800))) == chr(0xD800)
    ('a', True)
    """
    if isinstance(key, bytes):
        return False, key
    if isinstance(key, str) and not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            return True, key.encode("utf-8", "surrogatepass")
    return key[0] if isinstance(key, tuple) else key


def load_item(saved: Saved) -> Item:
    """Return the item that `save_key` wrote.

    Raises:
        ValueError: no such item.
    """
    if not isinstance(saved, tuple):
        return saved
    is_text, data = saved
    return data.decode("utf-8", "surrogatepass") if is_text else data


def _key(item: Any) -> Key:
    if isinstance(item, float | np.floating):
        return _real(float(item))
    if isinstance(item, int | np.integer):
        return int(item)
    return str(item) if isinstance(item, str) else bytes(item)


def _real(number: float) -> tuple[float]:
    # One object for NaN, so that it equals itself; both zeros become one, as in their hash.
    return (math.nan,) if math.isnan(number) else (number + 0.0,)

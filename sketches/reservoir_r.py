"""A uniform sample of the items of a stream, repetitions included: algorithm R, and what every uniform reservoir shares.

Theory: the first k items are kept. Item number n > k then gets a place with probability k / n, and a uniformly chosen member leaves; by
induction every set of k positions of the stream is equally likely. Two samples are merged as if both streams had been put into one urn:
how many members the merged sample takes from the first follows the hypergeometric law of k draws from n1 + n2 items of which n1 are the
first's, and which ones is a uniform subset. (Two samples of equal size must not simply be mixed half and half: where n1 is a tenth of
n2, the items of the first stream would be five times too frequent.)

Guarantee: after n items, every one of the C(n, k) sets of positions is the sample with probability 1 / C(n, k), whatever tree of merges it
came by; so each item is in it with probability min(1, k / n). For a property that a share s of the n items has, the number of members
that have it is hypergeometric, and `bounds` inverts that law exactly: its interval holds s with at least the confidence asked for.
A draw has 52 bits, so a probability is off by at most n / 2^52 of itself.

The draws come from a counter-based generator keyed by seed, `stream` and the first k items: the same stream gives the same bytes on every
machine, while samples of different parts draw independently. Parts whose first k items are the same, in the same order, would draw alike:
give each of those its own `stream`.

References: Vitter, "Random sampling with a reservoir", ACM TOMS 11 (1985); Fan, Muller and Rezucha, JASA 57 (1962), for drawing a
hypergeometric split one by one; Wang, "Exact optimal confidence intervals for hypergeometric parameters", JASA 110 (2015), and Clopper and
Pearson, Biometrika 26 (1934), for the bounds.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.hashing import HASH_NAME, Column, Item, as_items, hash_item, mix64
from veilocity.errors import SketchMismatchError

__all__ = ["Draws", "ReservoirR", "UniformReservoir", "plain_item", "saved_items", "share_bounds", "sized_column"]

_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15
_BLOCK = 1 << 16
_GRID = 2**50
"""How finely a share of an unknown, large population is told apart."""


class Draws:
    """A counter-based generator of uniform numbers: number i is a hash of (key, i), so a column of them costs no loop.

    >>> one, two = Draws(seed=7, stream=0), Draws(seed=7, stream=0)
    >>> [one.next(), one.next()] == two.block(2).tolist()
    True
    """

    __slots__ = ("key", "position")

    def __init__(self, seed: int, stream: int) -> None:
        """Start from a seed and the number that tells parts with the same beginning apart, each 0 to 2^64 - 1."""
        if not (0 <= seed <= _MASK and 0 <= stream <= _MASK):
            raise SketchMismatchError("a seed and a stream are numbers from 0 to 2^64 - 1: give one of those")
        self.key = mix64(mix64(seed + 1 & _MASK) + stream & _MASK)
        self.position = 0

    def next(self) -> float:
        """Return a number from the middle of one of 2^52 equal parts of (0, 1): never 0, never 1."""
        self.position += 1
        return ((mix64(self.key + self.position * _STEP & _MASK) >> 12) + 0.5) * 2.0**-52

    def block(self, size: int) -> NDArray[np.float64]:
        """Return what `size` calls of `next` return."""
        bits = np.arange(self.position + 1, self.position + size + 1, dtype=np.uint64)
        bits *= np.uint64(_STEP)
        bits += np.uint64(self.key)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            bits ^= bits >> np.uint64(shift)
            bits *= np.uint64(factor)
        bits ^= bits >> np.uint64(31)
        bits >>= np.uint64(12)
        self.position += size
        uniform = bits.astype(np.float64)
        uniform += 0.5
        uniform *= 2.0**-52
        return uniform

    def absorb(self, item: Item) -> None:
        """Let the draws from here on depend on an item, so that other parts of the data draw independently."""
        self.key = mix64(hash_item(item, self.key))

    def join(self, other: Draws) -> None:
        """Go on with draws that depend on both generators and are independent of what either has drawn."""
        both = sum(mix64(one.key + one.position * _STEP & _MASK) for one in (self, other))
        self.key, self.position = mix64(both + _STEP & _MASK), 0


def plain_item(item: Any) -> Item:
    """Return an item as the bytes, text or number that can be saved.

    Raises:
        SketchMismatchError: it is nothing of the kind, or a number beyond 64 bits.
    """
    if isinstance(item, pyarrow.Scalar):
        item = item.as_py()
    elif isinstance(item, np.generic):
        item = item.item()
    if isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError as cause:
            raise SketchMismatchError("a text with half a surrogate pair cannot be saved: hand in its bytes") from cause
        return str(item)
    if isinstance(item, int) and not isinstance(item, bool):
        if not -(2**63) <= item < 2**64:
            raise SketchMismatchError("a number has more than 64 bits: hand it in as text")
        return int(item)
    if isinstance(item, bytes | float):
        return item
    raise SketchMismatchError(f"a {type(item).__name__} cannot be sampled: hand in text, bytes or a number")


def saved_items(items: list[Any]) -> list[Item]:
    """Return items that were saved.

    Raises:
        ValueError: one is nothing that is ever saved.
    """
    if not {type(item) for item in items} <= {bytes, str, int, float}:
        raise ValueError("a member is neither text, bytes nor a number")
    return items


def sized_column(column: Column) -> Sequence[Any] | NDArray[Any]:
    """Return a column without its nulls, such that one item can be looked at without touching the others."""
    if isinstance(column, pyarrow.Array | pyarrow.ChunkedArray):
        known: Any = column.drop_null()
        return known  # type: ignore[no-any-return]  # an Arrow column has a length and items, though it is no Sequence
    return as_items(column)


def share_bounds(share: float, size: int, population: int | None, confidence: float) -> Bounds:
    """Return the interval for the share of a population with a property, by inverting the law of a sample without replacement.

    Args:
        share: of the members of the sample that have it.
        size: members of the sample.
        population: how many it was drawn from; None for unknown and large, which gives Clopper and Pearson's interval.
        confidence: least probability that the interval holds the truth.

    Raises:
        SketchMismatchError: a share or confidence that is none.

    >>> share_bounds(0.5, 10, 10, 0.95), share_bounds(0.0, 0, 0, 0.95)
    (Bounds(low=0.5, high=0.5), Bounds(low=0.0, high=1.0))
    >>> low, high = share_bounds(0.5, 10, None, 0.95)
    >>> round(low, 3), round(high, 3)
    (0.187, 0.813)
    """
    if not 0.0 <= share <= 1.0:
        raise SketchMismatchError("a share lies from 0 to 1: divide the members that have the property by all members")
    if not 0.0 < confidence < 1.0:
        raise SketchMismatchError("a confidence lies between 0 and 1")
    if not size:
        return Bounds(0.0, 1.0)
    # A share that is no whole number of members is widened to both neighbours; 1e-9 forgives the rounding of the division.
    fewest, most = math.floor(share * size + 1e-9), math.ceil(share * size - 1e-9)
    tail, total = (1.0 - confidence) / 2.0, population or _GRID
    having, lacking = _fewest(fewest, size, population, tail), _fewest(size - most, size, population, tail)
    return Bounds(having / total, (total - lacking) / total)


def _fewest(hits: int, size: int, population: int | None, tail: float) -> int:
    """Return the smallest number with the property under which `hits` or more in the sample are likelier than `tail`."""
    total = population or _GRID
    low, high = hits, total - (size - hits)
    while low < high:
        middle = (low + high) // 2
        if _probability_of_at_least(hits, size, middle, total, population is not None) > tail:
            high = middle
        else:
            low = middle + 1
    return low


def _probability_of_at_least(hits: int, size: int, having: int, total: int, exhausts: bool) -> float:
    """Return P(X >= hits) for X hypergeometric, or binomial where drawing does not exhaust the population."""
    drawn = np.arange(size) * (1.0 if exhausts else 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_having = _logs_of_products(np.maximum(having - drawn, 0.0) / total)
        of_lacking = _logs_of_products(np.maximum(total - having - drawn, 0.0) / total)
        count = np.arange(1, size + 1)
        logs = _logs_of_products((size + 1.0 - count) / count) + of_having + of_lacking[::-1] - _logs_of_products(1.0 - drawn / total)[-1]
    return float(np.exp(logs[hits:]).sum())


def _logs_of_products(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms of the products of the first 0, 1, 2, ... factors."""
    return np.concatenate([[0.0], np.cumsum(np.log(factors))])


class UniformParameters(Parameters, frozen=True, kw_only=True):
    """What two uniform reservoirs must share."""

    capacity: int
    seed: int


class UniformContent(msgspec.Struct, array_like=True):
    """What a uniform reservoir remembers."""

    count: int
    key: int
    position: int
    members: list[Any]


class UniformReservoir(Sketch):
    """A uniform sample of `capacity` of a stream's items, and how many items the stream had.

    The order of the members means nothing, though it is the same for the same stream and seed. Taking a batch in twice counts twice.
    """

    __slots__ = ("_count", "_draws", "_members")

    repeats = Repeats.COUNTED
    hash_name = HASH_NAME
    parameter_type = UniformParameters

    def __init__(self, capacity: int, *, seed: int = 0, stream: int = 0) -> None:
        """Start empty.

        Args:
            capacity: most members kept, k, at least 1.
            seed: of the draws; samples merge only if they share it.
            stream: tells parts apart that begin with the same items; samples of different streams merge.
        """
        if capacity < 1:
            raise SketchMismatchError("a reservoir holds at least one item: give a capacity of 1 or more")
        super().__init__(UniformParameters(capacity=capacity, seed=seed))
        self._draws = Draws(seed, stream)
        self._count = 0
        self._members: list[Item] = []

    @property
    def count(self) -> int:
        """How many items the stream had, n."""
        return self._count

    def __len__(self) -> int:
        return len(self._members)

    def estimate(self) -> list[Item]:
        """Return the members, min(n, k) of them; their order means nothing."""
        return list(self._members)

    def share(self, has: Callable[[Item], bool]) -> float:
        """Return the share of the members that have a property: unbiased for its share of the stream. 0 for an empty stream."""
        return sum(1 for item in self._members if has(item)) / max(1, len(self._members))

    def bounds(self, share: float, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds a property's share of the stream, given its share of the members; exact for every n."""
        return share_bounds(share, len(self._members), self._count, confidence)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the members, and 24 for count and generator."""
        return 24 + sum(item_bytes(item) for item in self._members)

    def _is_full(self) -> bool:
        return len(self._members) >= int(self.parameters.capacity)

    def _fill(self, items: Any) -> int:
        """Take the first items, as far as there is room; return how many."""
        taken = 0
        while taken < len(items) and not self._is_full():
            item = plain_item(items[taken])
            self._draws.absorb(item)
            self._members.append(item)
            self._count += 1
            taken += 1
            if self._is_full():
                self._begin()
        return taken

    @abstractmethod
    def _begin(self) -> None:
        """Prepare for the next item of a stream of which the members are a uniform sample, and the sample is full."""

    def _join(self, other: Self) -> None:
        if not other._count:
            return
        self._take_both(other)
        if self._is_full():
            self._begin()

    def _take_both(self, other: Self) -> None:
        """Draw from the urn of both streams, one item after the other: each stream has a chance by what is left of it."""
        left, right = self._members, other._members.copy()
        of_left, of_right = self._count, other._count
        self._count = of_left + of_right
        self._draws.join(other._draws)
        if self._count <= self.parameters.capacity:
            self._members = left + right
            return
        drawn: list[Item] = []
        draw = self._draws.next
        while len(drawn) < self.parameters.capacity:
            if int(draw() * (of_left + of_right)) < of_left:
                side, of_left = left, of_left - 1
            else:
                side, of_right = right, of_right - 1
            place = int(draw() * len(side))
            side[place], side[-1] = side[-1], side[place]
            drawn.append(side.pop())
        self._members = drawn

    def _content(self) -> object:
        return UniformContent(self._count, self._draws.key, self._draws.position, self._members)

    @classmethod
    def _restore(cls, parameters: UniformParameters, content: msgspec.Raw) -> Self:
        sample = cls(parameters.capacity, seed=parameters.seed)
        sample._refill(msgspec.msgpack.decode(content, type=UniformContent))
        return sample

    def _refill(self, saved: UniformContent) -> None:
        """Go on from what was saved."""
        if len(saved.members) != min(saved.count, self.parameters.capacity):
            raise ValueError("a reservoir holds as many items as there were, or as it can")
        self._count, self._members = saved.count, saved_items(saved.members)
        self._draws.key, self._draws.position = saved.key, saved.position


def item_bytes(item: Item) -> int:
    """Return how many bytes an item itself has."""
    return 8 if isinstance(item, int | float) else len(item.encode() if isinstance(item, str) else item)


class ReservoirR(UniformReservoir):
    """A mergeable uniform sample by algorithm R: one draw per item. `ReservoirL` has the same law, and needs fewer.

    >>> sample = ReservoirR(capacity=100, seed=1)
    >>> sample.update_batch(range(10_000))
    >>> other = ReservoirR(capacity=100, seed=1)
    >>> other.update_batch(range(10_000, 100_000))
    >>> sample.merge(other)
    >>> sample.count, len(sample.estimate())
    (100000, 100)
    >>> 0.1 in sample.bounds(sample.share(lambda item: item < 10_000))
    True
    """

    __slots__ = ()

    kind = b"RSRR"

    def update(self, item: Item) -> None:
        """Take one item.

        Raises:
            SketchMismatchError: it came into the sample and is not text, bytes or a number of 64 bits.
        """
        if not self._is_full():
            self._fill((item,))
            return
        place = int(self._draws.next() * (self._count + 1))
        if place < self.parameters.capacity:
            self._members[place] = plain_item(item)
        self._count += 1

    def update_batch(self, column: Column) -> None:
        """Take a column; the same as its items one by one, and only what comes into the sample is looked at."""
        items = sized_column(column)
        for begin in range(self._fill(items), len(items), _BLOCK):
            size = min(_BLOCK, len(items) - begin)
            places = self._draws.block(size)
            places *= np.arange(self._count + 1, self._count + size + 1)
            hits = np.flatnonzero(places < self.parameters.capacity).tolist()
            chosen = [(int(places[hit]), plain_item(items[begin + hit])) for hit in hits]
            for place, item in chosen:
                self._members[place] = item
            self._count += size

    def _begin(self) -> None:
        """Nothing to prepare: every item is drawn for."""

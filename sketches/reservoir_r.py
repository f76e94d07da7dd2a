"""A uniform sample of the items of a stream, repetitions included: algorithm R, and what every uniform reservoir shares.

Theory: the first k items are kept. Item number n > k then gets a place with probability k / n, and a uniformly chosen member leaves; by
induction every set of k positions of the stream is equally likely. Two samples are merged as if both streams had been put into one urn:
how many members the merged sample takes from the first follows the hypergeometric law of k draws from n1 + n2 items of which n1 are the
first's, and which ones is a uniform subset. (Two samples of equal size must not simply be mixed half and half: where n1 is a tenth of
n2, the items of the first stream would be five times too frequent.)

Guarantee: after n items, every one of the C(n, k) sets of positions is the sample with probability 1 / C(n, k), whatever tree of merges it
came by; so each item is in it with probability min(1, k / n). For a property that a share s of the n items has, the number of members
that have it is hypergeometric, and `bounds` inverts that law exactly: its interval holds s with at least the confidence asked for
(`sketches.intervals`). A draw has 52 bits, so a probability is off by at most n / 2^52 of itself.

The draws come from a counter-based generator (`sketches.draws`) keyed by seed, `stream` and the first k items: the same stream gives the
same bytes on every machine, while samples of different parts draw independently. Parts whose first k items are the same, in the same order,
would draw alike: give each of those its own `stream`.

References: Vitter, "Random sampling with a reservoir", ACM TOMS 11 (1985); Fan, Muller and Rezucha, JASA 57 (1962), for drawing a
hypergeometric split one by one; Wang, "Exact optimal confidence intervals for hypergeometric parameters", JASA 110 (2015), for the bounds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.draws import Draws
from sketches.hashing import HASH_NAME, Column, Item, as_items
from sketches.intervals import share_bounds
from veilocity.errors import SketchMismatchError

__all__ = ["ReservoirR", "UniformReservoir", "item_bytes", "plain_item", "saved_items", "sized_column"]

_BLOCK = 1 << 16


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

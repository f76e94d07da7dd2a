"""A sample of weighted items without replacement: A-ExpJ, exponential jumps over what does not come in.

Theory: item i of weight w_i gets the key u_i^(1/w_i) with u_i uniform, and the k items with the largest keys are kept. What is stored is
the rank -log(key) = E_i / w_i with E_i exponential, so the k smallest ranks are kept; it neither underflows for small weights nor saturates
for large ones. The smallest rank is item i's with probability w_i / sum(w), and the rest follows in the same way: successive sampling. Let
t be the largest rank kept: how much weight passes before the next item comes in is exponential with mean 1 / t, so a jump is drawn instead
of a number per item, and the item on which it ends gets a rank that is conditioned to lie below t.

Merging keeps the k smallest ranks of both samples: that is what one sample of both streams would have kept, exactly.

Guarantee: the members are a successive sample: the first is i with probability w_i / W, where W is the sum of all weights; the next is j
with probability w_j / (W - w_i), and so on; whatever tree of merges it came by. An item of weight 0 is counted and never sampled. Given the
largest rank t, each other member i stands for w_i / (1 - exp(-w_i t)) of weight, and a share of weight that is computed so has a variance
of about s (1 - s) / (k - 2) at most: `bounds` is Wilson's interval for k - 2 draws. It is an approximation, for k of about 30 or more.

The draws are keyed by seed, `stream` and the first k items, as in `sketches.reservoir_r`; merging a sample with its own copy counts twice.

References: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", IPL 97 (2006); Cohen and Kaplan, "Summarizing data using
bottom-k sketches", PODC 2007, for the shares; Wilson, JASA 22 (1927).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.draws import Draws
from sketches.hashing import HASH_NAME, Column, Item
from sketches.intervals import wilson_bounds
from sketches.portable import log_of
from sketches.reservoir_r import plain_item, sized_column
from veilocity.errors import SketchMismatchError

__all__ = ["WeightedReservoir", "represented_share"]

_LEAST, _MOST = 1e-100, 1e100
_BLOCK = 1 << 16
Kept = tuple[float, bytes, float]
"""Rank with its sign turned, for a heap with the largest rank on top; the item in MessagePack, which any two items compare by; weight."""


class WeightedParameters(Parameters, frozen=True, kw_only=True):
    """What two weighted reservoirs must share."""

    capacity: int
    seed: int


class WeightedContent(msgspec.Struct, array_like=True):
    """What a weighted reservoir remembers."""

    count: int
    weight: float
    landing: float
    key: int
    position: int
    members: list[tuple[float, bytes, float]]


class WeightedReservoir(Sketch):
    """A mergeable sample in which an item's chance grows with its weight.

    >>> sample = WeightedReservoir(capacity=200, seed=1)
    >>> sample.update_weighted([f"payment-{n}" for n in range(10_000)], [1.0 + n % 100 for n in range(10_000)])
    >>> sample.count, sample.weight, len(sample.estimate())
    (10000, 505000.0, 200)
    >>> large = sample.share(lambda payment: int(payment[8:]) % 100 >= 50)  # three quarters of the weight
    >>> 0.7475 in sample.bounds(large)
    True
    """

    __slots__ = ("_count", "_draws", "_heap", "_landing", "_weight")

    kind = b"RSRW"
    repeats = Repeats.COUNTED
    hash_name = HASH_NAME
    parameter_type = WeightedParameters

    def __init__(self, capacity: int, *, seed: int = 0, stream: int = 0) -> None:
        """Start empty.

        Args:
            capacity: most members kept, k, at least 1.
            seed: of the draws; samples merge only if they share it.
            stream: tells parts apart that begin with the same items; samples of different streams merge.
        """
        if capacity < 1:
            raise SketchMismatchError("a reservoir holds at least one item: give a capacity of 1 or more")
        super().__init__(WeightedParameters(capacity=capacity, seed=seed))
        self._draws = Draws(seed, stream)
        self._count = 0
        self._weight = 0.0
        self._landing = math.inf
        """Sum of weights on which the jump ends."""
        self._heap: list[Kept] = []

    @property
    def count(self) -> int:
        """How many items the stream had."""
        return self._count

    @property
    def weight(self) -> float:
        """The sum of their weights."""
        return self._weight

    def __len__(self) -> int:
        return len(self._heap)

    def update(self, item: tuple[Item, float]) -> None:
        """Take one item and its weight.

        Raises:
            SketchMismatchError: the weight is neither 0 nor from 1e-100 to 1e100, or the item, where it came in, cannot be saved.
        """
        value, weight = item
        weight = float(weight)
        if not (weight == 0.0 or _LEAST <= weight <= _MOST):
            raise SketchMismatchError("a weight is 0 or lies from 1e-100 to 1e100: scale the weights, or leave the item out")
        if weight and len(self._heap) < self.parameters.capacity:
            self._fill(value, weight)
        elif self._weight + weight > self._landing:
            self._land(value, weight, self._weight + weight)
        else:
            self._weight += weight
        self._count += 1

    def update_batch(self, column: Iterable[tuple[Item, float]]) -> None:  # type: ignore[override]  # its items are pairs
        """Take pairs of item and weight; the same as one by one. `update_weighted` spares the pairs."""
        pairs = list(column)
        self.update_weighted([item for item, _ in pairs], [weight for _, weight in pairs])

    def update_weighted(self, column: Column, weights: Sequence[float] | NDArray[Any]) -> None:
        """Take a column without nulls and its weights; only what comes into the sample is looked at.

        Raises:
            SketchMismatchError: as `update`, or the two are not of one length.
        """
        items, heavy = sized_column(column), np.asarray(weights, dtype=np.float64)
        if len(items) != len(heavy):
            raise SketchMismatchError("items and weights are not of one length: leave nulls out of both")
        if not ((heavy == 0.0) | ((heavy >= _LEAST) & (heavy <= _MOST))).all():
            raise SketchMismatchError("a weight is 0 or lies from 1e-100 to 1e100: scale the weights, or leave the item out")
        done = 0
        while done < len(heavy) and len(self._heap) < self.parameters.capacity:
            self.update((items[done], heavy[done]))
            done += 1
        for begin in range(done, len(heavy), _BLOCK):
            self._take_block(items, heavy[begin : begin + _BLOCK], begin)

    def _take_block(self, items: Any, weights: NDArray[np.float64], begin: int) -> None:
        # A running sum adds from left to right, as the items one by one do: not one bit differs.
        sums = np.cumsum(np.concatenate([[self._weight], weights]))[1:]
        counted, passed = self._count, 0
        while (hit := passed + int(np.searchsorted(sums[passed:], self._landing, side="right"))) < len(sums):
            self._land(items[begin + hit], float(weights[hit]), float(sums[hit]))
            passed = hit + 1
            self._count = counted + passed
        self._weight = float(sums[-1])
        self._count = counted + len(sums)

    def _fill(self, value: Item, weight: float) -> None:
        item = plain_item(value)
        self._draws.absorb(item)
        heapq.heappush(self._heap, (log_of(self._draws.next()) / weight, msgspec.msgpack.encode(item), weight))
        self._weight += weight
        self._jump()

    def _land(self, value: Item, weight: float, total: float) -> None:
        """Take the item on which the jump ends, with a rank below the largest, whose member leaves."""
        encoded = msgspec.msgpack.encode(plain_item(value))
        self._weight = total
        rank = self._exponential_below(-self._heap[0][0] * weight) / weight
        heapq.heapreplace(self._heap, (-rank, encoded, weight))
        self._jump()

    def _jump(self) -> None:
        full = len(self._heap) == self.parameters.capacity
        self._landing = self._weight + log_of(self._draws.next()) / self._heap[0][0] if full else math.inf

    def _exponential_below(self, limit: float) -> float:
        """Draw an exponential number given that it is smaller than `limit`, by rejection: of two tries one succeeds, or more."""
        while True:
            if limit > 1.0:
                found = -log_of(self._draws.next())
                if found < limit:
                    return found
            else:
                # The density falls by less than 1/e over so short a stretch: draw evenly, and keep with probability e^-x.
                found = self._draws.next() * limit
                if -log_of(self._draws.next()) > found:
                    return found

    def _join(self, other: Self) -> None:
        if not other._count:
            return
        self._count += other._count
        self._weight += other._weight
        self._draws.join(other._draws)
        self._heap = heapq.nlargest(self.parameters.capacity, self._heap + other._heap)
        heapq.heapify(self._heap)
        if self._heap:
            self._jump()

    def estimate(self) -> list[tuple[Item, float]]:
        """Return the members with their weights, the first drawn first: item i is the first with probability w_i / W."""
        return [(msgspec.msgpack.decode(item), weight) for _, item, weight in sorted(self._heap, reverse=True)]

    def share(self, has: Callable[[Item], bool]) -> float:
        """Return the estimated share of weight of the items with a property; 0 for an empty stream."""
        if len(self._heap) < self.parameters.capacity:
            return _ratio([(weight, has(item)) for item, weight in self.estimate()])
        return represented_share(self.estimate(), -self._heap[0][0], has)

    def bounds(self, share: float, confidence: float = 0.95) -> Bounds:
        """Return the interval for the share of weight of the items with a property, given what `share` returned."""
        return wilson_bounds(share, len(self._heap), self._is_all(), confidence)

    def _is_all(self) -> bool:
        return 0 < len(self._heap) < int(self.parameters.capacity)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the members with rank and weight, and 40 for sums and generator."""
        return 40 + sum(16 + len(item) for _, item, _ in self._heap)

    def _content(self) -> object:
        landing = self._landing if math.isfinite(self._landing) else -1.0
        members = sorted(self._heap, reverse=True)
        return WeightedContent(self._count, self._weight, landing, self._draws.key, self._draws.position, members)

    @classmethod
    def _restore(cls, parameters: WeightedParameters, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=WeightedContent)
        sample = cls(parameters.capacity, seed=parameters.seed)
        if len(saved.members) > min(saved.count, parameters.capacity):
            raise ValueError("a reservoir holds no more items than there were, or than it can")
        if (len(saved.members) == parameters.capacity) != (saved.landing >= saved.weight):
            raise ValueError("a full reservoir, and no other, has a jump before it")
        sample._heap = sorted(saved.members)
        sample._count, sample._weight = saved.count, saved.weight
        sample._landing = saved.landing if saved.landing >= 0.0 else math.inf
        sample._draws.key, sample._draws.position = saved.key, saved.position
        return sample


def represented_share(members: Sequence[tuple[Item, float]], largest: float, has: Callable[[Item], bool]) -> float:
    """Return the share of weight that the members with a property stand for.

    Args:
        members: items with weights, by rank; the last is the threshold and stands for nothing.
        largest: its rank.
        has: says whether an item has the property.
    """
    chances = [-math.expm1(-weight * largest) for _, weight in members[:-1]]
    # A weight that is too small to be told from 0 stands for what it stands for in the limit.
    return _ratio(
        [(weight / chance if chance else 1.0 / largest, has(item)) for (item, weight), chance in zip(members, chances, strict=False)]
    )


def _ratio(parts: Sequence[tuple[float, bool]]) -> float:
    total = math.fsum(size for size, _ in parts)
    return math.fsum(size for size, has in parts if has) / total if total else 0.0

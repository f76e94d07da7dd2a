"""A sample of a stream in which an item's chance falls by half with every half-life of its age.

Theory: at the time T an item of the event time t has the weight 2^(-(T - t) / h), for the half-life h. Divided by 2^(-T / h), which all
items share, that is 2^(t / h): forward decay, in which a weight never changes while time goes on. So the sample is the weighted one of
`sketches.weighted_reservoir`, the k smallest ranks E_i / w_i with E_i exponential. Only log(E_i) - t log(2) / h is stored: it can neither
overflow nor has to be scaled again, however long the stream runs. No clock is asked: only event times count, in any order of arrival.

Merging keeps the k smallest ranks of both samples: that is what one sample of both streams would have kept, exactly.

Guarantee: with w_i = 2^(t_i / h), the member of smallest rank is item i with probability w_i / sum(w), the next is j with probability
w_j / (sum(w) - w_i), and so on; whatever the order of arrival and the tree of merges. A rank holds t / h to 2^-53 of itself, so weights are
right to about 10^-5 at the largest t / h that is taken, 10^11. `bounds` is Wilson's interval for k - 2 draws, about the share of decayed
weight; an approximation, for k of about 30 or more.

The draws are keyed by seed, `stream` and the first k items, as in `sketches.reservoir_r`; merging a sample with its own copy counts twice.

References: Cormode, Shkapenyuk, Srivastava and Xu, "Forward decay", ICDE 2009; Aggarwal, "On biased reservoir sampling in the presence of
stream evolution", VLDB 2006; Efraimidis and Spirakis, IPL 97 (2006); Cohen and Kaplan, PODC 2007, for the shares.
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
from sketches.portable import LN2, log_of, logs_of
from sketches.reservoir_r import plain_item, sized_column
from sketches.weighted_reservoir import represented_share
from veilocity.errors import SketchMismatchError

__all__ = ["DecayedReservoir"]

_MOST_HALF_LIVES = 1e11
_LARGEST_BLOCK = 1 << 16
Kept = tuple[float, bytes, float]
"""Rank's logarithm with its sign turned, for a heap with the largest on top; the item in MessagePack; its event time."""


class DecayedParameters(Parameters, frozen=True, kw_only=True):
    """What two decayed reservoirs must share."""

    capacity: int
    half_life: float
    seed: int


class DecayedContent(msgspec.Struct, array_like=True):
    """What a decayed reservoir remembers."""

    count: int
    key: int
    position: int
    members: list[tuple[float, bytes, float]]


class DecayedReservoir(Sketch):
    """A mergeable sample of mostly recent items, by event time.

    >>> sample = DecayedReservoir(capacity=200, half_life=60.0, seed=1)
    >>> sample.update_timed([f"fix-{second}" for second in range(3600)], range(3600))
    >>> sample.count, len(sample.estimate())
    (3600, 200)
    >>> last_minute = sample.share(lambda fix: int(fix[4:]) >= 3540)  # half of the decayed weight
    >>> 0.5 in sample.bounds(last_minute)
    True
    """

    __slots__ = ("_count", "_draws", "_heap")

    kind = b"RSRD"
    repeats = Repeats.COUNTED
    hash_name = HASH_NAME
    parameter_type = DecayedParameters

    def __init__(self, capacity: int, half_life: float, *, seed: int = 0, stream: int = 0) -> None:
        """Start empty.

        Args:
            capacity: most members kept, k, at least 1.
            half_life: time after which an item weighs half, in the unit of the event times.
            seed: of the draws; samples merge only if they share it.
            stream: tells parts apart that begin with the same items; samples of different streams merge.
        """
        if capacity < 1:
            raise SketchMismatchError("a reservoir holds at least one item: give a capacity of 1 or more")
        if not 0.0 < half_life < math.inf:
            raise SketchMismatchError("a half-life is a positive time: give one in the unit of the event times")
        super().__init__(DecayedParameters(capacity=capacity, half_life=float(half_life), seed=seed))
        self._draws = Draws(seed, stream)
        self._count = 0
        self._heap: list[Kept] = []

    @property
    def count(self) -> int:
        """How many items the stream had, whatever their age."""
        return self._count

    def __len__(self) -> int:
        return len(self._heap)

    def update(self, item: tuple[Item, float]) -> None:
        """Take one item and its event time.

        Raises:
            SketchMismatchError: the time is none, or more than 10^11 half-lives from 0, or the item, where it came in, cannot be saved.
        """
        value, time = item[0], float(item[1])
        if not abs(time) <= _MOST_HALF_LIVES * self.parameters.half_life:
            raise SketchMismatchError("an event time is a number within 10^11 half-lives of 0: count times from a nearer origin")
        if len(self._heap) < self.parameters.capacity:
            self._draws.absorb(plain_item(value))
        self._offer(self._log_rank(self._draws.next(), time), value, time)
        self._count += 1

    def update_batch(self, column: Iterable[tuple[Item, float]]) -> None:  # type: ignore[override]  # its items are pairs
        """Take pairs of item and event time; the same as one by one. `update_timed` spares the pairs."""
        pairs = list(column)
        self.update_timed([item for item, _ in pairs], [time for _, time in pairs])

    def update_timed(self, column: Column, times: Sequence[float] | NDArray[Any]) -> None:
        """Take a column without nulls and its event times; only what comes into the sample is looked at.

        Raises:
            SketchMismatchError: as `update`, or the two are not of one length.
        """
        items, moments = sized_column(column), np.asarray(times, dtype=np.float64)
        if len(items) != len(moments):
            raise SketchMismatchError("items and event times are not of one length: leave nulls out of both")
        if not (np.abs(moments) <= _MOST_HALF_LIVES * self.parameters.half_life).all():
            raise SketchMismatchError("an event time is a number within 10^11 half-lives of 0: count times from a nearer origin")
        done = 0
        while done < len(moments) and len(self._heap) < self.parameters.capacity:
            self.update((items[done], moments[done]))
            done += 1
        while done < len(moments):
            # Short blocks first: the threshold falls fastest while little was seen, and each block is compared with that of its beginning.
            size = min(_LARGEST_BLOCK, max(1024, self._count), len(moments) - done)
            self._take_block(items, moments[done : done + size], done)
            done += size

    def _take_block(self, items: Any, times: NDArray[np.float64], begin: int) -> None:
        ranks = logs_of(-logs_of(self._draws.block(len(times)))) - LN2 * (times / self.parameters.half_life)
        for hit in np.flatnonzero(ranks < -self._heap[0][0]).tolist():
            self._offer(float(ranks[hit]), items[begin + hit], float(times[hit]))
        self._count += len(times)

    def _log_rank(self, uniform: float, time: float) -> float:
        return log_of(-log_of(uniform)) - LN2 * (time / float(self.parameters.half_life))

    def _offer(self, log_rank: float, value: Item, time: float) -> None:
        if len(self._heap) < self.parameters.capacity:
            heapq.heappush(self._heap, (-log_rank, msgspec.msgpack.encode(plain_item(value)), time))
        elif log_rank < -self._heap[0][0]:
            heapq.heapreplace(self._heap, (-log_rank, msgspec.msgpack.encode(plain_item(value)), time))

    def _join(self, other: Self) -> None:
        if not other._count:
            return
        self._count += other._count
        self._draws.join(other._draws)
        self._heap = heapq.nlargest(self.parameters.capacity, self._heap + other._heap)
        heapq.heapify(self._heap)

    def estimate(self) -> list[tuple[Item, float]]:
        """Return the members with their event times, the first drawn first: item i is the first with probability w_i / sum(w)."""
        return [(msgspec.msgpack.decode(item), time) for _, item, time in sorted(self._heap, reverse=True)]

    def share(self, has: Callable[[Item], bool]) -> float:
        """Return the estimated share of decayed weight of the items with a property, the same at any time; 0 for an empty stream."""
        members = self.estimate()
        if not members:
            return 0.0
        newest, half_life = max(time for _, time in members), self.parameters.half_life
        weighted = [(item, math.exp(LN2 * (time - newest) / half_life)) for item, time in members]
        if self._is_all():
            return sum(weight for item, weight in weighted if has(item)) / sum(weight for _, weight in weighted)
        # Brought to the newest member's time, as the weights are: the shift keeps both within what a float can hold.
        return represented_share(weighted, math.exp(min(700.0, -self._heap[0][0] + LN2 * (newest / half_life))), has)

    def bounds(self, share: float, confidence: float = 0.95) -> Bounds:
        """Return the interval for the share of decayed weight of the items with a property, given what `share` returned."""
        return wilson_bounds(share, len(self._heap), self._is_all(), confidence)

    def _is_all(self) -> bool:
        return 0 < len(self._heap) == self._count

    @property
    def memory_bytes(self) -> int:
        """Bytes of the members with rank and time, and 24 for count and generator."""
        return 24 + sum(16 + len(item) for _, item, _ in self._heap)

    def _content(self) -> object:
        return DecayedContent(self._count, self._draws.key, self._draws.position, sorted(self._heap, reverse=True))

    @classmethod
    def _restore(cls, parameters: DecayedParameters, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=DecayedContent)
        sample = cls(parameters.capacity, parameters.half_life, seed=parameters.seed)
        if len(saved.members) != min(saved.count, parameters.capacity):
            raise ValueError("a reservoir holds as many items as there were, or as it can")
        sample._heap = sorted(saved.members)
        sample._count, sample._draws.key, sample._draws.position = saved.count, saved.key, saved.position
        return sample

"""A uniform sample of the items of a stream, repetitions included, that touches only what it takes: algorithm L.

Theory: give every item a uniform number and keep the k items with the smallest; they are a uniform sample. Nobody needs the numbers
themselves. Let w be the largest number that was kept. The next item to come in is the first whose number is below w, and how many are
passed over until then is geometric: floor(log u / log(1 - w)). The new w is the largest of k uniform numbers below the old one: w u^(1/k).
So the generator is asked three times per member that ever was, about k (1 + log(n / k)) of them, and a column is skipped through by index.

A merge draws the members as `sketches.reservoir_r` describes. The largest kept number of n is then drawn anew by Renyi's representation:
-log(1 - w) is the sum of E_i / (n - i) for i = 0 .. k - 1 with independent exponential E_i. It does not depend on which items are members.

Guarantee: after n items, every one of the C(n, k) sets of positions is the sample with probability 1 / C(n, k), whatever tree of merges it
came by: each item is in it with probability min(1, k / n). The bounds are those of `ReservoirR`. Time is O(k (1 + log(n / k))) for a column
that can be indexed, and a comparison per item for items one by one.

Logarithms and powers are those of `sketches.portable`, which have the same bits on every machine: one bit may turn a skip into another.

References: Li, "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))", ACM TOMS 20 (1994); Renyi, "On the theory of order
statistics", Acta Math. Hung. 4 (1953); Vitter, ACM TOMS 11 (1985).
"""

from __future__ import annotations

from typing import Self

import msgspec
import numpy as np

from sketches.hashing import Column, Item
from sketches.portable import exponential_of, log_of, logs_of
from sketches.reservoir_r import UniformContent, UniformParameters, UniformReservoir, plain_item, sized_column

__all__ = ["ReservoirL"]

_NEVER = 2**63 - 1


class LContent(msgspec.Struct, array_like=True):
    """What a reservoir of algorithm L remembers."""

    uniform: UniformContent
    largest: float
    next: int


class ReservoirL(UniformReservoir):
    """A mergeable uniform sample by algorithm L: a column of any length costs only what comes into the sample.

    >>> sample = ReservoirL(capacity=100, seed=1)
    >>> sample.update_batch(range(1_000_000))
    >>> other = ReservoirL(capacity=100, seed=1)
    >>> other.update_batch(range(1_000_000, 10_000_000))
    >>> sample.merge(other)
    >>> sample.count, len(sample.estimate())
    (10000000, 100)
    >>> 0.1 in sample.bounds(sample.share(lambda item: item < 1_000_000))
    True
    """

    __slots__ = ("_largest", "_next")

    kind = b"RSRL"

    def __init__(self, capacity: int, *, seed: int = 0, stream: int = 0) -> None:
        """Start empty; the arguments are those of every `UniformReservoir`."""
        super().__init__(capacity, seed=seed, stream=stream)
        self._largest = 1.0
        self._next = 0
        """Number of the next item to come in, the first being 1; 0 while the sample is not full."""

    def update(self, item: Item) -> None:
        """Take one item.

        Raises:
            SketchMismatchError: it came into the sample and is not text, bytes or a number of 64 bits.
        """
        if not self._next:
            self._fill((item,))
        elif self._count + 1 == self._next:
            self._take(item)
        else:
            self._count += 1

    def update_batch(self, column: Column) -> None:
        """Take a column; the same as its items one by one, and only what comes into the sample is looked at."""
        items = sized_column(column)
        end = self._count + len(items)
        first = end - len(items) + 1
        self._fill(items)
        while 0 < self._next <= end:
            self._take(items[self._next - first])
        self._count = end

    def _take(self, item: Item) -> None:
        """Put the item whose number was drawn in a random place, and draw the next one's number."""
        kept = plain_item(item)
        self._count = self._next
        self._members[int(self._draws.next() * len(self._members))] = kept
        self._largest *= exponential_of(log_of(self._draws.next()) / self.parameters.capacity)
        self._skip()

    def _begin(self) -> None:
        capacity, count = self.parameters.capacity, self._count
        spacings = logs_of(self._draws.block(capacity)) / (count - np.arange(capacity))
        # A running sum and not `sum`, whose order of additions depends on the processor.
        self._largest = _one_minus_exponential(float(np.cumsum(spacings)[-1]))
        self._skip()

    def _skip(self) -> None:
        skipped = log_of(self._draws.next()) / _log_one_minus(self._largest)
        self._next = self._count + 1 + int(min(skipped, float(_NEVER >> 1)))

    @property
    def memory_bytes(self) -> int:
        """Bytes of the members, and 40 for count, generator and next arrival."""
        return super().memory_bytes + 16

    def _content(self) -> object:
        return [super()._content(), self._largest, self._next]

    @classmethod
    def _restore(cls, parameters: UniformParameters, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=LContent)
        sample = cls(parameters.capacity, seed=parameters.seed)
        sample._refill(saved.uniform)
        if not 0.0 < saved.largest <= 1.0 or (saved.next > sample.count) != sample._is_full():
            raise ValueError("the next arrival lies behind what was counted, once the sample is full")
        sample._largest, sample._next = saved.largest, saved.next
        return sample


def _one_minus_exponential(value: float) -> float:
    """Return 1 - e^value for a negative value, accurately where it is small."""
    if value > -1e-5:
        return -value * (1.0 + value * (0.5 + value / 6.0))
    return 1.0 - exponential_of(value)


def _log_one_minus(value: float) -> float:
    """Return log(1 - value) for a value from 0 to 1, accurately where it is small, and less than 0 always."""
    if value < 1e-5:
        return -value * (1.0 + value * (0.5 + value / 3.0))
    return log_of(max(1.0 - value, 2.0**-53))

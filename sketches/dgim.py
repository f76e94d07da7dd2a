"""Ones within the last ticks of a stream of bits, and sums of small numbers, in logarithmic memory: the DGIM algorithm.

Theory: the ones are kept in buckets: how many (a power of two), the tick of the oldest, the tick of the newest. Of each size there are at
most m + 1, m = ceil(1 / (2 error)); one more, and the two oldest of the size become one of twice the size. A suffix of the stream cuts at
most one bucket, which has its newest one inside and its oldest outside; half of it is counted.

Guarantee, for every stream and every suffix of the window (nothing is left to chance):

    |estimate - truth| <= error * truth

A cut bucket of size C is at most C / 2 - 1 away from its half. All sizes below C have m buckets or more, newer than it, so the truth is at
least 1 + m (C - 1), and (C / 2 - 1) / (1 + m (C - 1)) < 1 / (2 m) <= error. Memory: for n ones at most (m + 1) log2(2 n / m + 2) buckets,
of 16 bytes each. `DgimSum` keeps one such counter for each binary digit; a sum of terms that are not negative errs no more than they do.

Merging, of streams that share their ticks: the buckets of both are laid side by side, where a suffix may now cut one of each, so that
the error is a weighted mean of both, at most `error`. They are then joined, newest first, while a bucket is at most 2 + 2 slack (1 + what
is newer); `slack` starts at `error` and is halved while the result's error passes twice the promised one. How large that can be is known
from the buckets: a cut one of size C holds 1 to C - 1 ones of the suffix, so `bounds` is always certain, and so is `error_bound`, the
largest relative error of any suffix. It is

    <= error          for streams that follow one another in time (buckets stay apart, and the rule above is the invariant of the proof)
    <= 2 * error      for two counters that were fed directly, whatever the streams
    error_bound       for any tree of merges: the buckets tell; above 2 * error only where slack = error / 8 does not do, the least tried

References: Datar, Gionis, Indyk and Motwani, "Maintaining stream statistics over sliding windows", SIAM J. Computing 31 (2002); Leskovec,
Rajaraman and Ullman, "Mining of Massive Datasets", section 4.6; Papapetrou, Garofalakis and Deligiannakis, "Sketch-based querying of
distributed sliding-window data streams", PVLDB 5 (2012), whose merge loses (1 + error)^2 - 1 at each level, where this one looks first.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import count
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, require_confidence
from sketches.sliding import SlidingCounter, check_window
from veilocity.errors import SketchMismatchError

__all__ = ["Dgim", "DgimParameters", "DgimSum", "DgimSumParameters"]

_SMALLEST_ERROR = 1e-6
_HALVINGS = 4


class Bucket(NamedTuple):
    """`size` ones; the oldest at `start`, the newest at `end`."""

    start: int
    end: int
    size: int


class DgimParameters(Parameters, frozen=True, kw_only=True):
    """What two counters of ones share."""

    window: int
    error: float


class _Content(msgspec.Struct, array_like=True):
    clock: int
    levels: list[tuple[list[int], list[int]]]
    merged: list[tuple[int, int, int]]


class Dgim(SlidingCounter):
    """How many of the last bits are ones.

    >>> alarms = Dgim(window=1_000, error=0.1)
    >>> alarms.update_batch([1, 0] * 5_000)
    >>> alarms.estimate(), alarms.bounds()
    (488.0, Bounds(low=457.0, high=519.0))
    >>> alarms.estimate(last=10), alarms.memory_bytes
    (5.0, 584)
    """

    __slots__ = ("_least", "_levels", "_merged")

    kind = b"DGIM"
    parameter_type = DgimParameters
    most_value = 1

    def __init__(self, window: int, error: float) -> None:
        """Start before the first tick.

        Args:
            window: ticks that are remembered, 1 to 2^62.
            error: largest relative error, 0.000001 to 0.5.
        """
        check_window(window)
        if not _SMALLEST_ERROR <= error <= 0.5:
            raise SketchMismatchError("an error lies between 0.000001 and 0.5; for less, count exactly")
        super().__init__(DgimParameters(window=window, error=error))
        self._least = math.ceil(0.5 / error)
        # Level i: the starts and the ends of the buckets of size 2^i, oldest first.
        self._levels: list[tuple[list[int], list[int]]] = []
        # What came by merging, sorted by end; no bucket of it changes again until the next merge.
        self._merged: list[Bucket] = []

    def _take(self, ticks: list[int], values: list[int], clock: int) -> None:
        self.take_ones(ticks, clock)

    def take_ones(self, ticks: list[int], clock: int) -> None:
        """Take a one at each tick, in order and none before the clock, and let time go on to `clock`."""
        start = 0
        while start < len(ticks):
            self._forget(ticks[start])
            # Until the oldest bucket leaves the window, the order of joining and forgetting is that of one by one.
            oldest = self._levels[-1][1][0] if self._levels else ticks[start]
            end = bisect_left(ticks, oldest + self.parameters.window, start)
            self._insert(ticks[start:end])
            start = end
        self._clock = clock
        self._forget(clock)

    def _insert(self, ticks: list[int]) -> None:
        starts = ends = ticks
        for level in count():
            if level == len(self._levels):
                self._levels.append(([], []))
            own_starts, own_ends = self._levels[level]
            own_starts += starts
            own_ends += ends
            pairs = (len(own_starts) - self._least) // 2
            if pairs <= 0:
                return
            starts, ends = own_starts[0 : 2 * pairs : 2], own_ends[1 : 2 * pairs : 2]
            del own_starts[: 2 * pairs], own_ends[: 2 * pairs]

    def _forget(self, clock: int) -> None:
        cutoff = clock - self.parameters.window
        while self._levels and self._levels[-1][1][0] <= cutoff:
            starts, ends = self._levels[-1]
            del starts[0], ends[0]
            if not starts:
                self._levels.pop()
        if self._merged and self._merged[0].end <= cutoff:
            self._merged = [bucket for bucket in self._merged if bucket.end > cutoff]

    def buckets(self) -> list[Bucket]:
        """Return all buckets, sorted by the tick of their newest one."""
        own = [
            Bucket(start, end, 1 << level)
            for level, (starts, ends) in reversed(list(enumerate(self._levels)))
            for start, end in zip(starts, ends, strict=True)
        ]
        return [*self._merged, *own]

    def _cut(self, last: int | None) -> tuple[int, int, int]:
        """Return the ones surely in the suffix, those of cut buckets, and the number of cut buckets."""
        cutoff = self._cutoff(last)
        table = np.asarray(self.buckets(), dtype=np.int64).reshape(-1, 3)
        inside = table[:, 0] > cutoff
        cut = (table[:, 1] > cutoff) & ~inside
        return int(table[inside, 2].sum()), int(table[cut, 2].sum()), int(cut.sum())

    def estimate(self, last: int | None = None) -> float:
        """Return how many of the last ticks' bits are ones; of all the window's unless a number is given."""
        sure, cut, _ = self._cut(last)
        return sure + cut / 2

    def bounds(self, last: int | None = None, confidence: float = 0.95) -> Bounds:
        """Return an interval that certainly holds the number of ones, whatever the confidence, and after any merge."""
        require_confidence(confidence)
        sure, cut, number = self._cut(last)
        return Bounds(float(sure + number), float(sure + cut - number))

    @property
    def error_bound(self) -> float:
        """The largest relative error that the estimate of any suffix of the present window can have."""
        return _worst(self.buckets(), self._clock - self.parameters.window)

    @property
    def memory_bytes(self) -> int:
        """Two ticks for a bucket, eight bytes more for a merged one, and the clock."""
        return 8 + 24 * len(self._merged) + 16 * sum(len(starts) for starts, _ in self._levels)

    def _join(self, other: Self) -> None:
        self._clock = max(self._clock, other._clock)
        self._forget(self._clock)
        cutoff = self._clock - self.parameters.window
        theirs = [bucket for bucket in other.buckets() if bucket.end > cutoff]
        own = self.buckets()
        if not theirs:
            return
        if not own:
            self._merged = list(other._merged)
            self._levels = [(list(starts), list(ends)) for starts, ends in other._levels]
            self._forget(self._clock)
            return
        self._merged = self._compacted(sorted([*own, *theirs], key=lambda bucket: (bucket.end, bucket.start, bucket.size)))
        self._levels = []

    def _compacted(self, pool: list[Bucket]) -> list[Bucket]:
        """Return fewer buckets, whose error is within twice the promised one if that can be."""
        cutoff, error = self._clock - self.parameters.window, self.parameters.error
        for halving in range(_HALVINGS):
            joined = _joined(pool, error / 2**halving)
            if _worst(joined, cutoff) <= 2 * error:
                return joined
        # As many as two counters that were fed directly can have: their union is always good enough as it is.
        most = 2 * (self._least + 1) * (sum(bucket.size for bucket in pool).bit_length() + 1)
        return pool if len(pool) <= most and _worst(pool, cutoff) <= 2 * error else joined

    def _content(self) -> object:
        return _Content(self._clock, self._levels, [tuple(bucket) for bucket in self._merged])  # type: ignore[misc]  # three numbers

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=_Content)
        restored = cls(parameters.window, parameters.error)
        if any(not starts or len(starts) != len(ends) for starts, ends in saved.levels):
            raise ValueError("a level of buckets is empty, or has more starts than ends")
        restored._levels, restored._merged = saved.levels, [Bucket(*row) for row in saved.merged]
        ends = [bucket.end for bucket in restored.buckets()]
        if ends != sorted(ends) or (ends and ends[-1] > saved.clock):
            raise ValueError("the buckets do not follow one another")
        restored._clock = saved.clock
        return restored


class DgimSumParameters(Parameters, frozen=True, kw_only=True):
    """What two sums share."""

    window: int
    error: float
    bits: int


class DgimSum(SlidingCounter):
    """The sum of the last values, whole numbers below 2^bits.

    >>> load = DgimSum(window=100, error=0.05, bits=8)
    >>> load.update_batch([200] * 500)
    >>> load.estimate(), 20_000 in load.bounds()
    (20000.0, True)
    """

    __slots__ = ("_digits",)

    kind = b"DGSM"
    parameter_type = DgimSumParameters

    def __init__(self, window: int, error: float, bits: int) -> None:
        """Start before the first tick.

        Args:
            window: ticks that are remembered, 1 to 2^62.
            error: largest relative error, 0.000001 to 0.5.
            bits: of the largest value, 1 to 31.
        """
        if not 1 <= bits <= 31:
            raise SketchMismatchError("a value has 1 to 31 bits")
        super().__init__(DgimSumParameters(window=window, error=error, bits=bits))
        self._digits = [Dgim(window, error) for _ in range(bits)]

    @property
    def largest_value(self) -> int:
        """The largest value that one update may bring."""
        bits: int = self.parameters.bits
        return (1 << bits) - 1

    def _take(self, ticks: list[int], values: list[int], clock: int) -> None:
        for place, digit in enumerate(self._digits):
            digit.take_ones([tick for tick, value in zip(ticks, values, strict=True) if value >> place & 1], clock)
        self._clock = clock

    def estimate(self, last: int | None = None) -> float:
        """Return the sum of the last ticks' values; of all the window's unless a number is given."""
        return sum(digit.estimate(last) * (1 << place) for place, digit in enumerate(self._digits))

    def bounds(self, last: int | None = None, confidence: float = 0.95) -> Bounds:
        """Return an interval that certainly holds the sum, whatever the confidence, and after any merge."""
        parts = [digit.bounds(last, confidence) for digit in self._digits]
        low = sum(part.low * (1 << place) for place, part in enumerate(parts))
        return Bounds(low, sum(part.high * (1 << place) for place, part in enumerate(parts)))

    @property
    def error_bound(self) -> float:
        """The largest relative error that the estimate of any suffix of the present window can have."""
        return max(digit.error_bound for digit in self._digits)

    @property
    def memory_bytes(self) -> int:
        """That of the counters of its digits."""
        return sum(digit.memory_bytes for digit in self._digits)

    def _join(self, other: Self) -> None:
        for own, theirs in zip(self._digits, other._digits, strict=True):
            own.merge(theirs)
        self._clock = max(self._clock, other._clock)

    def _content(self) -> object:
        return [digit.to_bytes() for digit in self._digits]

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        restored = cls(parameters.window, parameters.error, parameters.bits)
        digits = [Dgim.from_bytes(data) for data in msgspec.msgpack.decode(content, type=list[bytes])]
        if [digit.parameters for digit in digits] != [digit.parameters for digit in restored._digits] or len(
            {one.clock for one in digits}
        ) > 1:
            raise ValueError("the digits are not those of one sum")
        restored._digits, restored._clock = digits, digits[0].clock
        return restored


def _joined(pool: list[Bucket], slack: float) -> list[Bucket]:
    """Join neighbours of a list that is sorted by end, the newest first, while a bucket is small against what is newer."""
    groups, newer, present = [], 0, pool[-1]
    for bucket in reversed(pool[:-1]):
        if present.size + bucket.size <= 2 + 2 * slack * (1 + newer):
            present = Bucket(min(present.start, bucket.start), present.end, present.size + bucket.size)
        else:
            groups.append(present)
            newer += present.size
            present = bucket
    return [present, *reversed(groups)]


def _worst(buckets: list[Bucket], cutoff: int) -> float:
    """Return the largest relative error of any suffix that begins at the cutoff or later.

    The cut buckets hold half of their ones, give or take size / 2 - 1 each; each has at least one one inside.
    """
    if not buckets:
        return 0.0
    starts, ends, sizes = np.asarray(buckets, dtype=np.int64).T
    points = np.unique(np.concatenate([starts, ends, [cutoff]]))
    points = points[points >= cutoff]
    begun, begun_buckets = _up_to(points, starts, sizes)
    over, over_buckets = _up_to(points, ends, sizes)
    number = begun_buckets - over_buckets
    least = sizes.sum() - begun + number
    errors = (begun - over) / 2 - number
    return float(np.max(errors / np.maximum(least, 1)))


def _up_to(points: NDArray[np.int64], ticks: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each point the ones, and the number, of the buckets whose tick is not after it."""
    order = np.argsort(ticks, kind="stable")
    places = np.searchsorted(ticks[order], points, side="right")
    return np.concatenate([[0], np.cumsum(sizes[order])])[places], places

"""Counts that fade with event time: an event counts half after each half-life. The most frequent items of the recent past, in fixed memory.

Theory: the decayed count of an item at time T is the sum of its weights w_i 2^((t_i - T) / half_life). With forward decay an event is
weighed once, when it comes, by 2^(t_i / half_life); asking at T divides by 2^(T / half_life). As every counter fades by the same factor,
their order never changes with time, an event that comes late needs no special care, and merging adds. So Space-Saving
(`sketches.heavy_hitters`) works on these weights as it does on counts, and bounds the number of items by giving up the smallest.

Guarantee, for D(T) the decayed total at T >= the newest event, any order of arrival and any tree of merges:

    count - error <= truth <= count,  error <= D(T) / capacity        for an item with a counter
    0 <= truth <= D(T) / capacity                                     for any other

up to rounding: a relative 2^-50 for each weight and 2^-53 for each addition. 2^(t / half_life) is kept as a real number relative to a
landmark, a whole number of half-lives, so it never overflows: the landmark follows the newest event at least every 256 half-lives, and
moving it multiplies every counter by a power of two, which is exact. An event over 1,074 half-lives older than it counts nothing.

2^x is computed from square roots, products and sums alone, which IEEE 754 defines to the last bit: libraries differ in their `exp2`, and
equal streams shall give equal bytes on every machine. Memory: the items and 24 bytes each.

References: Cormode, Shkapenyuk, Srivastava and Xu, "Forward decay: a practical time decay model for streaming systems", ICDE 2009;
Metwally, Agrawal and El Abbadi, ICDT 2005, for Space-Saving; Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 4.7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch, require_confidence
from sketches.hashing import HASH_NAME, Column, Item, as_items, hash_column, hash_item
from sketches.heavy_hitters import Counters, HeavyHitter, Saved, check_capacity, item_of, keys_of, load_item, save_key
from veilocity.errors import SketchMismatchError

__all__ = ["DecayedCounts", "DecayedCountsParameters"]

_STRIDE = 256
"""Half-lives that the newest event may be ahead of the landmark: 2^256 is far from the largest real number, 2^1023."""
_FORGOTTEN = -2000
"""An exponent whose power of two is zero among real numbers, and which fits every C type."""
_MOST_WEIGHT = 2.0**64
_MOST_MS = 2**53
_STEPS = 64


def _roots() -> list[float]:
    """Return 2^(step / 64) for each step, from square roots."""
    halvings = [2.0]
    for _ in range(6):
        halvings.append(math.sqrt(halvings[-1]))
    return [math.prod(halvings[6 - bit] for bit in range(6) if step >> bit & 1) for step in range(_STEPS)]


_ROOTS = _roots()
_ROOT_COLUMN = np.asarray(_ROOTS)
_LN2 = 0.6931471805599453
_TERMS = [math.prod([_LN2] * power) / math.factorial(power) for power in range(7)]


class DecayedCountsParameters(Parameters, frozen=True, kw_only=True):
    """What two summaries share."""

    half_life_ms: int
    capacity: int
    seed: int


class _Content(msgspec.Struct, array_like=True):
    newest_ms: int | None
    landmark: int
    total: float
    floor: float
    rows: list[tuple[Saved, float, float]]


class DecayedCounts(Sketch):
    """How often each item came lately.

    >>> tries = DecayedCounts(half_life_ms=60_000, capacity=100, seed=1)
    >>> tries.update_batch([(0, "card-1"), (60_000, "card-1"), (60_000, "card-2", 3.0)])
    >>> tries.estimate("card-1"), tries.estimate("card-2")
    (1.5, 3.0)
    >>> tries.estimate("card-2", at_ms=120_000), tries.bounds("card-3")
    (1.5, Bounds(low=0.0, high=0.0))
    """

    __slots__ = ("_counters", "_landmark", "_newest_ms", "_total")

    kind = b"DCAY"
    repeats = Repeats.COUNTED
    hash_name = HASH_NAME
    parameter_type = DecayedCountsParameters

    def __init__(self, half_life_ms: int, capacity: int, seed: int) -> None:
        """Start with nothing counted.

        Args:
            half_life_ms: after this long an event counts half.
            capacity: counters; the error is at most 1 / capacity of the decayed total.
            seed: 0 to 2^64 - 1, of the hash that decides between equal counts.
        """
        check_capacity(capacity, seed)
        if not 1 <= half_life_ms <= _MOST_MS:
            raise SketchMismatchError("a half-life is a whole number of milliseconds, from 1 to 2^53")
        super().__init__(DecayedCountsParameters(half_life_ms=half_life_ms, capacity=capacity, seed=seed))
        self._counters: Counters[float] = Counters(capacity, 0.0)
        self._newest_ms: int | None = None
        self._landmark = 0
        self._total = 0.0

    @property
    def newest_ms(self) -> int | None:
        """The latest event time that was taken in."""
        return self._newest_ms

    def update(self, item: Any) -> None:
        """Take in one event: (event_ms, item) or (event_ms, item, weight).

        Raises:
            SketchMismatchError: no such event; see `update_at`.
        """
        if not isinstance(item, tuple | list) or not 2 <= len(item) <= 3:
            raise SketchMismatchError("an event is (event_ms, item) or (event_ms, item, weight)")
        self.update_at(*item)

    def update_at(self, event_ms: int, item: Item, weight: float = 1.0) -> None:
        """Count an item at its event time, late or not.

        Raises:
            SketchMismatchError: a time that is no whole number below 2^53, a weight not in (0, 2^64], an item without a stable hash.
        """
        event_ms, weight = _checked_ms(event_ms), _checked_weight(weight)
        tie = hash_item(item, self.parameters.seed)
        self._advance(event_ms)
        half_lives, rest_ms = divmod(event_ms, self.parameters.half_life_ms)
        scaled = math.ldexp(_power(rest_ms / self.parameters.half_life_ms), half_lives - self._landmark) * weight
        self._total += scaled
        # An event so old that it weighs nothing must not take over a counter.
        if scaled:
            self._counters.add(keys_of([item])[0], tie, scaled)

    def update_batch(self, column: Column | Sequence[Any]) -> None:
        """Take in events, each as in `update`; the same as one by one, in order."""
        events: Any = as_items(column)
        if not len(events):
            return
        if not all(isinstance(event, tuple | list) and 2 <= len(event) <= 3 for event in events):
            raise SketchMismatchError("an event is (event_ms, item) or (event_ms, item, weight)")
        self.update_columns([event[0] for event in events], [event[1] for event in events], [(*event, 1.0)[2] for event in events])

    def update_columns(self, event_ms: Column, items: Column, weights: Sequence[float] | NDArray[Any] | None = None) -> None:
        """Take in events that stand in columns: times, items and, if they are not all 1, weights.

        Raises:
            SketchMismatchError: as `update_at`, or columns of different lengths; nothing was counted.

        >>> tries = DecayedCounts(half_life_ms=1_000, capacity=10, seed=1)
        >>> tries.update_columns([0, 1_000], ["card-1", "card-1"])
        >>> tries.estimate("card-1")
        1.5
        """
        given = as_items(event_ms)
        times = [_checked_ms(moment) for moment in (given.tolist() if isinstance(given, np.ndarray) else given)]
        values = as_items(items)
        checked = np.ones(len(times)) if weights is None else np.asarray([_checked_weight(weight) for weight in weights], dtype=np.float64)
        if not len(times) == len(values) == len(checked):
            raise SketchMismatchError("times, items and weights are of different lengths: a null in one column leaves a row half empty")
        ties = hash_column(values, self.parameters.seed).tolist()
        keys = keys_of(values)
        moments = np.asarray(times, dtype=np.int64)
        # Where the landmark moves, one by one would scale what came before: so a batch stops there, too.
        start = 0
        while start < len(times):
            end = self._until_the_landmark_moves(moments, start)
            self._take(moments[start:end], keys[start:end], ties[start:end], checked[start:end])
            start = end

    def _until_the_landmark_moves(self, moments: NDArray[np.int64], start: int) -> int:
        """Move it for the first event, if need be, and return the place of the next event that will move it."""
        self._advance(int(moments[start]))
        ahead = np.flatnonzero(moments[start:] // self.parameters.half_life_ms - self._landmark > _STRIDE)
        return start + int(ahead[0]) if ahead.size else len(moments)

    def _take(self, moments: NDArray[np.int64], keys: Sequence[Any], ties: list[int], weights: NDArray[np.float64]) -> None:
        half_life_ms = self.parameters.half_life_ms
        half_lives, rest_ms = np.divmod(moments, half_life_ms)
        exponents = np.maximum(half_lives - self._landmark, _FORGOTTEN).astype(np.int32)
        scaled = (np.ldexp(_power_column(rest_ms / half_life_ms), exponents) * weights).tolist()
        self._advance(int(moments.max()))
        total, counts, add = self._total, self._counters.counts, self._counters.add
        for key, tie, value in zip(keys, ties, scaled, strict=True):
            total += value
            if key in counts:
                counts[key] += value
            elif value:
                add(key, tie, value)
        self._total = total

    def _advance(self, event_ms: int) -> None:
        """Let time go on to an event, and the landmark with it if it must."""
        half_lives = event_ms // self.parameters.half_life_ms
        if self._newest_ms is None:
            self._newest_ms, self._landmark = event_ms, half_lives
        elif event_ms > self._newest_ms:
            self._newest_ms = event_ms
            if half_lives - self._landmark > _STRIDE:
                self._move_landmark(half_lives)

    def _move_landmark(self, half_lives: int) -> None:
        exponent = max(self._landmark - half_lives, _FORGOTTEN)
        self._counters.scale(exponent)
        self._total = math.ldexp(self._total, exponent)
        self._landmark = half_lives

    def _fade(self, at_ms: int | None) -> float:
        """Return what a kept weight is multiplied by to be a count at this time."""
        if self._newest_ms is None:
            return 1.0
        moment = self._newest_ms if at_ms is None else _checked_ms(at_ms)
        if moment < self._newest_ms:
            raise SketchMismatchError("a decayed count is known from the newest event on: ask at its time or later")
        half_lives, rest_ms = divmod(moment, self.parameters.half_life_ms)
        return math.ldexp(1.0 / _power(rest_ms / self.parameters.half_life_ms), max(self._landmark - half_lives, _FORGOTTEN))

    def total(self, at_ms: int | None = None) -> float:
        """Return the decayed weight of everything, D; at the newest event's time unless a later one is given."""
        return self._total * self._fade(at_ms)

    def estimate(self, item: Item, at_ms: int | None = None) -> float:
        """Return the upper bound of an item's decayed count; at the newest event's time unless a later one is given."""
        return self.bounds(item, at_ms).high

    def bounds(self, item: Item, at_ms: int | None = None, confidence: float = 0.95) -> Bounds:
        """Return an interval that certainly holds an item's decayed count (up to rounding), whatever the confidence."""
        require_confidence(confidence)
        fade = self._fade(at_ms)
        hash_item(item, self.parameters.seed)
        key, counters = keys_of([item])[0], self._counters
        count = counters.counts.get(key, counters.floor)
        return Bounds((count - counters.errors.get(key, count)) * fade, count * fade)

    def top(self, k: int, at_ms: int | None = None) -> list[HeavyHitter]:
        """Return the k items with the largest decayed counts; `guaranteed` ones are certainly among the k largest, ties apart."""
        if k < 1:
            raise SketchMismatchError("the top has at least one place")
        fade = self._fade(at_ms)
        rows = self._counters.top(k)
        return [HeavyHitter(item_of(key), (count - error) * fade, count * fade, sure) for key, count, error, sure in rows]

    @property
    def memory_bytes(self) -> int:
        """The items, and 24 bytes for count, error and hash of each."""
        return self._counters.memory_bytes

    def _join(self, other: Self) -> None:
        if other._newest_ms is None:
            return
        if self._newest_ms is None:
            self._newest_ms, self._landmark = other._newest_ms, other._landmark
        if self._landmark < other._landmark:
            self._move_landmark(other._landmark)
        self._newest_ms = max(self._newest_ms, other._newest_ms)
        counters, exponent = other._counters, max(other._landmark - self._landmark, _FORGOTTEN)
        if exponent < 0:
            counters = other.clone()._counters  # noqa: SLF001  # a copy of its own kind, which may be scaled
            counters.scale(exponent)
        self._total += math.ldexp(other._total, exponent)
        self._counters.join(counters)

    def _content(self) -> object:
        rows = [(save_key(key), count, error) for key, count, error in self._counters.entries()]
        return _Content(self._newest_ms, self._landmark, self._total, self._counters.floor, rows)

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=_Content)
        restored = cls(**msgspec.structs.asdict(parameters))
        items = [load_item(row[0]) for row in saved.rows]
        keys = keys_of(items)
        if len(set(keys)) != len(keys) or len(keys) > parameters.capacity or (saved.newest_ms is None and keys):
            raise ValueError("the counters do not fit their parameters")
        if not all(math.isfinite(count) and 0.0 <= error <= count for _, count, error in saved.rows):
            raise ValueError("a count is no count")
        ties = hash_column(items, parameters.seed).tolist()
        rows = [(key, tie, count, error) for key, tie, (_, count, error) in zip(keys, ties, saved.rows, strict=True)]
        restored._counters.restore(rows, saved.floor)
        restored._newest_ms, restored._landmark, restored._total = saved.newest_ms, saved.landmark, saved.total
        return restored


def _power(fraction: float) -> float:
    """Return 2^fraction for 0 <= fraction < 1, to the last bit what `_power_column` returns."""
    step = int(fraction * _STEPS)
    rest = fraction - step / _STEPS
    value = _TERMS[6]
    for term in _TERMS[5::-1]:
        value = value * rest + term
    return value * _ROOTS[step]


def _power_column(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = (fractions * _STEPS).astype(np.int64)
    rest = fractions - steps / _STEPS
    values = np.full(len(fractions), _TERMS[6])
    for term in _TERMS[5::-1]:
        values = values * rest + term
    powers: NDArray[np.float64] = values * _ROOT_COLUMN[steps]
    return powers


def _checked_ms(moment: Any) -> int:
    try:
        event_ms = index(moment)
    except TypeError:
        event_ms = _MOST_MS
    if not -_MOST_MS < event_ms < _MOST_MS:
        raise SketchMismatchError("an event time is a whole number of milliseconds, below 2^53")
    return event_ms


def _checked_weight(weight: Any) -> float:
    if not isinstance(weight, int | float | np.number) or not 0.0 < weight <= _MOST_WEIGHT:
        raise SketchMismatchError("a weight lies above 0 and is at most 2^64")
    return float(weight)

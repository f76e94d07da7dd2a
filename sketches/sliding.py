"""How many, or how much, within the last ticks of a stream: what every sliding counter shares, and the exact one.

Theory: a tick is a whole number that never goes back: the position in the stream, or a moment that all streams share. After tick `now`, the
window holds the ticks above `now - window`. The exact counter keeps every tick with something in it, and answers for every suffix.

Guarantee: estimate(last) = sum of the values at ticks in (now - last, now], for every last <= window; no error. Merging adds the values of
each tick, in any tree and order. Memory: 16 bytes for each tick of the window that holds something, so it grows with the window; it is the
oracle to which the approximate counters of `sketches.dgim` are held, and the better choice for a small window.

References: Datar, Gionis, Indyk and Motwani, "Maintaining stream statistics over sliding windows", SIAM J. Computing 31 (2002), section 2,
which shows that no exact counter needs fewer than `window` bits.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from operator import index
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch, require_confidence
from sketches.hashing import Column, as_items
from veilocity.errors import SketchMismatchError

__all__ = ["ExactSlidingCounter", "SlidingCounter", "SlidingParameters", "check_window"]

_MOST_TICKS = 2**62
Numbers = NDArray[np.int64]


class SlidingParameters(Parameters, frozen=True, kw_only=True):
    """What two exact counters share."""

    window: int


class SlidingCounter(Sketch):
    """Counts over the last ticks of a stream.

    `update` and `update_batch` give each value the next tick; `update_at` and `update_batch_at` say the tick, as counters of streams that
    run side by side must, so that their merge is the counter of both.
    """

    __slots__ = ("_clock",)

    repeats = Repeats.COUNTED
    most_value: ClassVar[int] = 2**31 - 1

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._clock = 0

    @property
    def clock(self) -> int:
        """The newest tick; 0 before the first."""
        return self._clock

    @property
    def largest_value(self) -> int:
        """The largest value that one update may bring."""
        return self.most_value

    def update(self, item: int) -> None:
        """Take the next value, at the tick after the newest.

        Raises:
            SketchMismatchError: a value that is not a whole number from 0 to `largest_value`.
        """
        self.update_at(self._clock + 1, item)

    def update_at(self, tick: int, value: int) -> None:
        """Take a value at a tick that is not before the newest.

        Raises:
            SketchMismatchError: the tick goes back, or a value that is not a whole number from 0 to `largest_value`.
        """
        try:
            tick, value = index(tick), index(value)
        except TypeError as cause:
            raise SketchMismatchError("a tick and a value are whole numbers") from cause
        self._check_tick(tick)
        if not 0 <= value <= self.largest_value:
            raise SketchMismatchError(f"a value lies between 0 and {self.largest_value}")
        self._take([tick] if value else [], [value] if value else [], tick)

    def update_batch(self, column: Column) -> None:
        """Take a column of values, each at the next tick; the same as one by one."""
        values = self._values(column)
        if len(values):
            self._take_columns(np.arange(self._clock + 1, self._clock + 1 + len(values)), values)

    def update_batch_at(self, ticks: Column, values: Column) -> None:
        """Take values at ticks that do not go back; the same as one by one.

        Raises:
            SketchMismatchError: as `update_at`, or two lengths; nothing was taken.
        """
        moments, taken = _whole(ticks), self._values(values)
        if len(moments) != len(taken):
            raise SketchMismatchError("there are more ticks than values, or fewer: a null in one column leaves a row half empty")
        if not len(taken):
            return
        if (np.diff(moments) < 0).any():
            raise SketchMismatchError("ticks do not go back within a column: sort it by tick")
        self._check_tick(int(moments[0]))
        self._check_tick(int(moments[-1]))
        self._take_columns(moments, taken)

    def _take_columns(self, ticks: Numbers, values: Numbers) -> None:
        some = np.flatnonzero(values)
        self._take(ticks[some].tolist(), values[some].tolist(), int(ticks[-1]))

    @abstractmethod
    def _take(self, ticks: list[int], values: list[int], clock: int) -> None:
        """Take values above 0 at ticks in order, and let time go on to `clock`."""

    def _check_tick(self, tick: int) -> None:
        if not self._clock <= tick < _MOST_TICKS:
            raise SketchMismatchError("a tick goes back, or passes 2^62: give what comes late a counter of its own, and merge")

    def _values(self, column: Column) -> Numbers:
        values = _whole(column)
        if len(values) and not (values.min() >= 0 and values.max() <= self.largest_value):
            raise SketchMismatchError(f"a value lies between 0 and {self.largest_value}")
        return values

    def _cutoff(self, last: int | None) -> int:
        """Return the tick after which the last ones begin."""
        window: int = self.parameters.window
        if last is None:
            last = window
        if not 1 <= last <= window:
            raise SketchMismatchError("what lies before the window is forgotten: ask for 1 to `window` ticks")
        return self._clock - last


class ExactSlidingCounter(SlidingCounter):
    """The exact sum of the values at the last ticks.

    >>> paid = ExactSlidingCounter(window=3)
    >>> paid.update_batch([10, 0, 5, 1])
    >>> paid.estimate(), paid.estimate(last=2), paid.bounds(last=1)
    (6.0, 6.0, Bounds(low=1.0, high=1.0))
    >>> paid.update_at(6, 7)
    >>> paid.estimate()
    8.0
    """

    __slots__ = ("_entries",)

    kind = b"XSLD"
    parameter_type = SlidingParameters

    def __init__(self, window: int) -> None:
        """Start before the first tick.

        Args:
            window: ticks that are remembered, 1 to 2^62.
        """
        check_window(window)
        super().__init__(SlidingParameters(window=window))
        self._entries: deque[tuple[int, int]] = deque()

    def _take(self, ticks: list[int], values: list[int], clock: int) -> None:
        entries = self._entries
        for tick, value in zip(ticks, values, strict=True):
            if entries and entries[-1][0] == tick:
                entries[-1] = (tick, entries[-1][1] + value)
            else:
                entries.append((tick, value))
        self._clock = clock
        self._forget()

    def _forget(self) -> None:
        cutoff = self._clock - self.parameters.window
        while self._entries and self._entries[0][0] <= cutoff:
            self._entries.popleft()

    def estimate(self, last: int | None = None) -> float:
        """Return the sum of the values at the last ticks; at all of the window's unless a number is given."""
        cutoff, total = self._cutoff(last), 0
        for tick, value in reversed(self._entries):
            if tick <= cutoff:
                break
            total += value
        return float(total)

    def bounds(self, last: int | None = None, confidence: float = 0.95) -> Bounds:
        """Return the sum as both ends, whatever the confidence."""
        require_confidence(confidence)
        exact = self.estimate(last)
        return Bounds(exact, exact)

    @property
    def memory_bytes(self) -> int:
        """Eight bytes for the clock, and 16 for each tick with something in it."""
        return 8 + 16 * len(self._entries)

    def _join(self, other: Self) -> None:
        sums = dict(self._entries)
        for tick, value in other._entries:
            sums[tick] = sums.get(tick, 0) + value
        self._entries = deque(sorted(sums.items()))
        self._clock = max(self._clock, other._clock)
        self._forget()

    def _content(self) -> object:
        return [self._clock, list(self._entries)]

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        clock, entries = msgspec.msgpack.decode(content, type=tuple[int, list[tuple[int, int]]])
        restored = cls(parameters.window)
        ticks = [tick for tick, _ in entries]
        if ticks != sorted(set(ticks)) or any(value < 1 for _, value in entries) or (ticks and not 0 <= ticks[-1] <= clock):
            raise ValueError("ticks and values are none that a counter could hold")
        restored._clock, restored._entries = clock, deque(entries)
        return restored


def check_window(window: int) -> None:
    """Refuse what no window can be.

    Raises:
        SketchMismatchError: not 1 to 2^62 ticks.
    """
    if not 1 <= window <= _MOST_TICKS:
        raise SketchMismatchError("a window holds 1 to 2^62 ticks")


def _whole(column: Column) -> Numbers:
    items: Any = as_items(column)
    numbers = np.asarray(items) if len(items) else np.empty(0, dtype=np.int64)
    if numbers.dtype.kind not in "iub" or numbers.ndim != 1:
        raise SketchMismatchError("ticks and values are whole numbers that fit 63 bits")
    if numbers.dtype.kind == "u" and len(numbers) and numbers.max() >= _MOST_TICKS:
        raise SketchMismatchError("ticks and values are whole numbers that fit 63 bits")
    return numbers.astype(np.int64)

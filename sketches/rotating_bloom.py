"""A Bloom filter that forgets: which keys were seen within the last window of event time.

Theory: event time is cut into panes of window / b milliseconds, and each pane is a Bloom filter (`sketches.bits`). Kept are the pane of
the newest event and the b before it; as the newest event moves on, panes fall behind and are dropped whole. A key is answered "seen" when
one of the panes that the window touches holds it. Time is what the caller hands in with the key, never a clock: a replay gives the same
answers.

Guarantee, for capacity c in each pane, error rate p, and a question at time t (the newest event, or later), with pane = window / b:

    a key with an event in (t - window, t] is always answered "seen"
    a key whose last event lies at t - window - pane or before is answered "seen" with probability at most p, as each of the b + 1 panes
    has error rate p / (b + 1) up to c distinct keys, but for 64-bit collisions (n / 2^64)
    a key with an event between these two is answered either way: the slack of one pane

What is kept is the same for any order and any repetition of the events and for any tree of merges: the events whose pane is not more than
b behind the newest. Events that come later than that are left out, as no question can be about them; `is_late` tells. One event with a time
far in the future would push out everything else: hand in times that were checked.
Memory: at most (b + 1) c log2((b + 1) / p) / ln 2 bits.

References: Almeida et al., "Scalable Bloom filters", IPL 101 (2007), for the shares of an error rate; Zhang and Guan, "Detecting click
fraud in pay-per-click streams", ICDCS 2008, for Bloom filters over jumping windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.bits import BitSlices, Slicing, check_filter
from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.hashing import HASH_NAME, Column, Item, hash_column, hash_item
from veilocity.errors import SketchMismatchError

__all__ = ["RotatingBloomFilter", "RotatingBloomParameters"]

_MOST_PANES = 1000
_MOST_MS = 2**62


class RotatingBloomParameters(Parameters, frozen=True, kw_only=True):
    """What two rotating filters must share."""

    window_ms: int
    panes: int
    capacity: int
    error_rate: float
    seed: int


class _Saved(msgspec.Struct, array_like=True):
    newest_ms: int | None
    panes: dict[int, bytes]


class RotatingBloomFilter(Sketch):
    """Which keys were seen within the last window.

    >>> recent = RotatingBloomFilter(window_ms=60_000, panes=6, capacity=1000, error_rate=0.001)
    >>> recent.update((1_000, "card 1"))
    >>> recent.update((55_000, "card 2"))
    >>> "card 1" in recent, recent.seen("card 1", at_ms=60_999), recent.seen("card 1", at_ms=75_000)
    (True, True, False)
    >>> recent.update((80_000, "card 3"))
    >>> "card 1" in recent, "card 2" in recent, recent.is_late(9_999)
    (False, True, True)
    """

    __slots__ = ("_newest_ms", "_panes", "_slicing")

    kind: ClassVar[bytes] = b"RBLM"
    repeats: ClassVar[Repeats] = Repeats.HARMLESS
    hash_name: ClassVar[str] = HASH_NAME
    parameter_type: ClassVar[type[Parameters]] = RotatingBloomParameters

    def __init__(self, window_ms: int, panes: int, capacity: int, error_rate: float, seed: int = 0) -> None:
        """Start empty.

        Args:
            window_ms: how far back a key counts as seen, in milliseconds; a multiple of `panes`.
            panes: panes in a window, 1 to 1,000: the slack is one of them.
            capacity: distinct keys that one pane holds at its error rate, 1 to 2^30.
            error_rate: chance that a key outside window and slack is taken for one inside, 1e-12 to 0.5.
            seed: of the hash; filters merge only if they share it.

        Raises:
            SketchMismatchError: a value outside of these.
        """
        check_filter(capacity, error_rate, seed)
        window_ms, panes = _whole(window_ms), _whole(panes)
        if not 1 <= panes <= _MOST_PANES or not 0 < window_ms <= _MOST_MS or window_ms % panes:
            raise SketchMismatchError("a rotating filter needs 1 to 1000 panes and a window of a whole number of milliseconds for each")
        given = RotatingBloomParameters(window_ms=window_ms, panes=panes, capacity=capacity, error_rate=error_rate, seed=seed)
        super().__init__(given)
        self._slicing = Slicing.promising(capacity, error_rate / (panes + 1))
        self._panes: dict[int, BitSlices] = {}
        self._newest_ms: int | None = None

    @property
    def pane_ms(self) -> int:
        """Length of a pane, and so the slack, in milliseconds."""
        return int(self.parameters.window_ms // self.parameters.panes)

    @property
    def newest_ms(self) -> int | None:
        """Time of the newest event; None before the first."""
        return self._newest_ms

    def is_late(self, event_ms: int) -> bool:
        """Say whether an event of this time would be left out: its pane was dropped."""
        return self._newest_ms is not None and event_ms // self.pane_ms < self._oldest_pane(self._newest_ms)

    def __contains__(self, key: Item) -> bool:
        hashed = hash_item(key, self.parameters.seed)
        return any(pane.holds_one(hashed) for pane in self._panes.values())

    def seen(self, key: Item, at_ms: int) -> bool:
        """Say whether a key was seen within the window that ends at a time, which lies not before the newest event.

        Raises:
            SketchMismatchError: a time before the newest event: part of its window may be forgotten.
        """
        if self._newest_ms is not None and at_ms < self._newest_ms:
            raise SketchMismatchError("a rotating filter answers for the time of its newest event and later: ask before newer ones come in")
        hashed, oldest = hash_item(key, self.parameters.seed), self._oldest_pane(at_ms)
        return any(number >= oldest and pane.holds_one(hashed) for number, pane in self._panes.items())

    def contains_batch(self, column: Column) -> NDArray[np.bool_]:
        """Say of each key of a column whether it was seen within the window that ends with the newest event.

        Raises:
            SketchMismatchError: a key without a stable hash.
        """
        hashes = hash_column(column, self.parameters.seed)
        found = np.zeros(len(hashes), dtype=np.bool_)
        for pane in self._panes.values():
            unknown = np.flatnonzero(~found)
            found[unknown] = pane.holds(hashes[unknown])
        return found

    def update(self, item: tuple[int, Item]) -> None:
        """Record an event: its time in milliseconds and its key. One whose pane was dropped is left out.

        Raises:
            SketchMismatchError: a time that is no whole number, or a key without a stable hash.
        """
        event_ms, key = item
        time_ms, hashed = _whole(event_ms), hash_item(key, self.parameters.seed)
        oldest, number = self._move_to(time_ms), time_ms // self.pane_ms
        if number >= oldest:
            self._pane(number).record_one(hashed)

    def update_batch(self, column: Any) -> None:
        """Record a sequence of (event_ms, key).

        Raises:
            SketchMismatchError: as `update`; then nothing is recorded.
        """
        events: Sequence[tuple[int, Item]] = column
        times = np.fromiter((_whole(event_ms) for event_ms, _ in events), np.int64, len(events))
        self.update_columns(times, [key for _, key in events])

    def update_columns(self, event_ms: NDArray[np.int64], keys: Column) -> None:
        """Record a column of times and one of keys, without nulls.

        Raises:
            SketchMismatchError: columns of different lengths, times that are no whole numbers, or a key without a stable hash.
        """
        times, hashes = np.asarray(event_ms), hash_column(keys, self.parameters.seed)
        if len(times) != len(hashes) or (len(times) and times.dtype.kind not in "iu"):
            raise SketchMismatchError(
                "a rotating filter needs a whole number of milliseconds for every key: hand in two columns of one length"
            )
        if not len(times):
            return
        _whole(times.min())
        oldest = self._move_to(_whole(times.max()))
        panes = times.astype(np.int64) // self.pane_ms
        for number in np.unique(panes[panes >= oldest]):
            self._pane(int(number)).record(hashes[panes == number])

    def present_error_rate(self) -> float:
        """Return a bound of the chance that a new key is taken for a seen one, given the bits: the sum over the panes."""
        return sum(pane.present_error_rate() for pane in self._panes.values())

    def estimate(self) -> float:
        """Return the estimated number of distinct keys in the panes that are kept: the last window, and up to one pane more."""
        return self._together().keys()

    def bounds(self, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the number of distinct keys in the panes that are kept.

        Raises:
            SketchMismatchError: a confidence outside 0 to 1.
        """
        return self._together().keys_within(confidence)

    def _together(self) -> BitSlices:
        together = BitSlices(self._slicing)
        for pane in self._panes.values():
            together.unite(pane)
        return together

    def _oldest_pane(self, at_ms: int) -> int:
        return int(at_ms // self.pane_ms - self.parameters.panes)

    def _pane(self, number: int) -> BitSlices:
        if number not in self._panes:
            self._panes[number] = BitSlices(self._slicing)
        return self._panes[number]

    def _move_to(self, event_ms: int) -> int:
        """Let the newest event be at least this one; return the oldest pane that is kept."""
        newest = event_ms if self._newest_ms is None else max(event_ms, self._newest_ms)
        oldest = self._oldest_pane(newest)
        if newest != self._newest_ms:
            self._newest_ms = newest
            self._panes = {number: pane for number, pane in self._panes.items() if number >= oldest}
        return oldest

    def _join(self, other: RotatingBloomFilter) -> None:
        if other._newest_ms is None:
            return
        oldest = self._move_to(other._newest_ms)
        for number, pane in other._panes.items():
            if number >= oldest:
                self._pane(number).unite(pane)

    def _content(self) -> object:
        return _Saved(self._newest_ms, {number: self._panes[number].to_bytes() for number in sorted(self._panes)})

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> RotatingBloomFilter:
        restored = cls(parameters.window_ms, parameters.panes, parameters.capacity, parameters.error_rate, parameters.seed)
        saved = msgspec.msgpack.decode(content, type=_Saved)
        restored._newest_ms = saved.newest_ms
        restored._panes = {number: BitSlices(restored._slicing, bits) for number, bits in saved.panes.items()}
        newest = saved.newest_ms
        kept = () if newest is None else range(restored._oldest_pane(newest), newest // restored.pane_ms + 1)
        if not all(number in kept for number in saved.panes):
            raise ValueError("a saved pane lies outside the window")
        return restored

    @property
    def memory_bytes(self) -> int:
        """Bytes of the panes' bits."""
        return sum(pane.nbytes for pane in self._panes.values())


def _whole(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not -_MOST_MS <= number <= _MOST_MS:
        raise SketchMismatchError("a rotating filter needs whole numbers: milliseconds for its times, and a number of panes")
    return int(number)

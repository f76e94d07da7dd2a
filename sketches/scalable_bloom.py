"""A Bloom filter that grows: the error rate is kept however many keys come, and however many filters become one.

Theory: keys go into stages, each a Bloom filter (`sketches.bits`). A key that some stage knows is not recorded again; when the newest stage
is full, one of twice its capacity and half its error rate is begun. Every stage spends a share of the promised error rate p:

    stage of level i, i = 0, 1, 2, ...    capacity c 2^i    error rate p_i = (p / W) (1 - r) r^i    r = 1/2

W is the number of sources: filters built apart that may become one. All stages that one source can ever begin spend at most p / W, since
(1 - r)(1 + r + r^2 + ...) = 1. Two stages of the same level are united where the union is not overfull, or one holds the other; elsewhere
they stand side by side and both shares are spent: keys cannot be taken out of full stages to be put into a larger one.

Guarantee:

    a recorded key is always answered "seen"
    a stage takes keys, and unions, only while its mean fill x keeps x^k <= p_i (at least one key fits): the product of the slices' fills is
    at most x^k, so a new key finds all its bits set there with probability at most p_i, given the bits and not only on average
    so a key never recorded is answered "seen" with probability at most the sum of the p_i of all stages and of those still to be begun:
    p / W for one source, at most w p / W for the merge of w of them; a merge that would bring the sum beyond p is refused
    W sources, each merged once, are never refused, by any tree of merges; what is merged again is found inside and spends nothing

All but for 64-bit collisions (n / 2^64). A copy that goes on recording by itself counts as one more source. Memory: about c log2(1/p_i) /
ln 2 bits for a stage, so 1.44 log2(W) bits for each key more than a filter that is never merged. Levels stop doubling at 2^30 keys.

References: Almeida, Baquero, Preguica and Hutchison, "Scalable Bloom filters", IPL 101 (2007), with the shares of all stages summing to p;
the split among sources is the union bound.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.bits import LARGEST_CAPACITY, BitSlices, Slicing, check_filter
from sketches.contract import Bounds, Parameters, Repeats, Sketch, normal_quantile
from sketches.hashing import HASH_NAME, Column, Hashes, Item, hash_column, hash_item
from veilocity.errors import SketchMismatchError

__all__ = ["ScalableBloomFilter", "ScalableBloomParameters"]

_MOST_SOURCES = 2**20
_MOST_LEVELS = 40
_CHUNK = 2**16


class ScalableBloomParameters(Parameters, frozen=True, kw_only=True):
    """What two scalable filters must share."""

    capacity: int
    error_rate: float
    sources: int
    seed: int


class _SavedStage(msgspec.Struct, array_like=True):
    level: int
    bits: bytes


class _Saved(msgspec.Struct, array_like=True):
    merged: bool
    stages: list[_SavedStage]


class _Stage:
    """A filter of some level; closed once it is full."""

    __slots__ = ("bits", "level", "most_ones")

    def __init__(self, parameters: ScalableBloomParameters, level: int, saved: bytes | None = None) -> None:
        self.level = level
        slicing = Slicing.promising(min(parameters.capacity << level, LARGEST_CAPACITY), stage_error_rate(parameters, level))
        self.bits = BitSlices(slicing, saved)
        fill = stage_error_rate(parameters, level) ** (1.0 / slicing.slices)
        self.most_ones = max(slicing.slices, int(slicing.slices * slicing.width * fill))

    @property
    def room(self) -> int:
        """Number of keys that surely fit."""
        return (self.most_ones - self.bits.ones) // self.bits.slicing.slices

    def order(self) -> tuple[int, int, bytes]:
        return self.level, -self.bits.ones, self.bits.to_bytes()


def stage_error_rate(parameters: ScalableBloomParameters, level: int) -> float:
    """Return the share of the promised error rate that a stage of some level spends.

    >>> one = ScalableBloomParameters(capacity=100, error_rate=0.01, sources=1, seed=0)
    >>> [stage_error_rate(one, level) for level in range(3)], sum(stage_error_rate(one, level) for level in range(40)) < 0.01
    ([0.005, 0.0025, 0.00125], True)
    """
    return float(parameters.error_rate / parameters.sources * 0.5 ** (level + 1))


class ScalableBloomFilter(Sketch):
    """Which keys were seen before, of a stream whose length nobody knows.

    >>> seen = ScalableBloomFilter(capacity=100, error_rate=0.01, sources=4)
    >>> seen.update_batch([f"payment-{number}" for number in range(10_000)])
    >>> "payment-7" in seen, seen.stages, 9_900 < seen.estimate() < 10_100
    (True, 7, True)
    >>> other = ScalableBloomFilter(capacity=100, error_rate=0.01, sources=4)
    >>> other.update_batch([f"refund-{number}" for number in range(10_000)])
    >>> seen.merge(other)
    >>> "refund-7" in seen, round(seen.promised_error_rate(), 4)
    (True, 0.005)
    """

    __slots__ = ("_merged", "_stages")

    kind: ClassVar[bytes] = b"SBLM"
    repeats: ClassVar[Repeats] = Repeats.HARMLESS
    hash_name: ClassVar[str] = HASH_NAME
    parameter_type: ClassVar[type[Parameters]] = ScalableBloomParameters

    def __init__(self, capacity: int, error_rate: float, sources: int = 64, seed: int = 0) -> None:
        """Start empty.

        Args:
            capacity: distinct keys that the first stage holds, 1 to 2^30; the nearer to what comes, the fewer stages.
            error_rate: chance that a new key is taken for a known one, 1e-12 to 0.5; kept for good.
            sources: filters built apart that may be merged into one, 1 to 2^20.
            seed: of the hash; filters merge only if they share it.

        Raises:
            SketchMismatchError: a value outside of these.
        """
        check_filter(capacity, error_rate, seed)
        whole: object = sources
        if isinstance(whole, bool) or not isinstance(whole, int) or not 1 <= whole <= _MOST_SOURCES:
            raise SketchMismatchError("a scalable filter needs a whole number of sources that may be merged, from 1 to 2^20")
        super().__init__(ScalableBloomParameters(capacity=capacity, error_rate=error_rate, sources=sources, seed=seed))
        self._stages: list[_Stage] = []
        self._merged = False

    @property
    def stages(self) -> int:
        """Number of stages."""
        return len(self._stages)

    def __contains__(self, key: Item) -> bool:
        hashed = hash_item(key, self.parameters.seed)
        return any(stage.bits.holds_one(hashed) for stage in reversed(self._stages))

    def contains_batch(self, column: Column) -> NDArray[np.bool_]:
        """Say of each key of a column whether it was seen.

        Raises:
            SketchMismatchError: a key without a stable hash.
        """
        return self._holds(hash_column(column, self.parameters.seed), self._stages)

    def add(self, key: Item) -> bool:
        """Record a key; return whether it was (or seemed to be) known.

        Raises:
            SketchMismatchError: a key without a stable hash.
        """
        hashed = hash_item(key, self.parameters.seed)
        if any(stage.bits.holds_one(hashed) for stage in reversed(self._stages)):
            return True
        if not self._stages or self._stages[-1].room < 1:
            self._begin_stage()
        self._stages[-1].bits.record_one(hashed)
        return False

    def update(self, item: Item) -> None:
        """Record a key."""
        self.add(item)

    def update_batch(self, column: Column) -> None:
        """Record a column of keys; nothing is recorded when one of them is refused.

        Raises:
            SketchMismatchError: a key without a stable hash.
        """
        hashes = hash_column(column, self.parameters.seed)
        for start in range(0, len(hashes), _CHUNK):
            self._record(hashes[start : start + _CHUNK])

    def promised_error_rate(self) -> float:
        """Return the most that the chance of a false "seen" can become without another merge; at most the error rate."""
        return float(self._shares(self._stages) / self.parameters.sources * self.parameters.error_rate)

    def present_error_rate(self) -> float:
        """Return a bound of the chance that a new key is taken for a known one, given the bits: the sum over the stages."""
        return sum(stage.bits.present_error_rate() for stage in self._stages)

    def estimate(self) -> float:
        """Return the estimated number of distinct keys; a key that two merged filters held side by side counts twice."""
        return sum(stage.bits.keys() for stage in self._stages)

    def bounds(self, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the number of distinct keys.

        Each stage gets its part of the doubt. The upper end allows for new keys that were taken for known ones and not recorded; the lower
        end is that of the largest stage alone once filters that may have shared keys were merged.

        Raises:
            SketchMismatchError: a confidence outside 0 to 1.
        """
        deviations = normal_quantile(confidence)
        doubt = (1.0 - confidence) / max(1, len(self._stages))
        parts = [stage.bits.keys_within(1.0 - doubt) for stage in self._stages] or [Bounds(0.0, 0.0)]
        low = max(part.low for part in parts) if self._merged else sum(part.low for part in parts)
        # Of n keys the number that is missed has a mean below n p, and a variance below it.
        high, rate = sum(part.high for part in parts), self.promised_error_rate()
        missed = high * rate / (1.0 - rate)
        return Bounds(low, float(np.ceil(high + missed + deviations * missed**0.5)))

    def _record(self, hashes: Hashes) -> None:
        hashes = hashes[~self._holds(hashes, self._stages[:-1])]
        while len(hashes):
            if not self._stages:
                self._begin_stage()
            newest = self._stages[-1]
            if len(hashes) > newest.room:
                hashes = hashes[~newest.bits.holds(hashes)]
                if len(hashes) and newest.room < 1:
                    self._begin_stage()
                    newest = self._stages[-1]
            # As many as fit whatever bits they share: so a stage closes at the same key as when they come one by one.
            newest.bits.record(hashes[: newest.room])
            hashes = hashes[newest.room :]

    @staticmethod
    def _holds(hashes: Hashes, stages: list[_Stage]) -> NDArray[np.bool_]:
        found = np.zeros(len(hashes), dtype=np.bool_)
        for stage in stages:
            unknown = np.flatnonzero(~found)
            found[unknown] = stage.bits.holds(hashes[unknown])
        return found

    def _begin_stage(self) -> None:
        level = self._stages[-1].level + 1 if self._stages else 0
        self._stages.append(_Stage(self.parameters, level))

    @staticmethod
    def _shares(stages: list[_Stage]) -> float:
        """Return the shares of p / W that stages spend, with all that may still be begun; exact, as all are powers of two."""
        begun = sum(0.5 ** (stage.level + 1) for stage in stages)
        return float(begun + 0.5 ** (stages[-1].level + 1)) if stages else 1.0

    def _join(self, other: ScalableBloomFilter) -> None:
        stages = list(self._stages)
        for theirs in other._stages:
            self._take_stage(stages, theirs)
        stages.sort(key=_Stage.order)
        if self._shares(stages) > self.parameters.sources:
            raise SketchMismatchError("more filters were merged than the error rate allows for: build all of them with more `sources`")
        changed = [stage.order() for stage in stages] != [stage.order() for stage in self._stages]
        self._merged = (self._merged or other._merged or bool(self._stages)) if changed else self._merged
        self._stages = stages

    def _take_stage(self, stages: list[_Stage], theirs: _Stage) -> None:
        alike = [index for index, own in enumerate(stages) if own.level == theirs.level]
        if any(stages[index].bits.covers(theirs.bits) for index in alike):
            return
        for index in alike:
            united = _Stage(self.parameters, theirs.level, stages[index].bits.to_bytes())
            united.bits.unite(theirs.bits)
            if theirs.bits.covers(stages[index].bits) or united.bits.ones <= united.most_ones:
                stages[index] = united
                return
        # Bits change in place, and what is merged stays as it is.
        stages.append(_Stage(self.parameters, theirs.level, theirs.bits.to_bytes()))

    def _content(self) -> object:
        return _Saved(self._merged, [_SavedStage(stage.level, stage.bits.to_bytes()) for stage in self._stages])

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> ScalableBloomFilter:
        restored = cls(parameters.capacity, parameters.error_rate, parameters.sources, parameters.seed)
        saved = msgspec.msgpack.decode(content, type=_Saved)
        if any(not 0 <= one.level < _MOST_LEVELS for one in saved.stages):
            raise ValueError("a saved stage has an impossible level")
        restored._merged = saved.merged
        restored._stages = [_Stage(parameters, one.level, one.bits) for one in saved.stages]
        return restored

    @property
    def memory_bytes(self) -> int:
        """Bytes of the stages' bits; grows with the number of distinct keys."""
        return sum(stage.bits.nbytes for stage in self._stages)

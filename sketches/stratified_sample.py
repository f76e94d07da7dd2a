"""A uniform sample of each stratum of a stream: rare strata are represented as well as frequent ones.

Theory: every stratum (a country, a merchant's kind) has a reservoir of its own, and the count of its items, so an answer about the stream
is the sum of the strata's answers, each weighted by the stratum's part of the stream. How many strata a stream will have is unknown and
memory is not, so at most `strata` of them are kept apart; the others share one more reservoir, and are counted. Kept are those whose hashes
are the smallest: a choice that depends on the set of strata alone, and which every part of the stream makes alike. (Those that came first
would be others in every part, and after a merge a stratum would be half its own and half the others'.)

Guarantee: every stratum that is kept at the end was kept from its first item on, in every part: its count is exact, and its members are a
uniform sample of all its items, whatever tree of merges. All counts add up to the items of the stream. With W_h the strata's parts of the
stream and p_h the shares within their samples, sum(W_h p_h) is an unbiased share of the stream, and its interval has half-widths
sqrt(sum((W_h d_h)^2)), with d_h the distance from p_h to the end of the exact interval of stratum h (`sketches.intervals`). That it holds
the truth with the confidence asked for is an approximation, and exact for one stratum.

References: Vitter, ACM TOMS 11 (1985); Cochran, "Sampling Techniques", 3rd edition (1977), chapter 5; Al-Kateb and Lee, "Stratified
reservoir sampling over heterogeneous data streams", SSDBM 2010; Zou and Donner, "Construction of confidence limits about effect measures",
Statistics in Medicine 27 (2008), for the interval of a sum; Cohen and Kaplan, PODC 2007, for the choice by hash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self

import msgspec

from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.hashing import HASH_NAME, Item, hash_item
from sketches.intervals import share_bounds
from sketches.reservoir_l import ReservoirL
from sketches.reservoir_r import item_bytes, plain_item, saved_items
from veilocity.errors import SketchMismatchError

__all__ = ["StratifiedSample", "Stratum"]


class Stratum(NamedTuple):
    """What is known of one stratum."""

    name: Item | None
    """None for the strata that are not kept apart, together."""
    size: int
    """Items of the stream that belong to it."""
    members: list[Item]
    """A uniform sample of them."""


class StratifiedParameters(Parameters, frozen=True, kw_only=True):
    """What two stratified samples must share."""

    capacity: int
    strata: int
    seed: int


class StratifiedContent(msgspec.Struct, array_like=True):
    """What a stratified sample remembers: names and reservoirs by hash, the others' reservoir, and what parts are told apart by."""

    kept: list[tuple[Any, bytes]]
    others: bytes
    stream: int


class StratifiedSample(Sketch):
    """A mergeable uniform sample of up to `capacity` items of every stratum.

    >>> sample = StratifiedSample(capacity=20, strata=10, seed=1)
    >>> sample.update_batch(("rare" if n % 100 == 0 else "frequent", n) for n in range(10_000))
    >>> [(stratum.name, stratum.size, len(stratum.members)) for stratum in sample.estimate()]
    [('frequent', 9900, 20), ('rare', 100, 20)]
    >>> 0.5 in sample.bounds(lambda item: item < 5_000)
    True
    """

    __slots__ = ("_kept", "_others", "_stream")

    kind = b"STRA"
    repeats = Repeats.COUNTED
    hash_name = HASH_NAME
    parameter_type = StratifiedParameters

    def __init__(self, capacity: int, strata: int, *, seed: int = 0, stream: int = 0) -> None:
        """Start empty.

        Args:
            capacity: most members of a stratum, at least 1.
            strata: most strata kept apart, at least 1.
            seed: of the draws and of the choice of strata; samples merge only if they share it.
            stream: tells parts apart that begin with the same items; samples of different streams merge.
        """
        if strata < 1:
            raise SketchMismatchError("a stratified sample keeps at least one stratum apart: give 1 or more")
        super().__init__(StratifiedParameters(capacity=capacity, strata=strata, seed=seed))
        self._stream = stream
        self._kept: dict[int, tuple[Item, ReservoirL]] = {}
        self._others = ReservoirL(capacity, seed=seed, stream=stream)

    @property
    def count(self) -> int:
        """How many items the stream had."""
        return self._others.count + sum(reservoir.count for _, reservoir in self._kept.values())

    def update(self, item: tuple[Item, Item]) -> None:
        """Take a stratum and an item of it.

        Raises:
            SketchMismatchError: the stratum, or the item, where it came into the sample, is not text, bytes or a number of 64 bits.
        """
        stratum, value = item
        self._reservoir(hash_item(stratum, self.parameters.seed), stratum).update(value)
        self._evict()

    def update_batch(self, column: Iterable[tuple[Item, Item]]) -> None:  # type: ignore[override]  # its items are pairs
        """Take pairs of stratum and item; the same as one by one."""
        pairs, seed = list(column), self.parameters.seed
        # By kind too, because 1 and 1.0 are one key of a dictionary and two strata.
        keys = [(type(stratum), stratum) for stratum, _ in pairs]
        try:
            hashes = {key: hash_item(key[1], seed) for key in dict.fromkeys(keys)}
        except TypeError as cause:
            raise SketchMismatchError("a stratum is text, bytes or a number: hand in one of those") from cause
        if self._evicts(set(hashes.values())):
            for pair in pairs:
                self.update(pair)
            return
        targets = {key: self._reservoir(hashed, key[1]) for key, hashed in hashes.items()}
        grouped: dict[int, list[Item]] = {id(reservoir): [] for reservoir in targets.values()}
        lists = {key: grouped[id(reservoir)] for key, reservoir in targets.items()}
        for key, (_, value) in zip(keys, pairs, strict=True):
            lists[key].append(value)
        for reservoir in {id(reservoir): reservoir for reservoir in targets.values()}.values():
            reservoir.update_batch(grouped[id(reservoir)])

    def _is_kept(self, stratum: int) -> bool:
        return len(self._kept) < self.parameters.strata or stratum <= max(self._kept)

    def _evicts(self, strata: set[int]) -> bool:
        """Say whether taking these strata in would push one out."""
        new = strata - self._kept.keys()
        if len(self._kept) + len(new) <= self.parameters.strata:
            return False
        return len(self._kept) < self.parameters.strata or min(new) < max(self._kept)

    def _reservoir(self, hashed: int, stratum: Item) -> ReservoirL:
        """Return the reservoir that an item of a stratum goes to."""
        if hashed in self._kept:
            return self._kept[hashed][1]
        if not self._is_kept(hashed):
            return self._others
        own = ReservoirL(self.parameters.capacity, seed=self.parameters.seed, stream=hash_item(hashed, self._stream))
        self._kept[hashed] = plain_item(stratum), own
        return own

    def _evict(self) -> None:
        """Put the strata of the largest hashes, beyond what is kept apart, to the others."""
        while len(self._kept) > self.parameters.strata:
            _, reservoir = self._kept.pop(max(self._kept))
            self._others.merge(reservoir)

    def _join(self, other: Self) -> None:
        self._others.merge(other._others)
        for hashed, (stratum, reservoir) in sorted(other._kept.items()):
            if hashed in self._kept:
                self._kept[hashed][1].merge(reservoir)
            else:
                self._kept[hashed] = stratum, reservoir.clone()
        self._evict()

    def estimate(self) -> list[Stratum]:
        """Return the strata that are kept apart, by name where all are of one kind, and the others as one if there are any."""
        found = [Stratum(name, reservoir.count, reservoir.estimate()) for name, reservoir in self._kept.values()]
        found.sort(key=lambda one: (type(one.name).__name__, one.name))
        return found + ([Stratum(None, self._others.count, self._others.estimate())] if self._others.count else [])

    def share(self, has: Callable[[Item], bool]) -> float:
        """Return the estimated share of the stream's items with a property, unbiased; 0 for an empty stream."""
        return sum(part * share for part, share, _ in self._parts(has))

    def bounds(self, has: Callable[[Item], bool], confidence: float = 0.95) -> Bounds:
        """Return the interval for the share of the stream's items with a property: it needs the shares of all strata, not their sum."""
        parts = self._parts(has)
        if not parts:
            return Bounds(0.0, 1.0)
        below = above = 0.0
        for part, share, stratum in parts:
            low, high = share_bounds(share, len(stratum.members), stratum.size, confidence)
            below += (part * (share - low)) ** 2
            above += (part * (high - share)) ** 2
        middle = sum(part * share for part, share, _ in parts)
        return Bounds(max(0.0, middle - math.sqrt(below)), min(1.0, middle + math.sqrt(above)))

    def _parts(self, has: Callable[[Item], bool]) -> list[tuple[float, float, Stratum]]:
        """Return each stratum's part of the stream and the property's share of its members."""
        strata = self.estimate()
        count = sum(stratum.size for stratum in strata)
        return [(one.size / count, sum(1 for item in one.members if has(item)) / len(one.members), one) for one in strata]

    @property
    def memory_bytes(self) -> int:
        """Bytes of all reservoirs and names, and 8 for each hash."""
        named = sum(8 + item_bytes(stratum) + reservoir.memory_bytes for stratum, reservoir in self._kept.values())
        return 8 + self._others.memory_bytes + named

    def _content(self) -> object:
        kept = [(stratum, reservoir.to_bytes()) for _, (stratum, reservoir) in sorted(self._kept.items())]
        return StratifiedContent(kept, self._others.to_bytes(), self._stream)

    @classmethod
    def _restore(cls, parameters: StratifiedParameters, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=StratifiedContent)
        sample = cls(parameters.capacity, parameters.strata, seed=parameters.seed, stream=saved.stream)
        if len(saved.kept) > parameters.strata:
            raise ValueError("more strata are kept apart than may be")
        saved_items([stratum for stratum, _ in saved.kept])
        for stratum, reservoir in saved.kept:
            sample._kept[hash_item(stratum, parameters.seed)] = stratum, ReservoirL.from_bytes(reservoir)
        sample._others = ReservoirL.from_bytes(saved.others)
        return sample

"""Any frequency moment of a stream from sampled positions: the estimator of Alon, Matias and Szegedy for F_k.

Theory: F_k = sum of f(x)^k over the items. Choose one of the stream's n positions evenly, and count how often its item comes from there
on, itself included: r. Then X = n (r^k - (r - 1)^k) is F_k in the mean, because an item's terms add up to f^k, one after the other. The
estimate is the median of `groups` means of `samples / groups` such X each. A sample is a reservoir of one position: after position i, the
next that takes its place is floor(i / u) + 1 for an even u in (0, 1], so nothing is drawn in between.

Guarantee:

    E[X] = F_k,  Var[X] <= k n^(1 - 1/k) F_k^2
    P(|median - F_k| > eps F_k) <= P(Binomial(groups, q) >= groups / 2),  q = k n^(1 - 1/k) groups / (samples eps^2)

(`bounds` solves the second for eps). Merging: each sample stays with probability n1 / (n1 + n2), else it is the other's. If no item is in
both streams (streams cut by item, as by a key of Kafka) that is a sample of the joint stream, and all of the above holds. If items are
shared, their occurrences in the other stream are missing from r: then the estimate is that of S = F_k + F_k' + ..., for which with P parts

    S <= truth <= P^(k - 1) S        (a + b)^k >= a^k + b^k, and the inequality of Hoelder

What f(x) was in the other stream was never counted, so samples alone cannot tell more. `bounds` goes up to P^(k - 1) times as far unless it
is told `disjoint=True`; for k = 2 and shared items, `AmsF2` merges exactly. Var[X] <= k n^(1 - 1/k) S^2 holds for the parts, too: with
X <= n k r^(k - 1), r^k <= S and n <= S, E[X^2] <= n k S^(1 - 1/k) S.

Random numbers are a hash of seed, sample and position: none is stored, and the same stream and seed give the same bytes. Items are known
by 64 bits of hash. Memory: at most 56 bytes a sample.

References: Alon, Matias and Szegedy, "The space complexity of approximating the frequency moments", STOC 1996, section 2.1; Leskovec,
Rajaraman and Ullman, "Mining of Massive Datasets", section 4.5; Li, "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))",
ACM TOMS 20 (1994), for skipping.
"""

from __future__ import annotations

import heapq
import math
from statistics import median
from typing import Any, Self

import msgspec

from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.hashing import HASH_NAME, Column, Item, hash_column, hash_item, mix64
from sketches.moments import group_failure
from veilocity.errors import SketchMismatchError

__all__ = ["FkEstimator", "FkEstimatorParameters"]

_MOST_SAMPLES = 2**24
_MOST_POWER = 16
_MASK = 2**64 - 1


class FkEstimatorParameters(Parameters, frozen=True, kw_only=True):
    """What two estimators share."""

    k: int
    samples: int
    seed: int
    groups: int


class _Content(msgspec.Struct, array_like=True):
    count: int
    parts: int
    hashes: list[int]
    occurrences: list[int]
    bases: list[int]


class FkEstimator(Sketch):
    """The sum of the k-th powers of how often each item came.

    >>> pages = FkEstimator(k=3, samples=2_000, seed=1)
    >>> pages.update_batch(["home", "search", "home", "home"] * 25)
    >>> pages.bounds(confidence=0.9).low < 75**3 + 25**3 < pages.bounds(confidence=0.9).high
    True
    >>> round(pages.estimate() / (75**3 + 25**3), 2)
    1.05
    """

    __slots__ = ("_bases", "_count", "_hashes", "_holders", "_keys", "_offsets", "_parts", "_queue", "_seen")

    kind = b"AMFK"
    repeats = Repeats.COUNTED
    hash_name = HASH_NAME
    parameter_type = FkEstimatorParameters

    def __init__(self, k: int, samples: int, seed: int, groups: int = 5) -> None:
        """Start before the first item.

        Args:
            k: the power, 1 to 16.
            samples: positions sampled, a multiple of `groups`.
            seed: 0 to 2^64 - 1.
            groups: means whose median is the estimate; an odd number serves best.
        """
        if not 1 <= k <= _MOST_POWER:
            raise SketchMismatchError("a moment has a power k from 1 to 16; for the number of distinct items count them otherwise")
        if not 1 <= groups <= samples <= _MOST_SAMPLES or samples % groups:
            raise SketchMismatchError("samples are 1 to 2^24, and a multiple of the groups")
        if not 0 <= seed < 2**64:
            raise SketchMismatchError("a seed is a whole number from 0 to 2^64 - 1")
        super().__init__(FkEstimatorParameters(k=k, samples=samples, seed=seed, groups=groups))
        self._count = self._parts = 0
        # A sample's r is what was seen of its item since the first sample of it was taken, less what that was when this one was.
        self._seen: dict[int, int] = {}
        self._holders: dict[int, int] = {}
        start = mix64(seed + 1 & _MASK)
        self._keys = [mix64(start ^ sample + 1) for sample in range(samples)]
        self._fill([], [], [])

    def _fill(self, hashes: list[int], occurrences: list[int], bases: list[int]) -> None:
        self._seen, self._holders = {}, {}
        for hashed, occurred in zip(hashes, occurrences, strict=True):
            self._seen[hashed] = max(occurred, self._seen.get(hashed, 0))
            self._holders[hashed] = self._holders.get(hashed, 0) + 1
        self._hashes = hashes
        self._offsets = [self._seen[hashed] - occurred for hashed, occurred in zip(hashes, occurrences, strict=True)]
        self._bases = bases
        # The first position is the sample of all.
        places = [self._next(sample, base) for sample, base in enumerate(bases)] if bases else [1] * self.parameters.samples
        self._queue = [(place, sample) for sample, place in enumerate(places)]
        heapq.heapify(self._queue)

    def _next(self, sample: int, base: int) -> int:
        """Return the position that takes the place of a sample that is even among `base` ones: P(later than j) = base / j."""
        return (base << 64) // (mix64(self._keys[sample] ^ base) + 1) + 1

    @property
    def count(self) -> int:
        """Items taken in, n."""
        return self._count

    @property
    def parts(self) -> int:
        """Streams that were merged into this one, itself included."""
        return self._parts

    def update(self, item: Item) -> None:
        """Take one item."""
        self._take(hash_item(item, self.parameters.seed))

    def update_batch(self, column: Column) -> None:
        """Take a column; the same as one by one."""
        hashes: list[int] = hash_column(column, self.parameters.seed).tolist()
        start = 0
        while start < len(hashes):
            # Up to the next position that is sampled, occurrences are counted and nothing else happens.
            quiet = min(self._queue[0][0] - self._count - 1, len(hashes) - start)
            seen = self._seen
            for hashed in hashes[start : start + quiet]:
                if hashed in seen:
                    seen[hashed] += 1
            self._count += quiet
            start += quiet
            if start < len(hashes):
                self._take(hashes[start])
                start += 1

    def _take(self, hashed: int) -> None:
        self._count += 1
        if not self._parts:
            self._parts, every = 1, self.parameters.samples
            self._fill([hashed] * every, [1] * every, [1] * every)
            return
        if hashed in self._seen:
            self._seen[hashed] += 1
        while self._queue[0][0] == self._count:
            self._sample(self._queue[0][1], hashed)

    def _sample(self, sample: int, hashed: int) -> None:
        """Let the present position take the place of a sample."""
        gone = self._hashes[sample]
        self._seen.setdefault(hashed, 1)
        self._holders[hashed] = self._holders.get(hashed, 0) + 1
        self._holders[gone] -= 1
        if not self._holders[gone]:
            del self._holders[gone], self._seen[gone]
        self._hashes[sample] = hashed
        self._offsets[sample] = self._seen[hashed] - 1
        self._bases[sample] = self._count
        heapq.heapreplace(self._queue, (self._next(sample, self._count), sample))

    def _occurrences(self) -> list[int]:
        return [self._seen[hashed] - offset for hashed, offset in zip(self._hashes, self._offsets, strict=True)]

    def estimate(self) -> float:
        """Return F_k, the sum of the k-th powers of how often each item came; of merged streams see the module."""
        if not self._count:
            return 0.0
        power, size = self.parameters.k, self.parameters.samples // self.parameters.groups
        terms = [self._count * (occurred**power - (occurred - 1) ** power) for occurred in self._occurrences()]
        return float(median(sum(terms[start : start + size]) / size for start in range(0, len(terms), size)))

    def bounds(self, confidence: float = 0.95, disjoint: bool = False) -> Bounds:
        """Return an interval that holds F_k with this confidence.

        Args:
            confidence: between 0 and 1.
            disjoint: say that no item is in two of the streams that were merged; otherwise the upper end allows for it.
        """
        power, count = self.parameters.k, self._count
        allowed = group_failure(self.parameters.groups, confidence)
        size = self.parameters.samples // self.parameters.groups
        if power == 1 or not count:
            return Bounds(float(count), float(count))
        error = math.sqrt(power * count ** (1.0 - 1.0 / power) / (size * allowed))
        estimate = self.estimate()
        high = estimate / (1.0 - error) if error < 1.0 else math.inf
        shared = 1.0 if disjoint else float(self._parts) ** (power - 1)
        return Bounds(max(float(count), estimate / (1.0 + error)), min(float(count) ** power, high * shared))

    @property
    def memory_bytes(self) -> int:
        """Hash, offset, key, position and the next one of each sample, and what was seen of each item."""
        return 40 * len(self._queue) + 16 * len(self._seen)

    def _join(self, other: Self) -> None:
        if not other._count:
            return
        if not self._count:
            self._count, self._parts = other._count, other._parts
            self._fill(list(other._hashes), other._occurrences(), list(other._bases))
            return
        count = self._count + other._count
        own = zip(self._hashes, self._occurrences(), strict=True)
        theirs = zip(other._hashes, other._occurrences(), strict=True)
        chosen = [
            mine if mix64(~self._keys[sample] & _MASK ^ count) * count < self._count << 64 else their
            for sample, (mine, their) in enumerate(zip(own, theirs, strict=True))
        ]
        self._count, self._parts = count, self._parts + other._parts
        self._fill([hashed for hashed, _ in chosen], [occurred for _, occurred in chosen], [count] * self.parameters.samples)

    def _content(self) -> object:
        return _Content(self._count, self._parts, self._hashes, self._occurrences(), self._bases)

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        saved = msgspec.msgpack.decode(content, type=_Content)
        restored = cls(**msgspec.structs.asdict(parameters))
        size = parameters.samples if saved.count else 0
        if not len(saved.hashes) == len(saved.occurrences) == len(saved.bases) == size or (saved.parts < 1) == bool(saved.count):
            raise ValueError("the samples are not as many as the parameters say")
        if any(not 1 <= occurred <= saved.count for occurred in saved.occurrences) or any(
            not 1 <= base <= saved.count for base in saved.bases
        ):
            raise ValueError("a sample is none of this stream")
        restored._count, restored._parts = saved.count, saved.parts
        restored._fill(saved.hashes, saved.occurrences, saved.bases)
        return restored

"""KLL: which value stands at a rank of a stream, and at which rank a value stands, from a few of its values.

Theory: a stack of compactors. The values of level h stand for 2^h values of the stream each. A full level is sorted and halved: a coin says
whether the values at even or at odd places go up one level, where they count twice. For a fixed value x, halving changes the estimated
number of values <= x by -2^h, 0 or +2^h, as likely up as down. So with m_h halvings of level h and independent coins, Hoeffding gives

    Guarantee:  |rank(x) - true rank| <= e,   e = sqrt( 2 V ln(2 / delta) ) / n,   V = sum of 4^h m_h

but with probability delta, for every stream and every tree of merges. The sketch counts its m_h, so `bounds` uses the V that came about,
not the worst one. Level h of H levels is halved only when it holds k (2/3)^(H - 1 - h) values, which bounds that worst one by 6 n^2 / k^2:
e <= 3.5 sqrt(ln(2 / delta)) / k always. Memory: 8 bytes for each of at most 5 k + 9 H values. Up to 2 k values all is exact, and so are the
smallest and the largest value always.

The coins are hashes of the seed, the number of halvings so far and the values that are halved: equal streams give equal bytes, and parts of
one stream, which hold other values, have independent coins. (Parts that hold the very same values share their coins: the error of their
merge is that of one of them, relative to n.) The compactors of Apache DataSketches draw their coins from the machine's randomness and
take no seed, so its bytes differ from run to run; the t-digest has no coins, and no bound on its rank error either.

References: Karnin, Lang and Liberty, "Optimal quantile approximation in streams", FOCS 2016; Hoeffding, JASA 58 (1963); Ivkin et al.,
"Streaming quantiles algorithms with small space and update time", Sensors 22 (2022).
"""

from __future__ import annotations

import functools
import math
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from sketches.contract import Bounds, Parameters, Repeats, Sketch, require_confidence
from sketches.hashing import HASH_NAME, Column, as_items
from veilocity.errors import SketchMismatchError

__all__ = ["KllQuantiles"]

_SMALLEST, _LARGEST = 8, 2**15
Values = NDArray[np.float64]
_NOTHING: Values = np.empty(0)


class _Parameters(Parameters, frozen=True, kw_only=True):
    k: int
    seed: int


class _Saved(msgspec.Struct, array_like=True):
    count: int
    smallest: float
    largest: float
    halvings: list[int]
    levels: list[bytes]


class KllQuantiles(Sketch):
    """Quantiles and ranks of a stream of numbers.

    >>> delays_s = KllQuantiles(k=200, seed=1)
    >>> delays_s.update_batch([float(number % 1000) for number in range(100_000)])
    >>> 480.0 < delays_s.estimate(0.5) < 520.0, 499.0 in delays_s.bounds(0.5, confidence=0.99)
    (True, True)
    >>> delays_s.estimate(1.0), abs(delays_s.rank(99.0) - 0.1) < delays_s.rank_error(confidence=0.99) < 0.05
    (999.0, True)
    """

    __slots__ = ("_buffer", "_count", "_filled", "_halvings", "_largest", "_levels", "_smallest")

    kind: ClassVar[bytes] = b"KLLQ"
    repeats: ClassVar[Repeats] = Repeats.COUNTED
    hash_name: ClassVar[str] = HASH_NAME
    parameter_type: ClassVar[type[Parameters]] = _Parameters

    parameters: _Parameters

    def __init__(self, *, k: int = 200, seed: int = 0) -> None:
        """Start with no value.

        Args:
            k: values that the highest level holds, 8 to 32,768; the error falls as 1 / k.
            seed: of the coins; sketches merge only if they share it.
        """
        if not _SMALLEST <= k <= _LARGEST:
            raise SketchMismatchError("a quantile sketch needs a k from 8 to 32768: 200 gives a rank error of 1 %")
        super().__init__(_Parameters(k=k, seed=seed))
        self._count = 0
        self._smallest, self._largest = math.inf, -math.inf
        # Level 0 is a buffer in the order of arrival; the levels above it are sorted.
        self._buffer: Values = np.empty(2 * k)
        self._filled = 0
        self._levels: list[Values] = []
        self._halvings: list[int] = []

    def __len__(self) -> int:
        """Return the number of values taken in."""
        return self._count

    def update(self, item: float) -> None:
        """Take one value.

        Raises:
            SketchMismatchError: not a number, or NaN, which has no rank.
        """
        room = self._filled + 1 < len(self._buffer)
        if type(item) is not float or item != item or not room:  # noqa: PLR0124  # only NaN differs from itself
            self._take(_values([item]))
            return
        self._buffer[self._filled] = item + 0.0
        self._filled += 1
        self._count += 1
        self._smallest, self._largest = min(self._smallest, item + 0.0), max(self._largest, item + 0.0)

    def update_batch(self, column: Column) -> None:
        """Take a column of numbers; all of it is refused when one is not a number or NaN."""
        self._take(_values(as_items(column)))

    def _take(self, values: Values) -> None:
        if not len(values):
            return
        self._count += len(values)
        self._smallest, self._largest = min(self._smallest, float(values.min())), max(self._largest, float(values.max()))
        start = 0
        while start < len(values):
            part = values[start : start + len(self._buffer) - self._filled]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            start += len(part)
            if self._filled == len(self._buffer):
                self._empty_buffer(self._buffer)

    def _empty_buffer(self, lowest: Values) -> None:
        """Halve level 0, all of which is `lowest`, then what is too full above it."""
        rest, up = self._halve(0, np.sort(lowest))
        self._filled = len(rest)
        self._buffer[: self._filled] = rest
        self._put(1, up)
        self._settle()

    def _put(self, level: int, values: Values) -> None:
        if level > len(self._levels):
            self._levels.append(_NOTHING)
        self._levels[level - 1] = np.sort(np.concatenate((self._levels[level - 1], values)))

    def _settle(self) -> None:
        """Halve the lowest full level above the buffer until all levels together fit: a halving that can wait takes more values at once."""
        while self._levels:
            room = _rooms(self.parameters.k, len(self._levels))
            held = [len(values) for values in self._levels]
            if sum(held) <= sum(room):
                return
            level = next(index for index in range(len(held)) if held[index] > room[index]) + 1
            self._levels[level - 1], up = self._halve(level, self._levels[level - 1])
            self._put(level + 1, up)

    def _halve(self, level: int, ordered: Values) -> tuple[Values, Values]:
        """Return what stays and what goes up; of an odd number the smallest stays, so that no weight is lost."""
        if level == len(self._halvings):
            self._halvings.append(0)
        odd = len(ordered) % 2
        content = ordered.astype("<f8").tobytes()
        coin = xxh3_64_intdigest(content + sum(self._halvings).to_bytes(8, "little"), seed=self.parameters.seed & 2**64 - 1) & 1
        self._halvings[level] += 1
        return ordered[:odd], ordered[odd + coin :: 2]

    def _weighted(self) -> tuple[Values, NDArray[np.int64]]:
        """Return the values kept, in order, and how many values of the stream are at most as large as each."""
        kept = [self._buffer[: self._filled], *self._levels]
        values = np.concatenate(kept)
        weights = np.repeat(np.left_shift(1, np.arange(len(kept), dtype=np.int64)), [len(level) for level in kept])
        order = np.argsort(values, kind="stable")
        return values[order], np.cumsum(weights[order])

    def estimate(self, rank: float) -> float:
        """Return the value at a rank: the smallest one that a share of `rank` of the stream does not pass; 0.5 asks for the median.

        Raises:
            SketchMismatchError: a rank outside 0..1, or nothing taken in yet.
        """
        if not 0.0 <= rank <= 1.0:
            raise SketchMismatchError("a rank lies between 0 and 1: the median is at 0.5")
        self._refuse_empty()
        return self._at(rank)

    def _at(self, rank: float) -> float:
        if rank <= 0.0:
            return self._smallest
        if rank >= 1.0:
            return self._largest
        values, cumulative = self._weighted()
        return float(values[np.searchsorted(cumulative / self._count, rank)])

    def rank(self, value: float) -> float:
        """Return the share of the stream that is at most `value`, 0 to 1.

        Raises:
            SketchMismatchError: NaN, or nothing taken in yet.
        """
        self._refuse_empty()
        wanted = float(_values([value])[0])
        if wanted < self._smallest or wanted >= self._largest:
            return float(wanted >= self._largest)
        values, cumulative = self._weighted()
        place = int(np.searchsorted(values, wanted, side="right"))
        return float(cumulative[place - 1]) / self._count if place else 0.0

    def rank_error(self, *, confidence: float = 0.95) -> float:
        """Return how far a rank may be off with this confidence, as a share of the stream; 0 while all is exact.

        Raises:
            SketchMismatchError: the confidence is not between 0 and 1.
        """
        require_confidence(confidence)
        variance = sum(times * 4**level for level, times in enumerate(self._halvings))
        return math.sqrt(2.0 * variance * math.log(2.0 / (1.0 - confidence))) / max(1, self._count)

    def bounds(self, rank: float, *, confidence: float = 0.95) -> Bounds:
        """Return the interval of values that holds the stream's value at `rank`: the estimates at rank - e and rank + e."""
        self.estimate(rank)
        error = self.rank_error(confidence=confidence)
        return Bounds(self._at(rank - error), self._at(rank + error))

    def rank_bounds(self, value: float, *, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the stream's rank of `value`."""
        rank, error = self.rank(value), self.rank_error(confidence=confidence)
        return Bounds(max(0.0, rank - error), min(1.0, rank + error))

    def _refuse_empty(self) -> None:
        if not self._count:
            raise SketchMismatchError("no value has a rank before the first one is taken in: update the sketch first")

    def _join(self, other: Self) -> None:
        if not other._count:
            return
        self._count += other._count
        self._smallest, self._largest = min(self._smallest, other._smallest), max(self._largest, other._largest)
        for level, times in enumerate(other._halvings):
            if level == len(self._halvings):
                self._halvings.append(0)
            self._halvings[level] += times
        for level, values in enumerate(other._levels, start=1):
            self._put(level, values)
        lowest = np.concatenate((self._buffer[: self._filled], other._buffer[: other._filled]))
        if len(lowest) >= len(self._buffer):
            self._empty_buffer(lowest)
        else:
            self._filled = len(lowest)
            self._buffer[: self._filled] = lowest
            self._settle()

    def _content(self) -> object:
        levels = [np.sort(self._buffer[: self._filled]), *self._levels]
        return [self._count, self._smallest, self._largest, self._halvings, [level.astype("<f8").tobytes() for level in levels]]

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        sketch = cls(k=parameters.k, seed=parameters.seed)
        saved = msgspec.msgpack.decode(content, type=_Saved)
        levels = [np.frombuffer(level, dtype="<f8").astype(np.float64) for level in saved.levels]
        weight = sum(len(level) << height for height, level in enumerate(levels))
        if weight != saved.count or len(levels[0]) >= 2 * parameters.k:
            raise ValueError("the values kept do not stand for the values counted")
        sketch._count, sketch._smallest, sketch._largest = saved.count, saved.smallest, saved.largest
        sketch._filled = len(levels[0])
        sketch._buffer[: sketch._filled] = levels[0]
        sketch._levels, sketch._halvings = levels[1:], saved.halvings
        return sketch

    @property
    def memory_bytes(self) -> int:
        """Bytes of the buffer and of the values kept above it."""
        return int(self._buffer.nbytes) + sum(int(level.nbytes) for level in self._levels)


@functools.cache
def _rooms(k: int, levels: int) -> tuple[int, ...]:
    """Return how many values each level above the buffer has room for, the lowest first."""
    # In whole numbers: a power of floats may differ in its last bit between machines, and with it the bytes.
    return tuple(max(_SMALLEST, -(-k * 2**depth // 3**depth)) for depth in range(levels - 1, -1, -1))


def _values(items: Any) -> Values:
    """Return numbers as floats, both zeros as one.

    Raises:
        SketchMismatchError: what is no number, or NaN.
    """
    kinds = set(map(type, items)) if not isinstance(items, np.ndarray) else set()
    numbers = np.asarray(items) if len(items) else _NOTHING
    if bool in kinds or numbers.dtype.kind not in "iuf" or numbers.ndim != 1:
        raise SketchMismatchError("a quantile sketch takes numbers of at most 64 bits: convert what it shall rank")
    values: Values = numbers.astype(np.float64) + 0.0
    if np.isnan(values).any():
        raise SketchMismatchError("NaN has no rank: leave it out, or count it apart")
    return values

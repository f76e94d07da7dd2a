"""Flajolet and Martin's probabilistic counting: how many distinct items a stream holds, from the pattern of their hashes' trailing zeros.

Theory: half of all hashes end in 1, a quarter in 10, an eighth in 100. A map of bits remembers which of these endings occurred; with n
distinct items the lowest ending that did not occur, R, is close to log2(phi n), phi = 0.77351. One map alone is off by a factor of two and
more. So the first bits of a hash choose one of m maps (stochastic averaging), each sees about n / m items, and with the mean A of their R

    n  =  m / phi * (2^A - 2^(-kappa A)) / (1 + 0.31 / m),     kappa = 1.75

The second power corrects what a mere 2^A claims while maps are still empty: nothing seen is answered 0. The divisor takes out the bias that
the paper's analysis leaves.

Guarantee: the standard error is 0.78 / sqrt(m) of n once every map has seen a few items, say from n = 4 m on. Below, the correction still
claims too much: 10 % at n = m, up to 27 % of the first few; `bounds` then goes by the number of empty maps instead. The bits depend on the
set of items alone: any order, split, merge tree and repetition gives the same bytes.
Memory: 8 m bytes. `HyperLogLog` needs an eighth of it for 1.04 / sqrt(m): this is the algorithm it grew from.

References: Flajolet and Martin, "Probabilistic counting algorithms for data base applications", JCSS 31 (1985); Scheuermann and Mauve,
"Near-optimal compression of probabilistic counting sketches for networking applications", DIALM-POMC 2007 (the small-range correction);
Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 4.4.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import msgspec
import numpy as np

from sketches.contract import Bounds, Parameters, Repeats, Sketch, normal_quantile
from sketches.hashing import HASH_NAME, Column, Hashes, Item, as_items, hash_column, hash_item
from veilocity.errors import SketchMismatchError

__all__ = ["FlajoletMartin"]

_PHI, _KAPPA, _BIAS, _ERROR = 0.77351, 1.75, 0.31, 0.78
_MOST_MAPS = 2**16
_FEWEST_EMPTY = 5
_CHUNK = 2**16


class _Parameters(Parameters, frozen=True, kw_only=True):
    maps: int
    seed: int


class FlajoletMartin(Sketch):
    """The number of distinct items, by probabilistic counting with stochastic averaging.

    >>> visitors = FlajoletMartin(maps=256, seed=1)
    >>> visitors.update_batch([f"visitor-{number}" for number in range(10_000)])
    >>> 9_000 < visitors.estimate() < 11_000, 10_000 in visitors.bounds(confidence=0.99)
    (True, True)
    """

    __slots__ = ("_bits", "_shift")

    kind: ClassVar[bytes] = b"PCSA"
    repeats: ClassVar[Repeats] = Repeats.HARMLESS
    hash_name: ClassVar[str] = HASH_NAME
    parameter_type: ClassVar[type[Parameters]] = _Parameters

    parameters: _Parameters

    def __init__(self, *, maps: int = 256, seed: int = 0) -> None:
        """Start with nothing seen.

        Args:
            maps: bit maps to average over, a power of two from 2 to 65,536.
            seed: of the hashes; sketches merge only if they share it.
        """
        if not 2 <= maps <= _MOST_MAPS or maps & (maps - 1):
            raise SketchMismatchError("probabilistic counting averages over a power of two of maps: give one from 2 to 65536")
        super().__init__(_Parameters(maps=maps, seed=seed))
        self._shift = 65 - maps.bit_length()
        self._bits: Hashes = np.zeros(maps, dtype=np.uint64)

    def update(self, item: Item) -> None:
        """Take one item."""
        value = hash_item(item, self.parameters.seed)
        # The guard bit stands for the ending that is all zeros.
        guarded = value | 1 << self._shift
        self._bits[value >> self._shift] |= np.uint64(guarded & -guarded)

    def update_batch(self, column: Column) -> None:
        """Take a column."""
        items = as_items(column)
        for start in range(0, len(items), _CHUNK):
            self._take(hash_column(items[start : start + _CHUNK], self.parameters.seed))

    def _take(self, hashes: Hashes) -> None:
        guarded = hashes | np.uint64(1 << self._shift)
        np.bitwise_or.at(self._bits, (hashes >> np.uint64(self._shift)).astype(np.intp), guarded & -guarded)

    def estimate(self) -> float:
        """Return the estimated number of distinct items, 0 for none."""
        maps = self.parameters.maps
        # What is added to a run of ones carries up to its end: only the lowest unset bit is left over.
        unset = ~self._bits & (self._bits + np.uint64(1))
        mean = float(np.log2(unset.astype(np.float64)).mean())
        return float(maps / _PHI * (2.0**mean - 2.0 ** (-_KAPPA * mean)) / (1.0 + _BIAS / maps))

    def bounds(self, *, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the number of distinct items; the estimate lies in it.

        With most maps in use: every n whose estimate lies within z standard errors of n, downwards by the log-normal law that a power of a
        mean follows. While a tenth of the maps is empty (and 5 of them are), where the correction is biased: what the number of empty maps
        says, n / m being -ln of their share with a variance of (e^(n/m) - n/m - 1) / m, and one item more, because few collisions are not
        normal. The lower end is never below the number of set bits, which is certain: an item sets one.
        """
        maps, quantile = self.parameters.maps, normal_quantile(confidence)
        estimate, certain = self.estimate(), float(np.bitwise_count(self._bits).sum())
        empty = maps - int(np.count_nonzero(self._bits))
        if empty >= max(_FEWEST_EMPTY, maps / 10):
            load = -math.log(empty / maps)
            reach = quantile * math.sqrt(maps * (math.expm1(load) - load)) + 1.0 * (empty < maps)
            return Bounds(max(certain, min(estimate, maps * load - reach)), max(certain, estimate, maps * load + reach))
        error = quantile * _ERROR / math.sqrt(maps)
        high = estimate / (1.0 - error) if error < 1.0 else math.inf
        return Bounds(max(certain, estimate * math.exp(-error)), max(certain, high))

    def _join(self, other: Self) -> None:
        self._bits |= other._bits

    def _content(self) -> object:
        return self._bits.astype("<u8").tobytes()

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        sketch = cls(maps=parameters.maps, seed=parameters.seed)
        bits = np.frombuffer(msgspec.msgpack.decode(content, type=bytes), dtype="<u8").astype(np.uint64)
        if len(bits) != parameters.maps or int(bits.max()) >= 2 << sketch._shift:
            raise ValueError("the maps do not fit their parameters")
        sketch._bits = bits
        return sketch

    @property
    def memory_bytes(self) -> int:
        """Bytes of the maps."""
        return int(self._bits.nbytes)

"""HyperLogLog: how many distinct items a stream holds, in one byte for each of m = 2^precision registers.

Theory: the first bits of a 64-bit hash choose a register; it keeps the longest run of trailing zeros among the other bits, plus one. With n
distinct items a register shows k or less with probability (1 - 2^-k)^(n/m), nearly, so all registers together tell n. From how many
registers C_k show each value k, 0 to q + 1 with q = 64 - precision, Ertl's improved raw estimator takes

    n  =  m^2 a / ( m sigma(C_0 / m) + sum of C_k 2^-k for k = 1..q + m tau(1 - C_(q+1) / m) 2^-q )

    sigma(x) = x + sum over k >= 1 of x^(2^k) 2^(k-1),   tau(x) = (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 2^-k) / 3

where sigma stands for the empty registers and tau for the full ones. It is one formula for every n from 0 on: no tables of measured biases,
and no seam between counting empty registers and averaging full ones. Ertl's a is 1 / (2 ln 2), the limit of many registers; Flajolet's
a = 1 / (2 ln 2) / (1 + 1.079 / m) takes out the bias of few.

Guarantee: the standard error is 1.04 / sqrt(m) of n (1.6 % at precision 12), smaller while n is below m. With 64 bits the registers end
near 2^64 items, those of 32-bit hashes near 10^9. The registers depend on the set of items alone: any order, split, merge tree and
repetition gives the same bytes. Memory: m bytes.

References: Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", AofA 2007;
Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv 1702.01284 (2017); Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", section 4.4.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch, normal_quantile
from sketches.hashing import HASH_NAME, Column, Hashes, Item, as_items, hash_column, hash_item
from veilocity.errors import SketchMismatchError

__all__ = ["HyperLogLog"]

_ERROR, _BIAS = 1.04, 1.079
_SMALLEST, _LARGEST = 4, 18
_CHUNK = 2**16


class _Parameters(Parameters, frozen=True, kw_only=True):
    precision: int
    seed: int


class HyperLogLog(Sketch):
    """The number of distinct items.

    >>> devices = HyperLogLog(precision=12, seed=1)
    >>> devices.update_batch([f"device-{number}" for number in range(10_000)])
    >>> devices.update_batch([f"device-{number}" for number in range(10_000)])  # a replay changes nothing
    >>> 9_700 < devices.estimate() < 10_300, 10_000 in devices.bounds(confidence=0.95)
    (True, True)
    """

    __slots__ = ("_registers",)

    kind: ClassVar[bytes] = b"HLLG"
    repeats: ClassVar[Repeats] = Repeats.HARMLESS
    hash_name: ClassVar[str] = HASH_NAME
    parameter_type: ClassVar[type[Parameters]] = _Parameters

    parameters: _Parameters

    def __init__(self, *, precision: int = 12, seed: int = 0) -> None:
        """Start with nothing seen.

        Args:
            precision: bits of a hash that choose the register, 4 to 18; the standard error is 1.04 / 2^(precision / 2).
            seed: of the hashes; sketches merge only if they share it.
        """
        if not _SMALLEST <= precision <= _LARGEST:
            raise SketchMismatchError("a HyperLogLog has a precision from 4 to 18: 12 gives an error of 1.6 %, 14 one of 0.8 %")
        super().__init__(_Parameters(precision=precision, seed=seed))
        self._registers: NDArray[np.uint8] = np.zeros(1 << precision, dtype=np.uint8)

    @property
    def standard_error(self) -> float:
        """Standard deviation of the estimate, as a share of the truth."""
        return _ERROR / math.sqrt(len(self._registers))

    def update(self, item: Item) -> None:
        """Take one item."""
        value = hash_item(item, self.parameters.seed)
        rest = 64 - self.parameters.precision
        # The guard bit stands for a rest that is all zeros.
        guarded = value | 1 << rest
        rank = (guarded & -guarded).bit_length()
        self._registers[value >> rest] = max(self._registers[value >> rest], rank)

    def update_batch(self, column: Column) -> None:
        """Take a column."""
        items = as_items(column)
        for start in range(0, len(items), _CHUNK):
            self._take(hash_column(items[start : start + _CHUNK], self.parameters.seed))

    def _take(self, hashes: Hashes) -> None:
        places, ranks = _split(hashes, self.parameters.precision)
        np.maximum.at(self._registers, places, ranks)

    def estimate(self) -> float:
        """Return the estimated number of distinct items: 0 for none, infinite when every register is full."""
        size, rest = len(self._registers), 64 - self.parameters.precision
        shown = [int(count) for count in np.bincount(self._registers, minlength=rest + 2)]
        total = size * _tau(1.0 - shown[rest + 1] / size)
        for rank in range(rest, 0, -1):
            total = 0.5 * (total + shown[rank])
        total += size * _sigma(shown[0] / size)
        if not total:
            return math.inf
        # An item changes one register, so there are at least as many as registers in use.
        return max(float(size - shown[0]), size * size / (2.0 * math.log(2.0) * (1.0 + _BIAS / size)) / total)

    def bounds(self, *, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the number of distinct items.

        Upwards it is every n whose estimate lies within z standard errors of n; downwards it allows for the longer tail that the estimate's
        distribution has on that side, near a log-normal one with few registers. Its lower end is never below the number of registers in
        use, which is certain: an item changes one.
        """
        error = normal_quantile(confidence) * self.standard_error
        estimate, certain = self.estimate(), float(np.count_nonzero(self._registers))
        high = estimate / (1.0 - error) if error < 1.0 else math.inf
        return Bounds(max(certain, estimate * math.exp(-error)), max(certain, high))

    def _join(self, other: Self) -> None:
        np.maximum(self._registers, other._registers, out=self._registers)

    def _content(self) -> object:
        return self._registers.tobytes()

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        sketch = cls(precision=parameters.precision, seed=parameters.seed)
        registers = np.frombuffer(msgspec.msgpack.decode(content, type=bytes), dtype=np.uint8).copy()
        if len(registers) != len(sketch._registers) or registers.max() > 65 - parameters.precision:
            raise ValueError("the registers do not fit their precision")
        sketch._registers = registers
        return sketch

    @property
    def memory_bytes(self) -> int:
        """Bytes of the registers."""
        return int(self._registers.nbytes)


def _split(hashes: Hashes, precision: int) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """Return each hash's register, and its trailing zeros plus one."""
    rest = np.uint64(64 - precision)
    guarded = hashes | np.uint64(1) << rest
    # A power of two is exact as a float, and its exponent is the logarithm.
    exponents = (guarded & -guarded).astype(np.float64).view(np.uint64) >> np.uint64(52)
    return (hashes >> rest).astype(np.intp), (exponents - np.uint64(1022)).astype(np.uint8)


def _sigma(share: float) -> float:
    if share == 1.0:
        return math.inf
    weight, total, before = 1.0, share, -1.0
    while total != before:
        share *= share
        before, total = total, total + share * weight
        weight += weight
    return total


def _tau(share: float) -> float:
    if share in {0.0, 1.0}:
        return 0.0
    weight, total, before = 1.0, 1.0 - share, -1.0
    while total != before:
        share = math.sqrt(share)
        weight *= 0.5
        before, total = total, total - (1.0 - share) ** 2 * weight
    return total / 3.0

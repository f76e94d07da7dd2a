"""Logarithm and exponential with the same bits on every machine.

The C library's differ in their last bit between machines and releases. In a sample one bit may turn a skip into another, and the sample
into one that no other machine has.

Theory: only IEEE 754 additions, subtractions, multiplications and divisions are used, in a fixed order, and the exact splitting of a number
into mantissa and exponent. With v = m 2^e and m between the roots of 1/2 and 2,

    log v = e log 2 + 2 artanh((m - 1) / (m + 1))         eleven terms of the series leave less than 2^-58
    exp v = 2^n exp(v - n log 2), n the nearest integer to v / log 2         fourteen terms

where log 2 stands as a sum of two numbers, the first of 33 bits, so that its product with the exponent is exact.

Guarantee: the same bits for the same argument on every machine that keeps IEEE 754, one by one or as a column, within about 2^-52 of the
logarithm and 2^-51 of the exponential.

References: IEEE 754-2019; Muller, "Elementary functions: algorithms and implementation", 3rd edition, Birkhaeuser 2016.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["LN2", "exponential_of", "log_of", "logs_of"]

LN2 = float.fromhex("0x1.62e42fefa39efp-1")
"""The logarithm of 2."""
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
"""The first 33 bits of the logarithm of 2: its product with an exponent is exact."""
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_ROOT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")
_TERMS = tuple(2.0 / (2 * term + 1) for term in range(10, -1, -1))
_FACTORIALS = tuple(1.0 / math.factorial(term) for term in range(13, -1, -1))

Number = TypeVar("Number", float, NDArray[np.float64])


def log_of(value: float) -> float:
    """Return the natural logarithm of a positive number: the same bits on every machine, right to about 2^-52 of itself.

    >>> log_of(1.0), abs(log_of(10.0) - 2.302585092994046) < 1e-15
    (0.0, True)
    """
    mantissa, exponent = math.frexp(value)
    if mantissa < _ROOT_HALF:
        mantissa, exponent = mantissa * 2.0, exponent - 1
    return exponent * _LN2_HIGH + (_log_near_one(mantissa) + exponent * _LN2_LOW)


def logs_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the natural logarithms of positive numbers; bit for bit what `log_of` returns.

    >>> logs_of(np.array([0.1, 7.0])).tolist() == [log_of(0.1), log_of(7.0)]
    True
    """
    mantissas, exponents = np.frexp(values)
    small = mantissas < _ROOT_HALF
    mantissas[small] *= 2.0
    exponents -= small
    return exponents * _LN2_HIGH + (_log_near_one(mantissas) + exponents * _LN2_LOW)


def _log_near_one(value: Number) -> Number:
    """Return 2 artanh((v - 1) / (v + 1)) by its series, for v between the roots of 1/2 and 2: eleven terms leave less than 2^-58."""
    ratio = (value - 1.0) / (value + 1.0)
    square = ratio * ratio
    total = square * _TERMS[0] + _TERMS[1]
    for term in _TERMS[2:]:
        total = total * square + term
    return total * ratio


def exponential_of(value: float) -> float:
    """Return e to a number that is not positive: the same bits on every machine, right to about 2^-51 of itself.

    >>> exponential_of(0.0), abs(exponential_of(-1.0) - 0.36787944117144233) < 1e-16
    (1.0, True)
    """
    if value < -700.0:
        return 0.0
    exponent = math.floor(value / LN2 + 0.5)
    rest = (value - exponent * _LN2_HIGH) - exponent * _LN2_LOW
    total = 0.0
    for factor in _FACTORIALS:
        total = total * rest + factor
    return math.ldexp(total, exponent)

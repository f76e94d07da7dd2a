"""Randomness from a keyed hash: the same for the same message for ever, and unlike chance to nobody without the key.

    block i = HMAC-SHA-256(key, message || i)        i as 4 bytes, big endian; bits are read from block 0 on

HMAC-SHA-256 is a pseudorandom function: who tells these bits from fair coins in reasonable time, without the key, breaks it. So what is
proven for fair coins holds against every attacker of bounded computing power (computational differential privacy); who has the key can
take every draw back. Nothing here uses floating point but `unit`.

References: RFC 2104; NIST SP 800-108 (a pseudorandom function in counter mode); Mironov, Pandey, Reingold and Vadhan, "Computational
differential privacy", CRYPTO 2009; Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy", NeurIPS 2020, algorithms
1 and 2 for the exact law.
"""

from __future__ import annotations

import hmac
from fractions import Fraction

import msgspec

from privacy.differential.bounding import check_key

__all__ = ["KeyedDraws", "discrete_laplace"]

_UNIT_BITS = 53


class KeyedDraws:
    """A stream of draws that key and message determine.

    >>> KeyedDraws(bytes(32), ["r1"]).below(1000), KeyedDraws(bytes(32), ["r1"]).below(1000), KeyedDraws(bytes(32), ["r2"]).below(1000)
    (447, 447, 950)
    """

    __slots__ = ("_bits", "_block", "_key", "_left", "_message")

    def __init__(self, key: bytes, message: list[str]) -> None:
        """Start the stream.

        Args:
            key: 32 bytes.
            message: parts whose order and borders count: another list gives another stream.

        Raises:
            SettingsError: the key has another length.
        """
        check_key(key)
        self._key = key
        self._message = msgspec.msgpack.encode([part.encode("utf-8", "surrogatepass") for part in message])
        self._bits = self._left = self._block = 0

    def bits(self, count: int) -> int:
        """Return the next `count` bits as a number."""
        while self._left < count:
            block = hmac.digest(self._key, self._message + self._block.to_bytes(4, "big"), "sha256")
            self._bits = self._bits << 256 | int.from_bytes(block, "big")
            self._left += 256
            self._block += 1
        self._left -= count
        drawn, self._bits = self._bits >> self._left, self._bits & (1 << self._left) - 1
        return drawn

    def below(self, limit: int) -> int:
        """Return a uniform number of 0 .. limit - 1, without bias."""
        width = (limit - 1).bit_length()
        while (drawn := self.bits(width)) >= limit:
            pass
        return drawn

    def unit(self) -> float:
        """Return a uniform number between 0 and 1, neither of both: the middle of one of 2^53 equal steps."""
        return (self.bits(_UNIT_BITS) + 0.5) * 2.0**-_UNIT_BITS

    def happens(self, chance: Fraction) -> bool:
        """Return True with a chance of 0 to 1, exactly."""
        return self.below(chance.denominator) < chance.numerator

    def happens_exponentially(self, exponent: Fraction) -> bool:
        """Return True with a chance of e^-exponent, exactly, for an exponent of 0 to 1."""
        step = 1
        while self.happens(exponent / step):
            step += 1
        return step % 2 == 1


def discrete_laplace(draws: KeyedDraws, scale: Fraction) -> int:
    """Return an integer z drawn with probability (1 - a) / (1 + a) a^|z|, a = e^(-1/scale): exactly, without floating point.

    >>> discrete_laplace(KeyedDraws(bytes(32), ["r1"]), Fraction(100))
    55
    """
    top, bottom = scale.numerator, scale.denominator
    while True:
        rest = draws.below(top)
        if not draws.happens_exponentially(Fraction(rest, top)):
            continue
        whole = 0
        while draws.happens_exponentially(Fraction(1)):
            whole += 1
        size = (rest + top * whole) // bottom
        is_negative = draws.bits(1) == 1
        # Zero has one sign only, or it would come twice as often.
        if not (is_negative and size == 0):
            return -size if is_negative else size

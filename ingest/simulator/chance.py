"""Seeded chance: every draw belongs to a named thing, so that no draw depends on what was drawn for another.

A generator is keyed by a hash of the seed and the thing's name (`("day", person, day)`), which makes any part of a city computable alone,
in any order and process. Philox is counter-based: keyed streams are independent.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

__all__ = ["Dice", "card_number", "digest", "generator", "hexadecimal", "luhn_digit", "uuid_like"]

_T = TypeVar("_T")
_CARD_PREFIX = "999"
"""Issued by no payment network (ISO/IEC 7812 leaves 9 to national bodies): a made-up number can be nobody's card."""
_DRAWS = 96


def digest(seed: int, *name: str | int, size: int = 16) -> bytes:
    """Return `size` bytes that depend on the seed and the name alone, not on the process's hash seed."""
    text = "\x1f".join(str(part) for part in (seed, *name))
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def generator(seed: int, *name: str | int) -> np.random.Generator:
    """Return the generator that belongs to the named thing.

    >>> bool(generator(7, "day", 3).random() == generator(7, "day", 3).random() != generator(7, "day", 4).random())
    True
    """
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest(seed, *name), dtype="<u8").astype(np.uint64)))


def hexadecimal(seed: int, *name: str | int, size: int = 8) -> str:
    """Return 2 `size` hexadecimal digits for the named thing."""
    return digest(seed, *name, size=size).hex()


def uuid_like(seed: int, *name: str | int) -> str:
    """Return a text of the shape of a random UUID (version 4).

    >>> uuid_like(7, "device", 0)[14], len(uuid_like(7, "device", 0))
    ('4', 36)
    """
    text = digest(seed, *name).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) % 4]}{text[17:20]}-{text[20:]}"


def luhn_digit(digits: str) -> int:
    """Return the check digit that completes `digits` (ISO/IEC 7812-1, annex B).

    >>> luhn_digit("7992739871")
    3
    """
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10


def card_number(seed: int, *name: str | int) -> str:
    """Return a Luhn-valid card number that no network issues: 16 digits, one in eight 15 or 19.

    >>> number = card_number(7, "card", 1)
    >>> luhn_digit(number[:-1]) == int(number[-1]), number[:3]
    (True, '999')
    """
    drawn = int.from_bytes(digest(seed, *name), "big")
    length = {0: 15, 1: 19}.get(drawn % 16, 16)
    body = _CARD_PREFIX + str(drawn // 16 % 10 ** (length - 4)).zfill(length - 4)
    return f"{body}{luhn_digit(body)}"


class Dice:
    """Single draws from one generator, taken from it in blocks because one numpy call costs more than a draw is worth."""

    __slots__ = ("_generator", "_left")

    def __init__(self, source: np.random.Generator) -> None:
        self._generator = source
        self._left: list[float] = []

    def unit(self) -> float:
        """Return a number from [0, 1)."""
        if not self._left:
            self._left = self._generator.random(_DRAWS).tolist()
        return self._left.pop()

    def between(self, low: float, high: float) -> float:
        """Return a number from [low, high)."""
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def happens(self, chance: float) -> bool:
        """Return True with the given chance."""
        return self.unit() < chance

    def pick(self, choices: Sequence[_T]) -> _T:
        """Return one of the choices, each as likely."""
        return choices[int(self.unit() * len(choices))]

    def weighted(self, choices: Sequence[_T], weights: Sequence[float]) -> _T:
        """Return one of the choices, each as likely as its weight says."""
        left = self.unit() * sum(weights)
        for choice, weight in zip(choices, weights, strict=True):
            left -= weight
            if left < 0.0:
                return choice
        return choices[-1]

    def normal(self) -> float:
        """Return a draw from the standard normal distribution (Box and Muller 1958)."""
        return math.sqrt(-2.0 * math.log(1.0 - self.unit())) * math.cos(2.0 * math.pi * self.unit())

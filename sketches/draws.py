"""Uniform numbers for samples: a generator that counts, and whose numbers follow from what it was told alone.

Theory: number i is a hash of a key and i (SplitMix64, whose finaliser is a bijection of 64 bits). So a whole column of numbers costs no
loop, and where a generator stands is two numbers that fit into a saved sketch. The key begins with a seed and a stream number, and can take
in items of the data: parts of a stream that share a seed then draw independently as soon as their items differ.

Guarantee: draw i is ((h(key + i g) >> 12) + 1/2) / 2^52 with g = 2^64 / golden ratio, so it is one of the middles of 2^52 equal parts of
(0, 1), never 0 and never 1, and the probability of an event is off by at most 2^-52. The same seed, stream and items give the same bits on
every machine; one by one or as a block makes no difference.

References: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; Salmon and others, "Parallel random
numbers: as easy as 1, 2, 3", SC 2011, for generators that count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sketches.hashing import Item, hash_item, mix64, mix_column
from veilocity.errors import SketchMismatchError

__all__ = ["Draws"]

_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15


class Draws:
    """A counter-based generator of uniform numbers: number i is a hash of (key, i), so a column of them costs no loop.

    >>> one, two = Draws(seed=7, stream=0), Draws(seed=7, stream=0)
    >>> [one.next(), one.next()] == two.block(2).tolist()
    True
    """

    __slots__ = ("key", "position")

    def __init__(self, seed: int, stream: int) -> None:
        """Start from a seed and the number that tells parts with the same beginning apart, each 0 to 2^64 - 1."""
        if not (0 <= seed <= _MASK and 0 <= stream <= _MASK):
            raise SketchMismatchError("a seed and a stream are numbers from 0 to 2^64 - 1: give one of those")
        self.key = mix64(mix64(seed + 1 & _MASK) + stream & _MASK)
        self.position = 0

    def next(self) -> float:
        """Return a number from the middle of one of 2^52 equal parts of (0, 1): never 0, never 1."""
        self.position += 1
        return ((mix64(self.key + self.position * _STEP & _MASK) >> 12) + 0.5) * 2.0**-52

    def block(self, size: int) -> NDArray[np.float64]:
        """Return what `size` calls of `next` return."""
        bits = np.arange(self.position + 1, self.position + size + 1, dtype=np.uint64)
        bits *= np.uint64(_STEP)
        bits += np.uint64(self.key)
        bits = mix_column(bits)
        bits >>= np.uint64(12)
        self.position += size
        uniform = bits.astype(np.float64)
        uniform += 0.5
        uniform *= 2.0**-52
        return uniform

    def absorb(self, item: Item) -> None:
        """Let the draws from here on depend on an item, so that other parts of the data draw independently."""
        self.key = mix64(hash_item(item, self.key))

    def join(self, other: Draws) -> None:
        """Go on with draws that depend on both generators and are independent of what either has drawn."""
        both = sum(mix64(one.key + one.position * _STEP & _MASK) for one in (self, other))
        self.key, self.position = mix64(both + _STEP & _MASK), 0

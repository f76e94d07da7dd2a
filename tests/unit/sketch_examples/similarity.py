"""MinHash, classical and with one permutation, and the index of MinHash bands."""

from __future__ import annotations

from sketches.lsh import LshIndex
from sketches.minhash import MinHash
from tests.unit.sketch_examples.example import Example

_NAMES = [f"feature-{number * number % 1999}" for number in range(2400)]
_NUMBERS = [number * 7919 % 5003 for number in range(2400)]
# Neighbours share three of four features, and every fifth key comes again with the same set.
_SETS = [(f"key-{number * 4 // 5}", [f"{number * 4 // 5 + step}" for step in range(4)]) for number in range(2500)]

EXAMPLES = [
    Example("minhash", lambda: MinHash(places=64, seed=7), lambda: MinHash(places=64, seed=8), _NAMES, most_bytes=300),
    Example(
        "minhash-one-permutation",
        lambda: MinHash(places=64, seed=7, one_permutation=True),
        lambda: MinHash(places=64, seed=7),
        _NUMBERS,
        most_bytes=300,
    ),
    Example(
        "lsh-index",
        lambda: LshIndex(similarity=0.6, places=32, wanted_recall=0.9, seed=7),
        lambda: LshIndex(similarity=0.6, places=32, wanted_recall=0.9, seed=8),
        _SETS,
        most_bytes=2_000_000,
        is_column=False,
    ),
]

"""Sketches of how unevenly items come."""

from __future__ import annotations

from collections import Counter

from sketches.moments import AmsF2
from sketches.sampled_moments import FkEstimator
from tests.unit.sketch_examples.example import Example

TEXT = [f"shop-{2400 // (number * 7919 % 2400 + 1)}" for number in range(2400)]
NUMBERS = [2400 // (number * 7919 % 2400 + 1) - 20 for number in range(2400)]


def holds(merged: FkEstimator, whole: FkEstimator) -> bool:
    """Say whether both hold the truth; parts that share items say less about it."""
    truth = sum(count**3 for count in Counter(TEXT).values())
    return merged.count == whole.count == len(TEXT) and all(truth in one.bounds(confidence=0.99) for one in (merged, whole))


EXAMPLES = [
    Example("ams-f2", lambda: AmsF2(depth=3, width=64, seed=3), lambda: AmsF2(depth=3, width=64, seed=4), TEXT, most_bytes=1632),
    Example("ams-f2-numbers", lambda: AmsF2(depth=1, width=1, seed=3), lambda: AmsF2(depth=2, width=1, seed=3), NUMBERS, most_bytes=40),
    Example(
        "fk-estimator",
        lambda: FkEstimator(k=3, samples=200, seed=3),
        lambda: FkEstimator(k=2, samples=200, seed=3),
        TEXT,
        merged_like_single=holds,
        most_bytes=200 * 56,
    ),
]

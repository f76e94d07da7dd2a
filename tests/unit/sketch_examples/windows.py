"""Sketches of the last ticks, and of what fades."""

from __future__ import annotations

from typing import Any

from sketches.decayed_counts import DecayedCounts
from sketches.dgim import Dgim, DgimSum
from sketches.sliding import ExactSlidingCounter
from tests.unit.sketch_examples.example import Example

BITS = [int(number * 7919 % 2400 < 900) for number in range(2400)]
NUMBERS = [number * 7919 % 256 for number in range(2400)]
EVENTS = [(number * 700 + number * 7919 % 5000, f"card-{2400 // (number * 7919 % 2400 + 1)}") for number in range(2400)]
HALF_LIFE_MS = 100_000


def holds(truth: int, promised: float) -> Any:
    """Return a check: both hold the truth, and are as close to it as promised (parts are fed side by side, each from tick 1)."""

    def check(merged: Any, whole: Any) -> bool:
        close = abs(merged.estimate() - truth) <= 2 * promised * truth and abs(whole.estimate() - truth) <= promised * truth
        return close and all(truth in one.bounds() and one.error_bound <= 2 * promised for one in (merged, whole))

    return check


def same_sum(merged: ExactSlidingCounter, whole: ExactSlidingCounter) -> bool:
    """Say whether both have the exact sum."""
    return merged.estimate() == whole.estimate() == sum(NUMBERS)


def decayed(merged: DecayedCounts, whole: DecayedCounts) -> bool:
    """Say whether both hold every item's exact sum, rounded, within the promised width."""
    newest = max(moment for moment, _ in EVENTS)
    exact: dict[str, float] = {}
    for moment, card in EVENTS:
        exact[card] = exact.get(card, 0.0) + 2.0 ** ((moment - newest) / HALF_LIFE_MS)
    total = sum(exact.values())
    for one in (merged, whole):
        for card, truth in exact.items():
            low, high = one.bounds(card)
            if not low - 1e-9 <= truth <= high + 1e-9 or high - low > total / 60 + 1e-9:
                return False
    return abs(merged.total() - total) < 1e-9 > abs(whole.total() - total)


EXAMPLES = [
    Example(
        "dgim", lambda: Dgim(window=5000, error=0.05), lambda: Dgim(window=5000, error=0.1), BITS, holds(sum(BITS), 0.05), most_bytes=4000
    ),
    Example(
        "dgim-sum",
        lambda: DgimSum(window=5000, error=0.1, bits=8),
        lambda: DgimSum(window=5000, error=0.1, bits=9),
        NUMBERS,
        holds(sum(NUMBERS), 0.1),
        most_bytes=12_000,
    ),
    Example(
        "exact-sliding",
        lambda: ExactSlidingCounter(window=5000),
        lambda: ExactSlidingCounter(window=5001),
        NUMBERS,
        same_sum,
        most_bytes=80_008,
    ),
    Example(
        "decayed-counts",
        lambda: DecayedCounts(half_life_ms=HALF_LIFE_MS, capacity=60, seed=3),
        lambda: DecayedCounts(half_life_ms=HALF_LIFE_MS + 1, capacity=60, seed=3),
        EVENTS,
        decayed,
        most_bytes=60 * 36,
        is_column=False,
    ),
]

"""Sketches that count how often each item comes."""

from __future__ import annotations

from collections import Counter

from sketches.frequency import CountMin
from sketches.heavy_hitters import SpaceSaving
from tests.unit.sketch_examples.example import Example

# Roughly Zipf: item i comes about 1 / i as often as the first, and the order mixes them.
TEXT = [f"shop-{2400 // (number * 7919 % 2400 + 1)}" for number in range(2400)]
NUMBERS = [2400 // (number * 7919 % 2400 + 1) - 20 for number in range(2400)]
TRUTH = Counter(TEXT)


def never_below(merged: CountMin, whole: CountMin) -> bool:
    """Say whether both hold the truth, and neither passes the plain table."""
    plain = CountMin(width=50, depth=4, seed=3)
    plain.update_batch(TEXT)
    totals = merged.total == whole.total == len(TEXT)
    return totals and all(TRUTH[item] <= one.estimate(item) <= plain.estimate(item) for item in TRUTH for one in (merged, whole))


def certain(merged: SpaceSaving, whole: SpaceSaving) -> bool:
    """Say whether both hold the truth of every item within the promised width."""
    most = len(TEXT) / 30
    found = [(TRUTH[item], one.bounds(item)) for item in (*TRUTH, "never came") for one in (merged, whole)]
    return all(truth in bounds and bounds.high - bounds.low <= most for truth, bounds in found)


EXAMPLES = [
    Example("count-min", lambda: CountMin(width=50, depth=4, seed=3), lambda: CountMin(width=50, depth=4, seed=4), TEXT, most_bytes=1600),
    Example(
        "count-min-numbers",
        lambda: CountMin(width=64, depth=3, seed=3),
        lambda: CountMin(width=65, depth=3, seed=3),
        NUMBERS,
        most_bytes=1536,
    ),
    Example(
        "count-min-conservative",
        lambda: CountMin(width=50, depth=4, seed=3, conservative=True),
        lambda: CountMin(width=50, depth=4, seed=3),
        TEXT,
        merged_like_single=never_below,
        most_bytes=1600,
    ),
    Example(
        "space-saving",
        lambda: SpaceSaving(capacity=30, seed=3),
        lambda: SpaceSaving(capacity=31, seed=3),
        TEXT,
        merged_like_single=certain,
        most_bytes=30 * 36,
    ),
    Example(
        "space-saving-numbers",
        lambda: SpaceSaving(capacity=2400, seed=3),
        lambda: SpaceSaving(capacity=2400, seed=4),
        NUMBERS,
        most_bytes=2400 * 32,
    ),
]

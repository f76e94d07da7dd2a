"""Filters that answer "seen before?"."""

from __future__ import annotations

from typing import Any

from sketches.bloom import BloomFilter
from sketches.counting_bloom import CountingBloomFilter
from sketches.rotating_bloom import RotatingBloomFilter
from sketches.scalable_bloom import ScalableBloomFilter
from tests.unit.sketch_examples.example import Example

KEYS = [f"payment-{number * 7 % 1_500}" for number in range(2_000)]
EVENTS = [(1_000 * number - number % 50 * 700, f"card-{number * 11 % 900}") for number in range(2_000)]


def knows_the_same(merged: Any, whole: Any) -> bool:
    """Both know every key, agree on how many there are, and neither breaks its promise."""
    same = all(key in merged and key in whole for key in KEYS)
    kept = merged.promised_error_rate() <= merged.parameters.error_rate
    return same and kept and merged.bounds(0.999_999).high >= whole.bounds(0.999_999).low


EXAMPLES = [
    Example(
        name="bloom",
        make=lambda: BloomFilter(capacity=1_000, error_rate=0.01, seed=1),
        other=lambda: BloomFilter(capacity=1_000, error_rate=0.01, seed=2),
        items=KEYS,
        most_bytes=1_300,
    ),
    Example(
        name="scalable_bloom",
        make=lambda: ScalableBloomFilter(capacity=50, error_rate=0.01, sources=8, seed=1),
        other=lambda: ScalableBloomFilter(capacity=50, error_rate=0.01, sources=9, seed=1),
        items=KEYS,
        merged_like_single=knows_the_same,
        most_bytes=10_000,
    ),
    Example(
        name="counting_bloom",
        make=lambda: CountingBloomFilter(capacity=1_000, error_rate=0.01, seed=1),
        other=lambda: CountingBloomFilter(capacity=1_001, error_rate=0.01, seed=1),
        items=KEYS,
        most_bytes=10_000,
    ),
    Example(
        name="rotating_bloom",
        make=lambda: RotatingBloomFilter(window_ms=600_000, panes=6, capacity=200, error_rate=0.01, seed=1),
        other=lambda: RotatingBloomFilter(window_ms=600_000, panes=5, capacity=200, error_rate=0.01, seed=1),
        items=EVENTS,
        most_bytes=5_000,
        is_column=False,
    ),
]

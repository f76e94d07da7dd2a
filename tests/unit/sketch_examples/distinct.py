"""Sketches that count distinct items."""

from __future__ import annotations

from sketches.flajolet_martin import FlajoletMartin
from sketches.hyperloglog import HyperLogLog
from tests.unit.sketch_examples.example import Example

TEXT = [f"device-{number * 7919 % 1700}" for number in range(2400)]
NUMBERS = [number * 7919 % 1700 - 800 for number in range(2400)]

EXAMPLES = [
    Example("flajolet-martin", lambda: FlajoletMartin(maps=64, seed=3), lambda: FlajoletMartin(maps=64, seed=4), TEXT, most_bytes=512),
    Example("flajolet-martin-numbers", lambda: FlajoletMartin(maps=16), lambda: FlajoletMartin(maps=32), NUMBERS, most_bytes=128),
    Example("hyperloglog", lambda: HyperLogLog(precision=10, seed=3), lambda: HyperLogLog(precision=10, seed=4), TEXT, most_bytes=1024),
    Example("hyperloglog-numbers", lambda: HyperLogLog(precision=4), lambda: HyperLogLog(precision=5), NUMBERS, most_bytes=16),
]

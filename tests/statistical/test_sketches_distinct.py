"""What counting distinct items promises, at a stated chance of a false alarm."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sketches.contract import Sketch
from sketches.flajolet_martin import FlajoletMartin
from sketches.hyperloglog import HyperLogLog

SEEDS = 400


def errors(make: type[HyperLogLog] | type[FlajoletMartin], size: int, seeds: int = SEEDS, **parameters: int) -> np.ndarray:
    """Return the relative errors of the estimate for `size` items under independent hashes: seeds 0 to `seeds` - 1."""
    found = []
    for seed in range(seeds):
        sketch = make(seed=seed, **parameters)
        sketch.update_batch(np.arange(size))
        found.append(sketch.estimate() / size - 1.0)
    return np.array(found)


def covered(make: type[HyperLogLog] | type[FlajoletMartin], size: int, **parameters: int) -> int:
    """Return how many of 1,000 intervals of 95 % hold the truth: seeds 0 to 999."""
    held = 0
    for seed in range(1000):
        sketch = make(seed=seed, **parameters)
        sketch.update_batch(np.arange(size))
        held += size in sketch.bounds(confidence=0.95)
    return held


@pytest.mark.parametrize("size", [10, 300, 3_000, 30_000])
def test_hyperloglog_is_unbiased_and_errs_by_its_standard_error(size: int) -> None:
    """N = 400 seeds (0..399), precision 10: standard error s = 1.04 / 32, errors near normal at 1,024 registers.

    Their mean has a deviation of at most s / 20; beyond 6 deviations has probability 2e-9. Their mean square over s^2 is chi-square of 400
    degrees over 400; above 1.42 has probability 7e-8 (Wilson-Hilferty: 5.3 deviations), below 0.6 has 2e-10 (6.6 deviations).
    """
    found, stated = errors(HyperLogLog, size, precision=10), 1.04 / 32
    assert abs(found.mean()) <= 6.0 * stated / math.sqrt(SEEDS)
    assert np.mean(found**2) <= 1.42 * stated**2
    if size >= 10_000:
        assert np.mean(found**2) >= 0.6 * stated**2, "a check that could not fail would prove nothing"


@pytest.mark.parametrize("size", [300, 3_000])
def test_few_registers_are_unbiased_too(size: int) -> None:
    """N = 1,600 seeds, precision 4: mean within 6 deviations of 0.26 / 40, 3.9 %; 2e-9. Without the correction for few it is 8 % off."""
    assert abs(errors(HyperLogLog, size, 1600, precision=4).mean()) <= 6.0 * 0.26 / math.sqrt(1600)


@pytest.mark.parametrize("maps", [64, 256])
@pytest.mark.parametrize("size", [3_000, 30_000])
def test_flajolet_martin_is_unbiased_and_errs_by_its_standard_error(maps: int, size: int) -> None:
    """N = 400 seeds (0..399), s = 0.78 / sqrt(maps): mean within 6 s / 20 (2e-9), mean square below 1.42 s^2 (7e-8, as above)."""
    found, stated = errors(FlajoletMartin, size, maps=maps), 0.78 / math.sqrt(maps)
    assert abs(found.mean()) <= 6.0 * stated / math.sqrt(SEEDS)
    assert np.mean(found**2) <= 1.42 * stated**2


@pytest.mark.parametrize("size", [10, 100, 256])
def test_flajolet_martin_claims_at_most_27_percent_too_much_while_maps_are_empty(size: int) -> None:
    """N = 400 seeds, 256 maps: bias 22, 18 and 10 %; an error deviates by at most 37 %, their mean by 1.9 %: 5.5 of that, 4e-8."""
    assert 0.0 <= errors(FlajoletMartin, size, maps=256).mean() <= 0.27 + 5.5 * 0.37 / math.sqrt(SEEDS)


@pytest.mark.parametrize("size", [5, 100, 1_000, 10_000])
@pytest.mark.parametrize("precision", [4, 6, 10])
def test_the_intervals_of_hyperloglog_hold_the_truth(precision: int, size: int) -> None:
    """N = 1,000 seeds (0..999); at a coverage of 95 % fewer than 909 has probability exp(-1000 KL(0.909, 0.95)) = 6e-7 (Chernoff)."""
    assert covered(HyperLogLog, size, precision=precision) >= 909


@pytest.mark.parametrize("size", [5, 100, 600, 10_000])
@pytest.mark.parametrize("maps", [16, 256])
def test_the_intervals_of_flajolet_martin_hold_the_truth(maps: int, size: int) -> None:
    """N = 1,000 seeds (0..999); at a coverage of 95 % fewer than 909 has probability exp(-1000 KL(0.909, 0.95)) = 6e-7 (Chernoff)."""
    assert covered(FlajoletMartin, size, maps=maps) >= 909


def test_parts_of_a_stream_are_counted_once() -> None:
    """N = 1 stream of 20,000 distinct items in 8 overlapping parts: the merge is the sketch of the stream, exactly; no chance in it."""
    for make in (lambda: HyperLogLog(precision=12, seed=1), lambda: FlajoletMartin(maps=256, seed=1)):
        whole: Sketch = make()
        merged: Sketch = make()
        whole.update_batch(np.arange(20_000))
        for start in range(0, 20_000, 2_500):
            part = make()
            part.update_batch(np.arange(start, min(20_000, start + 5_000)))
            merged.merge(part)
        assert merged.to_bytes() == whole.to_bytes()

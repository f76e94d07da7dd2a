"""Promises of the filters, each against an exact count, at a stated chance of a false failure.

Unless said otherwise keys are the whole numbers from 0, probes are whole numbers from 10^9 (never recorded), and a count of N independent
answers of probability q is held to N q + 5.2 sqrt(N q (1 - q)): a normal variable is beyond 5.2 deviations with probability 1e-7, and the
counts are large enough for the binomial's tail (Chernoff) to stay below 1e-6.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from sketches.bits import Slicing
from sketches.bloom import BloomFilter
from sketches.counting_bloom import CountingBloomFilter
from sketches.rotating_bloom import RotatingBloomFilter
from sketches.scalable_bloom import ScalableBloomFilter

PROBES = 10**9


def most(trials: int, rate: float, deviations: float = 5.2) -> float:
    return trials * rate + deviations * math.sqrt(trials * rate * (1 - rate))


def exact_rate(slicing: Slicing, keys: int) -> float:
    return float(-math.expm1(keys * math.log1p(-1 / slicing.width))) ** slicing.slices


@pytest.mark.parametrize(("capacity", "error_rate"), [(50, 0.1), (1_000, 0.001), (3_000, 0.01)])
@pytest.mark.parametrize("load", [0.5, 1.0, 2.0])
def test_false_positives_of_a_bloom_filter_follow_the_exact_formula(capacity: int, error_rate: float, load: float) -> None:
    """60 filters (seeds 0 to 59), n = capacity x load keys, 50,000 probes each; both sides of the formula's rate.

    A filter's count has the binomial's variance and that of its rate, the product of k independent fills: with fill f and s places a fill
    varies by s e^-t (1 - (1 + t) e^-t) / s^2, t = n/s. The sum over 60 filters is within 5.2 deviations but with probability 2e-7 (normal).
    At load 1 the formula is at most the promise.
    """
    filters, probes, keys = 60, 50_000, int(capacity * load)
    slicing = Slicing.promising(capacity, error_rate)
    rate, filled = exact_rate(slicing, keys), keys / slicing.width
    false = 0
    for seed in range(filters):
        seen = BloomFilter(capacity, error_rate, seed=seed)
        seen.update_batch(np.arange(keys))
        false += int(seen.contains_batch(np.arange(PROBES, PROBES + probes)).sum())
    fill = rate ** (1 / slicing.slices)
    of_a_fill = math.exp(-filled) * (1 - (1 + filled) * math.exp(-filled)) / slicing.width
    of_rates = (fill**2 + of_a_fill) ** slicing.slices - rate**2
    deviation = math.sqrt(filters * (probes * rate * (1 - rate) + probes**2 * of_rates))
    assert abs(false - filters * probes * rate) <= 5.2 * deviation
    assert load > 1 or rate <= error_rate


def test_the_present_error_rate_is_the_rate_given_the_bits() -> None:
    """Ten filters (seeds 0 to 9) at loads of 0.2 to 2, N = 200,000 probes each: both sides, 5.2 deviations, 20 x 1e-7 in all."""
    for seed in range(10):
        seen = BloomFilter(2_000, 0.05, seed=seed)
        seen.update_batch(np.arange(400 * (seed + 1)))
        rate = seen.present_error_rate()
        false = int(seen.contains_batch(np.arange(PROBES, PROBES + 200_000)).sum())
        assert abs(false - 200_000 * rate) <= 5.2 * math.sqrt(200_000 * rate * (1 - rate))


def test_wide_slices_keep_the_promise_too() -> None:
    """Places from whole words: capacity 14 million at p = 0.3, full; N = 500,000 probes, seed 6, both sides, 2e-7."""
    seen = BloomFilter(14_000_000, 0.3, seed=6)
    assert seen._bits.slicing.width > 2**24
    seen.update_batch(np.arange(14_000_000))
    rate = exact_rate(seen._bits.slicing, 14_000_000)
    false = int(seen.contains_batch(np.arange(PROBES, PROBES + 500_000)).sum())
    assert rate <= 0.3
    assert abs(false - 500_000 * rate) <= 5.2 * math.sqrt(500_000 * rate * (1 - rate))
    assert 14_000_000 in seen.bounds(1 - 1e-7)


@pytest.mark.parametrize("keys", [1, 2, 5, 20, 100, 700, 1_000, 2_500, 6_000])
def test_bounds_hold_the_number_of_keys(keys: int) -> None:
    """400 filters of capacity 1,000 at p = 0.01 (seeds 0 to 399), confidence 0.95: at most 48 miss.

    A miss has probability 0.05 at most (the bounds are rounded outwards), and P(binomial(400, 0.05) > 48) = 1e-8; 9 cases.
    """
    missed, width = 0, 0.0
    for seed in range(400):
        seen = BloomFilter(1_000, 0.01, seed=seed)
        seen.update_batch(np.arange(keys))
        low, high = seen.bounds(0.95)
        missed += not low <= keys <= high
        width += (high - low) / 400
    assert missed <= 48
    slicing = Slicing.promising(1_000, 0.01)
    load = keys / slicing.width
    deviation = math.sqrt(slicing.width * (math.exp(load) - load - 1) / slicing.slices)
    assert width <= 2 * 1.96 * 1.05 * deviation + 3, "and they say something"


@pytest.mark.parametrize("error_rate", [0.1, 0.01, 0.001])
def test_a_scalable_filter_keeps_its_rate_over_ten_growths(error_rate: float) -> None:
    """Capacity 100, 210,000 keys, 12 stages, N = 1,000,000 probes, seed 7: at most N p + 5.2 deviations; probability below 1e-7.

    The rate is at most p for every state of the bits, so that the count is below a binomial one. Nor is the promise kept by waste: the rate
    is above p / 2, and the count above N p / 2 less 5.2 deviations (the same probability).
    """
    trials = 1_000_000
    seen = ScalableBloomFilter(capacity=100, error_rate=error_rate, sources=1, seed=7)
    seen.update_batch(np.arange(210_000))
    assert seen.stages >= 11
    assert seen.contains_batch(np.arange(210_000)).all()
    false = int(seen.contains_batch(np.arange(PROBES, PROBES + trials)).sum())
    assert false <= most(trials, error_rate)
    assert false >= most(trials, error_rate / 2, -5.2)
    assert seen.present_error_rate() <= error_rate
    assert 210_000 in seen.bounds(1 - 1e-7)


def test_sixty_four_merged_scalable_filters_keep_the_rate_of_one() -> None:
    """64 sources of 700 keys each (3 growths), merged by a tree, p = 0.01, N = 100,000 probes, seed 8.

    The count is at most N p + 3.72 deviations, the 99.99 % band of the promise. The merged filter's rate given its bits is asserted to be
    at most 0.0092, so that the band is 6.5 deviations of that rate away: a false failure has a probability below 1e-9 (Chernoff).
    """
    trials, error_rate = 100_000, 0.01
    waiting = []
    for source in range(64):
        part = ScalableBloomFilter(capacity=100, error_rate=error_rate, sources=64, seed=8)
        part.update_batch(np.arange(source * 700, (source + 1) * 700))
        waiting.append(part)
    while len(waiting) > 1:
        left, right = waiting.pop(0), waiting.pop(0)
        left.merge(right)
        waiting.append(left)
    merged = waiting[0]
    assert merged.contains_batch(np.arange(64 * 700)).all()
    assert merged.present_error_rate() <= 0.0092
    assert merged.promised_error_rate() <= error_rate
    false = int(merged.contains_batch(np.arange(PROBES, PROBES + trials)).sum())
    assert false <= most(trials, error_rate, 3.72)
    merged.update_batch(np.arange(10**8, 10**8 + 20_000))
    assert merged.present_error_rate() <= error_rate


def test_sixty_four_small_sources_become_one_stage_each_level() -> None:
    """64 sources of 50 keys each and capacity 4,000: one stage holds all; N = 1,000,000 probes, p = 0.01 / 64, seed 9, one side, 1e-7."""
    merged = ScalableBloomFilter(capacity=4_000, error_rate=0.01, seed=9)
    for source in range(64):
        part = ScalableBloomFilter(capacity=4_000, error_rate=0.01, seed=9)
        part.update_batch(np.arange(source * 50, (source + 1) * 50))
        merged.merge(part)
    assert merged.stages == 1
    false = int(merged.contains_batch(np.arange(PROBES, PROBES + 1_000_000)).sum())
    assert false <= most(1_000_000, 0.01 / 64)


def test_bounds_of_scalable_filters_hold_the_number_of_keys() -> None:
    """150 filters (seeds 0 to 149), 1,500 keys in 4 or 5 stages, p = 0.05, confidence 0.95: at most 28 miss.

    P(binomial(150, 0.05) > 28) = 4e-10, and the bounds are wider than that (each stage gets its part of the doubt).
    """
    missed = 0
    for seed in range(150):
        seen = ScalableBloomFilter(capacity=100, error_rate=0.05, sources=1, seed=seed)
        seen.update_batch(np.arange(1_500))
        low, high = seen.bounds(0.95)
        missed += not low <= 1_500 <= high
        assert high - low < 400
    assert missed <= 28


def test_a_counting_filter_has_the_rate_of_what_it_still_holds() -> None:
    """40 filters (seeds 0 to 39) of capacity 1,000 at p = 0.01, 3,000 keys added and 2,000 removed, 50,000 probes each.

    Rate and its variance are those of a filter that only ever held the other 1,000 keys: the same counters are set. At most 5.2 deviations
    of the binomial and of the product of fills (4 % of the rate for each filter) above 0.01: probability below 1e-7.
    """
    false = 0
    for seed in range(40):
        held = CountingBloomFilter(1_000, 0.01, seed=seed)
        held.update_batch(np.arange(3_000))
        held.remove_batch(np.arange(2_000))
        assert held.contains_batch(np.arange(2_000, 3_000)).all()
        assert 1_000 in held.count_bounds(1 - 1e-7)
        false += int(held.contains_batch(np.arange(PROBES, PROBES + 50_000)).sum())
    trials = 40 * 50_000
    deviation = math.sqrt(trials * 0.01 * 0.99 + 40 * (50_000 * 0.01 * 0.04) ** 2)
    assert false <= trials * 0.01 + 5.2 * deviation
    assert false >= trials * 0.01 * 0.9


def test_counts_of_keys_are_right_but_for_the_present_error_rate() -> None:
    """20,000 keys in a filter for 20,000 at p = 0.02, each added once or twice, seed 4; one side, N p + 5.2 deviations, 1e-7.

    Whether a key's smallest counter is too high depends on the other keys alone, and has probability below the product of the fills.
    """
    held = CountingBloomFilter(20_000, 0.02, seed=4)
    held.update_batch(np.arange(20_000))
    held.update_batch(np.arange(0, 20_000, 2))
    wrong = sum(held.estimate(key) != 2 - key % 2 for key in range(20_000))
    assert wrong <= most(20_000, max(0.02, held.present_error_rate()))
    assert wrong > 0, "or the test shows nothing"


def test_a_rotating_filter_keeps_its_rate_with_every_pane_full() -> None:
    """8 + 1 panes of 2,000 other keys each, p = 0.02; N = 1,000,000 probes that were never seen, seed 10; one side, 1e-7.

    Panes are independent, so that the count is binomial with at most the sum of their rates; that sum varies by 1 % of itself between
    seeds, for which 3 % are allowed (3 deviations more). The keys of panes dropped long ago are new keys again: the same bound.
    """
    seen = RotatingBloomFilter(window_ms=8_000, panes=8, capacity=2_000, error_rate=0.02, seed=10)
    keys = np.arange(40_000)
    seen.update_columns(keys // 2, keys)
    assert len(seen._panes) == 9
    assert seen.contains_batch(np.arange(40_000 - 16_000, 40_000)).all()
    trials = 1_000_000
    false = int(seen.contains_batch(np.arange(PROBES, PROBES + trials)).sum())
    assert false <= most(trials, 0.02 * 1.03)
    assert false >= trials * 0.02 * 0.8
    assert int(seen.contains_batch(keys[:20_000]).sum()) <= most(20_000, 0.02 * 1.03)

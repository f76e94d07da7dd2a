"""How unevenly items come: without bias, and within the promised errors."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from sketches.moments import AmsF2
from sketches.sampled_moments import FkEstimator

ZIPF: list[int] = np.random.default_rng(1).zipf(1.4, 3000).clip(max=10**6).tolist()
TRUTH = Counter(ZIPF)


def moment(power: int, counts: Counter[int]) -> int:
    return sum(count**power for count in counts.values())


def most_failures(trials: int, chance: float, failure: float = 1e-7) -> int:
    """Return a number that a binomial one passes with probability at most `failure`: exp(-n KL(k/n, p)), by Chernoff."""
    number = math.ceil(trials * chance)
    while number < trials:
        share = number / trials
        if trials * (share * math.log(share / chance) + (1 - share) * math.log((1 - share) / (1 - chance))) >= -math.log(failure):
            break
        number += 1
    return number


# The tug of war


def test_two_items_pull_together_half_of_the_time() -> None:
    """N = 20,000 sketches of one counter (seeds 0 to 19,999): (s1 + s2)^2 is 4 or 0, each with probability 1/2.

    The number of fours leaves 10,000 +- 400 with probability 2 exp(-2 * 400^2 / 20,000) = 2.3e-7 (Hoeffding).
    """
    fours = 0
    for seed in range(20_000):
        sketch = AmsF2(depth=1, width=1, seed=seed)
        sketch.update("a")
        sketch.update("b")
        estimate = sketch.estimate()
        assert estimate in (0.0, 4.0)
        fours += estimate == 4.0
    assert abs(fours - 10_000) <= 400


def test_any_four_items_are_independent() -> None:
    """N = 20,000 sketches (seeds 0 to 19,999): the product of four items' signs is as often +1 as -1; 2.3e-7 as above, for 3 quadruples.

    So below 7e-7 in all. Items in a row are where a polynomial of too low a degree would show.
    """
    quadruples = [(0, 1, 2, 3), (10, 20, 30, 40), (1, 2, 4, 8)]
    sums = [0, 0, 0]
    for seed in range(20_000 // 4):
        sketch = AmsF2(depth=4, width=1, seed=seed)
        signs = {}
        for item in {item for quadruple in quadruples for item in quadruple}:
            one = AmsF2.__new__(AmsF2)
            one.parameters, one._coefficients, one._weight = sketch.parameters, sketch._coefficients, 0
            one._table = np.zeros((4, 1), dtype=np.int64)
            one.update(item)
            signs[item] = one._table[:, 0]
        for place, quadruple in enumerate(quadruples):
            sums[place] += int(np.prod([signs[item] for item in quadruple], axis=0).sum())
    assert all(abs(total) <= 800 for total in sums)


@pytest.mark.parametrize("width", [1, 20])
def test_a_row_has_the_mean_and_the_variance_of_its_theory(width: int) -> None:
    """N = 10,000 rows (seeds 0 to 2,499, four rows each) of a Zipf stream of 3,000 items.

    Var[row] = 2 (F2^2 - F4) / width exactly. The mean of N rows leaves 6 of its deviations with probability below 1e-7: normal, as the mean
    of 10,000 with skewness below 2.9 each (the square of a normal number has 2.83) has 0.03, which multiplies the tail of 2e-9 by less than
    exp(6^3 * 0.03 / 6) = 3.
    """
    rows = []
    counts = TRUTH.most_common()
    items = np.repeat([item for item, _ in counts], [count for _, count in counts])
    for seed in range(2500):
        sketch = AmsF2(depth=4, width=width, seed=seed)
        sketch.update_batch(items)
        rows += sketch._rows().tolist()
    second, fourth = moment(2, TRUTH), moment(4, TRUTH)
    deviation = math.sqrt(2 * (second**2 - fourth) / width / len(rows))
    assert abs(float(np.mean(rows)) - second) <= 6 * deviation
    assert 0.8 < float(np.var(rows)) / (2 * (second**2 - fourth) / width) < 1.2


@pytest.mark.parametrize(("depth", "width", "confidence"), [(1, 200, 0.8), (5, 100, 0.9), (9, 50, 0.95)])
def test_bounds_hold_f2_as_often_as_they_say(depth: int, width: int, confidence: float) -> None:
    """N = 1,500 sketches (seeds 0 to 1,499) of a Zipf stream, of one where all items are equal, and of one heavy item among light ones.

    By Chebyshev and the binomial of the median each misses with probability at most 1 - confidence; more than Chernoff's limit of them have
    probability below 1e-7, for each of nine cases.
    """
    even, heavy = Counter({item: 1 for item in range(300)}), Counter({**{item: 1 for item in range(300)}, 5: 40})
    for truth in (TRUTH, even, heavy):
        exact, missed = moment(2, truth), 0
        items = np.fromiter(truth.elements(), dtype=np.int64)
        for seed in range(1500 // 3):
            sketch = AmsF2(depth, width, seed)
            sketch.update_batch(items)
            missed += exact not in sketch.bounds(confidence)
        assert missed <= most_failures(500, 1 - confidence)


@pytest.mark.parametrize("error", [0.3, 0.1])
def test_a_sketch_made_for_an_error_keeps_it(error: float) -> None:
    """N = 3,000, seed 8, failure 1e-7 for each of two errors: for_error's promise itself; merged from three parts."""
    parts = [AmsF2.for_error(error, 1e-7, seed=8) for _ in range(3)]
    for part, (start, end) in zip(parts, pairwise((0, 700, 1900, 3000)), strict=True):
        part.update_batch(ZIPF[start:end])
    parts[0].merge(parts[1])
    parts[0].merge(parts[2])
    assert abs(parts[0].estimate() / moment(2, TRUTH) - 1) <= error


# Sampled positions


def test_every_position_is_sampled_evenly_in_a_stream_and_in_a_merge() -> None:
    """N = 40,000 samples (seed 2) of 20 positions with different items: each comes 2,000 times, up to 6 deviations of 44.

    Once as one stream, once merged of 3, 5 and 12 positions, once of these in another tree. By the normal law 2e-9 for each of 60 counts
    (a binomial of this size has a skewness of 0.02: 4e-9), so below 3e-7 in all.
    """
    stream = list(range(20))
    whole = FkEstimator(k=2, samples=40_000, seed=2)
    whole.update_batch(stream)
    parts = []
    for start, end in pairwise((0, 3, 8, 20)):
        part = FkEstimator(k=2, samples=40_000, seed=2)
        part.update_batch(stream[start:end])
        parts.append(part)
    left, right = parts[0].clone(), parts[2].clone()
    left.merge(parts[1])
    left.merge(parts[2])
    right.merge(parts[0])
    right.merge(parts[1])
    for sketch in (whole, left, right):
        counts = Counter(sketch._hashes)
        assert len(counts) == 20
        assert all(abs(count - 2000) <= 6 * math.sqrt(2000 * 0.95) for count in counts.values())


def terms(power: int, counts: Counter[int]) -> tuple[float, float]:
    """Return mean and deviation of X for a stream of these counts, exactly."""
    size = counts.total()
    each = [size * (r**power - (r - 1) ** power) for count in counts.values() for r in range(1, count + 1)]
    return float(np.mean(each)), float(np.std(each))


def test_the_mean_of_the_samples_is_the_moment_merged_by_item_or_not() -> None:
    """N = 20,000 samples (seed 3) of a stream of 400 items, F_2 to F_4: their mean is F_k up to 6 exact deviations of X / sqrt(N).

    Normal, 1.1e-7 for each of nine cases: X is under 15 of its deviations, so the skewness of the mean is below 15 / sqrt(20,000) = 0.11,
    which multiplies the tail of 2e-9 at 6 deviations by less than exp(6^3 * 0.11 / 6) = 53. Three ways: as one stream; cut by item into
    three of different length, and merged; the first half as two streams cut by item, merged, and the rest after that.
    """
    generator = np.random.default_rng(3)
    stream = [item for item, count in enumerate((40, 20, 20, 10, 10, *[3] * 60, *[1] * 120)) for _ in range(count)]
    generator.shuffle(stream)
    whole, *parts, first, second = (FkEstimator(2, 20_000, seed=3, groups=1) for _ in range(6))
    whole.update_batch(stream)
    for part, kept in zip(parts, ({0}, {1, 2, 3}, set(range(4, 200))), strict=True):
        part.update_batch([item for item in stream if item in kept])
    parts[0].merge(parts[1])
    parts[0].merge(parts[2])
    half = len(stream) // 2
    first.update_batch([item for item in stream[:half] if item % 2])
    second.update_batch([item for item in stream[:half] if not item % 2])
    first.merge(second)
    first.update_batch(stream[half:])
    for power in (2, 3, 4):
        exact, deviation = terms(power, Counter(stream))
        assert exact == moment(power, Counter(stream))
        assert 400 * (40**power - 39**power) < 15 * deviation
        for sketch in (whole, parts[0], first):
            sketch.parameters = msgspec.structs.replace(sketch.parameters, k=power)
            assert abs(sketch.estimate() - exact) <= 6 * deviation / math.sqrt(20_000)


def test_streams_that_share_items_estimate_the_sum_of_their_moments_and_the_bounds_know() -> None:
    """N = 20,000 samples (seed 4), three streams of the same 100 items: the mean is 3 F_3 up to 6 deviations (below 1e-7, as above).

    The truth is 27 F_3, the largest it can be; the bounds hold it at a confidence of 1 - 1e-7.
    """
    counts = Counter({item: 1 + 30 // (item + 1) for item in range(100)})
    stream = list(counts.elements())
    merged = FkEstimator(3, 20_000, seed=4, groups=1)
    for _ in range(3):
        part = FkEstimator(3, 20_000, seed=4, groups=1)
        part.update_batch(stream)
        merged.merge(part)
    apart = Counter({(part, item): count for part in range(3) for item, count in counts.items()})
    exact, deviation = terms(3, apart)  # type: ignore[arg-type]  # pairs stand for three streams' items
    assert abs(merged.estimate() - exact) <= 6 * deviation / math.sqrt(20_000)
    assert merged.parts == 3
    assert 27 * moment(3, counts) in merged.bounds(confidence=1 - 1e-7)


@pytest.mark.parametrize(("power", "samples", "groups"), [(2, 500, 5), (3, 1000, 1), (4, 1500, 3)])
def test_bounds_hold_the_moment_as_often_as_they_say(power: int, samples: int, groups: int) -> None:
    """N = 60 estimators (seeds 0 to 59) of 500 items at a confidence of 0.8, whole and merged of two cut by item.

    More misses than Chernoff's limit for 0.2 have probability below 1e-7, six times.
    """
    stream = ZIPF[:500]
    exact = moment(power, Counter(stream))
    missed = [0, 0]
    for seed in range(60):
        whole, odd, even = (FkEstimator(power, samples, seed, groups) for _ in range(3))
        whole.update_batch(stream)
        odd.update_batch([item for item in stream if item % 2])
        even.update_batch([item for item in stream if not item % 2])
        odd.merge(even)
        missed[0] += exact not in whole.bounds(0.8)
        missed[1] += exact not in odd.bounds(0.8, disjoint=True)
    assert max(missed) <= most_failures(60, 0.2)

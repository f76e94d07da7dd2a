"""MinHash and its bands against exact answers, each at a stated chance of a false alarm.

Where a bound is 5.2 standard errors of a count of independent matches, the normal tails hold 2e-7 together; the skew g of the binomial, at
most 0.024 here, multiplies one of them by exp(g 5.2^3 / 6), less than 2, so all of it is below 1e-6. All items and seeds are fixed.
"""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from sketches.intervals import binomial_bounds
from sketches.lsh import LshIndex
from sketches.minhash import MinHash, estimate, recall, signatures, solve_bands
from sketches.similarity import measure_recall, similar_pairs

Items = NDArray[np.uint64]
tenths = pytest.mark.parametrize("tenths", range(1, 10))
both = pytest.mark.parametrize("one_permutation", [False, True])


def surely_more(chance: float, trials: int) -> int:
    """Return the largest count, or -1, that a binomial variable does not exceed with probability below 1e-6.

    Chernoff: P(X <= x) <= exp(-trials KL(x / trials, chance)) for x below the mean; it also holds if the chance is larger than stated.
    """

    def tail(count: int) -> float:
        share = count / trials
        divergence = share * math.log(share / chance) if share else 0.0
        divergence += (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
        return math.exp(-trials * divergence)

    return next((count for count in range(int(trials * chance), -1, -1) if tail(count) < 1e-6), -1)


def pair(union: int, shared: int, generator: np.random.Generator) -> tuple[Items, Items]:
    """Two sets with `union` items in all, of which they share `shared`."""
    items = generator.integers(0, 2**64, union, dtype=np.uint64)
    middle = shared + (union - shared) // 2
    return items[:middle], np.concatenate([items[:shared], items[middle:]])


@both
@tenths
def test_estimates_are_unbiased(tenths: int, one_permutation: bool) -> None:
    """300 pairs of 1,000 items in all, 128 places, J = 0.1 to 0.9; generator seed 100 + 10 J.

    The mean is within 5.2 standard errors sqrt(J (1 - J) / 38,400): probability 2e-7 a test (with one permutation the variance is lower).
    """
    similarity, pairs = tenths / 10, 300
    generator = np.random.default_rng(100 + tenths)
    sets = [one for _ in range(pairs) for one in pair(1000, 100 * tenths, generator)]
    rows = signatures(sets, one_permutation=one_permutation)
    mean = float((rows[0::2] == rows[1::2]).mean())
    assert abs(mean - similarity) <= 5.2 * math.sqrt(similarity * (1 - similarity) / (128 * pairs))


@both
@pytest.mark.parametrize("tenths", [1, 5, 9])
def test_estimates_of_large_sets_are_unbiased(tenths: int, one_permutation: bool) -> None:
    """100,000 items in all, 100 seeds of the hash, 128 places; items are consecutive numbers, the worst case of a weak hash.

    Within 5.2 standard errors sqrt(J (1 - J) / 12,800) and the bias of ties, 100,000 / 2^33: probability 2e-7.
    """
    similarity, union, seeds = tenths / 10, 100_000, 100
    shared = union * tenths // 10
    middle = shared + (union - shared) // 2
    numbers = np.arange(union)
    total = 0.0
    for seed in range(seeds):
        left, right = (MinHash(128, seed, one_permutation) for _ in range(2))
        # What both share is hashed once: the sketch of a union is the merge.
        left.update_batch(numbers[:shared])
        right.merge(left)
        left.update_batch(numbers[shared:middle])
        right.update_batch(numbers[middle:])
        total += left.estimate(right)
    allowed = 5.2 * math.sqrt(similarity * (1 - similarity) / (128 * seeds)) + union / 2**33
    assert abs(total / seeds - similarity) <= allowed


@pytest.mark.parametrize("union", [4, 20, 60, 200])
def test_one_permutation_of_small_sets_is_unbiased_too(union: int) -> None:
    """J = 1/2, 64 bins for 4 to 200 items in all, 2,000 pairs, generator seed 7: most bins of the smallest are empty.

    An estimate lies in [0, 1], so by Hoeffding the mean of 2,000 is off by sqrt(ln(2 / 1e-6) / 4,000) = 0.0602 or more with probability
    at most 1e-6. This holds for the densified signatures and for the bins that are not empty in both sets.
    """
    generator = np.random.default_rng(7)
    sets = [one for _ in range(2000) for one in pair(union, union // 2, generator)]
    rows = signatures(sets, places=64, one_permutation=True)
    allowed = math.sqrt(math.log(2e6) / 4000)
    assert abs(float((rows[0::2] == rows[1::2]).mean()) - 0.5) <= allowed
    total = 0.0
    for left, right in zip(sets[0::2], sets[1::2], strict=True):
        sketches = [MinHash(64, one_permutation=True) for _ in range(2)]
        sketches[0].update_batch(left)
        sketches[1].update_batch(right)
        total += sketches[0].estimate(sketches[1])
    assert abs(total / 2000 - 0.5) <= allowed


def test_the_spread_of_estimates_is_binomial() -> None:
    """4,000 pairs at J = 1/2, 128 places, generator seed 8: places are independent although they share one hash of an item.

    The variance over pairs, times 128 / (J (1 - J)), is about chi-square of 3,999 degrees over 3,999. By Wilson and Hilferty it leaves
    1 +- 5.2 sqrt(2 / 3,999) = 1 +- 0.116 at 5.0 and 5.4 standard deviations: probability 3e-7.
    """
    generator = np.random.default_rng(8)
    sets = [one for _ in range(4000) for one in pair(100, 50, generator)]
    rows = signatures(sets)
    estimates = (rows[0::2] == rows[1::2]).mean(axis=1)
    assert abs(float(estimates.var(ddof=1)) * 128 / 0.25 - 1) <= 5.2 * math.sqrt(2 / 3999)


@both
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_bounds_hold_the_truth_as_often_as_they_say(confidence: float, one_permutation: bool) -> None:
    """1,500 pairs of 300 items in all, 64 places, J = 0.05, 0.5 and 0.95 (500 each), generator seed 9.

    Each interval holds J with at least its confidence, so too few that do have probability below 1e-6 by Chernoff.
    """
    generator = np.random.default_rng(9)
    held = 0
    for shared in (15, 150, 285):
        for _ in range(500):
            left, right = (MinHash(64, one_permutation=one_permutation) for _ in range(2))
            for sketch, items in zip((left, right), pair(300, shared, generator), strict=True):
                sketch.update_batch(items)
            held += shared / 300 in left.bounds(right, confidence)
    assert held > surely_more(confidence, 1500)


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.6, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("places", [128, 256])
def test_bands_find_planted_pairs_at_their_stated_recall(similarity: float, places: int) -> None:
    """1,000 planted pairs of 100 items in all, exactly at the similarity; hash and items of seed 3.

    Too few found has probability below 1e-6 by Chernoff's bound on the binomial tail of the stated recall.
    """
    measured = measure_recall(similarity, 0.9 if similarity < 0.5 else 0.99, places, seed=3)
    assert measured.similarity == pytest.approx(similarity)
    assert measured.found > surely_more(measured.expected_recall, measured.planted)
    assert measured.bounds.low <= measured.found / measured.planted <= measured.bounds.high


@pytest.mark.parametrize("similarity", [0.4, 0.6, 0.8])
def test_below_the_similarity_bands_find_what_the_curve_says(similarity: float) -> None:
    """2,000 pairs, bands solved for 0.7 but pairs at 0.4, 0.6 and 0.8; generator seed 12.

    Pairs compared are binomial in recall(s): too few and too many have probability below 1e-6 each by Chernoff.
    """
    generator = np.random.default_rng(12)
    sets = [one for _ in range(2000) for one in pair(100, round(100 * similarity), generator)]
    found = similar_pairs(sets, 0.7)
    bands = solve_bands(0.7, 128)
    expected = recall(similarity, bands.bands, bands.rows)
    assert surely_more(expected, 2000) < found.compared < 2000 - surely_more(1 - expected, 2000)
    # What is below the similarity was compared, and is not returned: precision is 1.
    assert len(found.pairs) == (found.compared if similarity >= 0.7 else 0)


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.7, 0.8])
def test_a_join_is_the_exact_answer_but_for_its_recall(similarity: float) -> None:
    """600 sets of 20 to 40 items, two of each of 300 worlds, against all 179,700 exact similarities by matrix; generator seed 13.

    Precision is 1. No two pairs that are alike share an item, so each is found on its own with at least the stated recall, and too few have
    probability below 1e-6 by Chernoff.
    """
    generator = np.random.default_rng(13)
    held = np.zeros((600, 300 * 44), dtype=np.float32)
    for number in range(600):
        own = 44 * (number // 2) + generator.choice(44, generator.integers(20, 45), replace=False)
        held[number, own] = 1
    shared = held @ held.T
    sizes = held.sum(axis=1)
    exact = shared.astype(np.float64) / (sizes[:, np.newaxis] + sizes - shared)
    wanted = {(int(first), int(second)) for first, second in np.argwhere(np.triu(exact >= similarity, 1))}
    found = similar_pairs([np.flatnonzero(row) for row in held], similarity, places=256)
    assert {one[:2] for one in found.pairs} <= wanted
    assert all(one.similarity == exact[one.first, one.second] for one in found.pairs)
    assert len(wanted) >= 20
    assert len(found.pairs) > surely_more(found.expected_recall, len(wanted))


def test_an_index_meets_its_stated_recall() -> None:
    """1,000 planted pairs at J = 0.6, one side inserted, the other asked; generator seed 14; Chernoff as above, below 1e-6."""
    generator = np.random.default_rng(14)
    pairs = [pair(100, 60, generator) for _ in range(1000)]
    index = LshIndex(similarity=0.6)
    index.update_batch([(f"{number}", left) for number, (left, _) in enumerate(pairs)])
    found = sum(any(match.key == f"{number}" for match in index.query(right)) for number, (_, right) in enumerate(pairs))
    assert found > surely_more(index.bands.expected_recall, 1000)


def test_rows_and_sketches_estimate_the_same() -> None:
    """No chance: 50 pairs, the row of a set and its sketch compare to the same number."""
    generator = np.random.default_rng(15)
    for _ in range(50):
        items = pair(400, 130, generator)
        rows = signatures(list(items))
        left, right = MinHash(), MinHash()
        left.update_batch(items[0])
        right.update_batch(items[1])
        assert left.estimate(right) == estimate(rows[0], rows[1])
        assert left.bounds(right) == binomial_bounds(int((rows[0] == rows[1]).sum()), 128, 0.95)

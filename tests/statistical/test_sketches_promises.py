"""Each promise of a sketch, tested at a stated chance of a false alarm."""

import math
import random

from sketches.bloom import BloomFilter
from sketches.minhash import recall, signatures, solve_bands
from sketches.similarity import alike


def test_reservoir_inclusion_is_uniform_by_chi_square() -> None:
    """N = 2,000 keys, 50 ids, 10 places; chi-square of 49 degrees, scaled for draws without replacement.

    The sum over ids of (times in - mean)^2 / (mean (1 - p)) (N - 1) / N is asymptotically chi-square with N - 1 = 49 degrees. Its upper
    1e-6 quantile is 119.5 (Wilson-Hilferty 119.4), so a false alarm has probability about 1e-6; seeds fixed.
    """
    from sketches.reservoir import Reservoir

    keys, ids, places = 2000, 50, 10
    identities = [b"payment-%d" % number for number in range(ids)]
    times = dict.fromkeys(identities, 0)
    for key in range(keys):
        sample = Reservoir(places, key.to_bytes(4, "big"))
        sample.update_batch(identities)
        for member in sample.members():
            times[member] += 1
    mean = keys * places / ids
    statistic = sum((count - mean) ** 2 for count in times.values()) / (mean * (1 - places / ids)) * (ids - 1) / ids
    assert statistic < 119.5


def test_bloom_error_rate_is_within_its_binomial_bound_at_capacity() -> None:
    """N = 200,000 new keys at p = 0.01: at most 2,236 false positives but with probability 1e-7 (mean + 5.2 deviations); seed 5."""
    for capacity in (500, 5_000, 50_000):
        seen = BloomFilter(capacity, 0.01)
        seen.update_batch([b"old-%d" % number for number in range(capacity)])
        trials = 200_000
        false = sum(b"new-%d" % number in seen for number in range(trials))
        assert false <= trials * 0.01 + 5.2 * math.sqrt(trials * 0.01 * 0.99)
        assert capacity in seen.bounds(1 - 1e-7)


def test_a_union_of_two_bloom_filters_estimates_its_count() -> None:
    """Two filters of 4,000 and 4,000 keys, 1,000 of them shared, capacity 10,000: within 2 % of 7,000, over 10 deviations; keys fixed."""
    left, right = BloomFilter(10_000, 0.01), BloomFilter(10_000, 0.01)
    left.update_batch([b"%d" % number for number in range(4_000)])
    right.update_batch([b"%d" % number for number in range(3_000, 7_000)])
    left.merge(right)
    assert abs(len(left) - 7_000) <= 140


def test_bands_find_planted_pairs_at_their_stated_recall() -> None:
    """1,000 planted pairs at a Jaccard similarity of exactly 2/3; seed 11.

    With the recall of the solved bands r, fewer than 1000 r - 5.2 sqrt(1000 r (1 - r)) found has probability below 1e-6.
    """
    generator = random.Random(11)  # noqa: S311  # a seeded test, nothing secret
    similarity = 2 / 3
    pairs = 1000
    items: dict[str, frozenset[str]] = {}
    for pair in range(pairs):
        shared = [f"{generator.getrandbits(64):x}" for _ in range(8)]
        for side in "ab":
            items[f"{pair}{side}"] = frozenset([*shared, *(f"{generator.getrandbits(64):x}" for _ in range(2))])
    assert math.isclose(8 / 12, similarity)
    found = {group.members for group in alike(items, similarity=similarity - 1e-9)}
    stated = solve_bands(similarity, 128).expected_recall
    assert stated >= 0.99
    assert len(found) >= pairs * stated - 5.2 * math.sqrt(pairs * stated * (1 - stated))
    assert all(a[:-1] == b[:-1] for a, b in found)


def test_signatures_estimate_jaccard_without_bias() -> None:
    """400 pairs at similarity 1/2, 128 places: the mean of the estimates within 0.01 (4.5 deviations of 0.0022, 1e-5); seed 3."""
    generator = random.Random(3)  # noqa: S311  # a seeded test, nothing secret
    sets = []
    for _ in range(400):
        names = [f"{generator.getrandbits(64):x}" for _ in range(40)]
        sets += [frozenset(names[:30]), frozenset(names[10:])]
    rows = signatures(sets)
    mean = float((rows[0::2] == rows[1::2]).mean())
    assert abs(mean - 0.5) < 0.01
    assert recall(0.5, 1, 1) == 0.5

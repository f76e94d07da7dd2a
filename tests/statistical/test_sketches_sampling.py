"""The laws of the samples, at a stated chance of a false alarm.

Pearson's statistic over c equally or unequally likely outcomes of N independent trials is asymptotically chi-square with c - 1 degrees; all
outcomes are expected at least 200 times here, where that is accurate. `LIMITS` holds its upper 1e-7 quantiles. The trials differ in their
items or their seed, and both key the draws, so all figures are fixed: a failure is a change of the code.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from itertools import combinations, permutations
from typing import Any

import pytest

from sketches.decayed_reservoir import DecayedReservoir
from sketches.draws import Draws
from sketches.reservoir import BottomKSample
from sketches.reservoir_l import ReservoirL
from sketches.reservoir_r import ReservoirR, UniformReservoir
from sketches.stratified_sample import StratifiedSample
from sketches.weighted_reservoir import WeightedReservoir

LIMITS = {3: 35.41, 7: 45.70, 11: 54.39, 14: 60.40, 19: 69.78, 20: 71.59, 999: 1249.01}
uniform = pytest.mark.parametrize("kind", [ReservoirR, ReservoirL])


def generator(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # a seeded test, nothing secret


def statistic(found: Mapping[Any, int], law: Mapping[Any, float]) -> float:
    trials = sum(found.values())
    assert set(found) <= set(law)
    assert min(law.values()) * trials >= 200
    return sum((found.get(outcome, 0) - trials * chance) ** 2 / (trials * chance) for outcome, chance in law.items())


def sets_law(size: int, drawn: int) -> dict[tuple[int, ...], float]:
    return {chosen: 1.0 / math.comb(size, drawn) for chosen in combinations(range(size), drawn)}


def merged(parts: list[Any], shuffler: random.Random) -> Any:
    """Merge in a random tree."""
    waiting = list(parts)
    while len(waiting) > 1:
        shuffler.shuffle(waiting)
        one = waiting.pop()
        waiting[0].merge(one)
    return waiting[0]


def cut(size: int, pieces: int, shuffler: random.Random) -> list[range]:
    """Cut a stream into unequal parts, some of them empty."""
    ends = sorted(shuffler.randrange(size + 1) for _ in range(pieces - 1))
    return [range(begin, end) for begin, end in zip([0, *ends], [*ends, size], strict=True)]


@uniform
def test_every_set_of_positions_is_equally_likely(kind: type[UniformReservoir]) -> None:
    """N = 20,000 streams of 6 items, 2 kept, 15 sets, one seed for all streams: chi-square of 14 degrees, false alarm 1e-7; seed 5."""
    found: Counter[Hashable] = Counter()
    for trial in range(20_000):
        sample = kind(2, seed=5)
        sample.update_batch([trial * 6 + position for position in range(6)])
        found[tuple(sorted(int(item) % 6 for item in sample.estimate()))] += 1
    assert statistic(found, sets_law(6, 2)) < LIMITS[14]


@uniform
def test_every_set_is_equally_likely_over_random_trees_of_unequal_parts(kind: type[UniformReservoir]) -> None:
    """N = 10,000 streams of 7 items in 4 random parts merged in a random tree, 2 kept, 21 sets, all parts of one seed.

    Chi-square of 20 degrees, false alarm 1e-7; seed 5 for the sketches, 11 for the trees. Sets, and not positions alone, because parts
    that draw alike would keep each position's chance and show in pairs.
    """
    shuffler = generator(11)
    found: Counter[Hashable] = Counter()
    for trial in range(10_000):
        parts = []
        for positions in cut(7, 4, shuffler):
            part = kind(2, seed=5)
            for position in positions:
                part.update(trial * 7 + position)
            parts.append(part)
        found[tuple(sorted(int(item) % 7 for item in merged(parts, shuffler).estimate()))] += 1
    assert statistic(found, sets_law(7, 2)) < LIMITS[20]


@uniform
def test_a_merged_sample_goes_on_uniformly(kind: type[UniformReservoir]) -> None:
    """N = 10,000: 2 of 1 + 3 items merged, then 3 more items; 21 sets, chi-square of 20 degrees, false alarm 1e-7; seeds 0 to 9,999.

    For algorithm L that tests the law of the largest kept number, which a merge draws anew.
    """
    found: Counter[Hashable] = Counter()
    for seed in range(10_000):
        sample, other = kind(2, seed=seed), kind(2, seed=seed)
        sample.update_batch([0])
        other.update_batch([1, 2, 3])
        sample.merge(other)
        sample.update_batch([4, 5, 6])
        found[tuple(sorted(int(item) for item in sample.estimate()))] += 1
    assert statistic(found, sets_law(7, 2)) < LIMITS[20]


@uniform
def test_long_streams_and_far_skips_are_uniform(kind: type[UniformReservoir]) -> None:
    """N = 400 streams of 30,000 items in parts of 1 : 9 : 20, 50 kept of each, merged; 20,000 members in 20 equal stretches.

    Members of one sample are drawn without replacement, which only lowers the variance: chi-square of 19 degrees, false alarm below 1e-7;
    seeds 0 to 399.
    """
    found: Counter[Hashable] = Counter()
    for seed in range(400):
        parts = []
        for begin, end in ((0, 1_000), (1_000, 10_000), (10_000, 30_000)):
            part = kind(50, seed=seed)
            part.update_batch(range(begin, end))
            parts.append(part)
        found.update(int(item) // 1_500 for item in merged(parts, generator(seed)).estimate())
    assert statistic(found, dict.fromkeys(range(20), 1 / 20)) < LIMITS[19]


def test_members_of_bottom_k_are_uniform_and_independent_of_repetition() -> None:
    """N = 20,000 keys, 2 of 6 distinct items kept, item i offered i + 1 times; 15 sets, chi-square of 14 degrees, false alarm 1e-7."""
    found: Counter[Hashable] = Counter()
    for key in range(20_000):
        sample = BottomKSample(2, key.to_bytes(4, "big"))
        sample.update_batch([item for item in range(6) for _ in range(item + 1)])
        found[tuple(sample.members())] += 1
    assert statistic(found, sets_law(6, 2)) < LIMITS[14]


def successive_law(weights: list[float], drawn: int) -> dict[tuple[int, ...], float]:
    """Return the chance of every ordered successive sample."""
    law = {}
    for order in permutations(range(len(weights)), drawn):
        left, chance = math.fsum(weights), 1.0
        for index in order:
            chance *= weights[index] / left
            left -= weights[index]
        law[order] = chance
    return law


WEIGHTS = [4.0, 1.0, 2.0, 3.0]


def weighted_once(seed: int, capacity: int) -> Any:
    sample = WeightedReservoir(capacity, seed=seed)
    sample.update_batch(list(enumerate(WEIGHTS)))
    return sample


def weighted_one_by_one(seed: int, capacity: int) -> Any:
    sample = WeightedReservoir(capacity, seed=seed)
    for pair in reversed(list(enumerate(WEIGHTS))):
        sample.update(pair)
    return sample


def weighted_in_parts(seed: int, capacity: int) -> Any:
    """A part whose members came in by jumps, and a smaller one; the draws are those of one seed."""
    parts = [WeightedReservoir(capacity, seed=seed) for _ in range(2)]
    parts[0].update_batch(list(enumerate(WEIGHTS))[:3])
    parts[1].update_batch(list(enumerate(WEIGHTS))[3:])
    return merged(parts, generator(seed))


def decayed_once(seed: int, capacity: int) -> Any:
    """Weights of 4, 1, 2 and 3 by their logarithms, a billion half-lives from the origin."""
    sample = DecayedReservoir(capacity, half_life=60.0, seed=seed)
    sample.update_batch([(index, 6e10 + 60.0 * math.log2(weight)) for index, weight in enumerate(WEIGHTS)])
    return sample


def decayed_in_parts(seed: int, capacity: int) -> Any:
    parts = [DecayedReservoir(capacity, half_life=1.0, seed=seed) for _ in range(2)]
    for index, weight in enumerate(WEIGHTS):
        parts[index // 3].update((index, math.log2(weight)))
    return merged(parts, generator(seed))


@pytest.mark.parametrize("make", [weighted_once, weighted_one_by_one, weighted_in_parts, decayed_once, decayed_in_parts])
def test_the_first_draw_is_proportional_to_weight(make: Callable[[int, int], Any]) -> None:
    """N = 20,000, 1 of 4 items of weights 4, 1, 2, 3: w_i / 10; chi-square of 3 degrees, false alarm 1e-7; seeds 0 to 19,999."""
    found = Counter((make(seed, 1).estimate()[0][0],) for seed in range(20_000))
    assert statistic(found, successive_law(WEIGHTS, 1)) < LIMITS[3]


@pytest.mark.parametrize("make", [weighted_once, weighted_one_by_one, weighted_in_parts, decayed_once, decayed_in_parts])
def test_two_draws_follow_the_law_of_successive_sampling(make: Callable[[int, int], Any]) -> None:
    """N = 20,000, 2 of 4 items, 12 ordered pairs of enumerated chances: chi-square of 11 degrees, false alarm 1e-7; seeds 0 to 19,999."""
    found = Counter(tuple(item for item, _ in make(seed, 2).estimate()) for seed in range(20_000))
    assert statistic(found, successive_law(WEIGHTS, 2)) < LIMITS[11]


def test_jumps_over_many_items_keep_to_the_weights() -> None:
    """N = 400 samples of 100 out of 30,000 items of weights 1 to 3 in turn; 40,000 members by weight and by quarter of the stream.

    With 100 of 60,000 units of weight drawn, chances are those of independent draws but for 0.5 %; a bias of that size in any of the four
    quarters adds less than 1 to the statistic. Chi-square of 11 degrees, false alarm below 1e-6; seeds 0 to 399.
    """
    weights = [1.0 + item % 3 for item in range(30_000)]
    found: Counter[Hashable] = Counter()
    for seed in range(400):
        sample = WeightedReservoir(100, seed=seed)
        sample.update_weighted(range(30_000), weights)
        found.update((int(item) * 4 // 30_000, weight) for item, weight in sample.estimate())
    assert statistic(found, {(part, weight): weight / 24.0 for part in range(4) for weight in (1.0, 2.0, 3.0)}) < LIMITS[11] + 1.0


def test_decay_halves_with_every_half_life() -> None:
    """N = 20,000, 1 of 8 items, each a half-life older than the next, in shuffled arrival: 2^i / 255.

    The four oldest are one outcome, so that each is expected 200 times; chi-square of 4 degrees lies below that of 7: false alarm below
    1e-7; seeds 0 to 19,999.
    """
    found: Counter[Hashable] = Counter()
    for seed in range(20_000):
        sample = DecayedReservoir(1, half_life=5.0, seed=seed)
        arrivals = [(age, -5.0 * age) for age in range(8)]
        generator(seed).shuffle(arrivals)
        sample.update_batch(arrivals)
        found[min(4, int(sample.estimate()[0][0]))] += 1
    law = {age: 2.0 ** (7 - age) / 255 for age in range(4)}
    assert statistic(found, {**law, 4: 15 / 255}) < LIMITS[7]


def test_members_of_a_stratum_are_uniform_and_every_stratum_is_kept_whole() -> None:
    """N = 5,000: 3 strata of which 1 is kept apart, in two parts; 2 of the kept one's 6 items, 15 sets.

    Which stratum is kept depends on the seed, so the sets are told by the place in the stratum. Chi-square of 14 degrees, false alarm 1e-7;
    seeds 0 to 4,999.
    """
    found: Counter[Hashable] = Counter()
    for seed in range(5_000):
        parts = [StratifiedSample(2, 1, seed=seed) for _ in range(2)]
        for place in range(6):
            for stratum in "abc":
                parts[place // 4].update((stratum, place))
        kept, others = merged(parts, generator(seed)).estimate()
        assert (kept.size, others.size) == (6, 12)
        found[tuple(sorted(kept.members))] += 1
    assert statistic(found, sets_law(6, 2)) < LIMITS[14]


def holds(kind: str, seed: int) -> bool:
    """Say whether the interval of a property of a third of the items, or of the weight, holds its truth."""
    items = range(3_000)

    def has(item: Any) -> bool:
        return int(item) % 3 == 0

    if kind == "weighted":
        weighted = WeightedReservoir(60, seed=seed)
        heavy = [1.0 + item % 7 for item in items]
        weighted.update_weighted(items, heavy)
        return sum(heavy[::3]) / sum(heavy) in weighted.bounds(weighted.share(has))
    if kind == "decayed":
        decayed = DecayedReservoir(60, half_life=1_000.0, seed=seed)
        decayed.update_timed(items, items)
        weights = [2.0 ** (item / 1_000.0) for item in items]
        return sum(weights[::3]) / sum(weights) in decayed.bounds(decayed.share(has))
    if kind == "stratified":
        stratified = StratifiedSample(20, 3, seed=seed)
        stratified.update_batch((min(3, item // 500), item) for item in items)
        return 1 / 3 in stratified.bounds(has)
    sample = ReservoirL(60, seed=seed)
    sample.update_batch(items)
    return 1 / 3 in sample.bounds(sample.share(has))


@pytest.mark.parametrize("kind", ["uniform", "weighted", "decayed", "stratified"])
def test_intervals_hold_the_truth_as_often_as_they_say(kind: str) -> None:
    """N = 400 intervals of 95 %, seeds 0 to 399: fewer than 356 right have probability below 1e-6 by the binomial law."""
    assert sum(holds(kind, seed) for seed in range(400)) >= 356


@pytest.mark.parametrize("kind", ["weighted", "stratified"])
def test_shares_are_right_on_average(kind: str) -> None:
    """N = 2,000 shares of a third with a deviation below 0.07 each: the mean within 0.01 of it, 6 deviations, 1e-8; seeds 0 to 1,999.

    The share of weight is a ratio, whose bias at 60 members is below 1 / 60 of its deviation.
    """
    total = truth = 0.0
    for seed in range(2_000):
        if kind == "weighted":
            weighted = WeightedReservoir(60, seed=seed)
            weighted.update_weighted(range(300), [1.0 + item % 7 for item in range(300)])
            truth = sum(1.0 + item % 7 for item in range(0, 300, 3)) / sum(1.0 + item % 7 for item in range(300))
            total += weighted.share(lambda item: int(item) % 3 == 0)
        else:
            stratified = StratifiedSample(20, 2, seed=seed)
            stratified.update_batch((item % 5 // 4, item) for item in range(300))
            truth = 1 / 3
            total += stratified.share(lambda item: int(item) % 3 == 0)
    assert abs(total / 2_000 - truth) < 0.01


def test_draws_are_even() -> None:
    """N = 1,000,000 numbers in 1,000 equal parts: chi-square of 999 degrees, false alarm 1e-7; seed 3."""
    found: Counter[Hashable] = Counter((Draws(3, 0).block(1_000_000) * 1_000).astype(int).tolist())
    assert statistic(found, dict.fromkeys(range(1_000), 1e-3)) < LIMITS[999]

"""What ranks and quantiles promise, at a stated chance of a false alarm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from sketches.quantiles import KllQuantiles

SIZE, K = 20_000, 50
RANKS = np.arange(1, 20) / 20
STREAMS = {
    "mixed": np.random.Generator(np.random.Philox(1)).permutation(SIZE).astype(float),
    "rising": np.arange(SIZE, dtype=float),
    "falling": np.arange(SIZE, dtype=float)[::-1],
    "zigzag": np.where(np.arange(SIZE) % 2, np.arange(SIZE), SIZE - 1 - np.arange(SIZE)).astype(float),
    "few values": (np.arange(SIZE) * 7919 % 13).astype(float),
}


def rank_errors(sketch: KllQuantiles, stream: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far off the rank of each of 19 true quantiles is, as a share of the stream."""
    ordered = np.sort(stream)
    points = ordered[(RANKS * len(ordered)).astype(int)]
    truths = np.searchsorted(ordered, points, side="right") / len(ordered)
    found: NDArray[np.float64] = np.array([sketch.rank(float(point)) for point in points]) - truths
    return found


def sketched(stream: NDArray[np.float64], seed: int, parts: int = 1) -> KllQuantiles:
    """Return the sketch of a stream, or the merge of the sketches of its parts, two by two."""
    waiting = []
    for part in np.array_split(stream, parts):
        sketch = KllQuantiles(k=K, seed=seed)
        sketch.update_batch(part)
        waiting.append(sketch)
    while len(waiting) > 1:
        first, second = waiting.pop(0), waiting.pop(0)
        first.merge(second)
        waiting.append(first)
    return waiting[0]


@pytest.mark.parametrize("parts", [1, 64])
@pytest.mark.parametrize("name", STREAMS)
def test_ranks_are_within_their_hoeffding_bound(name: str, parts: int) -> None:
    """N = 40 seeds (0..39) x 19 ranks x 10 cases, each missed with probability 1e-11 at most (Hoeffding): 8e-8 for all of them."""
    for seed in range(40):
        sketch = sketched(STREAMS[name], seed, parts)
        error = sketch.rank_error(confidence=1.0 - 1e-11)
        assert error < 0.1, "a bound that could not be missed would prove nothing"
        assert np.abs(rank_errors(sketch, STREAMS[name])).max() <= error


@pytest.mark.parametrize("parts", [1, 64])
@pytest.mark.parametrize("name", ["mixed", "rising", "zigzag"])
def test_ranks_are_unbiased_and_their_squares_are_as_stated(name: str, parts: int) -> None:
    """N = 200 seeds (0..199), 19 ranks, 6 cases; in units of sqrt(V) / n an error is 1-sub-Gaussian.

    The mean of 200 is beyond 6 / sqrt(200) with probability 2 exp(-18) = 3e-8 at each of the 114. The sum of their squares has
    E exp(t S) <= (1 - 2 t)^-100, so the mean square is above 1.8 with probability exp(-100 (0.8 - ln 1.8)) = 6e-10.
    """
    found = []
    for seed in range(200):
        sketch = sketched(STREAMS[name], seed, parts)
        unit = sketch.rank_error(confidence=0.95) / math.sqrt(2.0 * math.log(2.0 / 0.05))
        found.append(rank_errors(sketch, STREAMS[name]) / unit)
    errors = np.array(found)
    assert np.abs(errors.mean(axis=0)).max() <= 6.0 / math.sqrt(200)
    assert np.mean(errors**2, axis=0).max() <= 1.8
    assert np.mean(errors**2) >= 0.05, "a bound far above the errors would prove nothing"


@pytest.mark.parametrize("parts", [1, 16])
def test_intervals_of_quantiles_hold_the_truth(parts: int) -> None:
    """N = 300 seeds (0..299), 3 ranks, 80 %: fewer than 200 hold with probability exp(-300 KL(2/3, 0.8)) = 4e-7 each (Chernoff).

    The six together stay below 1e-6, because Hoeffding's intervals hold in more than 90 % here, which makes 200 an event below 1e-20.
    """
    stream = STREAMS["mixed"]
    held = np.zeros(3, dtype=int)
    for seed in range(300):
        sketch = sketched(stream, seed, parts)
        for place, rank in enumerate((0.05, 0.5, 0.95)):
            truth = math.ceil(rank * SIZE) - 1
            held[place] += truth in sketch.bounds(rank, confidence=0.8)
    assert held.min() >= 200


def test_ten_times_the_memory_is_a_tenth_of_the_error() -> None:
    """N = 40 seeds (0..39), 19 ranks: a ratio of mean squares near 100; 20 is 1.6 in its logarithm, over 8 deviations: below 1e-14."""
    squares = []
    for k in (20, 200):
        found = []
        for seed in range(40):
            sketch = KllQuantiles(k=k, seed=seed)
            sketch.update_batch(STREAMS["mixed"])
            found.append(rank_errors(sketch, STREAMS["mixed"]))
        squares.append(np.mean(np.square(found)))
    assert squares[0] / squares[1] >= 20.0


def first_coin(seed: int, part: int) -> int:
    """Return which half of 16 values goes up first."""
    sketch = KllQuantiles(k=8, seed=seed)
    sketch.update_batch(np.arange(16) + 100.0 * part)
    return int(sketch._levels[0][0]) % 2


def test_coins_are_fair_over_seeds_and_over_parts_of_one_seed() -> None:
    """N = 400 coins over seeds 0..399, and over 400 parts of seed 1: 200 of each side, 53 more or less are 5.3 deviations: 1.2e-7 each."""
    assert 147 <= sum(first_coin(seed, 0) for seed in range(400)) <= 253
    assert 147 <= sum(first_coin(1, part) for part in range(400)) <= 253

"""The last ticks, and what fades: the promised errors, held always, on streams made to hurt."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import combinations_with_replacement

import numpy as np
import pytest
from numpy.typing import NDArray

from sketches.decayed_counts import DecayedCounts
from sketches.dgim import Dgim, DgimSum
from sketches.sliding import ExactSlidingCounter

Bits = NDArray[np.int64]
SIZE = 6000
EVERY = np.arange(SIZE)
# Streams that put the cut bucket where it hurts: full, alternating, in bursts, rare, all old, all new, thinning out, filling up, squares.
STREAMS: dict[str, Bits] = {
    "all ones": np.ones(SIZE, dtype=np.int64),
    "alternating": EVERY % 2,
    "bursts": (EVERY // 97 % 3 == 0).astype(np.int64),
    "rare": (EVERY % 501 == 0).astype(np.int64),
    "old": (EVERY < SIZE // 2).astype(np.int64),
    "new": (EVERY > SIZE - 700).astype(np.int64),
    "thinning out": (np.random.default_rng(1).random(SIZE) < np.exp(-EVERY / 900)).astype(np.int64),
    "filling up": (np.random.default_rng(2).random(SIZE) < np.exp((EVERY - SIZE) / 900)).astype(np.int64),
    "squares": np.isin(EVERY, np.arange(100) ** 2).astype(np.int64),
    "bursts that double": (np.log2(EVERY + 1).astype(np.int64) % 2),
}


def fed(stream: Bits, window: int, error: float) -> Dgim:
    counter = Dgim(window, error)
    counter.update_batch(stream)
    return counter


def worst(counter: Dgim, ticks: Bits) -> float:
    """Return the largest relative error of all suffixes; that the bounds hold each truth is checked on the way."""
    window = counter.parameters.window
    cutoffs = counter.clock - np.arange(1, window + 1)
    ordered = np.sort(ticks)
    truth = len(ordered) - np.searchsorted(ordered, cutoffs, side="right")
    starts, ends, sizes = np.array([(0, 0, 0), *counter.buckets()], dtype=np.int64).T

    def later(moments: Bits, weights: Bits) -> Bits:
        order = np.argsort(moments)
        sums = np.concatenate([[0], np.cumsum(weights[order])])
        found: Bits = sums[-1] - sums[np.searchsorted(moments[order], cutoffs, side="right")]
        return found

    sure, reached, ones = later(starts, sizes), later(ends, sizes), np.ones_like(sizes)
    number = later(ends, ones) - later(starts, ones)
    assert (sure + number <= truth).all()
    assert (truth <= reached - number).all()
    for last in (1, window // 2 + 1, window):
        assert counter.estimate(last) == (sure[last - 1] + reached[last - 1]) / 2, "the sums above are its estimates"
        assert tuple(counter.bounds(last)) == ((sure + number)[last - 1], (reached - number)[last - 1])
    errors = np.abs((sure + reached) / 2 - truth) / np.maximum(truth, 1)
    return float(errors.max())


@pytest.mark.parametrize("error", [0.5, 0.1, 0.03, 0.004])
@pytest.mark.parametrize("window", [1, 40, 2500, 10_000])
def test_dgim_keeps_its_error_in_every_suffix_at_all_times(window: int, error: float) -> None:
    """Ten streams of N = 6,000 bits, looked at ten times, each suffix of the window. The bound is certain: no false failure."""
    for stream in STREAMS.values():
        counter = Dgim(window, error)
        for end in range(600, SIZE + 1, 600):
            counter.update_batch(stream[end - 600 : end])
            assert worst(counter, np.flatnonzero(stream[:end]) + 1) <= counter.error_bound <= error


@pytest.mark.parametrize("error", [0.5, 0.1, 0.02])
def test_the_merge_of_any_two_streams_is_within_twice_the_error(error: float) -> None:
    """All pairs of ten streams of N = 6,000 bits that share their ticks, window 2,500. The bound is certain: no false failure."""
    counters = {name: fed(stream, 2500, error) for name, stream in STREAMS.items()}
    for one, two in combinations_with_replacement(STREAMS, 2):
        merged = counters[one].clone()
        merged.merge(counters[two])
        ticks = np.concatenate([np.flatnonzero(STREAMS[one]) + 1, np.flatnonzero(STREAMS[two]) + 1])
        assert worst(merged, ticks) <= merged.error_bound <= 2 * error
        assert len(merged.buckets()) <= len(counters[one].buckets()) + len(counters[two].buckets())


def test_the_merge_of_forty_streams_is_still_within_twice_the_error() -> None:
    """40 streams of N = 6,000 bits of densities from 0 to 1 (seed 3), one after the other into one; buckets at most 8 times one's.

    That the error stays within error_bound is certain; that error_bound stays within 2 * error is what is measured here.
    """
    generator = np.random.default_rng(3)
    merged, ticks, most = Dgim(2500, 0.05), [], 0
    for number in range(40):
        stream = (generator.random(SIZE) < generator.random() ** 3).astype(np.int64)
        if number % 3 == 0:
            stream[generator.integers(0, SIZE) :] = 0
        part = fed(stream, 2500, 0.05)
        merged.merge(part)
        most = max(most, len(part.buckets()))
        ticks.append(np.flatnonzero(stream) + 1)
        assert worst(merged, np.concatenate(ticks)) <= merged.error_bound <= 0.1
    assert len(merged.buckets()) <= 8 * most


@pytest.mark.parametrize("densities", [(0.5,), (0.5, 0.02), (0.9, 0.1, 0.01)])
def test_batch_after_batch_merged_keeps_the_error(densities: tuple[float, ...]) -> None:
    """300 batches of 50 ticks (seed 4), each of one to three partitions, merged one by one: what `sketches.deltas` does.

    One partition: streams that follow one another, within the error itself, for certain. More: within error_bound for certain, which is
    measured to stay within twice the error.
    """
    generator = np.random.default_rng(4)
    merged, ticks = Dgim(2000, 0.05), []
    for batch in range(300):
        moments = np.arange(batch * 50 + 1, batch * 50 + 51)
        for density in densities:
            bits = (generator.random(50) < density).astype(np.int64)
            part = Dgim(2000, 0.05)
            part.update_batch_at(moments, bits)
            merged.merge(part)
            ticks.append(moments[bits == 1])
        if batch % 20 == 0 and any(map(len, ticks)):
            assert worst(merged, np.concatenate(ticks)) <= merged.error_bound <= (0.05 if len(densities) == 1 else 0.1)


@pytest.mark.parametrize(
    "values",
    [
        np.full(SIZE, 255),
        EVERY % 256,
        np.where(EVERY % 300 == 0, 255, 1),
        np.where(EVERY < SIZE // 2, 128, 0),
        np.random.default_rng(5).integers(0, 256, SIZE),
    ],
    ids=["largest", "rising", "rare peaks", "old", "even"],
)
def test_sums_keep_their_error_against_the_exact_counter(values: Bits) -> None:
    """N = 6,000 values below 256, window 1,500, alone and as the merge of two halves of it. The bound is certain: no false failure."""
    whole, exact = DgimSum(1500, 0.1, bits=8), ExactSlidingCounter(1500)
    whole.update_batch(values)
    exact.update_batch(values)
    merged, other = DgimSum(1500, 0.1, bits=8), DgimSum(1500, 0.1, bits=8)
    merged.update_batch_at(EVERY + 1, np.where(EVERY % 3 == 0, values, 0))
    other.update_batch_at(EVERY + 1, np.where(EVERY % 3 == 0, 0, values))
    merged.merge(other)
    for last in range(1, 1501, 7):
        truth = exact.estimate(last)
        for counter, error in ((whole, 0.1), (merged, 0.2)):
            assert truth in counter.bounds(last)
            assert abs(counter.estimate(last) - truth) <= counter.error_bound * truth <= error * truth + 1e-9


def zipf_events(generator: np.random.Generator) -> Iterable[tuple[int, int]]:
    times = np.arange(20_000) * 40 + generator.integers(0, 30_000, 20_000)
    return zip(times.tolist(), generator.zipf(1.2, 20_000).clip(max=10**6).tolist(), strict=True)


def turns(generator: np.random.Generator) -> Iterable[tuple[int, int]]:
    return ((number * 40, number % 61 if number % 7 else int(generator.integers(10**6, 10**9))) for number in range(20_000))


@pytest.mark.parametrize("make", [zipf_events, turns])
@pytest.mark.parametrize("half_life_ms", [500, 60_000, 10**9])
def test_decayed_counts_hold_the_exact_sum(half_life_ms: int, make: Callable[[np.random.Generator], Iterable[tuple[int, int]]]) -> None:
    """N = 20,000 events, up to 30 s late (seed 6), 60 counters; at once and as 10 parts merged. Certain, up to rounding (1e-11)."""
    events = list(make(np.random.default_rng(6)))
    newest = max(moment for moment, _ in events)
    for moment in (newest, newest + 3 * half_life_ms // 2):
        exact: dict[int, list[float]] = {}
        for event_ms, item in events:
            exact.setdefault(item, []).append(2.0 ** ((event_ms - moment) / half_life_ms))
        sums = {item: math.fsum(weights) for item, weights in exact.items()}
        total = math.fsum(sums.values())
        slack = 1e-11 * total
        whole, merged = (DecayedCounts(half_life_ms, capacity=60, seed=1) for _ in range(2))
        whole.update_batch(events)
        for start in range(0, len(events), 2000):
            part = DecayedCounts(half_life_ms, capacity=60, seed=1)
            part.update_batch(events[start : start + 2000])
            merged.merge(part)
        for one in (whole, merged):
            assert math.isclose(one.total(moment), total, rel_tol=1e-11)
            for row in one.top(60, moment):
                assert row.low - slack <= sums[row.item] <= row.high + slack  # type: ignore[index]  # all items are whole numbers
                assert row.high - row.low <= total / 60 + slack
            kept = {row.item for row in one.top(60)}
            floor = one.estimate("never came", moment)
            assert floor <= total / 60 + slack
            assert all(count <= floor + slack for item, count in sums.items() if item not in kept)

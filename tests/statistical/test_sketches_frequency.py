"""How often items come: the promised errors, on Zipf's streams and on ones made to hurt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from sketches.frequency import CountMin
from sketches.heavy_hitters import SpaceSaving

SIZE = 60_000


def zipf(exponent: float, seed: int) -> list[int]:
    ranks = np.random.default_rng(seed).zipf(exponent, SIZE)
    items: list[int] = np.minimum(ranks, 10**6).tolist()
    return items


# Adversaries of Space-Saving: nothing comes twice; one more item than counters, in turn; what is frequent comes last, or first and never
# again; blocks that push each other out; a heavy item between ever new ones.
STREAMS: dict[str, Sequence[int]] = {
    "zipf 1.1": zipf(1.1, 1),
    "zipf 2": zipf(2.0, 2),
    "all different": range(SIZE),
    "in turn": [number % 101 for number in range(SIZE)],
    "heavy at the end": [*range(SIZE - 1000), *[7] * 1000],
    "heavy at the start": [*[7] * 1000, *range(8, SIZE - 992)],
    "blocks": [number // 150 for number in range(SIZE)],
    "heavy between": [number if number % 90 else -1 for number in range(SIZE)],
}


def chernoff(trials: int, chance: float, failure: float) -> tuple[int, int]:
    """Return a range that a binomial number leaves with probability at most `failure`: exp(-n KL(k/n, p)) on each side, by Chernoff."""

    def tail(number: int) -> float:
        share = number / trials
        terms = [(one * math.log(one / other)) for one, other in ((share, chance), (1 - share, 1 - chance)) if one > 0]
        return math.exp(-trials * sum(terms))

    low = high = round(trials * chance)
    while low > 0 and tail(low) > failure / 2:
        low -= 1
    while high < trials and tail(high) > failure / 2:
        high += 1
    return low, high


@pytest.mark.parametrize(("width", "depth"), [(40, 1), (6, 2), (3, 4), (2, 5)])
def test_an_item_collides_in_all_rows_as_often_as_independent_rows_would(width: int, depth: int) -> None:
    """N = 20,000 tables (seeds 0 to 19,999): one item of weight 1,000, and one that never came.

    Markov's inequality is an equality here: the second is estimated at 1,000 with probability width^-depth exactly, over the choice of the
    seed. The number of such tables is binomial; it leaves Chernoff's range with probability below 1e-7 for each of four cases.
    """
    tables, hit = 20_000, 0
    for seed in range(tables):
        table = CountMin(width, depth, seed)
        table.update_weighted("came", 1000)
        hit += table.estimate("never came") == 1000.0
    low, high = chernoff(tables, width**-depth, 1e-7)
    assert low <= hit <= high


@pytest.mark.parametrize("conservative", [False, True])
@pytest.mark.parametrize("name", STREAMS)
def test_no_count_is_too_low_and_none_more_than_the_error_too_high(name: str, conservative: bool) -> None:
    """N = 60,000, error 0.01, seed 11; failure 1e-7 / 60,000 for each item, so below 1e-7 for any of a stream's by the union bound.

    16 cases: 1.6e-6 by that bound, but an item that fails in the conservative table fails in the plain one of the same stream and seed, so
    8e-7 in all. Held for the stream at once, and for the merge of four parts.
    """
    items = STREAMS[name]
    truth = Counter(items)
    distinct = list(truth)
    exact = np.array([truth[item] for item in distinct])
    whole, merged = (CountMin.for_error(0.01, 1e-7 / SIZE, seed=11, conservative=conservative) for _ in range(2))
    whole.update_batch(items)
    for start in range(0, SIZE, SIZE // 4):
        part = CountMin.for_error(0.01, 1e-7 / SIZE, seed=11, conservative=conservative)
        part.update_batch(items[start : start + SIZE // 4])
        merged.merge(part)
    for table in (whole, merged):
        found = table.estimate_batch(distinct)
        assert (found >= exact).all()
        assert (found - exact < 0.01 * SIZE).all()


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_bounds_hold_as_often_as_they_say(confidence: float) -> None:
    """N = 2,000 tables (seeds 0 to 1,999) of 10 columns and 2 rows, a heavy item, 300 light ones; asked for one light item.

    Each misses with probability at most 1 - confidence, independently; more than Chernoff's limit has probability below 1e-7.
    """
    tables, missed = 2000, 0
    for seed in range(tables):
        table = CountMin(width=10, depth=2, seed=seed)
        table.update_weighted("heavy", 900)
        table.update_batch(np.arange(300))
        missed += 1 not in table.bounds(5, confidence)
    assert missed <= chernoff(tables, 1 - confidence, 2e-7)[1]


def check(summary: SpaceSaving, truth: Counter[int], capacity: int) -> None:
    total = summary.total
    assert total == truth.total()
    most = total / capacity
    assert summary.floor <= most
    rows = summary.top(capacity)
    for row in rows:
        assert row.low <= truth[row.item] <= row.high  # type: ignore[index]  # all items are whole numbers
        assert row.high - row.low <= most
    kept = {row.item for row in rows}
    assert all(count <= summary.floor for item, count in truth.items() if item not in kept)


@pytest.mark.parametrize("capacity", [1, 10, 100])
@pytest.mark.parametrize("name", STREAMS)
def test_space_saving_keeps_its_bounds_always(name: str, capacity: int) -> None:
    """N = 60,000, in one summary, in a fold of 20 and in a balanced tree of 16. The bounds are certain: no false failure."""
    items = STREAMS[name]
    truth = Counter(items)
    whole, fold = SpaceSaving(capacity, seed=1), SpaceSaving(capacity, seed=1)
    whole.update_batch(items)
    check(whole, truth, capacity)
    for start in range(0, SIZE, SIZE // 20):
        part = SpaceSaving(capacity, seed=1)
        part.update_batch(items[start : start + SIZE // 20])
        fold.merge(part)
    check(fold, truth, capacity)
    level = []
    for start in range(16):
        part = SpaceSaving(capacity, seed=1)
        part.update_batch(items[start::16])
        level.append(part)
    while len(level) > 1:
        for left, right in zip(level[::2], level[1::2], strict=True):
            left.merge(right)
        level = level[::2]
    check(level[0], truth, capacity)
    level[0].update_batch(items)
    check(level[0], truth + truth, capacity)

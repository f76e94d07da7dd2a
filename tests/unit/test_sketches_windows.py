"""The last ticks: what the counters answer, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sketches.dgim import Bucket, Dgim, DgimSum
from sketches.sliding import ExactSlidingCounter, SlidingCounter
from veilocity.errors import SketchMismatchError, StateError

Make = Callable[[], SlidingCounter]
every_counter = pytest.mark.parametrize(
    "make",
    [lambda: ExactSlidingCounter(window=50), lambda: Dgim(window=50, error=0.2), lambda: DgimSum(window=50, error=0.2, bits=1)],
    ids=["exact", "dgim", "dgim-sum"],
)


# What all sliding counters share


@every_counter
@pytest.mark.parametrize("last", [0, -1, 51])
def test_only_the_window_can_be_asked_for(make: Make, last: int) -> None:
    counter: Any = make()
    counter.update(1)
    with pytest.raises(SketchMismatchError, match="window"):
        counter.estimate(last)
    with pytest.raises(SketchMismatchError, match="window"):
        counter.bounds(last)
    with pytest.raises(SketchMismatchError, match="confidence"):
        counter.bounds(confidence=0.0)


@every_counter
@pytest.mark.parametrize("value", [-1, 2**31, 0.5, "1", None])
def test_a_value_out_of_range_is_refused_and_time_stands_still(make: Make, value: Any) -> None:
    counter = make()
    counter.update(1)
    before = counter.to_bytes()
    with pytest.raises(SketchMismatchError):
        counter.update(value)
    with pytest.raises(SketchMismatchError):
        counter.update_batch([1, value])
    assert counter.to_bytes() == before


@every_counter
def test_ticks_do_not_go_back(make: Make) -> None:
    counter = make()
    counter.update_at(10, 1)
    before = counter.to_bytes()
    refusals: list[Callable[[], None]] = [
        lambda: counter.update_at(9, 1),
        lambda: counter.update_at(2**62, 1),
        lambda: counter.update_batch_at([9, 12], [1, 1]),
        lambda: counter.update_batch_at([12, 11], [1, 1]),
        lambda: counter.update_batch_at([12], [1, 1]),
        lambda: counter.update_batch_at(np.array([2**63], dtype=np.uint64), [1]),
        lambda: counter.update_batch_at([0.5], [1]),
    ]
    for refused in refusals:
        with pytest.raises(SketchMismatchError):
            refused()
    assert counter.to_bytes() == before
    counter.update_at(10, 1)
    assert counter.clock == 10


@every_counter
def test_a_column_with_ticks_is_its_rows_one_by_one(make: Make) -> None:
    generator = np.random.default_rng(1)
    ticks = np.cumsum(generator.integers(0, 4, 600))
    values = generator.integers(0, 2, 600)
    single, in_parts = make(), make()
    for tick, value in zip(ticks.tolist(), values.tolist(), strict=True):
        single.update_at(tick, value)
    for start in range(0, 600, 37):
        in_parts.update_batch_at(ticks[start : start + 37], values[start : start + 37].tolist())
    in_parts.update_batch_at([], [])
    in_parts.update_batch([])
    assert in_parts.to_bytes() == single.to_bytes()


@every_counter
def test_zeros_let_time_go_on_until_nothing_is_left(make: Make) -> None:
    counter: Any = make()
    counter.update_batch([1] * 30)
    counter.update_batch([0] * 49)
    assert counter.estimate() == 1.0
    counter.update(0)
    assert counter.estimate() == 0.0 == counter.bounds().high
    counter.update_batch([1, 1])
    counter.update_at(10**12, 0)
    assert counter.estimate() == 0.0
    assert counter.clock == 10**12


@every_counter
def test_an_empty_counter_has_nothing_in_its_window(make: Make) -> None:
    counter: Any = make()
    assert counter.estimate() == 0.0
    assert tuple(counter.bounds(last=1)) == (0.0, 0.0)


@every_counter
def test_a_merge_takes_the_later_clock_and_forgets(make: Make) -> None:
    early, late = make(), make()
    early.update_batch([1] * 20)
    late.update_at(60, 1)
    early.merge(late)
    assert early.clock == 60
    assert early.estimate() == 11.0  # type: ignore[attr-defined]  # every counter has one
    gone = make()
    gone.update_at(1000, 0)
    early.merge(gone)
    assert (early.clock, early.estimate()) == (1000, 0.0)  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize("window", [0, -1, 2**62 + 1])
def test_a_window_that_makes_no_sense_is_refused(window: int) -> None:
    for make in (lambda: ExactSlidingCounter(window), lambda: Dgim(window, 0.1), lambda: DgimSum(window, 0.1, 4)):
        with pytest.raises(SketchMismatchError, match="window"):
            make()


# The exact counter


def test_the_exact_counter_is_a_sum_over_a_slice() -> None:
    values = np.random.default_rng(1).integers(0, 3, 400).tolist()
    counter = ExactSlidingCounter(window=30)
    for end, value in enumerate(values, start=1):
        counter.update(value)
        assert all(counter.estimate(last) == sum(values[max(0, end - last) : end]) for last in (1, 7, 30))
    assert counter.memory_bytes <= 8 + 16 * 30


def test_exact_counters_of_two_streams_add_up_in_any_order() -> None:
    one, two = ExactSlidingCounter(window=10), ExactSlidingCounter(window=10)
    one.update_batch_at([1, 5, 5, 9], [1, 2, 3, 4])
    two.update_batch_at([2, 5, 13], [10, 20, 30])
    left, right = one.clone(), two.clone()
    left.merge(two)
    right.merge(one)
    assert left.to_bytes() == right.to_bytes()
    assert (left.estimate(), left.estimate(last=5)) == (59.0, 34.0)


def test_saved_ticks_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ([3, [(2, 1), (1, 1)]], [3, [(4, 1)]], [3, [(1, 0)]], [3, [(1, 1), (1, 1)]]):
        monkeypatch.setattr(ExactSlidingCounter, "_content", lambda _, content=content: content)
        with pytest.raises(StateError):
            ExactSlidingCounter.from_bytes(ExactSlidingCounter(window=5).to_bytes())


# DGIM


@pytest.mark.parametrize("error", [0.0, 1e-7, 0.51, math.nan])
def test_an_error_that_makes_no_sense_is_refused(error: float) -> None:
    with pytest.raises(SketchMismatchError, match="error"):
        Dgim(10, error)
    with pytest.raises(SketchMismatchError, match="error"):
        DgimSum(10, error, 4)
    with pytest.raises(SketchMismatchError, match="bits"):
        DgimSum(10, 0.1, 32)


def test_buckets_are_powers_of_two_of_which_each_smaller_one_is_there() -> None:
    counter = Dgim(window=10_000, error=0.1)
    counter.update_batch((np.random.default_rng(1).random(30_000) < 0.7).astype(np.int64))
    buckets = counter.buckets()
    sizes = [bucket.size for bucket in buckets]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size & (size - 1) == 0 for size in sizes)
    assert all(5 <= sizes.count(1 << level) <= 6 for level in range(sizes[0].bit_length() - 1))
    assert all(older.end < newer.start for older, newer in pairwise(buckets))


def test_the_first_buckets_are_those_of_the_book() -> None:
    counter = Dgim(window=100, error=0.5)
    counter.update_batch([1] * 6)
    assert counter.buckets() == [Bucket(1, 2, 2), Bucket(3, 4, 2), Bucket(5, 5, 1), Bucket(6, 6, 1)]
    counter.update(1)
    assert counter.buckets() == [Bucket(1, 4, 4), Bucket(5, 6, 2), Bucket(7, 7, 1)]


def test_small_counts_are_exact() -> None:
    counter = Dgim(window=1000, error=0.1)
    counter.update_batch([0, 1, 0, 1, 1])
    assert [counter.estimate(last) for last in (1, 2, 3, 4, 5, 1000)] == [1, 2, 2, 3, 3, 3]


def test_memory_is_logarithmic() -> None:
    counter = Dgim(window=10**6, error=0.05)
    counter.update_batch(np.ones(2_000_000, dtype=np.int64))
    assert counter.memory_bytes <= 8 + 16 * 11 * math.log2(2 * 10**6 * 1.2 / 10 + 2)
    assert abs(counter.estimate() - 10**6) <= 0.05 * 10**6


def test_truth_values_are_bits() -> None:
    as_bits, as_truth = Dgim(window=10, error=0.1), Dgim(window=10, error=0.1)
    as_bits.update_batch([1, 0, 1])
    as_truth.update_batch(np.array([True, False, True]))
    assert as_bits.to_bytes() == as_truth.to_bytes()


def test_a_counter_merged_with_nothing_stays_a_plain_one() -> None:
    plain, empty = Dgim(window=100, error=0.1), Dgim(window=100, error=0.1)
    plain.update_batch([1] * 90)
    empty.merge(plain)
    assert empty.to_bytes() == plain.to_bytes()
    empty.update_batch([1] * 90)
    assert plain.clock == 90, "the copy is independent"


def test_a_merged_counter_goes_on() -> None:
    merged, other = Dgim(window=1000, error=0.1), Dgim(window=1000, error=0.1)
    exact = ExactSlidingCounter(window=1000)
    for counter, every in ((merged, 2), (other, 3)):
        bits = [int(tick % every == 0) for tick in range(1500)]
        counter.update_batch(bits)
        exact.merge(_exactly(bits))
    merged.merge(other)
    for _ in range(15):
        merged.update_batch([1, 0, 0, 1, 0] * 20)
        exact.update_batch([1, 0, 0, 1, 0] * 20)
        for last in range(1, 1001, 13):
            truth = exact.estimate(last)
            assert truth in merged.bounds(last)
            assert abs(merged.estimate(last) - truth) <= merged.error_bound * truth
        assert merged.error_bound <= 0.2
    assert not merged._merged, "what was merged left the window"


def _exactly(bits: list[int]) -> ExactSlidingCounter:
    exact = ExactSlidingCounter(window=1000)
    exact.update_batch(bits)
    return exact


def test_ones_at_one_tick_count_each() -> None:
    counter = Dgim(window=10, error=0.1)
    counter.update_batch_at([3] * 500, [1] * 500)
    assert (counter.estimate(), counter.error_bound) == (500.0, 0.0)
    counter.update_at(13, 0)
    assert counter.estimate() == 0.0


def test_sums_are_made_of_their_digits() -> None:
    total = DgimSum(window=20, error=0.1, bits=4)
    total.update_batch([15, 8, 0, 1])
    assert total.estimate() == 24.0
    assert total.largest_value == 15
    assert total.error_bound == 0.0
    with pytest.raises(SketchMismatchError, match="between 0 and 15"):
        total.update(16)


def test_saved_buckets_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ([3, [([1], [])], []], [3, [([], [])], []], [3, [([4], [4])], []], [3, [([1], [1])], [(2, 2, 1)]]):
        monkeypatch.setattr(Dgim, "_content", lambda _, content=content: content)
        with pytest.raises(StateError):
            Dgim.from_bytes(Dgim(window=5, error=0.1).to_bytes())
    monkeypatch.undo()
    wrong: list[list[bytes]] = [[], [Dgim(window=6, error=0.1).to_bytes()]]
    for digits in wrong:
        monkeypatch.setattr(DgimSum, "_content", lambda _, digits=digits: digits)
        with pytest.raises(StateError):
            DgimSum.from_bytes(DgimSum(window=5, error=0.1, bits=1).to_bytes())

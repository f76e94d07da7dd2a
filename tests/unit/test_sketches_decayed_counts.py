"""What fades: what the counts answer, and what they refuse."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest

from sketches.decayed_counts import DecayedCounts, _power, _power_column
from veilocity.errors import SketchMismatchError, StateError


def make_decayed(capacity: int = 10) -> DecayedCounts:
    return DecayedCounts(half_life_ms=1000, capacity=capacity, seed=1)


def test_half_a_life_is_a_root_of_two_to_a_few_bits() -> None:
    fractions = np.concatenate([np.linspace(0.0, 1.0, 997)[:-1], np.arange(64) / 64, np.nextafter(np.arange(1, 65) / 64, 0.0)])
    column = _power_column(fractions)
    with localcontext() as context:
        context.prec = 40
        for fraction, value in zip(fractions.tolist(), column.tolist(), strict=True):
            assert _power(fraction) == value, "the same to the last bit"
            exact = Decimal(2) ** Decimal(fraction)
            assert abs(Decimal(value) / exact - 1) < Decimal(2) ** -50


@pytest.mark.parametrize("arguments", [(0, 1, 1), (2**53 + 1, 1, 1), (1, 0, 1), (1, 1, -1)])
def test_decay_that_makes_no_sense_is_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(SketchMismatchError):
        DecayedCounts(*arguments)


@pytest.mark.parametrize(
    "event",
    [
        "a",
        ("a",),
        (1, "a", 1.0, 2),
        (1.5, "a"),
        (None, "a"),
        (2**53, "a"),
        (1, None),
        (1, "a", 0.0),
        (1, "a", -1),
        (1, "a", math.nan),
        (1, "a", "x"),
    ],
)
def test_an_event_that_is_none_is_refused_and_nothing_is_counted(event: Any) -> None:
    counts = make_decayed()
    counts.update((5, "b"))
    before = counts.to_bytes()
    with pytest.raises(SketchMismatchError):
        counts.update(event)
    with pytest.raises(SketchMismatchError):
        counts.update_batch([(6, "a"), event])
    assert counts.to_bytes() == before


def test_columns_of_different_lengths_are_refused() -> None:
    counts = make_decayed()
    with pytest.raises(SketchMismatchError, match="lengths"):
        counts.update_columns([1, 2], ["a"])
    with pytest.raises(SketchMismatchError, match="lengths"):
        counts.update_columns([1, 2], ["a", "b"], [1.0])
    counts.update_columns(np.array([1, 1]), ["a", "b"], np.array([1.0, 2.0]))
    assert counts.estimate("b") == 2.0


def test_only_the_present_and_the_future_can_be_asked_for() -> None:
    counts = make_decayed()
    assert counts.estimate("a", at_ms=5) == 0.0 == counts.total()
    counts.update((5000, "a"))
    with pytest.raises(SketchMismatchError, match="newest"):
        counts.estimate("a", at_ms=4999)
    assert counts.estimate("a", at_ms=6000) == 0.5
    assert counts.total(at_ms=7000) == 0.25
    assert counts.top(1, at_ms=6000)[0].high == 0.5
    assert counts.estimate("a", at_ms=2**52) == 0.0
    with pytest.raises(SketchMismatchError):
        counts.top(0)
    with pytest.raises(SketchMismatchError):
        counts.bounds("a", confidence=1.0)


def test_late_events_count_what_they_are_still_worth() -> None:
    counts = make_decayed()
    counts.update_batch([(10_000, "a"), (8_000, "a"), (-10_000_000, "a"), (-10_000_000, "never")])
    assert counts.estimate("a") == 1.25
    assert counts.estimate("never") == 0.0
    assert len(counts.top(9)) == 1, "what weighs nothing takes no counter"


@pytest.mark.parametrize("step_ms", [1, 999, 100_000, 300_000, 2_000_000, 10**12])
def test_the_landmark_follows_time_however_fast_it_goes(step_ms: int) -> None:
    single, at_once = make_decayed(), make_decayed()
    events = [(number * step_ms, f"item-{number % 3}") for number in range(300)]
    for event in events:
        single.update(event)
    at_once.update_batch(events)
    assert at_once.to_bytes() == single.to_bytes()
    for last in range(3):
        exact = math.fsum(2.0 ** -((299 - number) * step_ms / 1000) for number in range(last, 300, 3) if (299 - number) * step_ms < 10**6)
        assert math.isclose(single.estimate(f"item-{last}"), exact, rel_tol=1e-12, abs_tol=1e-300)


def test_a_merge_of_periods_far_apart_keeps_the_later_one() -> None:
    early, late = make_decayed(), make_decayed()
    early.update_batch([(0, "a"), (0, "b")])
    late.update((10**9, "a", 3.0))
    for one, two in ((early, late), (late, early)):
        merged = one.clone()
        merged.merge(two)
        assert (merged.newest_ms, merged.estimate("a"), merged.total()) == (10**9, 3.0, 3.0)
    near = make_decayed()
    near.update((10**9 - 1000, "b"))
    near.merge(late)
    assert (near.estimate("a"), near.estimate("b")) == (3.0, 0.5)


def test_merged_counts_go_on_from_their_landmark() -> None:
    one, two, whole = make_decayed(), make_decayed(), make_decayed()
    for moment in range(0, 600_000, 500):
        (one if moment % 1000 else two).update((moment, "a"))
        whole.update((moment, "a"))
    one.merge(two)
    assert math.isclose(one.estimate("a"), whole.estimate("a"), rel_tol=1e-13)
    one.update((600_000, "a"))
    whole.update((600_000, "a"))
    assert math.isclose(one.estimate("a"), whole.estimate("a"), rel_tol=1e-13)


def test_restored_counts_give_up_the_same_items() -> None:
    generator = np.random.default_rng(1)
    kept, moved = make_decayed(capacity=7), make_decayed(capacity=7)
    for number in range(60):
        events = [
            (number * 9000 + int(late), f"item-{item % 40}")
            for late, item in zip(generator.integers(0, 9000, 20), generator.zipf(1.2, 20), strict=True)
        ]
        kept.update_batch(events)
        moved.update_batch(events)
        moved = DecayedCounts.from_bytes(moved.to_bytes())
        assert moved.to_bytes() == kept.to_bytes()


def test_saved_counts_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ([None, 0, 0.0, 0.0, [("a", 1.0, 0.0)]], [1, 0, 1.0, 0.0, [("a", 1.0, 2.0)]], [1, 0, 1.0, 0.0, [("a", math.inf, 0.0)]]):
        monkeypatch.setattr(DecayedCounts, "_content", lambda _, content=content: content)
        with pytest.raises(StateError):
            DecayedCounts.from_bytes(make_decayed().to_bytes())

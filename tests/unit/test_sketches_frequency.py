"""How often items come: what the tables and summaries answer, and what they refuse."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from sketches.frequency import CountMin
from sketches.heavy_hitters import SpaceSaving
from veilocity.errors import SketchMismatchError, StateError

MIXED: list[Any] = [1, 1.0, "1", b"1", -0.0, 0.0, math.nan, float("nan"), np.float32(2.5), np.int8(7), "\ud800", "É", b"\xff"]


# Count-Min


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 0, "depth": 1, "seed": 1},
        {"width": 1, "depth": 0, "seed": 1},
        {"width": 2**29, "depth": 1, "seed": 1},
        {"width": 2**20, "depth": 2**13, "seed": 1},
        {"width": 8, "depth": 1, "seed": -1},
        {"width": 8, "depth": 1, "seed": 2**64},
    ],
)
def test_a_table_that_makes_no_sense_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(SketchMismatchError):
        CountMin(**arguments)


@pytest.mark.parametrize(("error", "failure"), [(0.0, 0.1), (1.0, 0.1), (0.1, 0.0), (0.1, 1.0), (math.nan, 0.1)])
def test_an_error_that_makes_no_sense_is_refused(error: float, failure: float) -> None:
    with pytest.raises(SketchMismatchError):
        CountMin.for_error(error, failure, seed=1)


@pytest.mark.parametrize("sketch", [CountMin(width=8, depth=2, seed=1), SpaceSaving(capacity=4, seed=1)], ids=["count-min", "space-saving"])
@pytest.mark.parametrize("weight", [0, -1, 1.5, "2", None])
def test_a_weight_that_is_no_count_is_refused_and_nothing_is_counted(sketch: CountMin | SpaceSaving, weight: Any) -> None:
    before = sketch.to_bytes()
    with pytest.raises(SketchMismatchError, match="weight"):
        sketch.update_weighted("a", weight)
    assert sketch.to_bytes() == before


@pytest.mark.parametrize("make", [lambda: CountMin(width=8, depth=2, seed=1), lambda: SpaceSaving(capacity=4, seed=1)])
def test_a_column_with_one_bad_item_changes_nothing(make: Any) -> None:
    sketch = make()
    sketch.update("a")
    before = sketch.to_bytes()
    for bad in (["b", True], ["b", None], [2**64], np.array([True])):
        with pytest.raises(SketchMismatchError):
            sketch.update_batch(bad)
    assert sketch.to_bytes() == before
    for bad_item in (True, None, 2**64):
        with pytest.raises(SketchMismatchError):
            sketch.update(bad_item)
        with pytest.raises(SketchMismatchError):
            sketch.estimate(bad_item)
    assert sketch.to_bytes() == before


@pytest.mark.parametrize("conservative", [False, True])
def test_a_total_beyond_63_bits_is_refused_instead_of_wrapping(conservative: bool) -> None:
    table = CountMin(width=2, depth=2, seed=1, conservative=conservative)
    table.update_weighted("a", 2**63 - 2)
    table.update("b")
    with pytest.raises(SketchMismatchError, match=r"2\^63"):
        table.update("a")
    with pytest.raises(SketchMismatchError, match=r"2\^63"):
        table.update_batch(["a"])
    with pytest.raises(SketchMismatchError, match=r"2\^63"):
        table.merge(table.clone())
    assert table.total == 2**63 - 1
    assert table.estimate("a") >= 2**63 - 2


@pytest.mark.parametrize("conservative", [False, True])
@pytest.mark.parametrize("width", [1, 7, 300, 5000])
def test_every_cut_of_a_column_gives_the_table_of_one_by_one(width: int, conservative: bool) -> None:
    items = (np.random.default_rng(3).zipf(1.3, 3000) % 500).tolist()
    single = CountMin(width, 3, 9, conservative)
    for item in items:
        single.update(item)
    for size in (1, 5, 257, 3000):
        table = CountMin(width, 3, 9, conservative)
        for start in range(0, len(items), size):
            table.update_batch(items[start : start + size])
        assert table.to_bytes() == single.to_bytes()


@pytest.mark.parametrize("conservative", [False, True])
def test_a_weight_is_that_many_updates_in_a_row(conservative: bool) -> None:
    weighted, repeated = (CountMin(5, 3, 9, conservative) for _ in range(2))
    for number in range(200):
        weighted.update_weighted(number % 17, number % 3 + 1)
        repeated.update_batch([number % 17] * (number % 3 + 1))
    assert weighted.to_bytes() == repeated.to_bytes()


def test_conservative_update_is_between_truth_and_plain_and_better() -> None:
    items = (np.random.default_rng(5).zipf(1.2, 20_000) % 3000).tolist()
    truth, plain, careful = Counter(items), CountMin(200, 4, 1), CountMin(200, 4, 1, conservative=True)
    plain.update_batch(items)
    careful.update_batch(items)
    assert all(truth[item] <= careful.estimate(item) <= plain.estimate(item) for item in truth)
    assert sum(careful.estimate(item) - truth[item] for item in truth) < 0.7 * sum(plain.estimate(item) - truth[item] for item in truth)


def test_merged_conservative_tables_are_upper_bounds_below_the_plain_merge() -> None:
    items = (np.random.default_rng(6).zipf(1.2, 12_000) % 3000).tolist()
    truth, plain, merged = Counter(items), CountMin(200, 4, 1), CountMin(200, 4, 1, conservative=True)
    plain.update_batch(items)
    for start in range(0, len(items), 3000):
        part = CountMin(200, 4, 1, conservative=True)
        part.update_batch(items[start : start + 3000])
        merged.merge(part)
    assert all(truth[item] <= merged.estimate(item) <= plain.estimate(item) for item in truth)


def test_one_column_holds_the_total_and_an_empty_table_nothing() -> None:
    table = CountMin(width=1, depth=1, seed=1)
    assert table.estimate("a") == 0.0 == table.bounds("a").high
    table.update_batch(["a", "b", "b"])
    assert table.estimate("never came") == 3.0
    assert table.bounds("a").low == 0.0


def test_bounds_follow_their_formula_and_refuse_what_is_no_confidence() -> None:
    table = CountMin.for_error(error=0.01, failure=0.01, seed=1)
    table.update_batch([f"item-{number}" for number in range(10_000)])
    table.update_weighted("a", 500)
    low, high = table.bounds("a", confidence=0.99)
    assert high == table.estimate("a")
    assert math.isclose(high - low, 0.01 ** (-1 / 5) / 272 * 10_500)
    assert high - low <= 0.01 * 10_500
    for confidence in (0.0, 1.0, -1.0):
        with pytest.raises(SketchMismatchError):
            table.bounds("a", confidence)


def test_a_saved_table_that_does_not_fit_its_parameters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = CountMin(width=4, depth=1, seed=1), CountMin(width=5, depth=1, seed=1)
    small.update("a")
    small._total = 0
    with pytest.raises(StateError, match="does not decode"):
        CountMin.from_bytes(small.to_bytes())
    content = small._content()
    monkeypatch.setattr(CountMin, "_content", lambda _: content)
    with pytest.raises(StateError, match="does not decode"):
        CountMin.from_bytes(large.to_bytes())


def test_items_of_two_kinds_are_two_items() -> None:
    table, summary = CountMin(width=1000, depth=5, seed=1), SpaceSaving(capacity=50, seed=1)
    for sketch in (table, summary):
        sketch.update_batch(MIXED)
        assert [sketch.estimate(item) for item in MIXED] == [1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 1]


# Space-Saving


@pytest.mark.parametrize(("capacity", "seed"), [(0, 1), (-1, 1), (2**28 + 1, 1), (3, -1), (3, 2**64)])
def test_a_summary_that_makes_no_sense_is_refused(capacity: int, seed: int) -> None:
    with pytest.raises(SketchMismatchError):
        SpaceSaving(capacity, seed)


def test_what_fits_is_counted_exactly_and_every_other_item_never_came() -> None:
    summary = SpaceSaving(capacity=3, seed=1)
    summary.update_batch(["a", "b", "a", "c"])
    assert [tuple(summary.bounds(item)) for item in "abcd"] == [(2, 2), (1, 1), (1, 1), (0, 0)]
    assert [row.guaranteed for row in summary.top(3)] == [True, True, True]


def test_a_new_item_takes_over_the_smallest_counter() -> None:
    summary = SpaceSaving(capacity=2, seed=1)
    summary.update_batch(["a"] * 5 + ["b"] * 3 + ["c"])
    assert summary.floor == 3
    assert [(row.item, row.low, row.high) for row in summary.top(5)] == [("a", 5, 5), ("c", 1, 4)]
    assert tuple(summary.bounds("b")) == (0, 3)
    assert [row.guaranteed for row in summary.top(1)] == [True]
    assert [row.guaranteed for row in summary.top(2)] == [True, False]


def test_a_top_that_is_guaranteed_holds_whatever_the_rest_was() -> None:
    items = (np.random.default_rng(2).zipf(1.4, 20_000) % 5000).tolist()
    truth, summary = Counter(items), SpaceSaving(capacity=60, seed=1)
    summary.update_batch(items)
    for k in (1, 5, 20, 60, 100):
        least = sorted(truth.values(), reverse=True)[:k][-1]
        rows = summary.top(k)
        assert len(rows) == min(k, 60)
        assert all(truth[row.item] >= least for row in rows if row.guaranteed)
    assert summary.top(3)[2].guaranteed
    with pytest.raises(SketchMismatchError):
        summary.top(0)


def test_no_frequent_item_is_missing() -> None:
    items = (np.random.default_rng(2).zipf(1.4, 20_000) % 5000).tolist()
    truth, summary = Counter(items), SpaceSaving(capacity=60, seed=1)
    summary.update_batch(items)
    for share in (1 / 60, 0.05, 0.5):
        rows = {row.item: row for row in summary.frequent(share)}
        assert {item for item, count in truth.items() if count > share * len(items)} <= set(rows)
        assert all(truth[item] > share * len(items) for item, row in rows.items() if row.guaranteed)
    for share in (0.01, 1.0):
        with pytest.raises(SketchMismatchError):
            summary.frequent(share)


def test_a_restored_summary_gives_up_the_same_counters() -> None:
    items = (np.random.default_rng(4).zipf(1.1, 4000) % 900).tolist()
    kept, moved = SpaceSaving(capacity=25, seed=1), SpaceSaving(capacity=25, seed=1)
    for start in range(0, 4000, 100):
        kept.update_batch(items[start : start + 100])
        moved.update_batch(items[start : start + 100])
        moved = SpaceSaving.from_bytes(moved.to_bytes())
        assert moved.to_bytes() == kept.to_bytes()


def test_a_merge_does_not_depend_on_its_order() -> None:
    one, two = SpaceSaving(capacity=5, seed=1), SpaceSaving(capacity=5, seed=1)
    one.update_batch([number % 9 for number in range(100)])
    two.update_batch([number % 7 + 4 for number in range(60)])
    left, right = one.clone(), two.clone()
    left.merge(two)
    right.merge(one)
    assert left.to_bytes() == right.to_bytes()


def test_every_kind_of_item_comes_back_from_bytes() -> None:
    summary = SpaceSaving(capacity=20, seed=1)
    summary.update_batch(MIXED)
    again = SpaceSaving.from_bytes(summary.to_bytes())
    assert [again.estimate(item) for item in MIXED] == [summary.estimate(item) for item in MIXED]
    assert {(type(row.item), str(row.item)) for row in again.top(20)} == {(type(row.item), str(row.item)) for row in summary.top(20)}


def test_a_weight_moves_a_counter_as_repetitions_do() -> None:
    weighted, repeated = SpaceSaving(capacity=5, seed=1), SpaceSaving(capacity=5, seed=1)
    for number in range(300):
        weighted.update_weighted(number % 17, number % 3 + 1)
        repeated.update_batch([number % 17] * (number % 3 + 1))
    assert weighted.to_bytes() == repeated.to_bytes()
    with pytest.raises(SketchMismatchError, match=r"2\^63"):
        weighted.update_weighted("a", 2**63 - 1)


def test_confidence_is_checked_though_the_bounds_are_certain() -> None:
    with pytest.raises(SketchMismatchError):
        SpaceSaving(capacity=5, seed=1).bounds("a", confidence=1.0)


@pytest.mark.parametrize("change", ["twice", "beyond", "error", "many"])
def test_saved_counters_that_cannot_be_are_refused(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = SpaceSaving(capacity=2, seed=1)
    summary.update_batch(["a", "a", "b"])
    content: Any = summary._content()
    rows = {"twice": [("a", 1, 0)] * 2, "beyond": [("a", 9, 0)], "error": [("a", 1, 1)], "many": [("a", 1, 0), ("b", 1, 0), ("c", 1, 0)]}
    content.rows = rows[change]
    monkeypatch.setattr(SpaceSaving, "_content", lambda _: content)
    with pytest.raises(StateError, match="does not decode"):
        SpaceSaving.from_bytes(summary.to_bytes())

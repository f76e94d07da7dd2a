"""Scalable, counting and rotating Bloom filters: behaviour and edge cases."""

import random
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest

from sketches.contract import Parameters
from sketches.counting_bloom import CountingBloomFilter
from sketches.frame import pack
from sketches.rotating_bloom import RotatingBloomFilter
from sketches.scalable_bloom import ScalableBloomFilter
from veilocity.errors import SketchMismatchError, StateError


def bytes_of(kind: type[Any], parameters: Parameters, content: object) -> bytes:
    encode = msgspec.msgpack.encode
    return pack(kind.kind, kind.layout, encode([kind.hash_name, parameters, content]))


# Scalable.


def grown(start: int, end: int, sources: int = 8) -> ScalableBloomFilter:
    one = ScalableBloomFilter(capacity=100, error_rate=0.01, sources=sources, seed=3)
    one.update_batch(range(start, end))
    return one


def test_a_scalable_filter_grows_by_stages_that_tighten() -> None:
    one = grown(0, 6_300)
    assert [stage.level for stage in one._stages] == list(range(len(one._stages)))
    assert one.stages in (6, 7)
    slices = [stage.bits.slicing.slices for stage in one._stages]
    assert slices == sorted(slices)
    assert slices[-1] > slices[0]
    for stage in one._stages[:-1]:
        share = 0.01 / 8 * 0.5 ** (stage.level + 1)
        assert stage.bits.present_error_rate() <= share
        assert stage.bits.keys() == pytest.approx(100 * 2**stage.level, rel=0.1)
    assert one.contains_batch(range(6_300)).all()
    assert 6_300 in one.bounds(0.999_999)


@pytest.mark.parametrize("cuts", [(1, 1, 1), (50, 3, 700), (5_000, 1, 99)])
def test_batches_of_any_size_and_repeats_give_the_bytes_of_one_by_one(cuts: tuple[int, ...]) -> None:
    keys = [number * 7 % 1_900 for number in range(6_000)]
    single, batched = (ScalableBloomFilter(capacity=20, error_rate=0.05, sources=1, seed=1) for _ in range(2))
    for key in keys:
        single.update(key)
    start = 0
    for cut in cuts:
        batched.update_batch(keys[start : start + cut])
        start += cut
    batched.update_batch(keys[start:])
    assert batched.to_bytes() == single.to_bytes()


def test_a_batch_longer_than_a_chunk_is_its_items_one_by_one() -> None:
    keys = np.arange(70_000)
    single, batched = (ScalableBloomFilter(capacity=1_000, error_rate=0.05, sources=1) for _ in range(2))
    batched.update_batch(keys)
    for key in keys.tolist():
        single.update(key)
    assert batched.to_bytes() == single.to_bytes()


def test_add_tells_what_was_known() -> None:
    one = ScalableBloomFilter(capacity=10, error_rate=0.001)
    assert [one.add(key) for key in range(100)] == [False] * 100
    assert all(one.add(key) for key in range(100))
    assert one.estimate() == pytest.approx(100, rel=0.1)


def test_an_empty_scalable_filter_knows_nothing_and_becomes_what_it_takes_in() -> None:
    empty, full = grown(0, 0), grown(0, 1_000)
    assert (empty.stages, empty.estimate(), empty.bounds(), empty.memory_bytes) == (0, 0.0, (0.0, 0.0), 0)
    assert "key" not in empty
    assert not empty.contains_batch(["key"]).any()
    assert empty.promised_error_rate() == pytest.approx(0.01 / 8)
    empty.merge(full)
    assert empty.to_bytes() == full.to_bytes()
    with pytest.raises(SketchMismatchError, match="confidence"):
        empty.bounds(0.0)


def test_what_is_merged_is_not_changed_by_later_keys_of_the_other() -> None:
    left, right = grown(0, 0), grown(0, 10)
    left.merge(right)
    before = right.to_bytes()
    left.update_batch(range(1_000))
    assert right.to_bytes() == before


def test_stages_that_fit_are_united_and_full_ones_stand_side_by_side() -> None:
    small, other = grown(0, 30), grown(100, 130)
    small.merge(other)
    assert small.stages == 1
    assert small.promised_error_rate() == pytest.approx(0.01 / 8)
    full, another = grown(0, 95), grown(100, 195)
    full.merge(another)
    assert full.stages == 2
    assert full.promised_error_rate() < 0.01 / 8 * 2
    assert full.contains_batch([*range(95), *range(100, 195)]).all()


def test_as_many_sources_as_stated_merge_and_one_more_is_refused() -> None:
    total = grown(0, 700, sources=4)
    for source in range(1, 4):
        total.merge(grown(source * 1000, source * 1000 + 700, sources=4))
    assert total.promised_error_rate() <= 0.01
    before = total.to_bytes()
    with pytest.raises(SketchMismatchError, match="more `sources`"):
        total.merge(grown(9_000, 9_700, sources=4))
    assert total.to_bytes() == before, "a refused merge changes nothing"
    total.merge(grown(1_000, 1_700, sources=4))
    assert total.to_bytes() == before, "a replay spends nothing"
    promised = total.promised_error_rate()
    total.update_batch(range(50_000, 60_000))
    assert total.promised_error_rate() == pytest.approx(promised), "what was still to be begun was counted"


def test_a_newer_state_of_the_same_source_takes_the_older_ones_place() -> None:
    total, source = grown(0, 0, sources=2), grown(0, 60, sources=2)
    for end in (60, 90, 500, 900):
        source.update_batch(range(end))
        total.merge(source)
    assert total.stages == source.stages
    assert total.promised_error_rate() == pytest.approx(source.promised_error_rate())


def test_bounds_after_a_merge_allow_for_shared_keys() -> None:
    left, right = grown(0, 2_000), grown(1_000, 3_000)
    left.merge(right)
    low, high = left.bounds(0.999)
    assert low <= 3_000 <= high
    assert low < 2_500, "nobody can tell how many keys were shared"


def test_bytes_with_impossible_stages_are_refused() -> None:
    parameters = grown(0, 0).parameters
    for content in ([False, [[-1, b""]]], [False, [[99, b""]]], [False, [[0, b"short"]]], [1, 2]):
        with pytest.raises(StateError, match="does not decode"):
            ScalableBloomFilter.from_bytes(bytes_of(ScalableBloomFilter, parameters, content))


@pytest.mark.parametrize("sources", [0, -1, 1.5, True, 2**20 + 1])
def test_a_senseless_number_of_sources_is_refused(sources: Any) -> None:
    with pytest.raises(SketchMismatchError, match="sources"):
        ScalableBloomFilter(capacity=10, error_rate=0.1, sources=sources)


def test_levels_stop_doubling_at_the_largest_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sketches.scalable_bloom.LARGEST_CAPACITY", 200)
    one = grown(0, 2_000)
    assert len({stage.bits.slicing.width for stage in one._stages}) < one.stages
    assert one.contains_batch(range(2_000)).all()


# Counting.


def counted(keys: list[int], capacity: int = 500) -> CountingBloomFilter:
    one = CountingBloomFilter(capacity=capacity, error_rate=0.01, seed=5)
    one.update_batch(keys)
    return one


def test_removing_everything_in_any_order_leaves_an_empty_filter() -> None:
    keys = [number % 170 for number in range(500)]
    one = counted(keys)
    random.Random(1).shuffle(keys)  # noqa: S311  # a seeded test, nothing secret
    one.remove_batch(keys[:300])
    for key in keys[300:]:
        one.remove(key)
    assert one.to_bytes() == counted([]).to_bytes()


def test_removing_is_the_undoing_of_adding() -> None:
    one = counted([*range(100), *range(50)])
    one.remove_batch(list(range(50)))
    assert one.to_bytes() == counted(list(range(100))).to_bytes()
    one.remove_batch(list(range(50, 100)))
    assert one.contains_batch(list(range(50))).all()
    assert 75 not in one


def test_removing_what_is_not_held_is_refused_and_changes_nothing() -> None:
    one = counted([1, 2, 2])
    before = one.to_bytes()
    for wanted in ([3], [1, 1], [1, 2, 2, 2], [2, 3]):
        with pytest.raises(SketchMismatchError, match="not held"):
            one.remove_batch(wanted)
        assert one.to_bytes() == before
    with pytest.raises(SketchMismatchError, match="not held"):
        counted([]).remove("anything")


@pytest.mark.parametrize("capacity", [20, 500, 100_000])
def test_a_batch_is_its_items_one_by_one_whether_sorted_or_counted(capacity: int) -> None:
    keys = [number % 300 for number in range(900)]
    single = CountingBloomFilter(capacity=capacity, error_rate=0.01, seed=5)
    for key in keys:
        single.update(key)
    assert counted(keys, capacity).to_bytes() == single.to_bytes()


def test_a_full_counter_stays_full() -> None:
    one, single = counted([7] * 400), counted([])
    for _ in range(400):
        single.update(7)
    assert one.to_bytes() == single.to_bytes()
    slices = one._slicing.slices
    assert one.saturated() == slices
    assert one.estimate(7) == 255.0
    assert one.bounds(7) == (255.0, float("inf"))
    for _ in range(400):
        one.remove(7)
    assert 7 in one
    assert one.saturated() == slices
    merged = counted([7] * 200)
    merged.merge(counted([7] * 200))
    assert merged.to_bytes() == single.to_bytes(), "a sum does not wrap around"


def test_a_key_beside_a_full_one_is_still_removed_from_its_own_counters() -> None:
    one = counted([7] * 255 + [8])
    one.remove(8)
    assert 8 not in one
    assert 7 in one


def test_counts_are_never_below_the_truth_and_bounds_hold_it() -> None:
    keys = [number * number % 211 for number in range(600)]
    one, truth = counted(keys), Counter(keys)
    for key, times in truth.items():
        assert one.estimate(key) >= times
        assert times in one.bounds(key, 0.9)
    assert one.estimate("never") == 0.0
    assert one.bounds("never") == (0.0, 0.0)
    assert len(truth) in one.count_bounds(0.999_999)
    assert one.estimated_count() == pytest.approx(len(truth), rel=0.05)


def test_a_count_is_doubted_when_more_certainty_is_asked_than_the_fill_gives() -> None:
    one = counted(list(range(500)))
    rate = one.present_error_rate()
    assert one.bounds(3, 1.0 - rate * 1.01) == (one.estimate(3),) * 2
    assert one.bounds(3, 1.0 - rate * 0.99) == (0.0, one.estimate(3))
    with pytest.raises(SketchMismatchError, match="confidence"):
        one.bounds(3, 1.0)


def test_counters_of_another_size_are_refused() -> None:
    one = counted([1])
    for content in (one._counters.tobytes()[:-1], b"", 5):
        with pytest.raises(StateError, match="does not decode"):
            CountingBloomFilter.from_bytes(bytes_of(CountingBloomFilter, one.parameters, content))


# Rotating.


def rotating(events: list[tuple[int, Any]] | None = None, **changed: Any) -> RotatingBloomFilter:
    parameters: dict[str, Any] = {"window_ms": 1_000, "panes": 4, "capacity": 100, "error_rate": 0.001, "seed": 2} | changed
    one = RotatingBloomFilter(**parameters)
    one.update_batch(events or [])
    return one


def test_a_key_is_seen_for_the_window_and_at_most_a_pane_more() -> None:
    for event in (0, 1, 249, 250, 777, -1, -1_000, -1_249):
        one = rotating([(event, "key")])
        for later in (0, 1, 500, 998, 999):
            assert one.seen("key", at_ms=event + later)
        for later in (1_250, 1_251, 2_000, 10**12):
            assert not one.seen("key", at_ms=event + later)


def test_newer_events_push_old_panes_out() -> None:
    one = rotating([(0, "old")])
    one.update((999, "middle"))
    assert "old" in one
    one.update((1_250, "new"))
    assert "old" not in one
    assert one.contains_batch(["old", "middle", "new", "never"]).tolist() == [False, True, True, False]
    one.update((10**9, "far"))
    assert "new" not in one
    assert one.newest_ms == 10**9
    assert one.memory_bytes == rotating([(0, "x")]).memory_bytes


def test_late_events_go_into_their_own_pane_and_later_ones_nowhere() -> None:
    one = rotating([(2_000, "now")])
    assert one.is_late(999)
    assert not one.is_late(1_000)
    before = one.to_bytes()
    one.update((999, "too late"))
    one.update_batch([(0, "too late"), (999, "too late")])
    assert one.to_bytes() == before
    one.update((1_000, "late"))
    assert "late" in one
    assert one.newest_ms == 2_000
    assert not one.seen("late", at_ms=2_250)
    assert not rotating().is_late(-(10**9))


def test_any_order_any_batches_and_any_merges_give_the_same_bytes() -> None:
    shuffler = random.Random(5)  # noqa: S311  # a seeded test, nothing secret
    events = [(shuffler.randrange(-3_000, 6_000), f"key {number % 80}") for number in range(600)]
    whole = rotating(events)
    for _ in range(5):
        shuffler.shuffle(events)
        cut = shuffler.randrange(600)
        single = rotating()
        for event in events:
            single.update(event)
        left, right = rotating(events[:cut]), rotating(events[cut:])
        left.merge(right)
        right.merge(left)
        assert single.to_bytes() == left.to_bytes() == right.to_bytes() == rotating(events + events[:cut]).to_bytes() == whole.to_bytes()


def test_columns_of_times_and_keys_are_the_same_as_pairs() -> None:
    events = [(number * 13, f"key {number}") for number in range(300)]
    columns = rotating()
    columns.update_columns(np.array([time_ms for time_ms, _ in events]), np.array([key for _, key in events]))
    assert columns.to_bytes() == rotating(events).to_bytes()
    with pytest.raises(SketchMismatchError, match="one length"):
        columns.update_columns(np.array([1, 2]), ["a"])
    with pytest.raises(SketchMismatchError, match="whole number"):
        columns.update_columns(np.array([1.5]), ["a"])
    columns.update_columns(np.array([]), [])


def test_the_number_of_keys_is_that_of_all_kept_panes_together() -> None:
    events = [(number, f"key {number // 5 % 90}") for number in range(0, 5_000, 5)]
    assert 90 in rotating(events).bounds(0.999_999)
    assert rotating(events).estimate() == pytest.approx(90, rel=0.1)
    assert rotating().estimate() == 0.0
    assert rotating().present_error_rate() == 0.0
    assert 0 < rotating(events).present_error_rate() <= 0.001


def test_an_empty_rotating_filter_has_seen_nothing() -> None:
    empty = rotating()
    assert "key" not in empty
    assert not empty.seen("key", at_ms=-(10**6))
    assert empty.newest_ms is None
    assert not empty.contains_batch(["key"]).any()
    empty.merge(rotating())
    assert empty.to_bytes() == rotating().to_bytes()


def test_a_question_about_the_past_is_refused() -> None:
    one = rotating([(5_000, "key")])
    assert one.seen("key", at_ms=5_000)
    with pytest.raises(SketchMismatchError, match="newest event"):
        one.seen("key", at_ms=4_999)


@pytest.mark.parametrize("event", [(1.5, "key"), ("1", "key"), (True, "key"), (2**63, "key"), (None, "key")])
def test_times_that_are_no_whole_numbers_are_refused(event: Any) -> None:
    one = rotating([(1, "key")])
    before = one.to_bytes()
    with pytest.raises(SketchMismatchError, match="whole numbers"):
        one.update(event)
    with pytest.raises(SketchMismatchError, match="whole numbers"):
        one.update_batch([(1, "other"), event])
    with pytest.raises(SketchMismatchError, match="hand in"):
        one.update((10**6, None))  # type: ignore[arg-type]  # on purpose
    assert one.to_bytes() == before


def test_times_out_of_a_table_are_whole_numbers_too() -> None:
    one = rotating()
    one.update((np.int64(1_234), "key"))  # type: ignore[arg-type]  # what a row of a table holds
    assert one.to_bytes() == rotating([(1_234, "key")]).to_bytes()


@pytest.mark.parametrize(
    "changed", [{"panes": 0}, {"panes": 1001}, {"window_ms": 0}, {"window_ms": 999}, {"window_ms": 1.0}, {"panes": "4"}]
)
def test_senseless_windows_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(SketchMismatchError, match="a rotating filter needs"):
        rotating(**changed)


def test_panes_outside_the_window_are_refused() -> None:
    one = rotating([(2_000, "key")])
    bits = one._panes[8].to_bytes()
    for content in ([None, {8: bits}], [2_000, {3: bits}], [2_000, {9: bits}], [2_000, {8: bits[1:]}]):
        with pytest.raises(StateError, match="does not decode"):
            RotatingBloomFilter.from_bytes(bytes_of(RotatingBloomFilter, one.parameters, content))
    assert RotatingBloomFilter.from_bytes(bytes_of(RotatingBloomFilter, one.parameters, [2_000, {8: bits}])).to_bytes() == one.to_bytes()

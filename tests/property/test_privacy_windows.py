"""Late or not, and what a window holds, does not depend on how micro-batches are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.windows import Clock, Window, WindowPolicy
from veilocity.errors import SettingsError

POLICY = WindowPolicy(width_ms=100, delay_ms=30, idle_ms=10_000)
PARTITIONS = (0, 1)
STREAM = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2_000)), max_size=60)
CUTS = st.lists(st.integers(0, 60), max_size=8).map(sorted)


def play(policy: WindowPolicy, stream: list[tuple[int, int]], cuts: list[int]) -> tuple[dict[int, list[int]], list[int], Clock]:
    """Return the positions in each window, the late ones, and the last clock."""
    clock = Clock()
    windows: dict[int, list[int]] = {}
    late: list[int] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        clock, assigned = clock.assigned(policy, stream[start:end])
        for place, window in enumerate(assigned, start):
            if window is None:
                late.append(place)
            else:
                assert window >= clock.closed_ms, "a payment entered a closed window"
                windows.setdefault(window, []).append(place)
        clock = clock.closed(policy, PARTITIONS)
    return windows, late, clock


@given(stream=STREAM, cuts=CUTS)
def test_the_cut_of_batches_changes_nothing(stream: list[tuple[int, int]], cuts: list[int]) -> None:
    cuts = [cut for cut in cuts if cut <= len(stream)]
    assert play(POLICY, stream, cuts) == play(POLICY, stream, [])


@given(stream=STREAM)
def test_reading_partitions_one_after_the_other_changes_nothing(stream: list[tuple[int, int]]) -> None:
    """Batches may hold very different shares of two partitions: here one is read to its end first."""
    order = sorted(range(len(stream)), key=lambda place: stream[place][0])
    windows, late, _ = play(POLICY, [stream[place] for place in order], list(range(len(stream))))
    together, together_late, _ = play(POLICY, stream, list(range(len(stream))))
    assert {window: sorted(order[place] for place in places) for window, places in windows.items()} == together
    assert sorted(order[place] for place in late) == together_late


@given(stream=STREAM)
def test_every_payment_is_late_or_in_the_window_of_its_time(stream: list[tuple[int, int]]) -> None:
    windows, late, _ = play(POLICY, stream, list(range(len(stream))))
    placed = [place for places in windows.values() for place in places]
    assert sorted([*placed, *late]) == list(range(len(stream)))
    for window, places in windows.items():
        assert all(window <= stream[place][1] < window + POLICY.width_ms for place in places)


def test_a_partition_without_payments_holds_windows_back_for_the_idle_time_only() -> None:
    policy = WindowPolicy(width_ms=100, delay_ms=30, idle_ms=1_000)
    clock, _ = Clock().assigned(policy, [(0, 5), (0, 1_129)])
    assert clock.closed(policy, PARTITIONS).closed_ms == 0
    clock, _ = clock.assigned(policy, [(0, 1_130)])
    assert clock.closed(policy, PARTITIONS).closed_ms == 100
    _, windows = clock.closed(policy, PARTITIONS).assigned(policy, [(1, 50), (1, 150)])
    assert windows == [None, 100]


def test_a_closed_window_never_opens_again() -> None:
    clock = Clock({0: 500}, closed_ms=400)
    assert clock.closed(POLICY, PARTITIONS).closed_ms == 400
    assert [window.start_ms for window in clock.newly_closed(POLICY, 0, {100: 1, 300: 2, 400: 3})] == [100, 300]


def test_a_cut_is_remembered_until_every_window_that_it_made_is_closed() -> None:
    policy = WindowPolicy(100, 30, 10_000, (300, 900))
    clock, _ = Clock().drained(policy, [100]).assigned(policy, [(0, 250), (0, 9_000)])
    clock = clock.closed(policy, (0,))
    assert clock.newly_closed(policy, 2, {200: 1}) == [Window(2, 200, 900)]
    assert clock.closed(policy, (0,)).cuts_ms == ()


TIERED = WindowPolicy(width_ms=100, delay_ms=30, idle_ms=10_000, later_ms=(300, 900), drain_ms=1)
STEPS = st.lists(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3_000)), max_size=12), max_size=12)


@given(steps=STEPS, drains=st.sets(st.integers(0, 11)))
def test_no_window_of_any_tier_takes_a_payment_after_it_was_closed(steps: list[list[tuple[int, int]]], drains: set[int]) -> None:
    """Every payment goes up the tiers as if it never found a class: its windows grow, nest, and each closes once."""
    clock = Clock()
    waiting: list[dict[int, int]] = [{}, {}, {}]
    closed: set[Window] = set()
    entered = left = 0
    for number, events in enumerate(steps):
        clock, windows = clock.assigned(TIERED, events)
        for start in windows:
            if start is not None:
                waiting[0][start] = waiting[0].get(start, 0) + 1
                entered += 1
        clock = clock.closed(TIERED, PARTITIONS)
        if number in drains:
            clock = clock.drained(TIERED, waiting[0])
        for tier, open_windows in enumerate(waiting):
            for window in clock.newly_closed(TIERED, tier, open_windows):
                assert window not in closed
                assert not any(one.tier == tier and one.start_ms < window.end_ms and window.start_ms < one.end_ms for one in closed)
                closed.add(window)
                count = open_windows.pop(window.start_ms)
                if tier == TIERED.last_tier:
                    left += count
                    continue
                wider = clock.window(TIERED, tier + 1, window.start_ms)
                assert wider.start_ms <= window.start_ms < window.end_ms <= wider.end_ms
                assert wider not in closed
                waiting[tier + 1][wider.start_ms] = waiting[tier + 1].get(wider.start_ms, 0) + count
        if number in drains:
            assert waiting == [{}, {}, {}], "a drain left something open"
    assert entered == left + sum(sum(windows.values()) for windows in waiting)


@pytest.mark.parametrize("later_ms", [(150,), (300, 100), (100,), (300, 1_000)])
def test_tiers_that_do_not_nest_are_refused(later_ms: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match="multiple of the tier before"):
        WindowPolicy(100, 30, 1_000, later_ms)

"""Late or not, and what a window holds, does not depend on how micro-batches are cut."""

from hypothesis import given
from hypothesis import strategies as st

from privacy.windows import Clock, WindowPolicy

POLICY = WindowPolicy(width_ms=100, delay_ms=30, idle_ms=10_000, partitions=2)
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
        clock = clock.closed(policy)
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
    policy = WindowPolicy(width_ms=100, delay_ms=30, idle_ms=1_000, partitions=2)
    clock, _ = Clock().assigned(policy, [(0, 5), (0, 1_129)])
    assert clock.closed(policy).closed_ms == 0
    clock, _ = clock.assigned(policy, [(0, 1_130)])
    assert clock.closed(policy).closed_ms == 100
    _, windows = clock.closed(policy).assigned(policy, [(1, 50), (1, 150)])
    assert windows == [None, 100]


def test_a_closed_window_never_opens_again() -> None:
    clock = Clock({0: 500}, closed_ms=400)
    assert clock.closed(POLICY).closed_ms == 400
    assert clock.newly_closed(POLICY, {100: 1, 300: 2, 400: 3}) == [100, 300]

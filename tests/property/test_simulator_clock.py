"""Simulated time never runs ahead of the wall clock, never back, and knows when it will be what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.simulator.clock import Clock

_moments = st.integers(0, 10**7)
_clocks = st.builds(
    lambda start, before, speed: Clock(start, start + before, speed),
    _moments,
    _moments,
    st.floats(0.1, 10_000.0, allow_nan=False),
)


@given(_clocks, _moments)
def test_simulated_time_is_never_later_than_the_wall_clock(clock: Clock, later: int) -> None:
    assert clock.simulated_ms(clock.began_ms + later) <= clock.began_ms + later


@given(_clocks, _moments, _moments)
def test_simulated_time_never_goes_back(clock: Clock, first: int, more: int) -> None:
    assert clock.simulated_ms(clock.began_ms + first) <= clock.simulated_ms(clock.began_ms + first + more)


@given(_clocks, _moments)
def test_an_event_is_due_at_the_moment_the_clock_says(clock: Clock, later: int) -> None:
    due_ms = clock.start_ms + later
    at_ms = clock.wall_ms(due_ms)
    # One millisecond of rounding: the clock is made of whole milliseconds.
    assert clock.simulated_ms(at_ms + 1) >= due_ms
    assert at_ms <= clock.began_ms or clock.simulated_ms(at_ms - 2) < due_ms

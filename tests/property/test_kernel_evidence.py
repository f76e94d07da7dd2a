"""The arithmetic of a trip, and a sentence that claims no more than it."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from veilocity.evidence import fine_with_s, speed_bounds_kmh, tell, tell_duration
from veilocity.geo import Interval


@st.composite
def distances(draw: st.DrawFn) -> Interval:
    low, likely, high = sorted(draw(st.tuples(*[st.floats(0, 2.1e7)] * 3)))
    return Interval(low, likely, high)


elapsed = st.floats(1e-3, 1e6)
slack = st.floats(0, 600)


@given(distances(), elapsed, slack)
def test_speeds_are_ordered_and_held_by_their_distances(distance_m: Interval, elapsed_s: float, slack_s: float) -> None:
    speed = speed_bounds_kmh(distance_m, elapsed_s, slack_s)
    assert speed is not None
    assert 0.0 <= speed.low <= speed.likely <= speed.high
    assert speed.low * (elapsed_s + slack_s) / 3.6 == pytest.approx(distance_m.low)


@given(distances(), st.floats(-1e6, 0), slack)
def test_at_the_same_time_there_is_no_speed(distance_m: Interval, elapsed_s: float, slack_s: float) -> None:
    assert speed_bounds_kmh(distance_m, elapsed_s, slack_s) is None


@given(distances(), st.floats(1, 2000), slack)
def test_with_the_time_that_is_fine_the_trip_is_just_possible(distance_m: Interval, limit_kmh: float, slack_s: float) -> None:
    fine_s = fine_with_s(distance_m, limit_kmh, slack_s)
    assume(fine_s > 1.0)
    assert speed_bounds_kmh(distance_m, fine_s, slack_s).low == pytest.approx(limit_kmh)  # type: ignore[union-attr]  # fine_s > 0
    assert speed_bounds_kmh(distance_m, fine_s * 0.99, slack_s).low > limit_kmh  # type: ignore[union-attr]  # fine_s > 0


@example(Interval(5e-324, 1.0, 1.0), 1.0, 0.0, 1.0)
@given(distances(), elapsed, slack, st.floats(1, 2000))
def test_the_sentence_claims_no_more_than_was_computed(distance_m: Interval, elapsed_s: float, slack_s: float, limit_kmh: float) -> None:
    speed = speed_bounds_kmh(distance_m, elapsed_s, slack_s)
    fine_s = fine_with_s(distance_m, limit_kmh, slack_s)
    assert speed is not None
    sentence = tell(distance_m, elapsed_s, speed, limit_kmh, fine_s)
    claimed = re.search(r"at least ([\d,]+) km/h", sentence)
    assert claimed is not None
    assert speed.low - 1 <= int(claimed[1].replace(",", "")) <= speed.low
    enough = re.search(r"Fine with (?:(\d+) h )?(\d+) (min|s) or more\.$", sentence)
    assert enough is not None
    enough_s = int(enough[1] or 0) * 3600 + int(enough[2]) * (60 if enough[3] == "min" else 1)
    assert fine_s <= enough_s <= fine_s + 60


@given(st.integers(0, 10**6))
def test_a_duration_is_told_in_one_way(seconds: int) -> None:
    told = tell_duration(seconds)
    match = re.fullmatch(r"(?:(\d+) h (\d{2}) min|([1-5]?\d) min|([1-5]?\d) s)", told)
    assert match is not None, told
    hours, minutes, minutes_only, seconds_only = (int(group or 0) for group in match.groups())
    assert abs(hours * 3600 + (minutes + minutes_only) * 60 + seconds_only - seconds) <= 30


def test_no_duration_is_told_as_60_seconds() -> None:
    assert (tell_duration(59.4), tell_duration(59.7)) == ("59 s", "1 min")

"""Mistakes that other impossible-travel detectors made or had reported; each must stay impossible here."""

from __future__ import annotations

import pytest

from tests.unit.rules_world import LAGOS, LONDON, PARIS, Event, fix, parameters, payment, play
from veilocity.contracts import AlertState, Verdict
from veilocity.errors import InvalidInputError

MINUTE = 60.0
DAY = 86_400.0


def test_an_event_that_arrives_second_but_happened_first_is_not_missed() -> None:
    """A negative time difference made several detectors skip the pair silently."""
    alert = next(iter(play([payment(10 * MINUTE, LAGOS, id="t1"), fix(0)]).newest.values()))
    assert alert.elapsed_s == 10 * MINUTE
    assert alert.first.event_ns < alert.second.event_ns


@pytest.mark.parametrize(("kmh", "flagged"), [(990.0, False), (1_010.0, True), (3_500.0, True), (12_000.0, True)])
def test_the_limit_means_kilometres_per_hour_and_everything_above_it(kmh: float, flagged: bool) -> None:
    """One tool compared metres per second with a limit in other units; another flagged only speeds close to the limit."""
    limits = parameters(rules_time_slack_s=0.0, rules_default_place_accuracy_m=0.001)
    shortest_km = 343.556 * (1 - 0.0056)
    tally = play([fix(0, LONDON, accuracy_m=0.001), payment(shortest_km / kmh * 3600, PARIS)], limits)
    assert bool(tally.revisions) is flagged


def test_equal_times_are_neither_a_division_by_zero_nor_a_made_up_second() -> None:
    """Others put 1 s, 0.001 h or 0.0001 h in place of zero, and showed the speed that came out."""
    alert = next(iter(play([payment(0, id="a"), payment(0, LAGOS, id="b")]).newest.values()))
    assert alert.speed_kmh is None
    assert "km/h" not in alert.sentence


def test_missing_coordinates_are_not_scorable_and_no_place() -> None:
    """An identity provider read `no coordinates` as `impossible`."""
    tally = play([fix(0), payment(MINUTE, None), payment(2 * MINUTE)])
    assert [outcome.decision.verdict for outcome in tally.outcomes[1:] if outcome.decision] == [Verdict.NOT_SCORABLE, Verdict.CLEAR]


def test_a_replay_of_old_data_is_judged_as_it_was_live() -> None:
    """A learning period by the wall clock made every replay of old data silent."""
    years = 20 * 365 * DAY
    now: list[Event] = [fix(0), payment(MINUTE, LAGOS)]
    then: list[Event] = [fix(-years), payment(MINUTE - years, LAGOS)]
    assert len(play(now).revisions) == len(play(then).revisions) == 1


def test_the_place_before_last_is_not_overwritten() -> None:
    """One row per country lost the history, so going there and back hid the journey."""
    tally = play([fix(0), fix(20 * MINUTE), payment(21 * MINUTE, LAGOS, id="t1"), fix(10 * MINUTE, LAGOS, accuracy_m=5)])
    assert {alert.anchor for alert in tally.standing.values()} >= {"t1"}
    assert len(tally.standing) == 2


def test_a_pause_of_days_is_no_lost_data() -> None:
    """A detector skipped pairs more than a day apart; a slow limit must still see them."""
    limits = parameters(rules_speed_limit_kmh=50.0)
    assert play([fix(0), payment(2 * DAY, LAGOS)], limits).revisions


def test_subjects_do_not_leak_into_each_other() -> None:
    """Module globals carried one event's place into the next person's judgement."""
    anna = play([fix(0)])
    ben = play([payment(MINUTE, LAGOS, subject="ben")])
    assert not anna.revisions + ben.revisions
    assert anna.state.history is not ben.state.history


def test_a_bounding_box_over_the_antimeridian_is_not_the_whole_earth() -> None:
    assert not play([fix(0, (-16.0, 179.95)), fix(5 * MINUTE, (-16.0, -179.95)), payment(6 * MINUTE, (-16.0, 179.99))]).revisions


def test_swapped_latitude_and_longitude_are_refused() -> None:
    """Test data elsewhere holds a latitude of -97.7 that was never noticed."""
    with pytest.raises(InvalidInputError, match="latitude"):
        play([fix(0, (-97.7, 30.3))])


def test_a_jumping_phone_is_not_an_impossible_traveller() -> None:
    """Fixes of an honest phone jumped kilometres within seconds, at a stated accuracy of hundreds of metres."""
    tally = play([fix(second * 16.0, (40.0 + (second % 2) * 0.06, -75.0), accuracy_m=900) for second in range(40)])
    assert not tally.revisions


def test_one_far_payment_is_one_alert_however_long_the_phone_goes_on() -> None:
    """A detector sent hundreds of alerts for one cause."""
    tally = play(
        [*(fix(step * 20.0) for step in range(100)), payment(1_000, LAGOS, id="t1"), *(fix(2_000 + step * 20.0) for step in range(50))]
    )
    assert [alert.anchor for alert in tally.revisions] == ["t1"]
    assert {alert.state for alert in tally.revisions} == {AlertState.OPEN}

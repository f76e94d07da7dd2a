"""What the engine answers, case by case."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import pytest

from rules import recompute
from rules.alerts import BETTER_FIX, EVENT_BETWEEN, OTHER_ANCHOR
from rules.state import MAX_DEVICES, MAX_IDS, MAX_PAYMENTS
from tests.unit.rules_world import APIA, LAGOS, PARIS, START_MS, SUVA, Event, Tally, fix, payment, play
from veilocity.contracts import Alert, AlertState, Channel, Decision, Fix, FixFlag, Severity, Verdict
from veilocity.errors import InvalidInputError

MINUTE = 60.0
HOUR = 3600.0


def last_decision(tally: Tally) -> Decision:
    decision = tally.outcomes[-1].decision
    assert decision is not None
    return decision


def only_alert(tally: Tally) -> Alert:
    (alert,) = tally.newest.values()
    return alert


def applied(alert: Alert) -> list[str]:
    return [check.name for check in alert.checks if check.applied]


def test_a_payment_far_from_the_phone_is_flagged_with_its_evidence() -> None:
    tally = play([fix(0), payment(41 * MINUTE, LAGOS, id="t1")])
    alert, decision = only_alert(tally), last_decision(tally)
    assert decision.verdict is Verdict.FLAGGED
    assert decision.alert_id == alert.id
    assert decision.reasons == ("impossible_travel",)
    assert decision.rule_versions == {"impossible-travel": "1"}
    assert 0.5 < decision.score < 1.0
    assert (alert.severity, alert.state, alert.revision, alert.anchor) == (Severity.HIGH, AlertState.OPEN, 1, "t1")
    assert alert.sentence.startswith("5,012 km in 41 min: at least 7,")
    assert alert.received_ms == tally.outcomes[-1].decision.transaction.received_ms  # type: ignore[union-attr]  # checked above
    assert alert.first.id == f"phone@{START_MS * 1_000_000}"
    assert alert.first.accuracy_m == 20.0
    assert alert.second.accuracy_m == 1000.0
    assert not applied(alert)
    assert recompute(alert) == alert


def test_a_payment_beside_the_phone_is_clear() -> None:
    tally = play([fix(0), payment(MINUTE, (51.51, -0.13))])
    assert last_decision(tally).verdict is Verdict.CLEAR
    assert last_decision(tally).score == 0.0
    assert not tally.revisions


def test_a_fast_but_possible_trip_is_clear_with_a_score_below_one_half() -> None:
    decision = last_decision(play([fix(0), payment(HOUR, PARIS)]))
    assert decision.verdict is Verdict.CLEAR
    assert 0.2 < decision.score < 0.5


@pytest.mark.parametrize("later_s", [10 * MINUTE, 25 * HOUR])
def test_a_payment_alone_is_not_scorable(later_s: float) -> None:
    assert last_decision(play([payment(0)])).reasons == ("no_neighbour",)
    decision = last_decision(play([fix(0), payment(later_s)]))
    assert decision.verdict is (Verdict.CLEAR if later_s < HOUR else Verdict.NOT_SCORABLE)
    assert decision.reasons == (() if later_s < HOUR else ("neighbour_too_old",))


@pytest.mark.parametrize("channel", [Channel.ECOMMERCE, Channel.RECURRING])
def test_a_payment_without_a_cardholder_place_says_so(channel: Channel) -> None:
    tally = play([fix(0), payment(MINUTE, LAGOS, channel=channel)])
    assert last_decision(tally).reasons == ("channel_without_place",)
    assert not tally.revisions
    assert len(tally.state.history) == 1


@pytest.mark.parametrize("place", [None, (95.0, 10.0), (10.0, 200.0)])
def test_a_payment_without_usable_coordinates_says_so(place: tuple[float, float] | None) -> None:
    assert last_decision(play([fix(0), payment(MINUTE, place)])).reasons == ("coordinates_missing",)


def test_events_before_the_history_are_late_and_change_nothing() -> None:
    tally = play([fix(2 * HOUR), fix(0, LAGOS), payment(0, LAGOS)])
    assert tally.outcomes[1].counted == "fixes_late"
    assert last_decision(tally).reasons == ("too_late",)
    assert len(tally.state.history) == 1


def test_both_at_the_same_moment_is_simultaneous() -> None:
    events: list[Event] = [fix(0), payment(0, LAGOS)]
    for order in (events, events[::-1]):
        alert = only_alert(play(order))
        assert alert.speed_kmh is None
        assert alert.elapsed_s == 0.0
        assert alert.severity is Severity.HIGH
        assert alert.sentence.startswith("Simultaneous, 5,012 km apart.")
        assert recompute(alert) == alert


def test_simultaneous_use_scores_one() -> None:
    assert last_decision(play([fix(0), payment(0, LAGOS)])).score == 1.0


def test_two_fixes_are_medium_and_anchored_at_the_later_one() -> None:
    alert = only_alert(play([fix(0), fix(MINUTE, LAGOS)]))
    assert alert.severity is Severity.MEDIUM
    assert alert.anchor == alert.second.id


def test_a_single_wrong_observation_between_good_ones_is_one_alert() -> None:
    tally = play([payment(0, id="a"), payment(10 * MINUTE, LAGOS, id="b"), payment(15 * MINUTE, id="c")])
    alert = only_alert(tally)
    assert (alert.anchor, alert.state, alert.revision, alert.episode.count) == ("b", AlertState.AMENDED, 2, 2)
    # The way back was faster than the way there.
    assert (alert.first.id, alert.second.id) == ("b", "c")
    assert last_decision(tally).verdict is Verdict.FLAGGED
    assert last_decision(tally).alert_id == alert.id


def test_a_late_fix_opens_an_alert_at_a_payment_that_was_clear() -> None:
    tally = play([payment(10 * MINUTE, LAGOS, id="t1"), fix(0)])
    assert only_alert(tally).anchor == "t1"
    assert tally.outcomes[0].alerts == ()


def test_a_late_fix_nearer_in_time_amends_the_evidence() -> None:
    tally = play([fix(0), payment(30 * MINUTE, LAGOS, id="t1"), fix(29 * MINUTE)])
    opened, amended = tally.revisions
    assert opened.id == amended.id
    assert (amended.state, amended.revision, amended.elapsed_s) == (AlertState.AMENDED, 2, MINUTE)


def test_a_better_fix_for_the_same_moment_retracts_the_alert() -> None:
    tally = play([fix(0, LAGOS, accuracy_m=900), payment(MINUTE, id="t1"), fix(5, accuracy_m=10)])
    retracted = only_alert(tally)
    assert (retracted.state, retracted.revision, applied(retracted)) == (AlertState.RETRACTED, 2, [BETTER_FIX])
    assert recompute(retracted) == retracted
    assert not tally.standing


def test_an_event_in_between_retracts_the_alert() -> None:
    vague = fix(5 * MINUTE, accuracy_m=400_000)
    tally = play([fix(0), payment(10 * MINUTE, PARIS, id="t1"), vague])
    assert applied(only_alert(tally)) == [EVENT_BETWEEN]


def test_an_earlier_event_moves_the_anchor() -> None:
    tally = play([fix(MINUTE), fix(2 * MINUTE, LAGOS), fix(0, LAGOS)])
    (moved,) = [alert for alert in tally.newest.values() if alert.state is AlertState.RETRACTED]
    assert applied(moved) == [OTHER_ANCHOR]
    (standing,) = tally.standing.values()
    assert (standing.episode.count, standing.anchor) == (2, f"phone@{(START_MS + 60_000) * 1_000_000}")


def test_an_alert_that_opens_again_goes_on_counting() -> None:
    tally = play(
        [
            fix(0),
            payment(10 * MINUTE, PARIS, id="t1"),
            fix(5 * MINUTE, accuracy_m=400_000),
            fix(5 * MINUTE + 1, accuracy_m=10),
        ]
    )
    assert [(alert.state, alert.revision) for alert in tally.revisions] == [
        (AlertState.OPEN, 1),
        (AlertState.RETRACTED, 2),
        (AlertState.OPEN, 3),
    ]


def test_an_alert_whose_evidence_is_forgotten_stands() -> None:
    tally = play([fix(0), payment(MINUTE, LAGOS, id="t1"), fix(2 * MINUTE)])
    before = tally.standing
    play([fix(hour * HOUR + minute * MINUTE) for hour in range(3, 6) for minute in range(0, 60, 20)], after=tally)
    assert tally.standing == before
    assert tally.state.alerts == {}
    assert len(tally.state.history) <= 6


def test_the_antimeridian_is_no_border() -> None:
    assert not play([fix(0, (0.0, 179.99)), payment(MINUTE, (0.0, -179.99))]).revisions
    alert = only_alert(play([fix(0, SUVA), payment(30 * MINUTE, APIA)]))
    assert 1_100_000 < alert.distance_m.likely < 1_200_000


def test_the_pole_is_one_place() -> None:
    assert not play([fix(0, (90.0, 0.0)), fix(MINUTE, (90.0, 180.0)), payment(2 * MINUTE, (89.9, -90.0))]).revisions
    assert play([fix(0, (90.0, 0.0)), payment(MINUTE, (-90.0, 0.0))]).revisions


@pytest.mark.parametrize("flag", [FixFlag.MOCK, FixFlag.CACHED])
@pytest.mark.parametrize("late", [False, True])
def test_a_fix_whose_flags_explain_it_raises_no_alert(flag: FixFlag, late: bool) -> None:
    events: list[Event] = [fix(0, LAGOS, flags=(flag,)), payment(MINUTE)]
    tally = play(events[::-1] if late else events)
    assert not tally.revisions
    decisions = [outcome.decision for outcome in tally.outcomes if outcome.decision]
    assert decisions[0].reasons == ("no_neighbour",)


def test_a_doubtful_fix_never_takes_the_slot_of_a_good_one() -> None:
    tally = play([fix(0, accuracy_m=90), fix(1, LAGOS, accuracy_m=5, flags=(FixFlag.MOCK,)), payment(MINUTE)])
    assert tally.count("fixes_thinned") == 1
    assert last_decision(tally).verdict is Verdict.CLEAR


def test_a_cloaked_place_counts_with_its_widened_radius() -> None:
    near = (51.9, -0.1278)
    assert not play([fix(0, near, accuracy_m=15_000, flags=(FixFlag.CLOAKED,)), payment(0)]).revisions
    assert play([fix(0, LAGOS, accuracy_m=15_000, flags=(FixFlag.CLOAKED,)), payment(0)]).revisions


def test_a_repeat_is_dropped_and_counted() -> None:
    tally = play([fix(0), fix(0), payment(MINUTE, id="t1"), payment(MINUTE, id="t1")])
    assert [outcome.counted for outcome in tally.outcomes] == ["fixes_kept", "fixes_duplicate", "decided", "transactions_duplicate"]


def test_one_fix_stands_for_a_slot_and_payments_are_never_thinned() -> None:
    tally = play([fix(0, accuracy_m=30), fix(1, accuracy_m=50), fix(2, accuracy_m=10), payment(3, id="a"), payment(3, id="b")])
    assert [outcome.counted for outcome in tally.outcomes[:3]] == ["fixes_kept", "fixes_thinned", "fixes_thinned"]
    assert [entry.accuracy_dm for entry in tally.state.history] == [100, 10_000, 10_000]


@pytest.mark.parametrize("at_s", [-40 * 365.25 * 24 * HOUR, 300 * 365.25 * 24 * HOUR])
def test_a_time_that_would_poison_the_history_is_refused(at_s: float) -> None:
    tally = play([fix(0)])
    events: list[Event] = [fix(at_s), payment(at_s)]
    for event in events:
        with pytest.raises(InvalidInputError, match="2000 and 2200"):
            play([event], after=tally)
    assert len(tally.state.history) == 1
    assert tally.state.ids == []


def test_more_payments_than_the_bound_shorten_the_history() -> None:
    events = [payment(second * 1.0, id=f"t{second}") for second in range(2 * MAX_PAYMENTS)]
    tally = play(events)
    assert len(tally.state.history) <= MAX_PAYMENTS + 2 + 15
    assert tally.count("decided") == len(events)
    assert last_decision(play([*events, payment(0.0, id="late")])).reasons == ("too_late",)


def test_ids_and_devices_are_bounded() -> None:
    hour = HOUR * 2
    events = [fix(number * hour, device=f"phone-{number}") for number in range(50)]
    assert len(play(events).state.devices) <= MAX_DEVICES
    ids = play(payment(number * hour, None, id=f"t{number}") for number in range(MAX_IDS + 50)).state.ids
    assert len(ids) == MAX_IDS


def test_places_of_forgotten_devices_are_used_again_without_mixing_people_up() -> None:
    tally = play([fix(number * 2 * HOUR, device=f"phone-{number}") for number in range(20)])
    play([fix(38 * HOUR + MINUTE, LAGOS, device="stranger")], after=tally)
    alert = only_alert(tally)
    assert alert.first.id.startswith("phone-19@")
    assert alert.second.id.startswith("stranger@")


@pytest.mark.parametrize("recording", ["strapdown_2023-08-09_16-37-41", "strapdown_2025-06-11_20-34-24", "strapdown_2025-06-14_21-17-02"])
def test_honest_recordings_raise_no_alert(shared_data: Path, recording: str) -> None:
    fixes = _read(shared_data / "sensor_logger" / f"{recording}.csv")
    payments = [
        payment(one.fix_ns / 1e9 - START_MS / 1e3 + 3, (one.lat, one.lon), id=f"t{number}") for number, one in enumerate(fixes[::50])
    ]
    tally = play([*fixes, *payments])
    assert len(fixes) > 100
    assert not tally.revisions
    assert {outcome.decision.verdict for outcome in tally.outcomes if outcome.decision} == {Verdict.CLEAR}


def _read(path: Path) -> list[Fix]:
    fixes = []
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["latitude"]:
                at_s = datetime.fromisoformat(row["time"]).timestamp() - START_MS / 1000
                accuracy_m = float(row["horizontalAccuracy"])
                fixes.append(
                    fix(at_s, (float(row["latitude"]), float(row["longitude"])), accuracy_m=accuracy_m if accuracy_m > 0 else None)
                )
    return fixes


def test_a_better_fix_behind_a_payment_uncovers_what_the_replaced_one_stood_between() -> None:
    events: list[Event] = [fix(-20), fix(0, accuracy_m=400_000), payment(5, PARIS, id="t1")]
    assert not play(events).revisions
    assert only_alert(play([*events, fix(8, PARIS, accuracy_m=10)])).anchor == "t1"

"""What the engine answers, case by case."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from rules import Engine, RuleBook, SubjectState
from rules.catalogue import RULE_TYPES
from rules.codec import dump
from rules.episodes import recompute
from rules.subject import MAX_IDS, MAX_LANES, MAX_PAYMENTS
from tests.unit.rules_world import APIA, LAGOS, LONDON, PARIS, START_MS, SUVA, Event, Tally, book, fix, payment, play
from veilocity.contracts import Alert, AlertState, Channel, Decision, Fix, FixFlag, Severity, Transaction, Verdict
from veilocity.errors import InvalidInputError

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
CROYDON = (51.3714, -0.1011)
TRAVEL = book("impossible-travel", "phone-far-from-card", "simultaneous-use", "atm-hop")


def stay(start_s: float, place: tuple[float, float] = LONDON, count: int = 11, *, device: str = "phone") -> list[Event]:
    """Fixes at one place, one a minute."""
    return [fix(start_s + number * MINUTE, place, device=device) for number in range(count)]


def last_decision(tally: Tally) -> Decision:
    (decision,) = tally.outcomes[-1].decisions
    return decision


def only_alert(tally: Tally) -> Alert:
    (alert,) = tally.newest.values()
    return alert


def applied(alert: Alert) -> list[str]:
    return [check.name for check in alert.checks if check.applied]


def states(tally: Tally) -> list[tuple[str, int]]:
    return [(alert.state.value, alert.revision) for alert in tally.revisions]


def test_a_payment_far_from_the_phone_is_flagged_with_its_evidence() -> None:
    tally = play([*stay(0), payment(51 * MINUTE + 20, LAGOS, id="t1")])
    alert, decision = only_alert(tally), last_decision(tally)
    assert (decision.verdict, decision.severity, decision.revision) == (Verdict.FLAGGED, Severity.HIGH, 1)
    assert decision.alert_id == alert.id
    assert decision.reasons == ("impossible_travel",)
    assert decision.rule_versions == {"impossible-travel": "2"}
    assert 0.5 < decision.score < 1.0
    assert (alert.severity, alert.state, alert.revision, alert.anchor) == (Severity.HIGH, AlertState.OPEN, 1, "t1")
    assert alert.sentence.startswith("5,012 km in 41 min: at least 7,")
    assert alert.received_ms == decision.transaction.received_ms
    assert alert.first.id == f"phone@{(START_MS + 600_000) * 1_000_000}"
    assert (alert.first.accuracy_m, alert.second.accuracy_m) == (20.0, 1000.0)
    assert alert.facts["phone_fixes"] == 5.0
    assert not applied(alert)
    assert recompute(alert, RULE_TYPES) == alert


def test_a_payment_beside_the_phone_is_clear() -> None:
    tally = play([fix(0), payment(MINUTE, (51.51, -0.13))])
    decision = last_decision(tally)
    assert (decision.verdict, decision.score, decision.severity, decision.alert_id) == (Verdict.CLEAR, 0.0, None, None)
    assert not tally.revisions


def test_a_fast_but_possible_trip_is_clear() -> None:
    assert last_decision(play([*stay(0), payment(70 * MINUTE + 1, PARIS)])).verdict is Verdict.CLEAR


@pytest.mark.parametrize(("later_s", "reasons"), [(10 * MINUTE, ()), (23 * HOUR, ()), (25 * HOUR, ("neighbour_too_old",))])
def test_a_fix_is_a_neighbour_for_a_day(later_s: float, reasons: tuple[str, ...]) -> None:
    decision = last_decision(play([fix(0), payment(later_s)]))
    assert (decision.verdict is Verdict.CLEAR) == (not reasons)
    assert decision.reasons == reasons


def test_a_payment_alone_has_no_neighbour_and_the_next_one_has() -> None:
    tally = play([payment(0, id="a"), payment(HOUR, id="b")])
    assert tally.decisions["a"].reasons == ("no_neighbour",)
    assert tally.decisions["b"].verdict is Verdict.CLEAR


@pytest.mark.parametrize("channel", [Channel.ECOMMERCE, Channel.RECURRING])
def test_a_payment_without_a_cardholder_place_says_so(channel: Channel) -> None:
    tally = play([*stay(0), payment(5 * MINUTE, LAGOS, channel=channel)])
    assert last_decision(tally).reasons == ("channel_without_place",)
    assert not tally.revisions


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (None, "coordinates_missing"),
        ((10.0, 200.0), "coordinates_missing"),
        ((95.0, 10.0), "coordinates_swapped"),
        ((0.0, -0.0), "null_island"),
        ((0.0005, 0.0), "null_island"),
    ],
)
def test_a_payment_without_usable_coordinates_says_why(place: tuple[float, float] | None, reason: str) -> None:
    tally = play([*stay(0), payment(5 * MINUTE, place)])
    assert last_decision(tally).verdict is Verdict.NOT_SCORABLE
    assert last_decision(tally).reasons == (reason,)


@pytest.mark.parametrize("category", ["airline", "taxi", "rail", "ferry", "cruise"])
def test_a_terminal_that_moves_has_no_place(category: str) -> None:
    tally = play([*stay(0), payment(5 * MINUTE, LAGOS, category=category)])
    assert last_decision(tally).reasons == ("moving_terminal",)


def test_events_before_the_history_are_late_and_change_nothing() -> None:
    tally = play([fix(2 * HOUR)])
    before = dump(tally.state)
    play([fix(0, LAGOS)], after=tally)
    assert tally.outcomes[1].counted == "fixes_late"
    assert dump(tally.state) == before
    assert last_decision(play([payment(0, LAGOS)], after=tally)).reasons == ("too_late",)
    assert not tally.state.payments


def test_the_horizon_is_a_whole_slot() -> None:
    tally = play([fix(HOUR + 14), fix(0, LAGOS), fix(-1, PARIS)])
    assert [outcome.counted for outcome in tally.outcomes] == ["fixes_kept", "fixes_kept", "fixes_late"]


def test_a_payment_later_than_its_arrival_is_not_scorable() -> None:
    early = msgspec.structs.replace(payment(HOUR), received_ms=START_MS + 2_900_000)
    tally = play([*stay(0), early])
    assert last_decision(tally).reasons == ("future_time",)
    assert not tally.state.payments


def test_a_fix_later_than_its_arrival_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="the phone's clock"):
        play([msgspec.structs.replace(fix(HOUR), received_ms=START_MS + 2_900_000)])


@pytest.mark.parametrize("at_s", [-40 * 365.25 * DAY, 300 * 365.25 * DAY])
def test_a_time_that_would_poison_the_history_is_refused(at_s: float) -> None:
    tally = play([fix(0)])
    before = dump(tally.state)
    for event in (fix(at_s), payment(at_s)):
        with pytest.raises(InvalidInputError, match="2000 and 2200"):
            play([event], after=tally)
    assert dump(tally.state) == before


@pytest.mark.parametrize("place", [(-97.7, 30.3), (30.0, 181.0), (0.0, 0.0)])
@pytest.mark.parametrize("known", [[], [fix(0)]])
def test_a_fix_at_an_impossible_place_is_refused(place: tuple[float, float], known: list[Event]) -> None:
    tally = play(known)
    before = dump(tally.state)
    with pytest.raises(InvalidInputError):
        play([fix(MINUTE, place)], after=tally)
    assert dump(tally.state) == before


def test_a_not_scorable_payment_gets_the_fallback_of_the_rule_book() -> None:
    rules = RuleBook(TRAVEL.entries, fallback={"no_neighbour": Severity.MEDIUM})
    assert last_decision(play([payment(0)], rules)).severity is Severity.MEDIUM
    assert last_decision(play([payment(0)], TRAVEL)).severity is None


def test_both_at_the_same_moment_is_simultaneous() -> None:
    events: list[Event] = [*stay(0), payment(10 * MINUTE, LAGOS)]
    for order in (events, events[::-1]):
        alert = next(iter(play(order, book("impossible-travel")).standing.values()))
        assert alert.speed_kmh is None
        assert (alert.elapsed_s, alert.severity, alert.score) == (0.0, Severity.HIGH, 1.0)
        assert alert.sentence.startswith("Simultaneous, 5,012 km apart.")
        assert recompute(alert, RULE_TYPES) == alert


def test_a_late_fix_opens_an_alert_at_a_payment_that_was_clear_and_tells_the_decision_again() -> None:
    tally = play([fix(-12 * HOUR), payment(10 * MINUTE + 20, LAGOS, id="t1")])
    assert last_decision(tally).verdict is Verdict.CLEAR
    assert not tally.revisions
    play(stay(0), after=tally)
    told = [decision for outcome in tally.outcomes for decision in outcome.decisions]
    assert [decision.revision for decision in told] == list(range(1, len(told) + 1))
    assert tally.decisions["t1"].verdict is Verdict.FLAGGED
    assert only_alert(tally).severity is Severity.HIGH


def test_a_late_fix_nearer_in_time_amends_the_evidence() -> None:
    tally = play([*stay(0), payment(30 * MINUTE + 20, LAGOS, id="t1"), fix(29 * MINUTE)])
    opened, amended = tally.revisions
    assert opened.id == amended.id
    assert (amended.state, amended.revision, amended.elapsed_s) == (AlertState.AMENDED, 2, 80.0)


def test_a_better_fix_for_the_same_slot_retracts_the_alert() -> None:
    tally = play([fix(0, LAGOS, accuracy_m=900), payment(MINUTE + 1, id="t1"), fix(5, accuracy_m=10)])
    assert states(tally) == [("open", 1), ("retracted", 2)]
    retracted = only_alert(tally)
    assert applied(retracted) == ["later_event"]
    assert recompute(retracted, RULE_TYPES) == retracted
    assert tally.decisions["t1"].verdict is Verdict.CLEAR
    assert tally.decisions["t1"].reasons == ()


def test_an_alert_that_opens_again_goes_on_counting() -> None:
    tally = play([*stay(0), payment(10 * MINUTE + 20, PARIS, id="t1")])
    play([fix(10 * MINUTE + 16, accuracy_m=400_000)], after=tally)
    play([fix(10 * MINUTE + 17, accuracy_m=10)], after=tally)
    assert [(state, number) for state, number in states(tally) if state != "amended"] == [("open", 1), ("retracted", 2), ("open", 3)]


def test_a_fix_after_the_look_ahead_does_not_judge_a_payment() -> None:
    far = payment(10 * MINUTE + 20, LAGOS, id="t1")
    assert play([far, *stay(39 * MINUTE, count=2)]).revisions
    assert not play([far, *stay(41 * MINUTE, count=2)]).revisions


def test_the_phone_beside_the_card_clears_a_payment_that_contradicts_the_one_before() -> None:
    pair = [payment(0, id="a"), payment(40 * MINUTE + 1, LAGOS, id="b")]
    assert play(pair).decisions["b"].verdict is Verdict.FLAGGED
    assert play([*pair, fix(41 * MINUTE, LAGOS)]).decisions["b"].verdict is Verdict.CLEAR


def test_after_two_payments_nobody_knows_which_was_the_odd_one_until_a_third() -> None:
    tally = play([payment(0, id="a"), payment(601, LAGOS, id="b"), payment(1201, LAGOS, id="c"), payment(1801, LAGOS, id="d")], TRAVEL)
    verdicts = [tally.decisions[name].verdict for name in "bcd"]
    assert verdicts == [Verdict.FLAGGED, Verdict.FLAGGED, Verdict.CLEAR]
    assert only_alert(tally).episode.count == 2


def test_one_wrong_payment_between_good_ones_is_one_alert() -> None:
    tally = play([payment(0, id="a"), payment(601, LAGOS, id="b"), payment(901, id="c"), payment(1501, id="d")], TRAVEL)
    assert only_alert(tally).anchor == "b"
    assert [tally.decisions[name].verdict for name in "bcd"] == [Verdict.FLAGGED, Verdict.CLEAR, Verdict.CLEAR]


def test_many_hits_of_one_cause_are_one_alert_that_grows() -> None:
    tally = play([*stay(0), *(payment(11 * MINUTE + 7 * number, LAGOS, id=f"t{number}") for number in range(20))], TRAVEL)
    alert = only_alert(tally)
    assert alert.episode.count == 20
    assert alert.episode.events == tuple(f"t{number}" for number in range(4, 20))
    assert {decision.alert_id for decision in tally.decisions.values()} == {alert.id}


def test_a_pause_or_another_place_begins_another_alert() -> None:
    far = [payment(11 * MINUTE + 1, LAGOS, id="a"), payment(12 * MINUTE + 1, SUVA, id="b")]
    assert {alert.anchor for alert in play([*stay(0, count=20), *far], book("impossible-travel")).standing.values()} == {"a", "b"}
    later = 7 * HOUR
    events = [*stay(0), far[0], *stay(later), payment(later + 601, LAGOS, id="c", merchant="Bakery")]
    assert {alert.anchor for alert in play(events, book("impossible-travel")).standing.values()} == {"a", "c"}


def test_an_alert_whose_evidence_is_forgotten_stands() -> None:
    tally = play([*stay(0), payment(10 * MINUTE + 20, LAGOS, id="t1"), *stay(11 * MINUTE)])
    before, decisions = tally.standing, tally.decisions
    assert before
    play([fix(hour * HOUR + minute * MINUTE) for hour in range(3, 30) for minute in range(0, 60, 10)], after=tally)
    assert (tally.standing, tally.decisions) == (before, decisions)
    assert tally.state.told is None
    assert tally.state.episodes == ()
    assert tally.state.payments == []
    assert len(tally.state.lanes[0].history) <= 24


def test_the_antimeridian_is_no_border() -> None:
    assert not play([*stay(0, (-17.0, 179.99)), payment(11 * MINUTE, (-17.0, -179.99))]).revisions
    alert = only_alert(play([*stay(0, SUVA), payment(40 * MINUTE + 1, APIA)]))
    assert alert.distance_m is not None
    assert 1_100_000 < alert.distance_m.likely < 1_200_000


def test_the_pole_is_one_place() -> None:
    here = [*stay(0, (90.0, 0.0)), fix(11 * MINUTE, (90.0, 180.0))]
    assert not play([*here, payment(12 * MINUTE, (89.9, -90.0))]).revisions
    assert play([*here, payment(12 * MINUTE, (-89.9, 10.1))]).standing


@pytest.mark.parametrize("flag", [FixFlag.MOCK, FixFlag.CACHED])
@pytest.mark.parametrize("late", [False, True])
def test_a_fix_whose_flags_explain_it_is_no_evidence(flag: FixFlag, late: bool) -> None:
    events: list[Event] = [*(fix(number * MINUTE, LAGOS, flags=(flag,)) for number in range(11)), payment(10 * MINUTE + 20, id="t1")]
    tally = play(events[::-1] if late else events, TRAVEL)
    assert not tally.revisions
    assert tally.decisions["t1"].reasons == ("neighbour_too_old",)


def test_a_doubtful_fix_never_takes_the_slot_of_a_good_one() -> None:
    tally = play([fix(0, accuracy_m=90), fix(1, LAGOS, accuracy_m=5, flags=(FixFlag.CACHED,)), payment(MINUTE)])
    assert tally.count("fixes_thinned") == 1
    assert last_decision(tally).verdict is Verdict.CLEAR


def test_a_cloaked_place_counts_with_its_widened_radius() -> None:
    def cloaked(place: tuple[float, float]) -> list[Event]:
        return [fix(number * MINUTE, place, accuracy_m=15_000, flags=(FixFlag.CLOAKED,)) for number in range(11)]

    assert not play([*cloaked((51.6, -0.1278)), payment(10 * MINUTE + 20)]).revisions
    alert = only_alert(play([*cloaked(LAGOS), payment(10 * MINUTE + 20)]))
    assert applied(alert) == ["cloaked_place"]


def test_coordinates_rounded_by_hand_are_as_vague_as_that() -> None:
    assert not play([fix(0, (51.5, -0.1)), fix(MINUTE, (51.5, -0.1)), fix(130, (51.5, -0.1)), payment(140, (51.43, -0.1))]).revisions
    (sight,) = play([fix(0, (51.0, -1.0), accuracy_m=5.0)]).state.lanes[0].history.sights("phone")
    assert sight.accuracy_dm == 790_000


def test_a_repeat_is_dropped_and_counted() -> None:
    tally = play([fix(0), fix(0), payment(MINUTE, id="t1"), payment(MINUTE, id="t1")])
    assert [outcome.counted for outcome in tally.outcomes] == ["fixes_kept", "fixes_duplicate", "decided", "transactions_duplicate"]
    assert [len(outcome.decisions) for outcome in tally.outcomes] == [0, 0, 1, 0]


def test_one_fix_stands_for_a_slot_and_payments_are_never_thinned() -> None:
    tally = play([fix(0, accuracy_m=30), fix(1, accuracy_m=50), fix(2, accuracy_m=10), payment(3, id="a"), payment(3, id="b")])
    assert [outcome.counted for outcome in tally.outcomes[:3]] == ["fixes_kept", "fixes_thinned", "fixes_thinned"]
    assert [sight.accuracy_dm for sight in tally.state.lanes[0].history.sights("phone")] == [100]
    assert len(tally.state.payments) == 2


def test_more_payments_than_the_bound_shorten_the_history() -> None:
    rules = book("impossible-travel", look_ahead_s=0)
    events = [payment(second * 1.0, id=f"t{second}") for second in range(MAX_PAYMENTS + 60)]
    tally = play(events, rules)
    assert len(tally.state.payments) <= MAX_PAYMENTS + 15
    assert tally.count("decided") == len(events)
    assert last_decision(play([payment(1.0, id="late")], rules, after=tally)).reasons == ("too_late",)


def test_phones_and_ids_are_bounded() -> None:
    tally = play([fix(number * 20.0, device=f"phone-{number}") for number in range(10)])
    assert len(tally.state.lanes) == MAX_LANES
    assert tally.count("fixes_thinned") == 10 - MAX_LANES
    ids = play([payment(number * 2 * HOUR, None, id=f"t{number}") for number in range(MAX_IDS + 50)], book("impossible-travel")).state.ids
    assert len(ids) == 8 * MAX_IDS


def test_a_phone_that_was_silent_for_a_month_makes_room() -> None:
    tally = play([fix(number * 20.0, device=f"phone-{number}") for number in range(MAX_LANES)])
    play([fix(31 * DAY, device="new")], after=tally)
    assert [lane.device for lane in tally.state.lanes] == ["new", "phone-3", "phone-2", "phone-1"]


def test_subjects_do_not_share_anything() -> None:
    engine, anna, ben = Engine(TRAVEL), SubjectState(), SubjectState()
    for event in stay(0):
        engine.process(anna, event)
    outcome = engine.process(ben, payment(10 * MINUTE + 20, LAGOS, subject="ben"))
    assert outcome.decisions[0].reasons == ("no_neighbour",)


RECORDINGS = ("strapdown_2023-08-09_16-37-41", "strapdown_2025-06-11_20-34-24", "strapdown_2025-06-14_21-17-02")


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("reverse", [False, True])
def test_honest_recordings_raise_no_alert(shared_data: Path, recording: str, reverse: bool) -> None:
    fixes = _read(shared_data / "sensor_logger" / f"{recording}.csv")
    payments: list[Transaction] = [
        payment(one.fix_ns / 1e9 - START_MS / 1e3 + 3, (one.lat, one.lon), id=f"t{number}") for number, one in enumerate(fixes[::50])
    ]
    events: list[Event] = [*fixes, *payments]
    tally = play(events[::-1] if reverse else events, TRAVEL)
    assert len(fixes) > 100
    assert not tally.revisions
    assert {decision.verdict for decision in tally.decisions.values()} == {Verdict.CLEAR}


def _read(path: Path) -> list[Fix]:
    fixes = []
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["latitude"]:
                at_s = datetime.fromisoformat(row["time"]).timestamp() - START_MS / 1000
                accuracy_m = float(row["horizontalAccuracy"])
                place = float(row["latitude"]), float(row["longitude"])
                fixes.append(fix(at_s, place, accuracy_m=accuracy_m if accuracy_m > 0 else None))
    return fixes

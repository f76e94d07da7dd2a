"""Mistakes that other impossible-travel detectors made or had reported; each must stay impossible here."""

from __future__ import annotations

import inspect
import re

import pytest

from rules import Engine, RuleBook
from rules.book import Allowed, RuleEntry
from rules.catalogue import RULE_TYPES
from rules.catalogue.geofence import Area, GeofenceParameters
from rules.catalogue.impossible_travel import ImpossibleTravel, ImpossibleTravelParameters
from rules.episodes import recompute
from rules.travel import reach_m
from tests.unit.rules_world import LAGOS, LONDON, PARIS, SUVA, Event, Tally, book, fix, payment, play
from veilocity.contracts import AlertState, Channel, FixFlag, Severity, Verdict
from veilocity.errors import InvalidInputError

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
TRAVEL = book("impossible-travel", "phone-far-from-card", "simultaneous-use", "atm-hop")
EDINBURGH, READING = (55.9533, -3.1883), (51.4552, -0.9714)


def stay(start_s: float, place: tuple[float, float] = LONDON, count: int = 11, **options: float) -> list[Event]:
    return [fix(start_s + number * MINUTE, place, **options) for number in range(count)]  # type: ignore[arg-type]  # a radius or a speed


def causes(tally: Tally) -> set[str]:
    return {alert.cause for alert in tally.standing.values()}


# Mistakes found in the code of others


def test_an_event_that_arrives_second_but_happened_first_is_not_missed() -> None:
    """A negative time difference made several detectors skip the pair silently."""
    (alert,) = play([payment(10 * MINUTE + 1, LAGOS, id="t1"), *stay(-MINUTE)[::-1]], TRAVEL).standing.values()
    assert alert.elapsed_s > 0
    assert alert.first.event_ns < alert.second.event_ns
    assert alert.severity is Severity.HIGH


def test_an_earlier_event_is_not_taken_for_a_later_one() -> None:
    """A tool took the absolute difference, so the order of the two ends was lost."""
    (alert,) = play([payment(0.3, LAGOS, id="t1"), *stay(MINUTE)], TRAVEL).standing.values()
    assert (alert.first.id, alert.second.id.partition("@")[0]) == ("t1", "phone")


@pytest.mark.parametrize(("kmh", "flagged"), [(990.0, False), (1_097.0, False), (1_103.0, True), (3_960.0, True), (14_000.0, True)])
def test_the_limit_means_kilometres_per_hour_and_everything_above_it(kmh: float, flagged: bool) -> None:
    """One tool compared metres per second with a limit in other units; another flagged only speeds close to the limit."""
    rule = ImpossibleTravel(ImpossibleTravelParameters(time_slack_s=0.0))
    # 343.556 km on the sphere; the lower bound, less both radii (20 m and, for a payment's place, 1 km).
    shortest_km = 343.556 * (1 - 0.0056) - 1.02
    paid = payment(round(shortest_km / kmh * 3600, 2), PARIS, id="t1")
    tally = play([*stay(-600.0), paid], RuleBook((RuleEntry(rule),)))
    assert (tally.decisions["t1"].verdict is Verdict.FLAGGED) is flagged


def test_equal_times_are_neither_a_division_by_zero_nor_a_made_up_second() -> None:
    """Others put 1 s, 0.001 h or 0.0001 h in place of zero, and showed the speed that came out."""
    tally = play([payment(0.3, id="a"), payment(0.3, LAGOS, id="b")], book("impossible-travel"))
    (alert,) = tally.standing.values()
    assert alert.speed_kmh is None
    assert alert.sentence.startswith("Simultaneous")
    assert not re.search(r"at least [\d,]+ km/h", alert.sentence)


def test_fractions_of_an_hour_count() -> None:
    """Whole hours made 61 minutes as good as 119."""
    too_soon, enough = 1_080.3, 1_090.3
    assert play([*stay(-600.0), payment(too_soon, PARIS, id="t")], book("impossible-travel")).standing
    assert not play([*stay(-600.0), payment(enough, PARIS, id="t")], book("impossible-travel")).standing


@pytest.mark.parametrize("place", [None, (0.0, 0.0), (121.0, 31.0), (95.0, 300.0)])
def test_missing_coordinates_are_not_scorable_and_no_place(place: tuple[float, float] | None) -> None:
    """An identity provider read `no coordinates` as `impossible`; others let them pass as `clear`."""
    tally = play([*stay(0), payment(5 * MINUTE + 1, place, id="odd"), payment(6 * MINUTE + 1, id="next")], TRAVEL)
    assert tally.decisions["odd"].verdict is Verdict.NOT_SCORABLE
    assert len(tally.decisions["odd"].reasons) == 1
    assert tally.decisions["next"].verdict is Verdict.CLEAR
    assert not tally.revisions


def test_a_bad_event_in_the_history_does_not_spoil_those_after_it() -> None:
    tally = play([*stay(0), payment(11 * MINUTE, None, id="odd"), payment(12 * MINUTE + 1, LAGOS, id="far")], TRAVEL)
    assert tally.decisions["far"].verdict is Verdict.FLAGGED


def test_a_replay_of_old_data_is_judged_as_it_was_live() -> None:
    """A learning period by the wall clock made every replay of old data silent."""
    years = round(20 * 365.25) * DAY
    habits: list[Event] = [payment(number * HOUR, id=f"h{number}", country="GB") for number in range(12)]
    new = payment(12 * HOUR, LAGOS, id="t1", country="NG")
    now = play([*habits, new])
    past: list[Event] = [payment(number * HOUR - years, id=f"h{number}", country="GB") for number in range(12)]
    then = play([*past, payment(12 * HOUR - years, LAGOS, id="t1", country="NG")])
    assert now.decisions["t1"].reasons == then.decisions["t1"].reasons
    assert "new_country" in now.decisions["t1"].reasons


def test_the_first_contradiction_of_a_new_person_is_told() -> None:
    """Alerts filtered by a risk that only unfiltered alerts could raise: new users stayed at `no risk` for ever."""
    assert play([payment(0.3, id="a"), payment(MINUTE * 40, LAGOS, id="b")], TRAVEL).decisions["b"].verdict is Verdict.FLAGGED


def test_what_an_allow_list_hides_is_hidden_everywhere() -> None:
    """One sender of a detector never looked at the filter list."""
    entry = RuleEntry(TRAVEL.rules["impossible-travel"], allowed=Allowed(subjects=("anna",)))
    tally = play([*stay(0), *stay(11 * MINUTE, LAGOS), payment(22 * MINUTE, SUVA, id="t1")], RuleBook((entry,)))
    assert not tally.revisions
    assert (tally.decisions["t1"].verdict, tally.decisions["t1"].alert_id) == (Verdict.CLEAR, None)


def test_the_place_before_last_is_not_overwritten() -> None:
    """One row per country lost the history, so going there and back hid the journey."""
    events: list[Event] = [*stay(0, LONDON, 20), payment(20 * MINUTE + 1, LAGOS, id="t1"), payment(21 * MINUTE + 1, id="t2")]
    late = [fix(20 * MINUTE + 16), fix(21 * MINUTE)]
    assert {alert.anchor for alert in play([*events, *late], TRAVEL).standing.values()} == {"t1"}
    assert play([*events, *late], TRAVEL).decisions["t2"].verdict is Verdict.CLEAR


def test_a_known_place_does_not_switch_the_check_off() -> None:
    """A known address disabled the check even when the person was provably elsewhere."""
    known: list[Event] = [payment(number * 20 * HOUR, (LONDON, PARIS)[number % 2], id=f"h{number}") for number in range(20)]
    later = 20 * 20 * HOUR
    tally = play([*known, *stay(later), payment(later + 11 * MINUTE, PARIS, id="t1")], TRAVEL)
    assert tally.decisions["t1"].verdict is Verdict.FLAGGED


@pytest.mark.parametrize("pause_s", [23.9 * HOUR, 24.3 * HOUR, 3 * DAY])
def test_a_pause_of_days_is_answered_and_not_skipped(pause_s: float) -> None:
    """A detector skipped pairs more than a day apart without a word."""
    decision = play([*stay(0), payment(pause_s, LAGOS, id="t1")], TRAVEL).decisions["t1"]
    assert decision.verdict is (Verdict.CLEAR if pause_s < DAY else Verdict.NOT_SCORABLE)
    assert decision.reasons == (() if pause_s < DAY else ("neighbour_too_old",))


def test_subjects_do_not_leak_into_each_other() -> None:
    """Module globals carried one event's place into the next person's judgement."""
    engine = Engine(TRAVEL)
    anna, ben = Tally(), Tally()
    for number in range(11):
        anna.outcomes.append(engine.process(anna.state, fix(number * MINUTE)))
        ben.outcomes.append(engine.process(ben.state, fix(number * MINUTE + 1, LAGOS, subject="ben")))
    assert not anna.revisions + ben.revisions


def test_a_bounding_box_over_the_antimeridian_is_not_the_whole_earth() -> None:
    places = [(-16.0, 179.95), (-16.0, -179.95), (-16.0, 179.99)]
    events: list[Event] = [fix(number * MINUTE, places[number % 3]) for number in range(12)]
    assert not play([*events, payment(12 * MINUTE, (-16.0, -179.99), id="t1")], TRAVEL).revisions


def test_swapped_latitude_and_longitude_are_noticed() -> None:
    """Test data elsewhere holds a latitude of -97.7 that was never noticed."""
    with pytest.raises(InvalidInputError, match="latitude"):
        play([fix(0, (-97.7, 30.3))])
    tally = play([*stay(0), payment(11 * MINUTE, (LONDON[1], LONDON[0]), id="t1")], TRAVEL)
    assert tally.decisions["t1"].reasons[0] == "swapped_coordinates"
    assert tally.decisions["t1"].verdict is Verdict.CLEAR


@pytest.mark.parametrize("name", RULE_TYPES)
def test_every_parameter_that_a_rule_declares_is_read(name: str) -> None:
    """A detector offered `ignore VPN ranges`, and its check never read it."""
    rule_type = RULE_TYPES[name]
    source = inspect.getsource(inspect.getmodule(rule_type))  # type: ignore[arg-type]  # it has a module
    for field in rule_type.parameter_type.__struct_fields__:
        assert re.search(rf"(own|parameters)\.{field}\b", source), field


# What users of others asked for


def test_the_same_place_never_alerts_whatever_the_times() -> None:
    times = (0.3, 0.3, 0.3, 1.3, 59.3, 60.0)
    events: list[Event] = [payment(at_s, id=f"t{number}", channel=Channel.ATM) for number, at_s in enumerate(times)]
    assert not play([*events, fix(0), fix(16), fix(60)], TRAVEL).revisions


@pytest.mark.parametrize("channel", [Channel.ECOMMERCE, Channel.RECURRING])
def test_a_shop_on_the_net_is_no_journey(channel: Channel) -> None:
    """VPNs, relays and cloud exits put net sessions anywhere; a payment on the net has no cardholder place here, in either direction."""
    events: list[Event] = [*stay(0), payment(5 * MINUTE + 1, LAGOS, channel=channel, id="net"), payment(6 * MINUTE + 1, id="shop")]
    tally = play(events, TRAVEL)
    assert not tally.revisions
    assert tally.decisions["shop"].verdict is Verdict.CLEAR


def test_somebody_on_board_a_plane_is_no_alert() -> None:
    """In-flight and satellite internet."""
    flight: list[Event] = [fix(number * 60.0, (50.0, -10.0 - number * 0.2), speed_mps=239.0) for number in range(90)]
    tally = play([*flight, payment(45 * MINUTE + 20, (50.0, -10.0 - 9.07), id="duty free")], TRAVEL)
    assert not tally.standing
    assert play([*flight, payment(45 * MINUTE, LAGOS, category="airline", id="t")], TRAVEL).decisions["t"].reasons == ("moving_terminal",)


def test_a_place_that_is_hundreds_of_kilometres_vague_accuses_nobody() -> None:
    """Mobile carriers and the networks of chains put people hundreds of kilometres away."""
    assert not play([*stay(0, PARIS, accuracy_m=350_000.0), payment(11 * MINUTE, id="t1")], TRAVEL).revisions


def test_a_short_way_in_no_time_is_noise() -> None:
    tally = play([fix(number * 16.0, (51.5 + 0.4 * (number % 2), -0.12), accuracy_m=20) for number in range(40)], TRAVEL)
    assert not tally.revisions


def test_fraud_in_the_own_country_is_found() -> None:
    """Rules by country miss a relay in the victim's own country."""
    far = payment(11 * MINUTE, EDINBURGH, id="t1", country="GB")
    assert play([*stay(0), far], TRAVEL).decisions["t1"].verdict is Verdict.FLAGGED


def test_a_payment_that_cannot_be_placed_does_not_pass_silently() -> None:
    """Skipping unknown cities is a loophole; alerting on each is a flood: the rule book says what they are worth."""
    rules = RuleBook(TRAVEL.entries, fallback={"coordinates_missing": Severity.MEDIUM})
    decision = play([*stay(0), payment(MINUTE, None, id="t1")], rules).decisions["t1"]
    assert (decision.verdict, decision.severity) == (Verdict.NOT_SCORABLE, Severity.MEDIUM)


def test_a_placeholder_subject_can_be_left_out() -> None:
    entry = RuleEntry(TRAVEL.rules["impossible-travel"], allowed=Allowed(subjects=("Not Available",)))
    places = (LONDON, LAGOS)
    events: list[Event] = [payment(number * 20.3, places[number % 2], id=f"t{number}", subject="Not Available") for number in range(20)]
    assert play(events, book("impossible-travel")).revisions
    assert not play(events, RuleBook((entry,))).revisions


def test_every_alert_explains_itself_and_recomputes() -> None:
    (alert,) = play([*stay(0), payment(11 * MINUTE, LAGOS, id="t1")], TRAVEL).standing.values()
    assert "at least" in alert.sentence
    assert "Fine with" in alert.sentence
    assert alert.fine_with_s is not None
    assert alert.fine_with_s > 4 * HOUR
    assert alert.probability == 0.0
    assert {check.name for check in alert.checks} >= {"disputed_phone", "terminal_place", "shared_card", "settled_late"}
    assert recompute(alert, RULE_TYPES) == alert


def test_rules_can_ask_for_areas() -> None:
    area = Area(name="harbour", lat=51.5, lon=-0.1, radius_m=20_000.0)
    entry = RuleEntry(RULE_TYPES["geofence"](GeofenceParameters(forbidden=(area,))))
    tally = play([payment(0, id="in"), payment(HOUR, READING, id="out")], RuleBook((entry,)))
    assert tally.decisions["in"].verdict is Verdict.FLAGGED
    assert tally.decisions["out"].verdict is Verdict.CLEAR


@pytest.mark.parametrize("wrong_m", [5_000.0, 2_000_000.0])
def test_a_wild_fix_with_a_good_accuracy_is_still_a_wild_fix(wrong_m: float) -> None:
    """An accuracy filter alone does not help: 80 m reported, 5 km or 2,000 km wrong."""
    wild = fix(11 * MINUTE, (LONDON[0] - wrong_m / 111_195, LONDON[1]), accuracy_m=80.0)
    tally = play([*stay(0), wild, *stay(12 * MINUTE), payment(11 * MINUTE + 30, id="t1")], TRAVEL)
    assert not tally.standing
    assert tally.decisions["t1"].verdict is Verdict.CLEAR


@pytest.mark.parametrize("shuffle", [slice(None, None, -1), slice(None, None, 2), slice(1, None, 3)])
def test_stored_and_forwarded_fixes_count_as_if_they_had_come_in_time(shuffle: slice) -> None:
    fixes = stay(0, LONDON, 30)
    live = play([*fixes, payment(31 * MINUTE, LAGOS, id="t1")], TRAVEL)
    first = fixes[shuffle]
    stored = play([payment(31 * MINUTE, LAGOS, id="t1"), *first, *(one for one in fixes if one not in first)], TRAVEL)
    assert live.standing == stored.standing != {}
    assert live.decisions == stored.decisions


def test_a_phone_is_not_locked_at_its_old_place() -> None:
    """A speed filter kept a device at the place it had left, for every fix after that was `too far`."""
    cards = [payment(40 * MINUTE, PARIS, id="there"), payment(45 * MINUTE + 1, LAGOS, id="here")]
    tally = play([*stay(0), *stay(11 * MINUTE, PARIS, 40), *cards], TRAVEL)
    assert tally.decisions["there"].verdict is Verdict.CLEAR
    assert tally.decisions["here"].verdict is Verdict.FLAGGED


def test_a_vague_fix_of_somebody_who_moves_fast_counts() -> None:
    train: list[Event] = [fix(number * 60.0, (51.5 + number * 0.045, -0.1), accuracy_m=1_800.0, speed_mps=83.0) for number in range(30)]
    tally = play([*train, payment(15 * MINUTE + 20, (52.19, -0.1), id="buffet"), payment(16 * MINUTE + 20, LAGOS, id="thief")], TRAVEL)
    assert tally.decisions["buffet"].verdict is Verdict.CLEAR
    assert tally.decisions["thief"].verdict is Verdict.FLAGGED


def test_a_fix_of_the_radio_cell_does_not_move_anybody() -> None:
    """A fix of 2,200 m radius flipped zones back and forth."""
    cell = (LONDON[0] + 0.02, LONDON[1])
    events: list[Event] = [fix(n * 30.0, cell if n % 3 == 0 else LONDON, accuracy_m=2_200 if n % 3 == 0 else 10) for n in range(60)]
    shops: list[Event] = [payment(n * 100.0 + 7, id=f"t{n}") for n in range(17)]
    assert not play([*events, *shops], TRAVEL).revisions


def test_a_mock_location_neither_clears_nor_accuses_and_is_told() -> None:
    mock = [fix(n * MINUTE, LAGOS, flags=(FixFlag.MOCK,)) for n in range(11)]
    at_home = play([*mock, payment(10 * MINUTE + 30, id="t1")])
    assert not at_home.standing
    beside = play([*mock, payment(10 * MINUTE + 30, LAGOS, id="t1")])
    assert causes(beside) == {"mock_location"}
    assert beside.decisions["t1"].verdict is Verdict.FLAGGED


def test_one_far_payment_is_one_alert_however_long_the_phone_goes_on() -> None:
    """A detector sent hundreds of alerts for one cause."""
    tally = play([*stay(0, count=60), payment(25 * MINUTE + 20, LAGOS, id="t1"), *stay(60 * MINUTE, count=60)], TRAVEL)
    assert {alert.id for alert in tally.revisions} == {next(iter(tally.standing))}
    assert len(tally.revisions) <= 3
    assert AlertState.RETRACTED not in {alert.state for alert in tally.revisions}


def test_a_flight_needs_its_boarding_and_a_train_does_not() -> None:
    people = TRAVEL.rules["phone-far-from-card"].mobility  # type: ignore[attr-defined]  # of this rule
    assert reach_m(1_200.0, people) < 60_000.0
    assert reach_m(2 * HOUR, people) > 1_600_000.0

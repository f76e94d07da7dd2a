"""How a phone's track is read: each cause of a jump by itself, then the order in which they are asked."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rules.motion import Jump, MotionLimits, Trace
from rules.motion.clock import MAX_PATH, PathPoint, extend_path, is_clock_shift
from rules.motion.glitch import track_returned_to
from rules.motion.stale import is_stale
from rules.motion.stays import MAX_STAYS, STAY_BYTES, extend_stays, last_stay
from rules.motion.trace import FAR_FUTURE_NS, MAX_JUMPS, MAX_TRACKS
from rules.motion.track import TAIL, Track, is_reachable
from rules.motion.two_sources import recent_switches
from rules.sight import LATE_CLOCK, Sight
from tests.unit.rules_world import LAGOS, LONDON, PARIS, SUVA, Event, Tally, book, fix, payment, play
from veilocity.contracts import Alert, Severity

LIMITS = MotionLimits()
NS, MINUTE, HOUR = 1_000_000_000, 60.0, 3600.0
RULES = book("impossible-travel")


def sight(at_s: float, place: tuple[float, float] = LONDON, *, flags: int = 0) -> Sight:
    return Sight(round(at_s * NS), round(place[0] * 1e7), round(place[1] * 1e7), 200, flags=flags, source="phone")


def stay(start_s: float, place: tuple[float, float], count: int, every_s: float = MINUTE) -> list[Sight]:
    return [sight(start_s + number * every_s, place) for number in range(count)]


def trace_of(*parts: list[Sight]) -> Trace:
    trace = Trace(LIMITS, 0, 0)
    path: tuple[PathPoint, ...] = ()
    for one in (one for part in parts for one in part):
        trace.step(one, path)
        if trace.is_settled(one.event_ns):
            path = extend_path(path, one.event_ns, one.lat_e7, one.lon_e7)
    return trace


def only_jump(trace: Trace) -> Jump:
    (jump,) = trace.jumps
    return jump


def fixes(*parts: list[Sight]) -> list[Event]:
    return [fix(one.event_ns / NS, (one.lat_e7 / 1e7, one.lon_e7 / 1e7)) for part in parts for one in part]


def only_alert(tally: Tally) -> Alert:
    (alert,) = tally.standing.values()
    return alert


@pytest.mark.parametrize(
    ("place", "elapsed_s", "reachable"),
    [
        ((51.95, -0.1278), 1.0, True),  # 49 km: noise, however fast
        ((51.97, -0.1278), 1.0, False),  # 51 km in a second
        (PARIS, 1_080.0, False),  # 343.6 km geodesic, 341.6 km at least: 18 min 38 s at 1,100 km/h, less half a minute
        (PARIS, 1_096.0, True),
    ],
)
def test_reachable_is_below_the_floor_or_within_the_speed(place: tuple[float, float], elapsed_s: float, reachable: bool) -> None:
    assert is_reachable(sight(0), sight(elapsed_s, place), LIMITS) is reachable
    assert is_reachable(sight(elapsed_s, place), sight(0), LIMITS) is reachable


def test_a_track_remembers_four_fixes_and_knows_when_it_is_believed() -> None:
    track = Track(0, 0, 0, [])
    for one in stay(0, LONDON, 10):
        track.add(one)
    assert (len(track.tail), track.count, track.span_s) == (TAIL, 10, 540.0)
    assert track.is_weak(LIMITS)
    track.add(sight(600))
    assert not track.is_weak(LIMITS)
    twin = track.copy()
    twin.add(sight(660))
    assert track.count == 11


def test_a_stale_last_fix_is_recognised_by_an_older_one_that_fits() -> None:
    track = Track(0, 0, 3, [sight(0), sight(60), sight(120, LAGOS)])
    assert is_stale(track, sight(180), LIMITS)
    assert not is_stale(track, sight(180, PARIS), LIMITS)
    young = Track(0, 0, 2, [sight(61), sight(120, LAGOS)])
    assert not is_stale(young, sight(180), LIMITS)


def test_a_stale_fix_is_taken_out_and_refuted_without_a_jump() -> None:
    """A quarter of an hour of silence, one wrong fix 90 km away, and then the old place at once."""
    trace = trace_of([sight(0), sight(900, (52.31, -0.1278)), sight(915)])
    assert not trace.jumps
    assert trace.wrong == [(900 * NS, 915 * NS)]
    assert [track.count for track in trace.tracks] == [2]


def test_the_older_track_is_returned_to_if_it_is_much_nearer_fresh_and_reachable() -> None:
    left, current = Track(0, 0, 1, [sight(0)]), Track(1, 0, 1, [sight(60, LAGOS)])
    assert track_returned_to([left, current], sight(120), LIMITS) == 0
    assert track_returned_to([left, current], sight(120, PARIS), LIMITS) is None
    assert track_returned_to([left, current], sight(86_401), LIMITS) is None
    between = (30.0, 1.6)
    assert track_returned_to([left, current], sight(6 * HOUR, between), LIMITS) is None
    assert track_returned_to([current], sight(120), LIMITS) is None


def test_a_single_wild_fix_is_a_glitch_and_its_track_is_refuted() -> None:
    trace = trace_of(stay(0, LONDON, 11), [sight(610, LAGOS)], stay(660, LONDON, 2))
    jump = only_jump(trace)
    assert (jump.cause, jump.resolved_ns, jump.right_fixes) == ("glitch", 660 * NS, 1)
    assert trace.glitches() == {1: 660 * NS}
    assert len(trace.tracks) == 2
    assert trace.tracks[-1].number == 0


def test_a_return_after_a_strong_track_refutes_nothing() -> None:
    trace = trace_of(stay(0, LONDON, 11), stay(660, LAGOS, 11), stay(1320, LONDON, 2))
    assert only_jump(trace).cause == ""
    assert only_jump(trace).resolved_ns == (660 + 600) * NS
    assert trace.glitches() == {}


@pytest.mark.parametrize(("fixes_there", "every_s", "is_open"), [(10, 60.0, True), (10, 70.0, False), (9, 100.0, True), (41, 15.0, False)])
def test_a_jump_is_plain_when_its_track_is_strong(fixes_there: int, every_s: float, is_open: bool) -> None:
    jump = only_jump(trace_of(stay(0, LONDON, 11), stay(660, LAGOS, fixes_there, every_s)))
    assert (jump.resolved_ns == FAR_FUTURE_NS) is is_open
    assert (jump.left_fixes, jump.left_s) == (11, 600.0)


def test_a_long_way_after_a_gap_is_a_flight_and_no_jump() -> None:
    trace = trace_of(stay(0, LONDON, 5), stay(2 * HOUR, PARIS, 5))
    assert not trace.jumps
    assert not trace.switches
    assert [track.count for track in trace.tracks] == [5, 5]
    near = trace_of(stay(0, LONDON, 5), stay(2 * HOUR, (51.9, -0.1), 5))
    assert [track.count for track in near.tracks] == [10]


def test_the_sixth_switch_within_six_hours_is_two_sources() -> None:
    rounds = [stay(number * 120.0, (LONDON, LAGOS)[number % 2], 2, 30.0) for number in range(7)]
    before, trace = trace_of(*rounds[:6]), trace_of(*rounds)
    assert not any(jump.cause == "two_sources" for jump in before.jumps)
    assert [jump.cause for jump in trace.jumps if jump.resolved_ns == 720 * NS][-1] == "two_sources"
    assert trace.two_sources_ns == 720 * NS + 14 * 86_400 * NS


def test_further_jumps_of_two_sources_are_no_findings_of_their_own() -> None:
    rounds = [stay(number * 120.0, (LONDON, LAGOS)[number % 2], 2, 30.0) for number in range(7)]
    trace = trace_of(*rounds, stay(2_000.0, SUVA, 11), stay(2 * HOUR, PARIS, 3))
    assert sum(jump.cause == "two_sources" for jump in trace.jumps) == 1
    assert all(jump.destination.lat_e7 != round(SUVA[0] * 1e7) for jump in trace.jumps)


def test_switches_are_counted_within_a_window() -> None:
    assert recent_switches([0, 10, 20 * NS], 21_601 * NS, MotionLimits()) == [20 * NS]
    assert recent_switches(list(range(9)), 9, MotionLimits()) == [3, 4, 5, 6, 7, 8]


def on_the_way(fraction: float) -> tuple[float, float]:
    return LONDON[0] + (PARIS[0] - LONDON[0]) * fraction, LONDON[1] + (PARIS[1] - LONDON[1]) * fraction


TRAIN = [sight(number * 600.0, on_the_way(number / 20)) for number in range(21)]


@pytest.mark.parametrize(
    ("at_s", "fraction", "is_shift"),
    [
        (3.6 * HOUR, (3.6 - 1) * 6 / 20, True),
        (3.6 * HOUR, (3.6 - 2) * 6 / 20, True),
        (3.6 * HOUR, (3.6 - 1.5) * 6 / 20, False),
        (3.6 * HOUR, 0.0, False),
        (16.5 * HOUR, (16.5 - 14) * 6 / 20, True),
        (17.5 * HOUR, (17.5 - 15) * 6 / 20, False),
    ],
)
def test_a_clock_shift_is_a_place_on_the_own_path_whole_hours_ago(at_s: float, fraction: float, is_shift: bool) -> None:
    path: tuple[PathPoint, ...] = ()
    for one in TRAIN:
        path = extend_path(path, one.event_ns, one.lat_e7, one.lon_e7)
    assert is_clock_shift(path, sight(at_s, on_the_way(fraction)), LIMITS) is is_shift


def test_a_place_where_somebody_stayed_is_no_clock_shift() -> None:
    path: tuple[PathPoint, ...] = ()
    for one in stay(0, LONDON, 60):
        path = extend_path(path, one.event_ns, one.lat_e7, one.lon_e7)
    assert len(path) == 1
    assert not is_clock_shift(path, sight(1.5 * HOUR), LIMITS)


def test_a_jump_from_or_to_a_late_clock_is_a_clock_shift() -> None:
    assert only_jump(trace_of(stay(0, LONDON, 3), [sight(180, LAGOS, flags=LATE_CLOCK)])).cause == "clock_shift"
    assert only_jump(trace_of([sight(0, flags=LATE_CLOCK)], [sight(180, LAGOS)])).cause == "clock_shift"


def test_a_path_keeps_points_ten_minutes_and_five_kilometres_apart_and_no_more_than_its_bound() -> None:
    path: tuple[PathPoint, ...] = ()
    for number in range(100):
        path = extend_path(path, number * 300 * NS, number * 300_000, 0)
    assert len(path) == MAX_PATH
    assert {second[0] - first[0] for first, second in pairwise(path)} == {600 * NS}


def test_stays_are_bounded_and_asked_by_time_and_place() -> None:
    stays = b""
    for number in range(40):
        at_ns, lat_e7 = number * 1000 * NS, number * 1_000_000
        stays = extend_stays(stays, [(at_ns, lat_e7, 0), (at_ns + 60 * NS, lat_e7, 0)])
    assert len(stays) == MAX_STAYS * STAY_BYTES
    known = Sight(50_000 * NS, 39 * 1_000_000, 0, 100)
    assert last_stay(stays, known, 12 * 3600 * NS, 2_000.0) == 39_060 * NS
    assert last_stay(stays, known, 3600 * NS, 2_000.0) is None
    assert last_stay(stays, known._replace(lat_e7=39_500_000), 12 * 3600 * NS, 2_000.0) is None
    assert last_stay(stays, known._replace(event_ns=39_030 * NS), 12 * 3600 * NS, 2_000.0) == 39_030 * NS


@pytest.mark.parametrize("apart_s", [39.0, 40.0])
def test_a_stay_is_two_fixes_in_a_row_some_time_apart(apart_s: float) -> None:
    stays = extend_stays(b"", [(0, 0, 0), (round(apart_s * NS), 10_000, 20_000)])
    assert bool(stays) is (apart_s >= 40.0)
    assert extend_stays(stays, [(0, 0, 0), (60 * NS, 20_000, 20_000)]) == stays


def test_tracks_and_jumps_are_bounded() -> None:
    trace = trace_of(*(stay(number * 4 * HOUR, (-80.0 + 4.0 * number, 10.0 * number), 1) for number in range(3)))
    for number in range(80):
        trace.step(sight(86_400 + number * 5_000.0, (-80.0 if number % 2 else 80.0, float(number))), ())
    assert len(trace.tracks) <= MAX_TRACKS
    assert len(trace.jumps) <= MAX_JUMPS


def test_a_jump_leaves_when_nothing_can_change_it_any_more() -> None:
    trace = trace_of(stay(0, LONDON, 11), stay(660, LAGOS, 11))
    assert trace.settled(1_260 * NS) == []
    (done,) = trace.settled(1_261 * NS)
    assert done.destination.event_ns == 660 * NS
    assert trace.jumps == []
    pending = trace_of(stay(0, LONDON, 11), stay(660, LAGOS, 3))
    assert pending.settled(86_400 * NS) == []
    assert len(pending.settled((86_400 + 661) * NS)) == 1


def test_a_phone_is_in_dispute_while_a_jump_is_open_and_around_switches() -> None:
    once = trace_of(stay(0, LONDON, 11), stay(660, LAGOS, 11))
    asked = {at_s: once.in_dispute(round(at_s * NS), 10 * 3600 * NS) for at_s in (600, 601, 1260, 1261)}
    assert asked == {600: False, 601: True, 1260: True, 1261: False}
    assert not once.in_dispute(650 * NS, 655 * NS), "the jump is later than what may be known"
    glitch = trace_of(stay(0, LONDON, 11), [sight(610, LAGOS)], stay(5_000, LONDON, 2))
    assert not glitch.in_dispute(700 * NS, 2_500 * NS) or glitch.jumps[0].resolved_ns > 2_500 * NS
    quick = trace_of(stay(0, LONDON, 11), [sight(610, LAGOS)], stay(660, LONDON, 2))
    assert quick.disputes == [((610 - 900) * NS, (660 + 900) * NS, 660 * NS)]


def test_two_sources_that_are_renewed_stay_in_dispute_at_the_time_before() -> None:
    """Switches 20 minutes apart, so that each stands alone; those after an hour and a half are later than a payment's look-ahead."""
    rounds = [stay(number * 1_200.0, (LONDON, LAGOS)[number % 2], 2) for number in range(11)]
    found, renewed = trace_of(*rounds[:7]), trace_of(*rounds)
    assert found.doubles == [(7_200 * NS, 10_800 * NS)]
    assert renewed.doubles == [(7_200 * NS, (12_000 + 3_600) * NS)]
    for at_s in (7_199, 7_200, 7_500, 8_400):
        known_ns = (at_s + 900) * NS
        assert found.in_dispute(at_s * NS, known_ns) == renewed.in_dispute(at_s * NS, known_ns)
    assert renewed.in_dispute(7_200 * NS, 8_100 * NS)


def test_quick_switches_are_a_dispute_from_the_second_on() -> None:
    quick = trace_of(stay(0, LONDON, 31), [sight(2_000, LAGOS)], stay(2_800, LONDON, 2))
    assert quick.disputes == [((2_000 - 900) * NS, (2_800 + 900) * NS, 2_800 * NS)]
    assert not quick.in_dispute(1_200 * NS, 2_100 * NS)
    assert quick.in_dispute(1_200 * NS, 2_800 * NS)
    chain = trace_of(stay(0, LONDON, 31), [sight(2_000, LAGOS)], stay(2_800, LONDON, 2), [sight(3_600, LAGOS)])
    assert chain.disputes == [((2_000 - 900) * NS, (3_600 + 900) * NS, 2_800 * NS)]


def test_a_trace_forgets_what_is_about_forgotten_times() -> None:
    trace = trace_of(stay(0, LONDON, 11), [sight(610, LAGOS)], stay(660, LONDON, 2), [sight(1_600, (52.31, -0.1278)), sight(1_615)])
    assert trace.wrong == [(1_600 * NS, 1_615 * NS)]
    trace.forget(1_560 * NS)
    assert (len(trace.disputes), trace.wrong) == (1, [])
    trace.forget(1_561 * NS)
    assert trace.disputes == []


def test_a_refuted_track_that_is_gone_on_with_counts_anew() -> None:
    trace = trace_of(stay(0, LONDON, 11), stay(660, LAGOS, 3), stay(900, LONDON, 2), stay(1_100, LAGOS, 2))
    assert only_jump(trace).right_fixes == 3
    assert [(track.number, track.count, track.span_s) for track in trace.tracks] == [(0, 13, 960.0), (1, 2, 60.0)]


def test_a_jump_that_nothing_explained_for_a_day_keeps_nothing_in_doubt() -> None:
    trace = trace_of(stay(0, LONDON, 11), stay(660, LAGOS, 3))
    assert trace.unsure(86_400 * NS) == {1}
    assert not trace.is_settled((86_400 + 660) * NS)
    assert trace.is_settled((86_400 + 661) * NS)
    assert trace.unsure((86_400 + 661) * NS) == set()


CAUSES = [
    ("pending", [stay(0, LONDON, 11), stay(660, PARIS, 2)], None),
    ("confirmed_low", [stay(0, LONDON, 11), stay(660, PARIS, 4)], Severity.LOW),
    ("impossible_travel", [stay(0, LONDON, 6), stay(360, PARIS, 6)], Severity.HIGH),
    ("impossible_travel", [stay(0, LONDON, 11), stay(660, PARIS, 11)], Severity.HIGH),
    ("confirmed_low", [stay(0, LONDON, 11), stay(660, (52.3, -0.1278), 11)], Severity.LOW),  # 88 km: never high
    ("confirmed_low", [stay(0, LONDON, 5), stay(300, PARIS, 11)], Severity.LOW),  # 240 s on the left
    ("excursion_returned", [stay(0, LONDON, 11), stay(660, PARIS, 4), stay(900, LONDON, 11)], Severity.LOW),
    ("pending", [stay(0, LONDON, 11), stay(660, PARIS, 1), stay(720, LONDON, 11)], None),
    (
        "clock_shift",
        [TRAIN, stay(12_015, PARIS, 3, 15.0), [sight(12_060.0 + number * 60, on_the_way(0.705 + number / 200)) for number in range(4)]],
        Severity.LOW,
    ),
]


@pytest.mark.parametrize(("cause", "parts", "severity"), CAUSES)
@pytest.mark.parametrize("reverse", [False, True])
def test_the_grade_of_a_jump(cause: str, parts: list[list[Sight]], severity: Severity | None, reverse: bool) -> None:
    events = fixes(*parts)
    tally = play(events[::-1] if reverse else events, book("impossible-travel", history_s=14_400))
    found = [(alert.cause, alert.severity) for alert in tally.standing.values()]
    assert found == ([] if severity is None else [(cause, severity)])


def test_two_sources_are_low_findings_and_end_the_others() -> None:
    rounds = [stay(number * 240.0, (LONDON, LAGOS)[number % 2], 4) for number in range(12)]
    found = {alert.cause: alert for alert in play(fixes(*rounds), RULES).standing.values()}
    assert found.keys() == {"excursion_returned", "two_sources"}
    assert {alert.severity for alert in found.values()} == {Severity.LOW}
    sixth_switch = 6 * 240_000
    assert {alert.episode.last_ms <= alert.episode.first_ms + sixth_switch for alert in found.values()} == {True}
    assert found["two_sources"].episode.count == 1


def test_the_word_of_a_phone_in_dispute_is_worth_little_until_it_is_settled() -> None:
    events = fixes(stay(0, LONDON, 11), [sight(650, LAGOS)])
    tally = play([*events, payment(710, SUVA, id="t1")], RULES)
    (opened,) = [alert for alert in tally.standing.values() if alert.anchor == "t1"]
    assert (opened.severity, opened.cause) == (Severity.LOW, "disputed_phone")


def test_a_phone_that_goes_on_elsewhere_for_good_accuses_nobody_after_that() -> None:
    events = fixes(stay(0, LONDON, 11), stay(660, PARIS, 40))
    tally = play([*events, payment(2_800, PARIS, id="t1")], RULES)
    assert {alert.anchor for alert in tally.standing.values()} == {only_alert(tally).anchor}
    assert only_alert(tally).second.id.startswith("phone@")

"""When a case speaks: each rule of grouping by itself."""

from __future__ import annotations

import msgspec
import pytest

from storage.notifications.documents import Case, News
from storage.notifications.grouping import MOST_ALERTS, Plan, Seen, case_id, fold, message_id, new_case, plan, release, settle
from storage.notifications.rules import Channel, Route, Timing, channels_of, duration_ms
from veilocity.contracts import AlertState, Severity
from veilocity.errors import SettingsError

TIMING = Timing(wait_ms=30_000, interval_ms=300_000, repeat_ms=None, forget_ms=604_800_000, storm_cases=2, retractions=True)
CHANNEL = Channel("r", "mail", ("person", "rule"), TIMING)
REPEATING = msgspec.structs.replace(TIMING, repeat_ms=600_000)
NOW_MS = 1_795_305_600_000


def seen(revision: int = 1, severity: Severity = Severity.MEDIUM, state: AlertState = AlertState.OPEN, name: str = "a") -> Seen:
    return Seen(name, revision, "impossible-travel", severity, state, "p")


def case_of(*alerts: Seen, timing: Timing = TIMING, now_ms: int = NOW_MS) -> Case:
    case = new_case(CHANNEL, "c")
    for one in alerts:
        case = fold(case, one, timing, now_ms)
    return case


def news_of(case: Case) -> dict[str, News | None]:
    return {one.id: one.news for one in case.alerts}


def test_a_new_alert_waits_for_company() -> None:
    case = case_of(seen())
    assert (case.news, case.due_ms) == (True, NOW_MS + 30_000)
    later = fold(case, seen(name="b"), TIMING, NOW_MS + 20_000)
    assert later.due_ms == NOW_MS + 30_000
    assert news_of(later) == {"a": News.NEW, "b": News.NEW}


def test_what_comes_after_a_message_waits_for_the_interval() -> None:
    told = settle(case_of(seen()), TIMING, NOW_MS)
    assert (told.news, told.due_ms, told.generation, told.message) == (False, 0, 1, "")
    assert fold(told, seen(name="b"), TIMING, NOW_MS + 1_000).due_ms == NOW_MS + 300_000
    assert fold(told, seen(name="b"), TIMING, NOW_MS + 299_000).due_ms == NOW_MS + 329_000


def test_what_was_read_before_changes_nothing() -> None:
    case = case_of(seen(2))
    assert fold(case, seen(2), TIMING, NOW_MS) is case
    assert fold(case, seen(1, Severity.HIGH), TIMING, NOW_MS) is case
    told = settle(case, TIMING, NOW_MS)
    assert fold(told, seen(2), TIMING, NOW_MS) is told


def test_a_retraction_is_told_to_whom_the_alert_was_told_and_to_nobody_else() -> None:
    assert case_of(seen(state=AlertState.RETRACTED)).alerts == ()
    untold = fold(case_of(seen()), seen(2, state=AlertState.RETRACTED), TIMING, NOW_MS)
    assert (untold.news, untold.due_ms) == (False, 0)
    told = fold(settle(case_of(seen()), TIMING, NOW_MS), seen(2, state=AlertState.RETRACTED), TIMING, NOW_MS)
    assert news_of(told) == {"a": News.RETRACTED}
    quiet = msgspec.structs.replace(TIMING, retractions=False)
    assert not fold(settle(case_of(seen()), TIMING, NOW_MS), seen(2, state=AlertState.RETRACTED), quiet, NOW_MS).news


def test_an_alert_that_stands_again_is_new_again_if_its_retraction_was_told() -> None:
    told = settle(case_of(seen()), TIMING, NOW_MS)
    retracted = fold(told, seen(2, state=AlertState.RETRACTED), TIMING, NOW_MS)
    assert not fold(retracted, seen(3, state=AlertState.AMENDED), TIMING, NOW_MS).news
    after = settle(retracted, TIMING, NOW_MS)
    assert news_of(fold(after, seen(3, state=AlertState.AMENDED), TIMING, NOW_MS)) == {"a": News.NEW}


def test_an_amendment_is_news_only_if_it_is_graver() -> None:
    told = settle(case_of(seen()), TIMING, NOW_MS)
    assert not fold(told, seen(2, Severity.LOW, AlertState.AMENDED), TIMING, NOW_MS).news
    raised = fold(told, seen(2, Severity.HIGH, AlertState.AMENDED), TIMING, NOW_MS)
    assert news_of(raised) == {"a": News.RAISED}
    assert not fold(raised, seen(3, Severity.MEDIUM, AlertState.AMENDED), TIMING, NOW_MS).news


def test_an_alert_that_goes_elsewhere_is_kept_right_here() -> None:
    assert fold(case_of(), seen(), TIMING, NOW_MS, fits=False).alerts == ()
    told = settle(case_of(seen()), TIMING, NOW_MS)
    raised = fold(told, seen(2, Severity.HIGH), TIMING, NOW_MS, fits=False)
    assert (raised.news, raised.alerts[0].severity) == (False, Severity.HIGH)
    assert fold(raised, seen(3, Severity.HIGH, AlertState.RETRACTED), TIMING, NOW_MS, fits=False).news


def test_a_case_that_stands_is_repeated_until_it_is_forgotten() -> None:
    told = settle(case_of(seen(), timing=REPEATING), REPEATING, NOW_MS + 30_000)
    assert told.due_ms == NOW_MS + 630_000
    retracted = settle(fold(told, seen(2, state=AlertState.RETRACTED), REPEATING, NOW_MS + 40_000), REPEATING, NOW_MS + 330_000)
    assert retracted.due_ms == 0
    forgetful = msgspec.structs.replace(REPEATING, forget_ms=1_000_000)
    assert settle(told, forgetful, NOW_MS + 630_000).due_ms == 0


def test_a_plan_is_single_messages_up_to_the_limit_and_one_beyond() -> None:
    one, two, three = (msgspec.structs.replace(case_of(seen()), id=name) for name in "123")
    assert plan([one, two], 2, [], 0, TIMING, NOW_MS) == Plan(("1", "2"))
    assert plan([one], 3, [], 0, TIMING, NOW_MS) == Plan(storm=True)
    assert plan([one], 1, [NOW_MS - 299_999, NOW_MS - 1], 0, TIMING, NOW_MS) == Plan(storm=True)
    assert plan([one], 1, [NOW_MS - 300_000, NOW_MS - 1], 0, TIMING, NOW_MS) == Plan(("1",))
    assert plan([], 3, [], 0, TIMING, NOW_MS) == Plan()
    assert plan([one, two, three], 3, [], NOW_MS - 299_999, TIMING, NOW_MS) == Plan()
    assert plan([one, two, three], 3, [], NOW_MS - 300_000, TIMING, NOW_MS) == Plan(storm=True)


def test_repetitions_take_what_news_leaves() -> None:
    new = case_of(seen())
    old = [msgspec.structs.replace(settle(new, REPEATING, NOW_MS), id=name) for name in "xyz"]
    assert plan([new, *old], 1, [], 0, REPEATING, NOW_MS) == Plan(("c", "x"))
    assert plan(old, 0, [NOW_MS, NOW_MS], 0, REPEATING, NOW_MS) == Plan()


def test_a_case_remembers_a_bounded_number_of_alerts() -> None:
    case = case_of(*(seen(name=f"a{number}") for number in range(MOST_ALERTS + 7)))
    assert len(case.alerts) == MOST_ALERTS + 7, "news is never dropped"
    assert [one.id for one in settle(case, TIMING, NOW_MS).alerts][:2] == ["a7", "a8"]


def test_ids_are_of_channel_person_rule_and_generation() -> None:
    by_person = Channel("r", "mail", ("person",), TIMING)
    other_rule = msgspec.structs.replace(seen(), rule="cash-out")
    assert case_id(CHANNEL, seen()) != case_id(CHANNEL, other_rule)
    assert case_id(by_person, seen()) == case_id(by_person, other_rule)
    assert case_id(by_person, seen()) != case_id(Channel("r", "phone", ("person",), TIMING), seen())
    case = case_of(seen())
    assert message_id(case) == message_id(fold(case, seen(name="b"), TIMING, NOW_MS))
    assert message_id(case) != message_id(settle(case, TIMING, NOW_MS))
    kept = msgspec.structs.replace(case, message="m", in_storm=True)
    assert release(kept) == case


def test_routes_are_asked_in_order_and_the_first_takes_the_alert() -> None:
    grave = Route(name="grave", receivers=("phone",), severity=Severity.HIGH)
    travel = Route(name="travel", receivers=("mail",), rules=("impossible-travel",), goes_on=True)
    rest = Route(name="rest", receivers=("mail", "phone"))
    routes = [grave, travel, rest]
    assert channels_of(routes, "impossible-travel", Severity.HIGH) == ("grave>phone",)
    assert channels_of(routes, "impossible-travel", Severity.LOW) == ("travel>mail", "rest>mail", "rest>phone")
    assert channels_of(routes, "cash-out", Severity.MEDIUM) == ("rest>mail", "rest>phone")
    assert channels_of([grave, travel], "cash-out", Severity.MEDIUM) == ()


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5.5m", "5w", "\u0665m", "1234567s"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="30s, 5m, 4h or 7d"):
        duration_ms(text)

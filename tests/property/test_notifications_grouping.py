"""Grouping keeps its promises over any history of alerts: nothing lost, nothing told twice, never more messages than the bound."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.notifications.documents import Case, News
from storage.notifications.grouping import Seen, case_id, fold, message_id, new_case, plan, settle
from storage.notifications.message import summarise
from storage.notifications.rules import Channel, Timing, rank
from veilocity.contracts import AlertState, Severity

START_MS = 1_795_305_600_000
WAIT_MS, INTERVAL_MS, STORM = 3_000, 20_000, 3
RULES = ("impossible-travel", "cash-out")


@dataclass
class Told:
    """One message that was made."""

    id: str
    made_ms: int
    storm: bool
    news: list[tuple[str, News]]
    repeated: bool


@dataclass
class Town:
    """A channel in memory, as the planner keeps it in MongoDB."""

    channel: Channel
    cases: dict[str, Case] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def see(self, seen: Seen, now_ms: int) -> None:
        identity = case_id(self.channel, seen)
        case = self.cases.get(identity) or new_case(self.channel, identity)
        self.cases[identity] = fold(case, seen, self.channel.timing, now_ms)

    def speak(self, now_ms: int) -> None:
        timing = self.channel.timing
        due = sorted((case for case in self.cases.values() if 0 < case.due_ms <= now_ms), key=lambda case: (case.due_ms, case.id))
        with_news = [case for case in self.cases.values() if case.news]
        singles = [one.made_ms for one in self.told if not one.storm]
        storm_ms = max((one.made_ms for one in self.told if one.storm), default=0)
        planned = plan(due, len(with_news), singles, storm_ms, timing, now_ms)
        if planned.storm:
            anchor = next(case for case in due if case.news)
            self._tell(message_id(anchor), with_news, now_ms, storm=True)
        for identity in planned.cases:
            self._tell(message_id(self.cases[identity]), [self.cases[identity]], now_ms, storm=False)

    def _tell(self, identity: str, cases: list[Case], now_ms: int, *, storm: bool) -> None:
        news = [(one.id, one.news) for case in cases for one in case.alerts if one.news]
        assert summarise(cases).alerts == (len(news) if cases[0].news else sum(not one.retracted for one in cases[0].alerts if one.told))
        self.told.append(Told(identity, now_ms, storm, news, repeated=not news))
        for case in cases:
            self.cases[case.id] = settle(case, self.channel.timing, now_ms)


def timing(repeat_ms: int | None) -> Timing:
    return Timing(
        wait_ms=WAIT_MS, interval_ms=INTERVAL_MS, repeat_ms=repeat_ms, forget_ms=10 * INTERVAL_MS, storm_cases=STORM, retractions=True
    )


ALERTS = st.integers(0, 11)
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 4_000),  # milliseconds until the event
        ALERTS,
        st.sampled_from(Severity),
        st.booleans(),  # retracted
        st.integers(0, 2),  # how often it is read again
    ),
    max_size=60,
)


def play(town: Town, events: list[tuple[int, int, Severity, bool, int]]) -> tuple[dict[str, Seen], int]:
    """Read a history, speaking every second, and go on until nothing is ahead; return the newest revisions and the end."""
    now_ms, newest = START_MS, dict[str, Seen]()
    for pause_ms, number, severity, retracted, again in events:
        for _ in range(pause_ms // 1_000):
            now_ms += 1_000
            town.speak(now_ms)
        before = newest.get(f"a{number}")
        state = AlertState.RETRACTED if retracted else AlertState.AMENDED if before else AlertState.OPEN
        seen = Seen(f"a{number}", before.revision + 1 if before else 1, RULES[number % 2], severity, state, f"p{number % 5}")
        newest[seen.id] = seen
        for _ in range(again + 1):
            town.see(seen, now_ms)
        if before:
            town.see(before, now_ms)
    for _ in range(4 * INTERVAL_MS // 1_000):
        now_ms += 1_000
        town.speak(now_ms)
    return newest, now_ms


@settings(max_examples=200, deadline=None)
@given(events=EVENTS)
def test_all_news_is_told_once_and_what_stands_is_known(events: list[tuple[int, int, Severity, bool, int]]) -> None:
    town = Town(Channel("r", "mail", ("person", "rule"), timing(None)))
    newest, _ = play(town, events)
    # Nothing is left to tell.
    assert not any(case.news or case.due_ms for case in town.cases.values())
    # What the receiver believes, told only what it was told, is what is: and nothing was said that it knew.
    believed: dict[str, bool] = {}
    for message in town.told:
        for alert, news in message.news:
            assert believed.get(alert, False) is (news is not News.NEW), "new only if not known, anything else only if known"
            believed[alert] = news is not News.RETRACTED
    assert {alert for alert, stands in believed.items() if stands} == {
        alert for alert, seen in newest.items() if seen.state is not AlertState.RETRACTED
    }
    # The receiver knows the gravest severity of what stands, at least.
    for case in town.cases.values():
        for one in case.alerts:
            assert one.retracted or (one.told is not None and rank(one.told) >= rank(one.severity))
    assert len({message.id for message in town.told}) == len(town.told)


@settings(max_examples=200, deadline=None)
@given(events=EVENTS, repeat_ms=st.sampled_from([None, INTERVAL_MS, 2 * INTERVAL_MS]))
def test_the_bound_holds_in_every_interval(events: list[tuple[int, int, Severity, bool, int]], repeat_ms: int | None) -> None:
    town = Town(Channel("r", "mail", ("person", "rule"), timing(repeat_ms)))
    play(town, events)
    for message in town.told:
        window = [one for one in town.told if message.made_ms <= one.made_ms < message.made_ms + INTERVAL_MS]
        storms = Counter(one.storm for one in window)
        assert storms[False] <= STORM
        assert storms[True] <= 1


@settings(max_examples=100, deadline=None)
@given(events=EVENTS)
def test_within_one_generation_every_alert_is_in_exactly_one_message(events: list[tuple[int, int, Severity, bool, int]]) -> None:
    town = Town(Channel("r", "mail", ("person",), timing(None)))
    generations = Counter[tuple[str, int, str]]()
    tell = town._tell

    def counted(identity: str, cases: list[Case], now_ms: int, *, storm: bool) -> None:
        for case in cases:
            generations.update((case.id, case.generation, one.id) for one in case.alerts if one.news)
        tell(identity, cases, now_ms, storm=storm)

    town._tell = counted  # type: ignore[method-assign]  # the test looks on
    play(town, events)
    assert set(generations.values()) <= {1}
    assert sum(generations.values()) == sum(len(message.news) for message in town.told)


def test_a_storm_is_one_message() -> None:
    town = Town(Channel("r", "mail", ("person", "rule"), timing(None)))
    for number in range(5_000):
        town.see(Seen(f"a{number}", 1, RULES[0], Severity.HIGH, AlertState.OPEN, f"p{number}"), START_MS + number // 5)
    for now_ms in range(START_MS, START_MS + INTERVAL_MS, 250):
        town.speak(now_ms)
    assert [(one.storm, len(one.news)) for one in town.told] == [(True, 5_000)]


def test_cases_that_come_one_after_another_keep_the_bound_too() -> None:
    town = Town(Channel("r", "mail", ("person", "rule"), timing(None)))
    for number in range(20):
        now_ms = START_MS + 4_000 * number
        town.see(Seen(f"a{number}", 1, RULES[0], Severity.HIGH, AlertState.OPEN, f"p{number}"), now_ms)
        for later_ms in range(now_ms, now_ms + 4_000, 1_000):
            town.speak(later_ms)
    for message in town.told:
        window = [one for one in town.told if message.made_ms <= one.made_ms < message.made_ms + INTERVAL_MS]
        assert sum(not one.storm for one in window) <= STORM
    assert {one.storm for one in town.told} == {True, False}


def test_a_slow_storm_is_a_few_messages_and_then_one_an_interval() -> None:
    town = Town(Channel("r", "mail", ("person", "rule"), timing(None)))
    for number in range(600):
        now_ms = START_MS + 250 * number
        town.see(Seen(f"a{number}", 1, RULES[0], Severity.HIGH, AlertState.OPEN, f"p{number}"), now_ms)
        town.speak(now_ms)
    town.speak(START_MS + 250 * 600 + INTERVAL_MS)
    assert sum(len(one.news) for one in town.told) == 600
    assert len(town.told) <= 2 + 600 * 250 // INTERVAL_MS

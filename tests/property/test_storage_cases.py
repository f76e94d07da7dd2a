"""Whatever people do to cases at once, and wherever they are killed: trail and case agree, nothing is lost, nobody is overwritten."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from storage.cases.book import change_case, current_cases
from storage.cases.model import TRANSITIONS, Case, CaseEvent, Change, Facts, Status, fold
from storage.roles import Actor, Role
from veilocity.contracts import Severity
from veilocity.errors import ConflictError, InvalidInputError

ALERTS = ("a" * 32, "b" * 32)
FACTS = Facts(60_000, Severity.HIGH, "impossible-travel", "token", None)


class Killed(Exception):
    """The process is gone."""


class MemoryShelf:
    """A shelf of this process; it dies between an event and its case when told to, and lets others in before each step."""

    def __init__(self) -> None:
        self.kept: dict[str, Case] = {}
        self.trail: dict[str, CaseEvent] = {}
        self.dies = False
        self.inserts = 0

    def facts(self, alert: str) -> Facts | None:
        return FACTS

    def cases(self, alerts: Sequence[str]) -> dict[str, Case]:
        return {alert: self.kept[alert] for alert in alerts if alert in self.kept}

    def events(self, ids: Sequence[str]) -> list[CaseEvent]:
        return [self.trail[one] for one in ids if one in self.trail]

    def append(self, event: CaseEvent) -> bool:
        if event.id in self.trail:
            return False
        self.trail[event.id] = event
        self.inserts += 1
        if self.dies:
            raise Killed
        return True

    def put(self, case: Case) -> None:
        if case.id not in self.kept or self.kept[case.id].revision < case.revision:
            self.kept[case.id] = case

    def forget(self, alert: str) -> None:
        raise AssertionError("nobody is forgotten here")


class Interrupted(MemoryShelf):
    """A shelf on which somebody else acts just before an event is appended."""

    def __init__(self, shelf: MemoryShelf, other: Change) -> None:
        super().__init__()
        self.kept, self.trail = shelf.kept, shelf.trail
        self.shelf, self.other = shelf, other
        self.won = False

    def append(self, event: CaseEvent) -> bool:
        try:
            change_case(self.shelf, event.alert, event.revision - 1, self.other)
            self.won = True
        except InvalidInputError:
            pass
        done = super().append(event)
        self.shelf.inserts += self.inserts
        return done


people = st.sampled_from([Actor(name, Role.TRIAGE) for name in ("ada", "ben", "cem")])
changes = st.builds(
    Change,
    actor=people,
    written_ms=st.integers(0, 10**13),
    to=st.sampled_from([None, *Status]),
    reason=st.sampled_from(["", "because", "the bank called"]),
    note=st.sampled_from(["", "seen"]),
    assignee=st.sampled_from([None, "", "ada", "ben"]),
)
steps = st.lists(
    st.tuples(st.sampled_from(ALERTS), st.integers(0, 2), changes, st.sampled_from(["well", "killed", "interrupted"]), changes), max_size=40
)


@given(steps)
def test_trail_and_case_agree_and_every_event_is_kept(actions: list[tuple[str, int, Change, str, Change]]) -> None:
    shelf = MemoryShelf()
    accepted = 0
    for alert, stale, change, how, other in actions:
        before = dict(shelf.trail)
        known = current_cases(shelf, [alert]).get(alert)
        seen = max(0, (known.revision if known else 0) - stale)
        shelf.dies = how == "killed"
        acting = Interrupted(shelf, other) if how == "interrupted" else shelf
        try:
            case = change_case(acting, alert, seen, change)
            accepted += 1
            assert seen == (known.revision if known else 0)
            assert case == current_cases(shelf, [alert])[alert]
        except Killed:
            accepted += 1
        except ConflictError:
            # Who decided on an old state wrote nothing, whoever made it old.
            assert seen != (known.revision if known else 0) or (isinstance(acting, Interrupted) and acting.won)
        except InvalidInputError:
            assert how == "interrupted" or shelf.trail == before
        if isinstance(acting, Interrupted):
            accepted += acting.won
        shelf.dies = False
        # Append-only: what was there is there, unchanged.
        assert before.items() <= shelf.trail.items()
    assert len(shelf.trail) == shelf.inserts == accepted
    for alert in ALERTS:
        events = sorted((event for event in shelf.trail.values() if event.alert == alert), key=lambda event: event.revision)
        assert [event.revision for event in events] == list(range(1, len(events) + 1))
        assert fold(events) == current_cases(shelf, [alert]).get(alert)
        assert all(event.before == event.after or (event.before, event.after) in TRANSITIONS for event in events)
        kept = shelf.kept.get(alert)
        assert kept is None or kept == fold(events[: kept.revision])

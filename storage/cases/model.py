"""A case: what people decided about one alert. Pure: a state machine over events, and the chain that ties the events together.

    new ──> acknowledged ──> confirmed_fraud | false_positive ──> closed        every one but `new` may be reopened: back to acknowledged

The trail of events is the truth; the case is what they come to (`advance`), kept beside them only so that it can be asked for quickly.
An event's id is the alert and the next revision, so of two people who act on the same state one gets the id and the other a conflict.
Each event holds the SHA-256 of the one before and the case that of the newest, so a changed, removed or added event is noticed. Who may
write to the database can make a whole new chain: keep the digest that `veilocity cases verify` prints somewhere else.

An alert that nobody has touched has no case and is `new`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from storage.cases.texts import LONGEST_NOTE, LONGEST_REASON, checked_text
from storage.roles import Actor, Role
from veilocity.contracts import Severity
from veilocity.errors import InvalidInputError, RejectReason, StateError

__all__ = [
    "TRANSITIONS",
    "Case",
    "CaseEvent",
    "Change",
    "Facts",
    "Label",
    "Status",
    "advance",
    "digest",
    "event_id",
    "facts_of",
    "fold",
    "next_event",
]


class Status(StrEnum):
    """Where the judgement of an alert stands."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED_FRAUD = "confirmed_fraud"
    FALSE_POSITIVE = "false_positive"
    CLOSED = "closed"


class Label(StrEnum):
    """What a rule is measured by: the decision, also after the case is closed."""

    CONFIRMED_FRAUD = "confirmed_fraud"
    FALSE_POSITIVE = "false_positive"


TRANSITIONS: dict[tuple[Status, Status], bool] = {
    (Status.NEW, Status.ACKNOWLEDGED): False,
    (Status.ACKNOWLEDGED, Status.CONFIRMED_FRAUD): True,
    (Status.ACKNOWLEDGED, Status.FALSE_POSITIVE): True,
    # Without a decision: it can never be told.
    (Status.ACKNOWLEDGED, Status.CLOSED): True,
    (Status.CONFIRMED_FRAUD, Status.CLOSED): False,
    (Status.FALSE_POSITIVE, Status.CLOSED): False,
    (Status.CONFIRMED_FRAUD, Status.ACKNOWLEDGED): True,
    (Status.FALSE_POSITIVE, Status.ACKNOWLEDGED): True,
    (Status.CLOSED, Status.ACKNOWLEDGED): True,
}
"""Every change of status, and whether it needs a reason."""


class Facts(msgspec.Struct, frozen=True):
    """What a case copies from its masked alert, so that cases can be filtered without reading alerts."""

    minute_ms: int
    severity: Severity
    rule: str
    subject: str
    """Token."""
    cell: str | None
    """H3 cell of the later observation, else of the earlier one; None where neither has a place."""


class CaseEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that somebody did; never changed, and deleted only with its person."""

    id: str
    """See `event_id`."""
    alert: str
    revision: int
    """From 1."""
    author: str
    role: Role
    written_ms: int
    """Wall clock."""
    before: Status
    after: Status
    """The same as `before` where only an assignee or a note came."""
    assignee: str | None
    """From now on."""
    reason: str
    note: str
    facts: Facts
    """Of the alert at that moment."""
    previous: str | None
    """`digest` of the event before; None for the first."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of one alert come to."""

    id: str
    """Of the alert, in MongoDB."""
    status: Status
    label: Label | None
    """The last decision, kept when the case is closed and lost when it is reopened."""
    reason: str
    """Of the last change of status."""
    author: str
    """Of the last event."""
    assignee: str | None
    revision: int
    """Of the last event."""
    head: str
    """`digest` of the last event."""
    opened_ms: int
    updated_ms: int
    """Wall clock of the first and the last event."""
    minute_ms: int
    severity: Severity
    rule: str
    subject: str
    cell: str | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to be written."""

    actor: Actor
    written_ms: int
    """Wall clock."""
    to: Status | None = None
    """None leaves the status as it is."""
    reason: str = ""
    note: str = ""
    assignee: str | None = None
    """A name of staff; empty for nobody, None leaves it as it is."""


def event_id(alert: str, revision: int) -> str:
    """Return the id of an event: ids of one alert sort by revision.

    >>> event_id("5f2b", 3)
    '5f2b-000003'
    """
    return f"{alert}-{revision:06d}"


def facts_of(case: Case) -> Facts:
    """Return what a case has copied from its alert."""
    return Facts(case.minute_ms, case.severity, case.rule, case.subject, case.cell)


def digest(event: CaseEvent) -> str:
    """Return the SHA-256 of an event's fields as JSON with sorted keys, in 64 hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode(event, order="sorted")).hexdigest()


def next_event(case: Case | None, alert: str, facts: Facts, change: Change) -> CaseEvent:
    """Return the event that makes a change to a case, or to an alert that has none.

    Raises:
        InvalidInputError: the status cannot follow, a reason is missing, a text or name is not allowed, or nothing would change.

    >>> facts = Facts(60_000, Severity.HIGH, "impossible-travel", "token", None)
    >>> change = Change(actor=Actor("ada", Role.TRIAGE), written_ms=5, to=Status.ACKNOWLEDGED)
    >>> event = next_event(None, "5f2b", facts, change)
    >>> event.id, event.before.value, event.after.value
    ('5f2b-000001', 'new', 'acknowledged')
    >>> next_event(advance(None, event), "5f2b", facts, msgspec.structs.replace(change, to=Status.CONFIRMED_FRAUD))
    Traceback (most recent call last):
    veilocity.errors.InvalidInputError: invalid_field: from acknowledged to confirmed_fraud needs a reason: give one
    """
    before = Status.NEW if case is None else case.status
    after = change.to or before
    reason = checked_text(change.reason, "the reason", LONGEST_REASON)
    note = checked_text(change.note, "the note", LONGEST_NOTE)
    assignee = _assignee(case, change)
    changes_assignee = assignee != (None if case is None else case.assignee)
    if change.to is not None:
        _check_transition(before, after, reason)
    elif not (note or changes_assignee):
        raise _invalid("nothing would change: give another status, an assignee or a note")
    revision = 1 if case is None else case.revision + 1
    return CaseEvent(
        id=event_id(alert, revision),
        alert=alert,
        revision=revision,
        author=change.actor.name,
        role=change.actor.role,
        written_ms=change.written_ms,
        before=before,
        after=after,
        assignee=assignee,
        reason=reason,
        note=note,
        facts=facts,
        previous=None if case is None else case.head,
    )


def advance(case: Case | None, event: CaseEvent) -> Case:
    """Return the case after an event; one that it already holds changes nothing, so doing it again is harmless.

    Raises:
        StateError: events between are missing, or the event begins from another state.
    """
    revision = 0 if case is None else case.revision
    if case is not None and event.revision <= revision:
        return case
    before, head = (Status.NEW, None) if case is None else (case.status, case.head)
    if (event.revision, event.before, event.previous) != (revision + 1, before, head):
        raise StateError("an event does not follow the one before it: run `veilocity cases verify` to see where the trail is broken")
    facts = event.facts
    return Case(
        id=event.alert,
        status=event.after,
        label=_label(case, event.after),
        reason=event.reason if case is None or event.after != before else case.reason,
        author=event.author,
        assignee=event.assignee,
        revision=event.revision,
        head=digest(event),
        opened_ms=event.written_ms if case is None else case.opened_ms,
        updated_ms=event.written_ms,
        minute_ms=facts.minute_ms,
        severity=facts.severity,
        rule=facts.rule,
        subject=facts.subject,
        cell=facts.cell,
    )


def fold(events: Iterable[CaseEvent]) -> Case | None:
    """Return what events in the order of their revisions come to; None for none.

    Raises:
        StateError: they are no chain.
    """
    case: Case | None = None
    for event in events:
        case = advance(case, event)
    return case


def _label(case: Case | None, after: Status) -> Label | None:
    if after in (Status.CONFIRMED_FRAUD, Status.FALSE_POSITIVE):
        return Label(after.value)
    return case.label if case is not None and after == Status.CLOSED else None


def _assignee(case: Case | None, change: Change) -> str | None:
    if change.assignee is None:
        return None if case is None else case.assignee
    return Actor(change.assignee, Role.VIEW).name if change.assignee else None


def _check_transition(before: Status, after: Status, reason: str) -> None:
    if (before, after) not in TRANSITIONS:
        following = " or ".join(to for begin, to in TRANSITIONS if begin == before)
        raise _invalid(f"{after} cannot follow {before}: what can is {following}")
    if TRANSITIONS[before, after] and not reason:
        raise _invalid(f"from {before} to {after} needs a reason: give one")


def _invalid(sentence: str) -> InvalidInputError:
    return InvalidInputError(RejectReason.INVALID_FIELD, sentence)

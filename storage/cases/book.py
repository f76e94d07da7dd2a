"""How a case is read and changed, whatever it lies in: event first, case second, and whoever comes next finishes what a crash left.

The event's id is the next revision, so the store itself lets one of two writers through. Between event and case a reader looks for the next
event as well, so nobody sees a state that is already history.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.cases.model import Case, Change, advance, digest, event_id, facts_of, next_event
from storage.cases.shelf import Shelf
from veilocity.errors import ConflictError, ErasedError, InvalidInputError, RejectReason

__all__ = ["MOST_ALERTS", "change_case", "current_cases"]

MOST_ALERTS = 1_000
"""Asked for at once."""


def current_cases(shelf: Shelf, alerts: Sequence[str]) -> dict[str, Case]:
    """Return the cases that these alerts have, events included that are not in the stored case yet.

    Raises:
        StateError: a trail is broken.
        ValueError: more than `MOST_ALERTS`.
    """
    if len(alerts) > MOST_ALERTS:
        raise ValueError(f"at most {MOST_ALERTS} alerts at once")
    found = shelf.cases(alerts)
    waiting: Sequence[str] = alerts
    while waiting:
        events = shelf.events([event_id(alert, _revision(found.get(alert)) + 1) for alert in waiting])
        found.update({event.alert: advance(found.get(event.alert), event) for event in events})
        waiting = [event.alert for event in events]
    return found


def change_case(shelf: Shelf, alert: str, expected_revision: int, change: Change) -> Case:
    """Write an event and what its case comes to.

    Args:
        shelf: where cases lie.
        alert: id of the alert in MongoDB.
        expected_revision: of the case that whoever decides has seen; 0 for none.
        change: what to write.

    Raises:
        ConflictError: somebody else has changed the case; nothing was written.
        InvalidInputError: there is no such alert, or the change is not allowed.
        ErasedError: the person was forgotten at this moment; nothing stays written.
        StoreUnavailableError: the store does not answer; the event may be written or not, so read the case again.
    """
    case = current_cases(shelf, [alert]).get(alert)
    if case is not None:
        # Finishes what a crash left; otherwise it changes nothing.
        shelf.put(case)
    if _revision(case) != expected_revision:
        raise _conflict(case)
    # An alert may be older than what the store keeps of alerts; its case goes on.
    facts = shelf.facts(alert) or (None if case is None else facts_of(case))
    if facts is None:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "there is no such alert: copy its id from the page or from MongoDB")
    event = next_event(case, alert, facts, change)
    if not shelf.append(event) and [digest(one) for one in shelf.events([event.id])] != [digest(event)]:
        raise _conflict(current_cases(shelf, [alert]).get(alert))
    done = advance(case, event)
    shelf.put(done)
    _undo_where_erased(shelf, alert, expected_revision)
    return done


def _undo_where_erased(shelf: Shelf, alert: str, before: int) -> None:
    """Take everything back if what the event builds on went away meanwhile.

    Forgetting a person deletes the alert first and then, until it finds none, the events: an event that came too late for that sees here
    that what it follows is gone.
    """
    stands = shelf.events([event_id(alert, before)]) if before else shelf.facts(alert)
    if not stands:
        shelf.forget(alert)
        raise ErasedError("the person of this alert was forgotten at this moment: nothing was written")


def _revision(case: Case | None) -> int:
    return 0 if case is None else case.revision


def _conflict(case: Case | None) -> ConflictError:
    if case is None:
        return ConflictError("nobody has changed this case yet, its revision is 0: read it again and decide anew")
    return ConflictError(f"{case.author} changed the case to {case.status} (revision {case.revision}): read it again and decide anew")

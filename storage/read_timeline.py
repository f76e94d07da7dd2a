"""What happened when: the evidence of an alert with its person's time line, and everything between two times in order. MongoDB answers.

A person has one token for one period of pseudonyms, so a time line ends where the period does. Of fixes only those are kept that an alert
rests on, and where a phone was last.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from storage.cases.model import Case
from storage.cursors import Key
from storage.desk import HIDDEN, Desk
from storage.documents import MaskedAlert, MaskedObservation, MaskedTransaction, Place, Position
from storage.filters import alert_minute_ms
from storage.kinds import ALERTS, POSITIONS, TRANSACTIONS, Kind, from_document
from storage.mongo import translated
from storage.paging import Page, Part, make_page
from storage.read_alerts import cases_of
from storage.walking import ANSWER_MS, Walk, walk_down, walk_up
from veilocity.contracts import ObservationKind
from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["LONGEST_REPLAY_MS", "Evidence", "Happening", "Moment", "MomentKind", "evidence", "moments", "replay_page"]

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
LONGEST_REPLAY_MS = 31 * _DAY_MS
_MINUTE_MS = 60_000
_MOST_RELATED = 500
_RANKS: tuple[Kind[Any], ...] = (TRANSACTIONS, ALERTS)
"""Of one minute payments come first: alerts say what they mean."""


class MomentKind(StrEnum):
    """What is on the axis of a person."""

    FIX = "fix"
    """A place of the phone that an alert rests on."""
    POSITION = "position"
    """Where the phone was last."""
    PAYMENT = "payment"
    ALERT = "alert"


class Moment(msgspec.Struct, frozen=True):
    """One thing on the axis."""

    minute_ms: int
    kind: MomentKind
    id: str
    """Of the payment or alert; of a fix that of the alert that rests on it; of a position that of the person."""
    place: Place | None


class Evidence(msgspec.Struct, frozen=True):
    """An alert, its case, and what else its person did around it."""

    alert: MaskedAlert
    case: Case | None
    payments: tuple[MaskedTransaction, ...] = ()
    """Of the person, newest first."""
    related: tuple[MaskedAlert, ...] = ()
    """Other alerts of the person, newest first."""
    position: Position | None = None
    complete: bool = True
    """False where there are more payments or alerts than were asked for."""


class Happening(msgspec.Struct, frozen=True):
    """One thing of a replay: a payment or an alert."""

    minute_ms: int
    payment: MaskedTransaction | None = None
    alert: MaskedAlert | None = None


def evidence(desk: Desk, alert: str, around_ms: int, limit: int) -> Evidence:
    """Return an alert with everything that its person did around it.

    Args:
        desk: the stores.
        alert: id in MongoDB.
        around_ms: how long before the earlier and after the later observation.
        limit: at most this many payments, and as many alerts: the newest.

    Raises:
        InvalidInputError: there is no such alert, or the limit is out of its range.
        StoreUnavailableError: MongoDB does not answer.
    """
    if not (1 <= limit <= _MOST_RELATED and 0 <= around_ms <= LONGEST_REPLAY_MS):
        raise _refused(f"evidence has 1 to {_MOST_RELATED} payments of at most 31 days before and after")
    with translated():
        document = desk.collection(ALERTS).find_one({"_id": alert}, dict.fromkeys(HIDDEN[ALERTS.name], 0), max_time_ms=ANSWER_MS)
        where = None if document is None else desk.collection(POSITIONS).find_one({"_id": document["subject"]}, max_time_ms=ANSWER_MS)
    if document is None:
        raise _refused("there is no such alert: copy its id from the page or from MongoDB")
    found = from_document(ALERTS, document)
    first_ms, last_ms = sorted((found.first.minute_ms, found.second.minute_ms))
    begin_ms, end_ms = max(0, first_ms - around_ms), last_ms + around_ms + 1
    walk = Walk(only={"subject": found.subject}, lowest=begin_ms, highest=end_ms, width=_DAY_MS)
    payments = walk_down(desk.collection(TRANSACTIONS), walk, (end_ms, ""), limit + 1)
    walk = msgspec.structs.replace(walk, hidden=HIDDEN[ALERTS.name])
    # The alert itself may be among them.
    alerts = [one for one in walk_down(desk.collection(ALERTS), walk, (end_ms, ""), limit + 2) if one["_id"] != alert]
    return Evidence(
        alert=found,
        case=cases_of(desk, [alert]).get(alert),
        payments=tuple(from_document(TRANSACTIONS, one) for one in payments[:limit]),
        related=tuple(from_document(ALERTS, one) for one in alerts[:limit]),
        position=None if where is None else from_document(POSITIONS, where),
        complete=len(payments) <= limit and len(alerts) <= limit,
    )


def moments(found: Evidence) -> tuple[Moment, ...]:
    """Return everything of a person on one axis, oldest first."""
    axis = [Moment(payment.minute_ms, MomentKind.PAYMENT, payment.id, payment.place) for payment in found.payments]
    for alert in (found.alert, *found.related):
        later = max((alert.first, alert.second), key=lambda end: end.minute_ms)
        axis.append(Moment(alert_minute_ms(alert), MomentKind.ALERT, alert.id, later.place))
        axis += [_fix(alert, end) for end in (alert.first, alert.second) if end.kind is ObservationKind.FIX]
    if found.position is not None:
        axis.append(Moment(found.position.minute_ms, MomentKind.POSITION, found.position.id, found.position.place))
    return tuple(sorted(axis, key=lambda one: (one.minute_ms, list(MomentKind).index(one.kind), one.id)))


def _fix(alert: MaskedAlert, end: MaskedObservation) -> Moment:
    return Moment(end.minute_ms, MomentKind.FIX, alert.id, end.place)


def replay_page(desk: Desk, since_ms: int, until_ms: int, limit: int, cursor: str | None = None) -> Page[Happening]:
    """Return payments and alerts between two times as they stand now, oldest first; of one minute payments first, then by id.

    Positions are not among them: only the last of each person is kept.

    Args:
        desk: the stores.
        since_ms: first minute, inclusive.
        until_ms: last minute, exclusive; at most 31 days later.
        limit: at most this many.
        cursor: of the page before.

    Raises:
        InvalidInputError: the times, the limit or the cursor is refused.
        StoreUnavailableError: MongoDB does not answer.
    """
    if not 0 <= since_ms < until_ms <= since_ms + LONGEST_REPLAY_MS:
        raise _refused("a replay is between two times at most 31 days apart")

    def source(key: Key | None, count: int) -> Part[Happening]:
        found = [pair for rank in range(len(_RANKS)) for pair in _happenings(desk, rank, since_ms, until_ms, key, count)]
        found.sort(key=lambda pair: pair[0])
        return Part(found[:count], found[count - 1][0] if len(found) >= count else None)

    return make_page(source, f"replay?since={since_ms}&until={until_ms}", limit, cursor, parts=1)


def _happenings(desk: Desk, rank: int, since_ms: int, until_ms: int, key: Key | None, count: int) -> list[tuple[Key, Happening]]:
    """Return things of one kind behind a key: a minute, then the rank and the id in one text."""
    kind = _RANKS[rank]
    walk = Walk(hidden=HIDDEN.get(kind.name, ()), lowest=since_ms, highest=until_ms - 1, width=_MINUTE_MS)
    above = None
    if key is not None:
        seen = key[1][:1]
        # Of the key's own minute a kind before the key's is done, and of one behind it nothing was given yet.
        above = (key[0], key[1][1:]) if str(rank) == seen else (key[0], "") if str(rank) > seen else (key[0] + 1, "")
    documents = walk_up(desk.collection(kind), walk, above, count)
    records = [(document["minute_ms"], from_document(kind, document)) for document in documents]
    if kind is TRANSACTIONS:
        return [((minute_ms, f"{rank}{record.id}"), Happening(minute_ms, payment=record)) for minute_ms, record in records]
    return [((minute_ms, f"{rank}{record.id}"), Happening(minute_ms, alert=record)) for minute_ms, record in records]


def _refused(sentence: str) -> InvalidInputError:
    return InvalidInputError(RejectReason.INVALID_FIELD, sentence)

"""Two doors to cases in MongoDB: `CaseReader` for who looks, `CaseWriter` for who decides.

Every question is bounded and answered from an index, every change is one event of the audit trail, and of two people who decide on the same
state one is told what the other did. A door connects when it is first used, works again by itself when MongoDB is back, and is thread-safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec
from pymongo import DESCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from storage.cases.book import MOST_ALERTS, change_case, current_cases
from storage.cases.collections import CASE_EVENTS, CASES, MISSED_FRAUDS, MissedFraud
from storage.cases.model import Case, CaseEvent, Change, Status
from storage.cases.shelf import MongoShelf
from storage.cases.texts import LONGEST_REASON, checked_text
from storage.documents import MaskedAlert, MaskedTransaction
from storage.kinds import ALERTS, PROGRESS, TRANSACTIONS, Document, from_document, to_document
from storage.mongo import connect, translated
from storage.roles import Actor, Role, require
from storage.unmaskings import Unmasking, UnmaskingLog
from veilocity.errors import ConflictError, ErasedError, InvalidInputError, RejectReason
from veilocity.settings import Settings

__all__ = ["CaseFilter", "CaseReader", "CaseWriter"]

_ANSWER_MS = 10_000
_MOST_EVENTS = 10_000
_HOUR_MS = 3_600_000
_GROWTH = 8
"""How much longer each next range is."""


class CaseFilter(msgspec.Struct, frozen=True):
    """Which cases; what is None does not matter."""

    status: Status | None = None
    assignee: str | None = None
    rule: str | None = None
    severity: str | None = None
    since_ms: int | None = None
    """Of the alert's minute, inclusive."""
    until_ms: int | None = None
    """Exclusive."""


class _Door:
    """A connection to the database of documents."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._client = connect(settings, socket_timeout_ms=_ANSWER_MS)
        self._database: Database[Document] = self._client[settings.mongodb_database]
        self._shelf = MongoShelf(self._database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()


class CaseReader(_Door):
    """Answers questions; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def cases(self, alerts: Sequence[str]) -> dict[str, Case]:
        """Return the cases of these alerts, by alert; an alert without one is new.

        Args:
            alerts: ids in MongoDB, at most 1,000.

        Raises:
            StateError: a trail is broken.
        """
        return current_cases(self._shelf, alerts)

    def page(self, which: CaseFilter, limit: int, after: str | None = None) -> list[Case]:
        """Return cases of newest alerts first, those of one minute by descending id.

        A page that is asked for after the last case of the one before misses and doubles none, whatever is written meanwhile, but those
        whose status changes. What a crash left between an event and its case is shown as the case still says.

        Args:
            which: status, assignee and so on.
            limit: at most this many, up to 1,000.
            after: id of the last case of the page before.

        Raises:
            InvalidInputError: there is no such case to go on after.
        """
        limit = min(limit, MOST_ALERTS)
        question = _question(which)
        if after is None:
            return self._newest(question, which.since_ms, which.until_ms, limit)
        last = self.cases([after]).get(after)
        if last is None:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "there is no such case to go on after: ask for the first page again")
        until_ms = last.minute_ms if which.until_ms is None else min(last.minute_ms, which.until_ms)
        same = self._found({**question, "minute_ms": last.minute_ms, "_id": {"$lt": after}}, limit) if _holds(which, last) else []
        return same + self._newest(question, which.since_ms, until_ms, limit - len(same))

    def counts(self) -> dict[Status, int]:
        """Return how many alerts are in each status; of the new ones an estimate, as those without a case are not counted one by one."""
        with translated():
            counts = {status: self._database[CASES.name].count_documents({"status": status.value}) for status in Status}
            untouched = self._database[ALERTS.name].estimated_document_count() - sum(counts.values())
        counts[Status.NEW] += max(0, untouched)
        return counts

    def history(self, alert: str) -> list[CaseEvent]:
        """Return the audit trail of an alert, oldest event first; at most 10,000 events."""
        with translated():
            found = list(self._database[CASE_EVENTS.name].find({"alert": alert}).limit(_MOST_EVENTS))
        return sorted((from_document(CASE_EVENTS, document) for document in found), key=lambda event: event.revision)

    def unmaskings(self, alert: str) -> list[Unmasking]:
        """Return who asked for the evidence of an alert, oldest first."""
        return UnmaskingLog(self._database).of(alert)

    def alert(self, alert: str) -> MaskedAlert:
        """Return the masked alert, without what is sealed.

        Raises:
            InvalidInputError: there is no such alert.
        """
        with translated():
            found = self._database[ALERTS.name].find_one({"_id": alert}, {"sealed": 0})
        if found is None:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "there is no such alert: copy its id from the page or from MongoDB")
        return from_document(ALERTS, found)

    def payments(self, subject: str, since_ms: int, until_ms: int, limit: int) -> list[MaskedTransaction]:
        """Return payments of a person, newest first.

        Args:
            subject: token of the person in MongoDB; it changes with the period, so other periods are not found.
            since_ms: first minute.
            until_ms: last minute, exclusive.
            limit: at most this many.
        """
        question = {"subject": subject, "minute_ms": {"$gte": since_ms, "$lt": until_ms}}
        with translated():
            found = list(self._database[TRANSACTIONS.name].find(question).sort("minute_ms", DESCENDING).limit(limit))
        return [from_document(TRANSACTIONS, document) for document in found]

    def _newest(self, question: Document, since_ms: int | None, until_ms: int | None, limit: int) -> list[Case]:
        """Look through a short range first and through longer ones if that held too little: some servers read all of it to sort it."""
        oldest_ms, found = since_ms or 0, list[Case]()
        end_ms, upper = (self._event_ms(), {}) if until_ms is None else (until_ms, {"$lt": until_ms})
        width_ms = _HOUR_MS
        while len(found) < limit and end_ms > oldest_ms:
            begin_ms = max(oldest_ms, end_ms - width_ms)
            found += self._found({**question, "minute_ms": {"$gte": begin_ms, **upper}}, limit - len(found))
            end_ms, upper, width_ms = begin_ms, {"$lt": begin_ms}, width_ms * _GROWTH
        return found

    def _event_ms(self) -> int:
        """Return the newest event time of the stage; what is newer lies in the first range as well."""
        with translated():
            progress = self._database[PROGRESS.name].find_one({"_id": "privacy"}, {"event_ms": 1})
        return 1 if progress is None else int(progress["event_ms"])

    def _found(self, question: Document, limit: int) -> list[Case]:
        with translated():
            found = list(self._database[CASES.name].find(question).sort([("minute_ms", DESCENDING), ("_id", DESCENDING)]).limit(limit))
        return [from_document(CASES, document) for document in found]


class CaseWriter(_Door):
    """Writes decisions; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def change(self, alert: str, expected_revision: int, change: Change) -> Case:
        """Write an event and what its case comes to.

        Args:
            alert: id in MongoDB.
            expected_revision: of the case that whoever decides has seen; 0 where there was none.
            change: what to write.

        Raises:
            ForbiddenError: the role does not allow it.
            ConflictError: somebody else changed the case first; the sentence says who and to what. Nothing was written.
            InvalidInputError: there is no such alert, or the change is not allowed.
            ErasedError: the person was forgotten at this moment.
        """
        require(change.actor, Role.TRIAGE, "judging an alert")
        return change_case(self._shelf, alert, expected_revision, change)

    def report_missed(self, payment: str, actor: Actor, reason: str, written_ms: int) -> MissedFraud:
        """Note that a payment was fraud and that no rule flagged it: it counts in what the rules recall.

        Args:
            payment: id in MongoDB.
            actor: who says so.
            reason: how it is known.
            written_ms: wall clock.

        Raises:
            ForbiddenError: the role does not allow it.
            InvalidInputError: there is no such payment, it has an alert, or a reason is missing or not allowed.
            ConflictError: it is reported already.
            ErasedError: the person was forgotten at this moment.
        """
        require(actor, Role.TRIAGE, "reporting a fraud")
        told = checked_text(reason, "the reason", LONGEST_REASON)
        if not told:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "a fraud that no rule saw needs a reason: say how it is known")
        found = self._payment(payment)
        if found is None:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "there is no such payment: copy its id from the page or from MongoDB")
        if found["alert"] is not None:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "the payment has an alert: judge that with `veilocity cases set`")
        fraud = MissedFraud(payment, found["subject"], int(found["minute_ms"]), told, actor.name, written_ms)
        collection = self._database[MISSED_FRAUDS.name]
        with translated():
            try:
                collection.insert_one(to_document(MISSED_FRAUDS, fraud))
            except DuplicateKeyError:
                raise ConflictError("the payment is reported already: nothing was written") from None
        if self._payment(payment) is None:
            # Forgetting deletes payments first, then reports, until it finds none: this one may have come too late for that.
            with translated():
                collection.delete_one({"_id": payment})
            raise ErasedError("the person of this payment was forgotten at this moment: nothing was written")
        return fraud

    def _payment(self, payment: str) -> Document | None:
        with translated():
            return self._database[TRANSACTIONS.name].find_one({"_id": payment}, {"subject": 1, "minute_ms": 1, "alert": 1})


def _question(which: CaseFilter) -> Document:
    fields = msgspec.structs.asdict(which)
    return {name: fields[name] for name in ("status", "assignee", "rule", "severity") if fields[name] is not None}


def _holds(which: CaseFilter, case: Case) -> bool:
    """Say whether the minute of a case lies in what is asked for."""
    return (which.since_ms is None or which.since_ms <= case.minute_ms) and (which.until_ms is None or case.minute_ms < which.until_ms)

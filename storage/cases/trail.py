"""Is every audit trail whole? Case by case its events are followed, then events without a case are looked for; one page is in memory.

What is noticed: a changed, removed or added event, a case that is not what its events come to, a case without events. What a crash left
between an event and its case is not a fault: it is counted as behind, and whoever has the role admin may have it repaired. Not noticed: a
whole trail that is gone together with its case, and a chain made anew by who may write to the database; keep `digest` somewhere else and
compare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec
from pymongo.database import Database

from storage.cases.book import current_cases
from storage.cases.collections import CASE_EVENTS, CASES
from storage.cases.model import Case, CaseEvent, advance, event_id
from storage.cases.shelf import MongoShelf
from storage.kinds import Document, Kind, from_document
from storage.mongo import connect, translated
from storage.roles import Actor, Role, require
from storage.unmaskings import Unmasking, UnmaskingLog, broken_links
from veilocity.errors import StateError
from veilocity.settings import Settings

__all__ = ["MOST_FAULTS", "TrailFault", "TrailReport", "verify_trails"]

MOST_FAULTS = 100
"""Named; all are counted."""
_ANSWER_MS = 60_000
_PAGE = 500
_TOO_MANY = 1_000_000
_FEW = 100
"""Records that may have come while the log was read."""


class TrailFault(msgspec.Struct, frozen=True):
    """Where a trail is broken."""

    at: str
    """Id of an alert, an event or a record."""
    reason: str


class TrailReport(msgspec.Struct, frozen=True):
    """What was read and found."""

    cases: int
    events: int
    unmaskings: int
    behind: int
    """Cases that lack their newest events, as after a crash; repaired where that was asked for."""
    fault_count: int
    faults: tuple[TrailFault, ...]
    digest: str
    """Sum of the SHA-256 of alert and newest digest of every trail, and of the newest hash of the log of unmaskings, modulo 2^256."""

    @property
    def whole(self) -> bool:
        """Whether nothing is broken."""
        return self.fault_count == 0


def verify_trails(settings: Settings, repair: Actor | None = None) -> TrailReport:
    """Follow every chain of events and the log of unmaskings.

    Args:
        settings: where MongoDB is.
        repair: who wants cases that are behind brought up to date; None for nobody.

    Raises:
        ForbiddenError: the role does not allow repairing.
        StoreUnavailableError: MongoDB does not answer.
    """
    if repair is not None:
        require(repair, Role.ADMIN, "repairing cases")
    client = connect(settings, socket_timeout_ms=_ANSWER_MS)
    try:
        return _Verification(client[settings.mongodb_database], repairs=repair is not None).run()
    finally:
        client.close()


class _Verification:
    def __init__(self, database: Database[Document], *, repairs: bool) -> None:
        self._database = database
        self._shelf = MongoShelf(database)
        self._repairs = repairs
        self._faults: list[TrailFault] = []
        self._fault_count = self._cases = self._events = self._behind = 0
        self._digest = 0

    def run(self) -> TrailReport:
        for page in self._pages(CASES):
            self._cases += len(page)
            for identity, revision in page:
                self._follow(identity, revision)
        for page in self._pages(CASE_EVENTS):
            self._events += len(page)
            self._see_strays(page)
        unmaskings = self._see_unmaskings()
        return TrailReport(
            self._cases, self._events, unmaskings, self._behind, self._fault_count, tuple(self._faults), f"{self._digest % 2**256:064x}"
        )

    def _follow(self, alert: str, revision: int) -> None:
        """Hold a case to its events, and those that a crash left to it."""
        case: Case | None = None
        if not 0 < revision < _TOO_MANY:
            self._blame(alert, "has a case of a revision that no case reaches")
            return
        # Read before the case, so that it is as new as they are, or newer.
        known = {str(document["_id"]): document for document in self._known([event_id(alert, number + 1) for number in range(revision)])}
        for number in range(1, revision + 1):
            identity = event_id(alert, number)
            document = known.get(identity)
            try:
                event = None if document is None else from_document(CASE_EVENTS, document)
                case = None if event is None else advance(case, event)
            except StateError:
                case = None
            if case is None or case.id != alert:
                # A person who is forgotten at this moment takes the case along.
                if alert in self._shelf.cases([alert]):
                    missing = document is None
                    self._blame(identity, "is missing" if missing else "does not follow the event before it: one of both was changed")
                return
        self._compare(alert, case)

    def _compare(self, alert: str, folded: Case | None) -> None:
        try:
            stored, now = self._shelf.cases([alert]).get(alert), current_cases(self._shelf, [alert]).get(alert)
        except StateError:
            self._blame(alert, "has a case or an event of another shape, or one that does not follow")
            return
        if now is None:
            return  # forgotten meanwhile
        self._digest += _number(f"{alert}{now.head}")
        if folded is not None and stored is not None and stored.revision == folded.revision and stored != folded:
            self._blame(alert, "has a case that is not what its events come to")
        elif stored is None or stored.revision < now.revision:
            self._behind += 1
            if self._repairs:
                self._shelf.put(now)

    def _see_strays(self, page: Sequence[tuple[str, int]]) -> None:
        """Look at events that no case has: those of a crash are the next, and others are strays."""
        alerts = {identity.rpartition("-")[0] for identity, _ in page}
        with translated():
            found = self._database[CASES.name].find({"_id": {"$in": sorted(alerts)}}, {"revision": 1})
            revisions = {str(case["_id"]): int(case["revision"]) for case in found}
        for identity, revision in page:
            alert = identity.rpartition("-")[0]
            reached = revisions.get(alert, 0)
            if identity != event_id(alert, revision):
                self._blame(identity, "has another id than its revision gives it")
            elif reached == 0 and revision == 1:
                self._compare(alert, None)
            elif revision > reached and not self._known([event_id(alert, revision - 1)]):
                self._blame(identity, "follows an event that is missing")

    def _see_unmaskings(self) -> int:
        log, count, last = UnmaskingLog(self._database), 0, ""

        def counted() -> Iterator[Unmasking]:
            nonlocal count, last
            for record in log:
                count, last = count + 1, record.hash
                yield record

        for number in broken_links(counted()):
            self._blame(f"unmasking {number}", "does not follow the record before it: one of both was changed, or one between them removed")
        if (there := len(log)) > count + _FEW:
            self._blame(f"unmasking {count}", "is followed by a gap of a thousand records")
            count = there
        self._digest += _number(last)
        return count

    def _blame(self, at: str, reason: str) -> None:
        self._fault_count += 1
        if len(self._faults) < MOST_FAULTS:
            self._faults.append(TrailFault(at, reason))

    def _known(self, ids: Sequence[str]) -> list[Document]:
        with translated():
            return list(self._database[CASE_EVENTS.name].find({"_id": {"$in": list(ids)}}))

    def _pages(self, kind: Kind[CaseEvent] | Kind[Case]) -> Iterator[list[tuple[str, int]]]:
        """Give id and revision of all documents, in the order in which they lie there."""
        with translated():
            cursor = self._database[kind.name].find({}, {"revision": 1}, batch_size=_PAGE)
            while page := list(islice(cursor, _PAGE)):
                yield [(str(document["_id"]), int(document["revision"])) for document in page]


def _number(text: str) -> int:
    """Return a hash that is added up, so that the order of reading does not matter."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)

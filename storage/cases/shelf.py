"""Where cases lie: what the book of cases (`storage.cases.book`) asks of a store, and MongoDB as one.

Every method is one command on documents found by id, so a crash leaves each of them done or not done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from storage.cases.collections import CASE_EVENTS, CASES
from storage.cases.model import Case, CaseEvent, Facts
from storage.kinds import ALERTS, Document, from_document, to_document
from storage.mongo import translated
from veilocity.contracts import Severity

__all__ = ["MongoShelf", "Shelf"]


class Shelf(Protocol):
    """A store of cases and their events; every method raises `StoreUnavailableError` when it does not answer."""

    def facts(self, alert: str) -> Facts | None:
        """Return what a case copies from an alert; None where there is no such alert."""
        ...

    def cases(self, alerts: Sequence[str]) -> dict[str, Case]:
        """Return the cases that these alerts have, by alert, as they were put."""
        ...

    def events(self, ids: Sequence[str]) -> list[CaseEvent]:
        """Return the events that have these ids."""
        ...

    def append(self, event: CaseEvent) -> bool:
        """Keep an event if its id is free, and say whether it was."""
        ...

    def put(self, case: Case) -> None:
        """Keep a case in the place of an older revision or of none."""
        ...

    def forget(self, alert: str) -> None:
        """Delete case and events of an alert whose person was forgotten while they were written."""
        ...


class MongoShelf:
    """The shelf in MongoDB."""

    def __init__(self, database: Database[Document]) -> None:
        """Take the database of documents."""
        self._database = database

    def facts(self, alert: str) -> Facts | None:
        """Return what a case copies from an alert."""
        with translated():
            fields = dict.fromkeys(("minute_ms", "severity", "rule", "subject", "first.place.cell", "second.place.cell"), 1)
            found = self._database[ALERTS.name].find_one({"_id": alert}, fields)
        if found is None:
            return None
        cells = ((found.get(end) or {}).get("place") or {} for end in ("second", "first"))
        cell = next((place["cell"] for place in cells if place), None)
        return Facts(int(found["minute_ms"]), Severity(found["severity"]), found["rule"], found["subject"], cell)

    def cases(self, alerts: Sequence[str]) -> dict[str, Case]:
        """Return the cases that these alerts have."""
        with translated():
            found = list(self._database[CASES.name].find({"_id": {"$in": list(alerts)}}))
        return {document["_id"]: from_document(CASES, document) for document in found}

    def events(self, ids: Sequence[str]) -> list[CaseEvent]:
        """Return the events that have these ids."""
        with translated():
            found = list(self._database[CASE_EVENTS.name].find({"_id": {"$in": list(ids)}}))
        return [from_document(CASE_EVENTS, document) for document in found]

    def append(self, event: CaseEvent) -> bool:
        """Insert an event."""
        with translated():
            try:
                self._database[CASE_EVENTS.name].insert_one(to_document(CASE_EVENTS, event))
            except DuplicateKeyError:
                return False
        return True

    def put(self, case: Case) -> None:
        """Replace an older revision, else insert; one that is as new stays."""
        document = to_document(CASES, case)
        collection = self._database[CASES.name]
        with translated():
            if collection.replace_one({"_id": case.id, "revision": {"$lt": case.revision}}, document).matched_count:
                return
            try:
                collection.insert_one(document)
            except DuplicateKeyError:
                # Somebody else has put this revision or a later one.
                return

    def forget(self, alert: str) -> None:
        """Delete case and events of one alert."""
        with translated():
            self._database[CASE_EVENTS.name].delete_many({"alert": alert})
            self._database[CASES.name].delete_one({"_id": alert})

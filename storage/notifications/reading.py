"""Who reads alerts, how far, and what of them: one process leads at a time, by a lease in MongoDB; it alone makes messages, all deliver.

The lease only saves work: two leaders at once, for a while, would change cases one by one and by version, so they could neither lose nor
double anything. Clocks of several machines should agree within seconds.

Alerts are followed by `seq`, as the dashboard does (`storage.queries.Reader.changes`), so that none is missed or read twice. Only what a
message tells is asked for: never sealed evidence, never a place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pymongo import ASCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from storage.kinds import ALERTS, Document, from_document, to_document
from storage.kinds import PROGRESS as STAGE
from storage.mongo import translated
from storage.notifications.documents import PROGRESS, Line, Reading
from storage.notifications.grouping import Seen
from veilocity.contracts import AlertState, Severity

__all__ = ["AlertSource", "Lead"]

_ID = "reading"
_SEEN = dict.fromkeys(("seq", "revision", "rule", "severity", "state", "subject"), 1)
_LINE = dict.fromkeys(("revision", "severity", "rule", "cause", "minute_ms", "sentence", "episode.count"), 1)


class Lead:
    """The lease, and how far alerts were read; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def __init__(self, database: Database[Document], owner: str, lease_ms: int) -> None:
        """Take the database, a name that no other process has, and how long a lease lasts."""
        self._readings = database[PROGRESS.name]
        self._owner = owner
        self._lease_ms = lease_ms

    def begin(self, seq: int) -> None:
        """Begin after batch `seq`, if nobody has begun before."""
        first = Reading(_ID, seq, "", 0, 0)
        with translated():
            if self._readings.find_one({"_id": _ID}) is None:
                try:
                    self._readings.insert_one(to_document(PROGRESS, first))
                except DuplicateKeyError:
                    # Another process began at the same moment.
                    pass

    def hold(self, now_ms: int) -> Reading | None:
        """Lead for another lease and return how far was read; None while another process leads."""
        change: Document = {"$set": {"until_ms": now_ms + self._lease_ms}}
        with translated():
            found = self._change({"owner": self._owner, "until_ms": {"$gt": now_ms}}, change)
            if found is None:
                change["$set"]["owner"] = self._owner
                change["$inc"] = {"term": 1}
                found = self._change({"until_ms": {"$lte": now_ms}}, change)
        return None if found is None else from_document(PROGRESS, found)

    def advance(self, reading: Reading, seq: int) -> bool:
        """Note how far was read, if this process still leads in the same term; say whether it does."""
        with translated():
            return self._change({"owner": self._owner, "term": reading.term}, {"$set": {"seq": seq}}) is not None

    def resign(self) -> None:
        """End the lease, so that another process need not wait."""
        with translated():
            self._change({"owner": self._owner}, {"$set": {"until_ms": 0}})

    def _change(self, asked: Document, change: Document) -> Document | None:
        return self._readings.find_one_and_update({"_id": _ID, **asked}, change, return_document=ReturnDocument.AFTER)


class AlertSource:
    """The masked alerts."""

    def __init__(self, database: Database[Document]) -> None:
        """Take the database of documents."""
        self._database = database

    def newest_seq(self) -> int:
        """Return the last complete batch, -1 before the first.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with translated():
            found = self._database[STAGE.name].find_one({"_id": "privacy"}, {"seq": 1})
        return -1 if found is None else int(found["seq"])

    def after(self, seq: int, up_to_seq: int, chunk: int) -> Iterator[tuple[int, list[Seen]]]:
        """Yield the alerts of the batches `seq < batch <= up_to_seq` in whole batches, each time with the last of these batches.

        Args:
            seq: the last batch that was read.
            up_to_seq: the last that is complete.
            chunk: about how many alerts at a time.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        some: list[Seen] = []
        last = seq
        with translated():
            asked = {"seq": {"$gt": seq, "$lte": up_to_seq}}
            for document in self._database[ALERTS.name].find(asked, _SEEN).sort("seq", ASCENDING):
                if document["seq"] != last and len(some) >= chunk:
                    yield last, some
                    some = []
                last = document["seq"]
                some.append(_seen(document))
        yield up_to_seq, some

    def lines(self, alerts: Sequence[str]) -> dict[str, Line]:
        """Return what a message tells of alerts, by id; those that were deleted are missing.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with translated():
            found = list(self._database[ALERTS.name].find({"_id": {"$in": list(alerts)}}, _LINE))
        return {document["_id"]: _line(document) for document in found}


def _seen(document: Document) -> Seen:
    severity, state = Severity(document["severity"]), AlertState(document["state"])
    return Seen(document["_id"], int(document["revision"]), document["rule"], severity, state, document["subject"])


def _line(document: Document) -> Line:
    return Line(
        id=document["_id"],
        # Plain integers: the client gives large ones a type of its own.
        revision=int(document["revision"]),
        news=None,
        severity=Severity(document["severity"]),
        rule=document["rule"],
        cause=document["cause"],
        minute_ms=int(document["minute_ms"]),
        count=int(document["episode"]["count"]),
        sentence=document["sentence"],
    )

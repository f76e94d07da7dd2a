"""What the page of privacy asks MongoDB: results of audits, released classes, counts with noise. Every answer is bounded.

Of a class everything but its members is read. Of audits the newest is read whole, of the others only how they ended.
"""

from __future__ import annotations

import msgspec
from pymongo import DESCENDING

from storage.audits import AUDITS
from storage.documents import AggregateDocument, ReleaseDocument
from storage.kinds import AGGREGATES, RELEASES, Document, from_document
from storage.mongo import translated
from storage.queries import Reader
from veilocity.errors import StateError

__all__ = ["AuditCheck", "AuditFault", "AuditResult", "AuditRun", "Audits", "PrivacyReader"]

_BATCHES = 8
"""How many batches the first range that is looked through for classes has."""
_HOUR_MS = 3_600_000
_WHOLE = "*"
"""Cell of the document that speaks of a whole window."""
_ENDINGS = {"written_ms": 1, "seconds": 1, "passed": 1, "checks.name": 1, "checks.fault_count": 1}


class AuditFault(msgspec.Struct, frozen=True):
    """One thing that must not be in a store: where it is and why it is a fault, never the value."""

    store: str
    collection: str
    id: str
    path: str
    reason: str


class AuditCheck(msgspec.Struct, frozen=True):
    """What one check found."""

    name: str
    passed: bool
    figures: dict[str, int | float] = {}
    faults: tuple[AuditFault, ...] = ()
    """The first of them."""
    fault_count: int = 0
    note: str = ""
    """What the check could not see."""


class AuditResult(msgspec.Struct, frozen=True):
    """A whole result, as it was saved."""

    written_ms: int
    """Wall clock of the beginning."""
    seconds: float
    passed: bool
    read: dict[str, int] = {}
    """Documents read, by `store/collection`."""
    checks: tuple[AuditCheck, ...] = ()


class AuditRun(msgspec.Struct, frozen=True):
    """How an audit ended."""

    written_ms: int
    seconds: float
    passed: bool
    faults: int
    failed: tuple[str, ...] = ()
    """Names of the checks that found faults."""


class Audits(msgspec.Struct, frozen=True):
    """The newest audit, and how the last ones ended."""

    newest: AuditResult | None = None
    runs: tuple[AuditRun, ...] = ()
    """Newest first; the newest is among them."""


class PrivacyReader(Reader):
    """A `Reader` that can also tell of audits, classes and budgets; as quick, as patient and as safe with threads."""

    def audits(self, limit: int) -> Audits:
        """Return the newest audit and how the last `limit` ended.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
            StateError: another program wrote there.
        """
        collection = self._database[AUDITS]
        with translated():
            endings = list(collection.find({}, _ENDINGS).sort("_id", DESCENDING).limit(limit))
            newest = collection.find_one({"_id": endings[0]["_id"]}) if endings else None
        try:
            found = None if newest is None else msgspec.convert(newest, AuditResult)
            return Audits(found, tuple(map(_run, endings)))
        except (msgspec.ValidationError, KeyError, TypeError) as cause:
            raise StateError("a document of audits has an unknown shape: was the store written by another program or version?") from cause

    def releases(self, limit: int) -> list[ReleaseDocument]:
        """Return the classes that the newest complete batches released, newest batch first, without members.

        Args:
            limit: at most this many; the oldest batch may be cut.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        progress = self.progress()
        if progress is None:
            return []
        with translated():
            found = self._newest(RELEASES, "seq", progress.seq, -1, _BATCHES, limit, bounded=True)
        return [from_document(RELEASES, document) for document in found]

    def published_windows(self, limit: int) -> list[AggregateDocument]:
        """Return the counts with noise of the last windows as wholes, newest first; complete batches only.

        Args:
            limit: at most this many windows.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        progress = self.progress()
        if progress is None:
            return []
        with translated():
            found = self._newest(AGGREGATES, "minute_ms", progress.event_ms, -1, _HOUR_MS, limit, only={"cell": _WHOLE})
        return [from_document(AGGREGATES, document) for document in found if document["seq"] <= progress.seq]


def _run(ending: Document) -> AuditRun:
    faults = {check["name"]: check["fault_count"] for check in ending["checks"]}
    # By conversion: the driver gives large integers a class of its own, which no encoder knows.
    return msgspec.convert(
        {
            "written_ms": ending["written_ms"],
            "seconds": ending["seconds"],
            "passed": ending["passed"],
            "faults": sum(faults.values()),
            "failed": [name for name, count in faults.items() if count],
        },
        AuditRun,
    )

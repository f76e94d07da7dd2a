"""Results of audits in MongoDB: one document a run, the newest kept.

The id tells the time of the run and sorts by it. It is written in letters, because an audit looks at this collection too, and a row of
digits may look like a card's.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from pymongo import ASCENDING, DESCENDING

from storage.kinds import Document
from storage.mongo import connect, translated
from veilocity.settings import Settings

__all__ = ["AUDITS", "MOST_AUDITS", "AuditStore", "audit_id"]

AUDITS = "audits"
"""Collection of the results."""
MOST_AUDITS = 1_000
_ANSWER_MS = 20_000
_LETTERS = "abcdefghijklmnop"
_DIGITS = 12


def audit_id(written_ms: int) -> str:
    """Return the id of a run: later runs have higher ones.

    >>> audit_id(0), audit_id(1_795_305_600_000) < audit_id(1_795_305_600_001)
    ('aaaaaaaaaaaa', True)
    """
    return "".join(_LETTERS[int(digit, 16)] for digit in f"{written_ms:0{_DIGITS}x}")


class AuditStore:
    """Keeps and gives results. Use it as a context; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._client = connect(settings, socket_timeout_ms=_ANSWER_MS)
        self._collection = self._client[settings.mongodb_database][AUDITS]

    def __enter__(self) -> AuditStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def save(self, written_ms: int, report: dict[str, Any]) -> None:
        """Keep one result, and only the newest `MOST_AUDITS` of all; a run that is saved again takes its own place.

        Args:
            written_ms: wall clock of the run's beginning.
            report: what JSON can hold, without identifiers.
        """
        identity = audit_id(written_ms)
        with translated():
            self._collection.replace_one({"_id": identity}, {"_id": identity, **report}, upsert=True)
            surplus = self._collection.count_documents({}) - MOST_AUDITS
            if surplus > 0:
                oldest = self._collection.find({}, {"_id": 1}).sort("_id", ASCENDING).limit(surplus)
                self._collection.delete_many({"_id": {"$in": [document["_id"] for document in oldest]}})

    def newest(self, count: int = 1) -> list[Document]:
        """Return the newest results, newest first, as they were saved."""
        with translated():
            found = list(self._collection.find().sort("_id", DESCENDING).limit(count))
        for document in found:
            del document["_id"]
        return found

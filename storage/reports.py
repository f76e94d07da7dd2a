"""Streaming reports in MongoDB: one document for each report and window, written again without harm, read newest first.

A document is final when it is written, and its id follows from its report and window alone, so whoever writes it again writes the same.
Which window of each report is the newest stands in a document of its own: some servers read a whole collection for "sort, newest first,
ten", and from there a short range answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from pymongo import ASCENDING, DESCENDING, ReplaceOne, UpdateOne

from storage.kinds import Document
from storage.mongo import connect, translated, writing
from veilocity.errors import StateError
from veilocity.settings import Settings

__all__ = [
    "REPORTS",
    "REPORT_NAMES",
    "ReportBand",
    "ReportCell",
    "ReportDocument",
    "ReportName",
    "ReportReader",
    "ReportRow",
    "ReportStore",
]

ReportName = Literal["frauds", "merchants", "high_value", "day_counts", "sessions"]
REPORT_NAMES: tuple[ReportName, ...] = ("frauds", "merchants", "high_value", "day_counts", "sessions")
REPORTS = "reports"
"""Collection of the documents."""
NEWEST = "reports_newest"
"""Collection of one document for each report: where its newest window ends."""
_VERSION = 1
_READ_MS = 5_000
_WRITE_MS = 20_000
_MOST = 10_000
"""Documents in one answer, at most."""
_GROWTH = 8
_FIRST_RANGE_MS = 3_600_000


class ReportRow(msgspec.Struct, frozen=True, omit_defaults=False):
    """One merchant."""

    rank: int
    id: str
    name: str
    category: str
    count: int
    amounts: dict[str, int]
    """Minor units by currency."""


class ReportCell(msgspec.Struct, frozen=True):
    """One cell of the map, by its centre."""

    cell: str
    lat: float
    lon: float
    count: int


class ReportBand(msgspec.Struct, frozen=True):
    """One group of people or events."""

    band: str
    count: int


class ReportDocument(msgspec.Struct, frozen=True):
    """What one report says of one window, half open in event time."""

    id: str
    report: ReportName
    start_ms: int
    end_ms: int
    count: int | None
    """The main figure; None where it is withheld."""
    suppressed: int = 0
    """Figures, rows, cells and bands that are withheld, because fewer than k people stand behind them."""
    late: int = 0
    """Records of the report's topics that came too late before this window closed."""
    rows: tuple[ReportRow, ...] = ()
    cells: tuple[ReportCell, ...] = ()
    bands: tuple[ReportBand, ...] = ()
    version: int = _VERSION


def stored(document: ReportDocument) -> Document:
    """Return the document as MongoDB holds it.

    >>> stored(ReportDocument("frauds:0", "frauds", 0, 120_000, 7))["_id"]
    'frauds:0'
    """
    fields: Document = msgspec.to_builtins(document)
    return {"_id": fields.pop("id"), **fields}


class ReportReader:
    """Answers within seconds or raises `StoreUnavailableError`; works again by itself once MongoDB is back. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._client = connect(settings, socket_timeout_ms=_READ_MS)
        database = self._client[settings.mongodb_database]
        self._documents, self._newest = database[REPORTS], database[NEWEST]

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def newest(self, report: ReportName, limit: int) -> list[ReportDocument]:
        """Return the last windows of a report, newest first; none before the first.

        Args:
            report: which.
            limit: at most this many, and never more than 10,000.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
            StateError: another program wrote there.
        """
        limit = min(limit, _MOST)
        with translated():
            pointer = self._newest.find_one({"_id": report})
            if pointer is None:
                return []
            until_ms, width_ms = int(pointer["end_ms"]), _FIRST_RANGE_MS
            oldest_ms = int(pointer.get("oldest_ms", 0))
            while True:
                wanted = {"report": report, "end_ms": {"$gt": until_ms - width_ms, "$lte": until_ms}}
                found = list(self._documents.find(wanted).sort("end_ms", DESCENDING).limit(limit))
                if len(found) >= limit or until_ms - width_ms < oldest_ms:
                    return [_record(document) for document in found]
                width_ms *= _GROWTH

    def since(self, report: ReportName, end_ms: int, limit: int = _MOST) -> list[ReportDocument]:
        """Return the windows of a report that end after a time, oldest first.

        Args:
            report: which.
            end_ms: that of the last document that is known.
            limit: at most this many, and never more than 10,000; ask again from the last one.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
            StateError: another program wrote there.
        """
        with translated():
            pointer = self._newest.find_one({"_id": report})
            if pointer is None:
                return []
            # What lies behind the pointer may still be on its way, in any order.
            wanted = {"report": report, "end_ms": {"$gt": end_ms, "$lte": int(pointer["end_ms"])}}
            found = list(self._documents.find(wanted).sort("end_ms", ASCENDING).limit(min(limit, _MOST)))
        return [_record(document) for document in found]


class ReportStore:
    """Writes and deletes; every method raises `StoreUnavailableError` when MongoDB does not answer, and may be repeated."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._client = connect(settings, socket_timeout_ms=_WRITE_MS)
        database = self._client[settings.mongodb_database]
        self._documents, self._newest = database[REPORTS], database[NEWEST]

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def ensure(self) -> None:
        """Make the index that every question is answered from."""
        with writing():
            self._documents.create_index([("report", ASCENDING), ("end_ms", ASCENDING)])

    def write(self, documents: Sequence[ReportDocument]) -> None:
        """Put documents in place of those of the same id, then say which windows are the newest."""
        if not documents:
            return
        with writing():
            self._documents.bulk_write(
                [ReplaceOne({"_id": one.id}, stored(one), upsert=True) for one in documents],
                ordered=False,
            )
            self._newest.bulk_write([UpdateOne({"_id": name}, update, upsert=True) for name, update in _pointers(documents)])

    def delete_before(self, end_ms: int) -> int:
        """Delete the documents of windows that ended before a time; return how many."""
        deleted = 0
        with writing():
            for report in REPORT_NAMES:
                deleted += self._documents.delete_many({"report": report, "end_ms": {"$lt": end_ms}}).deleted_count
        return deleted


def _pointers(documents: Iterable[ReportDocument]) -> list[tuple[str, Document]]:
    ends: dict[str, list[int]] = {}
    for document in documents:
        ends.setdefault(document.report, []).append(document.end_ms)
    return [(report, {"$max": {"end_ms": max(some)}, "$min": {"oldest_ms": min(some)}}) for report, some in sorted(ends.items())]


def _record(document: dict[str, Any]) -> ReportDocument:
    try:
        document["id"] = document.pop("_id")
        return msgspec.convert(document, ReportDocument)
    except (msgspec.ValidationError, KeyError) as cause:
        raise StateError("a document of reports has an unknown shape: was the store written by another program or version?") from cause

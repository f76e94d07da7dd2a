"""Segments of customers, as MongoDB holds them: one document for each time that people were grouped by how they behaved.

A segment is a group of at least `k` people; the people of smaller ones are counted in `suppressed_people` and nowhere else.
"""

from __future__ import annotations

import msgspec
from pymongo import DESCENDING

from storage.kinds import Document
from storage.mongo import connect, translated
from storage.walking import ANSWER_MS
from veilocity.errors import StateError
from veilocity.settings import Settings

__all__ = ["SEGMENTS", "Segment", "SegmentReader", "SegmentsDocument", "read_segments", "segments_id"]

SEGMENTS = "segments"
"""Collection of the segments."""
VERSION = 1
_SOCKET_MS = 5_000
_PREFIX = "segments:"
_AFTER = "segments;"
"""Sorts after every id that begins with the prefix."""


class Segment(msgspec.Struct, frozen=True):
    """One segment: averages over its people."""

    segment: str
    """Its letter."""
    people: int
    payments_per_day: float
    mean_amount: float
    """Geometric mean, in major units of whatever currency was paid in."""
    night_share: float
    distance_km: float
    online_share: float
    words: str


class SegmentsDocument(msgspec.Struct, frozen=True):
    """All segments of one window, by their letters."""

    start_ms: int
    end_ms: int
    people: int
    """In segments."""
    suppressed_people: int
    """In none: too few payments, or too few people."""
    k: int
    """Fewest people of a segment."""
    segments: tuple[Segment, ...]
    version: int = VERSION


def segments_id(start_ms: int) -> str:
    """Return the id of a window's document.

    >>> segments_id(604_800_000)
    'segments:604800000'
    """
    return f"{_PREFIX}{start_ms}"


class SegmentReader:
    """Answers quickly or raises `StoreUnavailableError` within a few seconds. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._client = connect(settings, socket_timeout_ms=_SOCKET_MS)
        self._collection = self._client[settings.mongodb_database][SEGMENTS]

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def newest(self) -> SegmentsDocument | None:
        """Return the newest segments, or None before the first.

        The id tells the start in milliseconds, which has 13 digits from 2001 to 2286: so ids sort as times, and the index of ids answers.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
            StateError: the document is none of segments.
        """
        only = {"_id": {"$gte": _PREFIX, "$lt": _AFTER}}
        with translated():
            found = list(self._collection.find(only).sort("_id", DESCENDING).limit(1).max_time_ms(ANSWER_MS))
        return read_segments(found[0]) if found else None


def read_segments(document: Document) -> SegmentsDocument:
    """Return what a document of the store says.

    Raises:
        StateError: another program wrote it, or a newer version.
    """
    try:
        found = msgspec.convert({name: value for name, value in document.items() if name != "_id"}, SegmentsDocument)
    except msgspec.ValidationError as cause:
        raise StateError("a document of segments has an unknown shape: was the store written by another program or version?") from cause
    if found.version > VERSION:
        raise StateError("a document of segments was written by a newer version: upgrade this program first")
    return found

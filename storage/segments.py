"""Segments of customers, as MongoDB holds them: one document for each time that people were grouped by how they behaved.

A segment is a group of at least `k` people; the people of smaller ones are counted in `suppressed_people` and nowhere else.
"""

from __future__ import annotations

from typing import Any

import msgspec
from pymongo import DESCENDING

from storage.mongo import connect, translated
from storage.walking import ANSWER_MS
from veilocity.errors import StateError
from veilocity.settings import Settings

__all__ = ["SEGMENTS", "Segment", "SegmentReader", "Segmentation"]

SEGMENTS = "segments"
"""Collection of the segments."""
_SOCKET_MS = 5_000
_PREFIX = "segments:"
_AFTER = "segments;"
"""Sorts after every id that begins with the prefix."""


class Segment(msgspec.Struct, frozen=True):
    """People who behave alike; the figures are means of them."""

    segment: str
    """Its name: a letter."""
    people: int
    payments_per_day: float
    mean_amount: float
    """In major units."""
    night_share: float
    """Share of payments by night, 0 to 1."""
    distance_km: float
    """From home."""
    online_share: float
    """Share of payments online, 0 to 1."""
    words: str
    """The segment in a few words."""


class Segmentation(msgspec.Struct, frozen=True, rename={"id": "_id"}):
    """All segments of one time."""

    id: str
    version: int
    start_ms: int
    end_ms: int
    """Exclusive."""
    people: int
    suppressed_people: int
    k: int
    """The least people of a segment."""
    segments: tuple[Segment, ...] = ()


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

    def newest(self) -> Segmentation | None:
        """Return the newest segments, or None before the first.

        The id tells the start in milliseconds, which has 13 digits from 2001 to 2286: so ids sort as times, and the index of ids answers.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
            StateError: the document is none of segments.
        """
        only = {"_id": {"$gte": _PREFIX, "$lt": _AFTER}}
        with translated():
            found: list[dict[str, Any]] = list(self._collection.find(only).sort("_id", DESCENDING).limit(1).max_time_ms(ANSWER_MS))
        try:
            return msgspec.convert(found[0], Segmentation) if found else None
        except msgspec.ValidationError as cause:
            raise StateError(
                f"a document of {SEGMENTS} has an unknown shape: was the store written by another program or version?"
            ) from cause

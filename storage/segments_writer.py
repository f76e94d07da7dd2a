"""Customer segments in MongoDB: one document for each window.

A window that was released once stays as it is, so nothing can be found out by comparing two releases of it.
"""

from __future__ import annotations

from types import TracebackType

import msgspec

from storage.kinds import Document
from storage.mongo import connect, translated, writing
from veilocity.errors import StateError
from veilocity.settings import Settings

__all__ = ["SEGMENTS", "Segment", "SegmentStore", "SegmentsDocument", "segments_id"]

SEGMENTS = "segments"
"""Collection of the segments."""
VERSION = 1
_ANSWER_MS = 20_000


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
    return f"segments:{start_ms}"


class SegmentStore:
    """Writes segments, and reads those before. Use it as a context; every method raises `StoreUnavailableError` without an answer."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._client = connect(settings, socket_timeout_ms=_ANSWER_MS)
        self._collection = self._client[settings.mongodb_database][SEGMENTS]

    def __enter__(self) -> SegmentStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def released(self) -> dict[int, int]:
        """Return the ends of the windows that were released, by their starts."""
        with translated():
            return {int(one["start_ms"]): int(one["end_ms"]) for one in self._collection.find({}, {"start_ms": 1, "end_ms": 1})}

    def before(self, start_ms: int) -> SegmentsDocument | None:
        """Return the newest document of a window that began earlier.

        Raises:
            StateError: it is of a newer version, or was written by another program.
        """
        return self._newest([earlier for earlier in self.released() if earlier < start_ms])

    def newest(self) -> SegmentsDocument | None:
        """Return the document of the newest window.

        Raises:
            StateError: as for `before`.
        """
        return self._newest(list(self.released()))

    def _newest(self, starts: list[int]) -> SegmentsDocument | None:
        if not starts:
            return None
        with translated():
            found = self._collection.find_one({"_id": segments_id(max(starts))})
        return None if found is None else _read(found)

    def write(self, document: SegmentsDocument) -> bool:
        """Write a document if its window has none; return whether it had none."""
        identity, fields = segments_id(document.start_ms), msgspec.to_builtins(document)
        with writing():
            done = self._collection.update_one({"_id": identity}, {"$setOnInsert": fields}, upsert=True)
        return done.upserted_id is not None

    def expire(self, before_ms: int) -> int:
        """Delete the documents of windows that ended earlier; return how many."""
        with writing():
            old = [one["_id"] for one in self._collection.find({}, {"end_ms": 1}) if int(one["end_ms"]) < before_ms]
            return int(self._collection.delete_many({"_id": {"$in": old}}).deleted_count) if old else 0


def _read(document: Document) -> SegmentsDocument:
    try:
        found = msgspec.convert({name: value for name, value in document.items() if name != "_id"}, SegmentsDocument)
    except msgspec.ValidationError as cause:
        raise StateError("a document of segments has an unknown shape: was the store written by another program or version?") from cause
    if found.version > VERSION:
        raise StateError("a document of segments was written by a newer version: upgrade this program first")
    return found

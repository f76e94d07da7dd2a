"""Customer segments in MongoDB: one document for each window.

A window that was released once stays as it is, so nothing can be found out by comparing two releases of it.
"""

from __future__ import annotations

from types import TracebackType

import msgspec

from storage.mongo import connect, translated, writing
from storage.segments import SEGMENTS, SegmentsDocument, read_segments, segments_id
from veilocity.settings import Settings

__all__ = ["SegmentStore"]

_ANSWER_MS = 20_000


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
        return None if found is None else read_segments(found)

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

"""How many old documents were deleted, by store, kind and day, so that nobody takes them for lost; kept where erasures are counted.

One document of `erasures` stands for one store, kind and day. What is about to be deleted is written into it first (`pending`); when it is
gone, one atomic update adds it to `count` and takes `pending` away. So a deletion that was broken off anywhere is finished by the next run
and counted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymongo.database import Database

from storage.kinds import ERASURES, Document
from storage.migrations.model import letters
from storage.mongo import translated

__all__ = ["ExpiryCounts"]

_WHY = "retention"


class ExpiryCounts:
    """The counts; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def __init__(self, database: Database[Document]) -> None:
        """Take the database of documents."""
        self._collection = database[ERASURES]

    def begin(self, store: str, kind: str, day_ms: int, pending: Document) -> None:
        """Say what is about to be deleted.

        Args:
            store: where.
            kind: of the documents.
            day_ms: when the day of all of them began, UTC.
            pending: `count` and `payments` (of released classes), and either `ids` or `index` and `uuid`.
        """
        fresh = {"store": store, "kind": kind, "day_ms": day_ms, "count": 0, "payments": 0, "done": True, "why": _WHY}
        with translated():
            self._collection.update_one(
                {"_id": _id(store, kind, day_ms)}, {"$set": {"pending": pending}, "$setOnInsert": fresh}, upsert=True
            )

    def finish(self, store: str, kind: str, day_ms: int, pending: Document) -> None:
        """Count what `begin` named, once: it is gone."""
        mine = {"_id": _id(store, kind, day_ms), "pending.count": {"$exists": True}}
        counted = {"count": pending["count"], "payments": pending["payments"]}
        with translated():
            self._collection.update_one(mine, {"$inc": counted, "$unset": {"pending": ""}})

    def broken_off(self) -> list[Document]:
        """Return the documents that a run before left with something pending."""
        with translated():
            return [one for one in self._collection.find({"why": _WHY}) if "pending" in one]

    def by_kind(self) -> dict[str, dict[str, int]]:
        """Return how many documents were deleted for their age, by store and kind."""
        found: dict[str, dict[str, int]] = {}
        for one in self._all():
            kinds = found.setdefault(one["store"], {})
            kinds[one["kind"]] = kinds.get(one["kind"], 0) + one["count"]
        return found

    def _all(self) -> Iterator[Any]:
        with translated():
            yield from self._collection.find({"why": _WHY})


def _id(store: str, kind: str, day_ms: int) -> str:
    # What comes from MongoDB is its own class of integers.
    return letters([_WHY, store, kind, int(day_ms)])

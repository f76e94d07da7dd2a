"""Cases in MongoDB. One document is the unit of every change, compared by its version, so that two processes cannot undo each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from pymongo import ASCENDING, InsertOne, ReplaceOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from storage.kinds import Document, from_document, to_document
from storage.mongo import translated
from storage.notifications.documents import CASES, Case
from veilocity.errors import FencedError, StateError

__all__ = ["CHUNK", "Cases"]

CHUNK = 500
"""Cases read or written at once."""
_DUPLICATE = 11000


class Cases:
    """The cases of one database; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def __init__(self, database: Database[Document]) -> None:
        """Take the database; `ensure_notifications` has made the collection."""
        self._cases = database[CASES.name]

    def get(self, identities: Sequence[str]) -> dict[str, Case]:
        """Return those of the cases that are there, by id."""
        found: dict[str, Case] = {}
        with translated():
            for some in _chunks(identities):
                found.update((document["_id"], from_document(CASES, document)) for document in self._cases.find({"_id": {"$in": some}}))
        return found

    def put(self, cases: Iterable[tuple[Case, Case]]) -> None:
        """Replace cases, each as it was read and as it is to be; one of version 0 is new.

        Raises:
            FencedError: another process has changed one meanwhile; the others are written.
        """
        operations = [self._replacement(before, after) for before, after in cases]
        for some in _chunks(operations):
            with translated():
                try:
                    result = self._cases.bulk_write(some, ordered=False)
                except BulkWriteError as cause:
                    raise _refused(cause) from cause
            if result.matched_count + result.inserted_count < len(some):
                raise FencedError("another process changed a case: reading it again")

    def due(self, channel: str, *, news: bool, now_ms: int, most: int) -> list[Case]:
        """Return the cases of a channel whose time has come, longest due first."""
        asked = {"channel": channel, "news": news, "due_ms": {"$gt": 0, "$lte": now_ms}}
        with translated():
            return [from_document(CASES, one) for one in self._cases.find(asked).sort("due_ms", ASCENDING).limit(most)]

    def with_news(self, channel: str, most: int) -> list[str]:
        """Return the ids of at most `most` cases of a channel that have news, due or not."""
        with translated():
            found = self._cases.find({"channel": channel, "news": True, "due_ms": {"$gt": 0}}, {"_id": 1}).sort("due_ms", ASCENDING)
            return [str(document["_id"]) for document in found.limit(most)]

    def take(self, identities: Sequence[str], message: str, *, in_storm: bool) -> None:
        """Keep cases for a message; one that another message has stays there."""
        for some in _chunks(identities):
            change: Document = {"$set": {"message": message, "in_storm": in_storm}, "$inc": {"version": 1}}
            with translated():
                self._cases.update_many({"_id": {"$in": some}, "message": ""}, change)

    def taken(self) -> list[str]:
        """Return the messages for which cases are kept."""
        with translated():
            return sorted(self._cases.distinct("message", {"message": {"$gt": ""}}))

    def taken_for(self, message: str) -> Iterator[Case]:
        """Yield the cases that are kept for a message."""
        with translated():
            for document in self._cases.find({"message": message}, batch_size=CHUNK):
                yield from_document(CASES, document)

    def some_taken_for(self, message: str) -> list[Case]:
        """Return at most `CHUNK` of the cases that are kept for a message."""
        with translated():
            return [from_document(CASES, document) for document in self._cases.find({"message": message}).limit(CHUNK)]

    def clean(self, kept_ms: Mapping[str, int], otherwise_ms: int, now_ms: int) -> int:
        """Delete cases that are over: nothing ahead, and no alert changed for long; return how many.

        Args:
            kept_ms: for how long, by channel.
            otherwise_ms: for how long cases of other channels, whatever is ahead.
            now_ms: wall clock.
        """
        fields = dict.fromkeys(("channel", "news", "due_ms", "message", "changed_ms"), 1)
        oldest_ms = now_ms - min((*kept_ms.values(), otherwise_ms))
        over = []
        with translated():
            for one in self._cases.find({"changed_ms": {"$lt": oldest_ms}}, fields):
                idle = not one["news"] and not one["due_ms"] and not one["message"]
                known = one["channel"] in kept_ms
                if one["changed_ms"] < now_ms - kept_ms.get(one["channel"], otherwise_ms) and (idle or not known):
                    over.append(one["_id"])
        deleted = 0
        for some in _chunks(over):
            with translated():
                # Unless an alert of it has changed since.
                deleted += self._cases.delete_many({"_id": {"$in": some}, "changed_ms": {"$lt": oldest_ms}}).deleted_count
        return deleted

    def forget(self, alerts: Sequence[str]) -> int:
        """Take alerts of a forgotten person out of cases, and delete cases that held nothing else; return how many."""
        with translated():
            change: Document = {"$pull": {"alerts": {"id": {"$in": list(alerts)}}}, "$inc": {"version": 1}}
            changed = self._cases.update_many({"alerts.id": {"$in": list(alerts)}}, change).modified_count
            self._cases.delete_many({"alerts": []})
        return changed

    @staticmethod
    def _replacement(before: Case, after: Case) -> InsertOne[Document] | ReplaceOne[Document]:
        document = to_document(CASES, msgspec.structs.replace(after, version=before.version + 1))
        if before.version == 0:
            return InsertOne(document)
        return ReplaceOne({"_id": before.id, "version": before.version}, document)


def _refused(error: BulkWriteError) -> FencedError | StateError:
    codes = {fault["code"] for fault in error.details.get("writeErrors", [])}
    if codes <= {_DUPLICATE}:
        return FencedError("another process made a case: reading it again")
    return StateError(f"MongoDB refuses cases (codes {sorted(codes)}): see docs/notifications.md")


def _chunks(items: Sequence[Any]) -> Iterator[list[Any]]:
    return (list(items[start : start + CHUNK]) for start in range(0, len(items), CHUNK))

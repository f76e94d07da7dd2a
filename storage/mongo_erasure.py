"""A person's documents in MongoDB, found by tokens: whole collections are read, as there is no index for what is asked once in a while."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from storage.audits import AUDITS
from storage.cases import forget_cases, left_cases
from storage.kinds import ALERTS, DEAD_LETTERS, GROUPS, POSITIONS, SAMPLES, TRANSACTIONS, Document
from storage.mongo import MONGODB, translated
from storage.notifications.forgetting import leave_notifications

__all__ = ["CHUNK", "SPANS", "THINGS", "MongoEraser"]

CHUNK = 1_000
"""Tokens asked for at once."""
THINGS = ("card", "device", "user")
SPANS = {
    TRANSACTIONS.name: ("minute_ms",),
    ALERTS.name: ("minute_ms", "first.minute_ms", "second.minute_ms", "episode.first_ms"),
    POSITIONS.name: ("minute_ms",),
}
"""Where documents about a person tell a time: the person's token in each is that of one of them."""
_WITHHELD = "(not kept)"


class MongoEraser:
    """MongoDB as `storage.erasure` needs it."""

    name = MONGODB

    def __init__(self, database: Database[Document]) -> None:
        """Take the database of documents."""
        self._database = database

    def kinds(self) -> tuple[str, ...]:
        """Return the collections about one person, payments last."""
        return POSITIONS.name, ALERTS.name, TRANSACTIONS.name

    def span_ms(self) -> tuple[int, int] | None:
        """Return the oldest and newest time in any document about a person."""
        times = [time for kind, fields in SPANS.items() for field in fields for time in self._ends(kind, field)]
        return (min(times), max(times)) if times else None

    def found(self, kind: str, subjects: Sequence[str], limit: int, up_to_seq: int | None = None) -> list[tuple[str, str, int]]:
        """Return id and time of at most `limit` documents of a person; there are no indices to tell."""
        found: list[tuple[str, str, int]] = []
        with translated():
            for question in _questions(kind, subjects, up_to_seq):
                cursor = self._database[kind].find(question, {"minute_ms": 1}).limit(limit - len(found))
                found += [(str(document["_id"]), "", int(document["minute_ms"])) for document in cursor]
                if len(found) >= limit:
                    break
        return found

    def things(self, subjects: Sequence[str]) -> set[str]:
        """Return the tokens of the cards, devices and users in a person's payments."""
        with translated():
            documents = (
                document
                for question in _questions(TRANSACTIONS.name, subjects, None)
                for document in self._database[TRANSACTIONS.name].find(question, dict.fromkeys(THINGS, 1))
            )
            return {str(document[name]) for document in documents for name in THINGS if document.get(name)}

    def ids(self, kind: str, subjects: Sequence[str]) -> set[str]:
        """Return the ids of all documents of a person."""
        with translated():
            questions = _questions(kind, subjects, None)
            return {str(one["_id"]) for question in questions for one in self._database[kind].find(question, {"_id": 1})}

    def count(self, kind: str, subjects: Sequence[str]) -> int:
        """Return how many documents of a person are there."""
        with translated():
            return sum(self._database[kind].count_documents(question) for question in _questions(kind, subjects, None))

    def delete(self, kind: str, ids: Sequence[tuple[str, str]]) -> None:
        """Delete documents by id."""
        with translated():
            self._database[kind].delete_many({"_id": {"$in": [identity for identity, _ in ids]}})

    def groups_of(self, payments: Sequence[str], up_to_seq: int) -> list[tuple[Document, str]]:
        """Return each group that names one of the payments."""
        with translated():
            question = {"members": {"$in": list(payments)}, "seq": {"$lte": up_to_seq}}
            return [(document, "") for document in self._database[GROUPS.name].find(question)]

    def put_group(self, group: Document, index: str) -> None:
        """Store a group under its id."""
        with translated():
            self._database[GROUPS.name].replace_one({"_id": group["_id"]}, group, upsert=True)

    def naming(self, things: Sequence[str], subjects: Sequence[str]) -> int:
        """Return how many payments of other people name one of these cards, devices or users."""
        count = 0
        with translated():
            for start in range(0, len(things), CHUNK):
                some = [{name: {"$in": list(things[start : start + CHUNK])}} for name in THINGS]
                question: Document = {"$or": some, "subject": {"$nin": list(subjects)}}
                count += self._database[TRANSACTIONS.name].count_documents(question)
        return count

    def leave_sample(self, payments: Sequence[str]) -> int:
        """Take payments out of the sample; return in how many samples some were."""
        with translated():
            changed = 0
            for sample in self._database[SAMPLES.name].find({"members": {"$in": list(payments)}}):
                members = [member for member in sample["members"] if member not in set(payments)]
                # Only if no later batch has replaced it: then another run finds that one.
                mine = {"_id": sample["_id"], "seq": sample["seq"]}
                changed += self._database[SAMPLES.name].update_one(mine, {"$set": {"members": members}}).matched_count
            return changed

    def forget_letters(self, store: str, ids: Sequence[str]) -> int:
        """Delete the dead letters that name one of these ids of a store; return how many.

        Those of payments and alerts stay: they stand for documents that never were in that store.
        """
        kept = [TRANSACTIONS.name, ALERTS.name]
        with translated():
            question = {"store": store, "id": {"$in": list(ids)}, "kind": {"$nin": kept}}
            return self._database[DEAD_LETTERS].delete_many(question).deleted_count

    def leave_notifications(self, alerts: Sequence[str]) -> int:
        """Take alerts out of what is still to be told; return how many cases and messages named one."""
        return leave_notifications(self._database, alerts)

    def leave_audits(self, ids: Collection[str]) -> int:
        """Withhold these ids in the faults of kept audits; return how many audits named one."""
        changed = 0
        with translated():
            for report in list(self._database[AUDITS].find()):
                faults = [fault for check in report.get("checks", ()) for fault in check.get("faults", ()) if fault.get("id") in ids]
                for fault in faults:
                    fault["id"] = _WITHHELD
                if faults:
                    self._database[AUDITS].replace_one({"_id": report["_id"]}, report)
                    changed += 1
        return changed

    def forget_cases(self, subjects: Sequence[str]) -> dict[str, int]:
        """Delete what people wrote about a person; after the person's alerts and payments, as `storage.cases.erasure` says."""
        return forget_cases(self._database, subjects)

    def left_cases(self, subjects: Sequence[str]) -> dict[str, int]:
        """Return how many of these documents are there, by collection."""
        return left_cases(self._database, subjects)

    def _ends(self, kind: str, field: str) -> Iterator[int]:
        with translated():
            for direction in (ASCENDING, DESCENDING):
                document = self._database[kind].find_one({}, {field: 1}, sort=[(field, direction)])
                if document is None:
                    return
                value: object = document
                for name in field.split("."):
                    value = value.get(name) if isinstance(value, dict) else None
                if isinstance(value, int):
                    yield value


def _questions(kind: str, subjects: Sequence[str], up_to_seq: int | None) -> Iterator[Document]:
    field = "_id" if kind == POSITIONS.name else "subject"
    finished: Document = {} if up_to_seq is None else {"seq": {"$lte": up_to_seq}}
    for start in range(0, len(subjects), CHUNK):
        yield {field: {"$in": list(subjects[start : start + CHUNK])}, **finished}

"""What the sink reads: masked payments of MongoDB, in the order of the micro-batches that wrote or amended them."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ASCENDING
from pymongo.database import Database

from storage.documents import MaskedTransaction
from storage.kinds import ERASURES, PROGRESS, TRANSACTIONS, Document, from_document
from storage.mongo import MONGODB, connect, translated
from veilocity.settings import Settings

__all__ = ["Source"]

_ANSWER_MS = 60_000


class Source:
    """MongoDB, read only. Every method raises `StoreUnavailableError` when it does not answer."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._client = connect(settings, socket_timeout_ms=_ANSWER_MS, patient=True)
        self._database: Database[Document] = self._client[settings.mongodb_database]

    def last_seq(self) -> int | None:
        """Return the number of the last complete batch, None before the first."""
        with translated():
            found = self._database[PROGRESS.name].find_one({"_id": "privacy"}, {"seq": 1})
        return None if found is None else int(found["seq"])

    def payments(self, after_seq: int, up_to_seq: int) -> list[MaskedTransaction]:
        """Return the payments that the batches `after_seq < seq <= up_to_seq` wrote or amended, oldest batch first.

        A payment that a later batch amends meanwhile comes with that batch.
        """
        with translated():
            question = self._database[TRANSACTIONS.name].find({"seq": {"$gt": after_seq, "$lte": up_to_seq}})
            found = list(question.sort("seq", ASCENDING))
        return [from_document(TRANSACTIONS, document) for document in found]

    def erased(self) -> int:
        """Return how many payments were erased so far, with their people or for their age; counted when they are gone."""
        with translated():
            stages: list[Document] = [
                {"$match": {"store": MONGODB, "kind": TRANSACTIONS.name, "done": True}},
                {"$group": {"_id": None, "count": {"$sum": "$count"}}},
            ]
            found = list(self._database[ERASURES].aggregate(stages))
        return int(found[0]["count"]) if found else 0

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that no payment has any more."""
        with translated():
            there = {one["_id"] for one in self._database[TRANSACTIONS.name].find({"_id": {"$in": list(ids)}}, {"_id": 1})}
        return [identity for identity in ids if identity not in there]

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

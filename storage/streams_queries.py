"""What the page of streams asks MongoDB: the sketches' answers, the sample, groups of alike payments, and exact answers beside them.

Exact answers read every payment, which is what sketches are there to avoid. So they are given only while the store is small, by the server,
and their caller asks seldom. The sample and a group name payments by their ids, which every store finds at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pymongo import DESCENDING

from storage.documents import MaskedTransaction, Sample, SimilarGroup, StreamSketches
from storage.kinds import GROUPS, SAMPLES, SKETCHES, TRANSACTIONS, from_document
from storage.mongo import translated
from storage.queries import Reader

__all__ = ["CurrencyMean", "ExactAnswers", "StreamsReader"]

_BATCHES = 8
"""How many batches the first range that is looked through for groups has."""


class CurrencyMean(msgspec.Struct, frozen=True):
    """What the payments of one currency amount to."""

    currency: str
    payments: int
    mean: float
    """In major units, of the rounded amounts that the store holds."""


class ExactAnswers(msgspec.Struct, frozen=True):
    """What is true of the payments that the store holds, up to a batch."""

    seq: int
    payments: int
    flagged: int
    merchants: int
    places: int
    means: tuple[CurrencyMean, ...]
    """The most frequent currency first."""


class StreamsReader(Reader):
    """A `Reader` that can also tell what the sketches say; as quick, as patient and as safe with threads."""

    def sketches(self) -> StreamSketches | None:
        """Return what the sketches say after the last batch with payments, or None before it.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with translated():
            document = self._collection(SKETCHES).find_one({}, sort=[("seq", DESCENDING)])
        return None if document is None else from_document(SKETCHES, document)

    def sample(self) -> Sample | None:
        """Return the uniform sample, or None before the first batch with payments.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with translated():
            document = self._collection(SAMPLES).find_one({}, sort=[("seq", DESCENDING)])
        return None if document is None else from_document(SAMPLES, document)

    def payments(self, ids: Sequence[str]) -> list[MaskedTransaction]:
        """Return the payments with these ids that the store holds, in no order.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        if not ids:
            return []
        with translated():
            found = list(self._collection(TRANSACTIONS).find({"_id": {"$in": list(ids)}}))
        return [from_document(TRANSACTIONS, document) for document in found]

    def groups(self, limit: int) -> list[SimilarGroup]:
        """Return the groups that the newest complete batches found, newest batch first.

        Args:
            limit: at most this many; the oldest batch may be cut.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        progress = self.progress()
        if progress is None:
            return []
        with translated():
            found = self._newest(GROUPS, "seq", progress.seq, -1, _BATCHES, limit, bounded=True)
        return [from_document(GROUPS, document) for document in found]

    def group(self, identity: str) -> SimilarGroup | None:
        """Return one group, or None where there is none of this id.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with translated():
            document = self._collection(GROUPS).find_one({"_id": identity})
        return None if document is None else from_document(GROUPS, document)

    def exact(self, up_to_seq: int) -> ExactAnswers:
        """Return what is true of all payments up to a batch. The server reads the collection through.

        A payment that a later batch amended is left out, as its number is that of the later batch.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        only = {"seq": {"$lte": up_to_seq}}
        collection = self._collection(TRANSACTIONS)
        by_currency = {"_id": "$currency", "payments": {"$sum": 1}, "mean": {"$avg": "$amount"}}
        by_verdict = {"_id": "$verdict", "payments": {"$sum": 1}}
        with translated():
            currencies = list(collection.aggregate([{"$match": only}, {"$group": by_currency}]))
            verdicts = {row["_id"]: int(row["payments"]) for row in collection.aggregate([{"$match": only}, {"$group": by_verdict}])}
            merchants = sum(1 for _ in collection.aggregate([{"$match": only}, {"$group": {"_id": "$merchant"}}]))
            placed = {**only, "place": {"$ne": None}}
            places = sum(1 for _ in collection.aggregate([{"$match": placed}, {"$group": {"_id": "$place.cell"}}]))
        means = [CurrencyMean(str(row["_id"]), int(row["payments"]), float(row["mean"])) for row in currencies]
        return ExactAnswers(
            seq=up_to_seq,
            payments=sum(verdicts.values()),
            flagged=verdicts.get("flagged", 0),
            merchants=merchants,
            places=places,
            means=tuple(sorted(means, key=lambda one: (-one.payments, one.currency))),
        )

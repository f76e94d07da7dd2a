"""How many documents each store holds: the figures that conservation is judged by.

Documents are counted up to the last complete batch, so the count of what is written once is exact while writing goes on. A replaced
alert and an amended payment carry the number of the newer batch, so all of them are counted as well: the true number lies between both
counts.
"""

from __future__ import annotations

from typing import Any

import msgspec
from elasticsearch import Elasticsearch
from pymongo.database import Database

from storage import elastic, mongo
from storage.documents import Progress
from storage.kinds import (
    AGGREGATES,
    ALERTS,
    DEAD_LETTERS,
    ERASURES,
    GROUPS,
    PROGRESS,
    RELEASES,
    SEARCHABLE,
    TRANSACTIONS,
    Document,
    Kind,
    from_document,
)
from storage.mappings import alias
from veilocity.settings import Settings

__all__ = ["Census", "StoreCount", "take_census"]

_ANSWER_MS = 60_000
"""Counting reads an index through: slow on a large store, and nobody waits for it but an operator."""

_REPLACED: tuple[Kind[Any], ...] = (TRANSACTIONS, ALERTS)


class StoreCount(msgspec.Struct, frozen=True):
    """What one store holds, complete batches only unless said otherwise."""

    transactions: int = 0
    transactions_with_unfinished: int = 0
    """All payments, those touched by a batch that is not complete included."""
    alerts: int = 0
    alerts_with_unfinished: int = 0
    releases: int = 0
    groups: int = 0
    aggregates: int = 0
    refused_transactions: int = 0
    refused_alerts: int = 0
    refused_releases: int = 0
    refused_groups: int = 0
    refused_aggregates: int = 0
    erased_transactions: int = 0
    """Payments that were deleted with their person, or for their age."""
    erased_transactions_with_unfinished: int = 0
    """Those that are being deleted included."""
    erased_alerts: int = 0
    erased_alerts_with_unfinished: int = 0
    """An alert that was deleted may come again with a later revision, and be deleted again: these count each time."""
    erased_releases: int = 0
    erased_releases_with_unfinished: int = 0
    erased_groups: int = 0
    erased_groups_with_unfinished: int = 0
    erased_aggregates: int = 0
    erased_aggregates_with_unfinished: int = 0


class Census(msgspec.Struct, frozen=True):
    """The count of both stores at the same progress."""

    progress: Progress | None
    mongodb: StoreCount
    elasticsearch: StoreCount
    released_payments: int = 0
    """Sum of the payments in MongoDB's releases."""
    erased_payments: int = 0
    """Sum of the payments in releases that were deleted from MongoDB for their age."""
    erased_payments_with_unfinished: int = 0


def take_census(settings: Settings) -> Census:
    """Count both stores.

    Raises:
        StoreUnavailableError: a store does not answer.
    """
    client = mongo.connect(settings, socket_timeout_ms=_ANSWER_MS, patient=True)
    search = elastic.connect(settings, request_timeout_s=_ANSWER_MS / 1000)
    try:
        database: Database[Document] = client[settings.mongodb_database]
        with mongo.translated():
            stored = database[PROGRESS.name].find_one({"_id": "privacy"})
            progress = None if stored is None else from_document(PROGRESS, stored)
            seq = -1 if progress is None else progress.seq
            mongodb = _count_mongodb(database, seq)
            released = _released_payments(database, seq)
            stores = (mongo.MONGODB, elastic.ELASTICSEARCH)
            gone = {store: _refused(database, store, seq) | _erased(database, store) for store in stores}
            payments = _erased_payments(database)
        with elastic.translated():
            found = _count_elasticsearch(search, settings.elasticsearch_index_prefix, seq)
        return Census(
            progress=progress,
            mongodb=StoreCount(**mongodb, **gone[mongo.MONGODB]),
            elasticsearch=StoreCount(**found, **gone[elastic.ELASTICSEARCH]),
            released_payments=released,
            **payments,
        )
    finally:
        client.close()
        search.close()


def _count_mongodb(database: Database[Document], seq: int) -> dict[str, int]:
    finished = {"seq": {"$lte": seq}}
    counts = {kind.name: database[kind.name].count_documents(finished) for kind in SEARCHABLE}
    return counts | {f"{kind.name}_with_unfinished": database[kind.name].count_documents({}) for kind in _REPLACED}


def _count_elasticsearch(client: Elasticsearch, prefix: str, seq: int) -> dict[str, int]:
    # What was acknowledged is durable but found only after a refresh.
    client.indices.refresh(index=[alias(prefix, kind) for kind in SEARCHABLE], ignore_unavailable=True)

    def count(kind: Kind[Any], question: Document) -> int:
        return int(client.count(index=alias(prefix, kind), query=question, ignore_unavailable=True)["count"])

    finished = {"range": {"seq": {"lte": seq}}}
    counts = {kind.name: count(kind, finished) for kind in SEARCHABLE}
    return counts | {f"{kind.name}_with_unfinished": count(kind, {"match_all": {}}) for kind in _REPLACED}


def _released_payments(database: Database[Document], seq: int) -> int:
    pipeline: list[Document] = [{"$match": {"seq": {"$lte": seq}}}, {"$group": {"_id": None, "payments": {"$sum": "$release.payments"}}}]
    for row in database[RELEASES.name].aggregate(pipeline):
        return int(row["payments"])
    return 0


def _refused(database: Database[Document], store: str, seq: int) -> dict[str, int]:
    counts = {}
    for kind in (TRANSACTIONS, ALERTS, RELEASES, GROUPS, AGGREGATES):
        question = {"store": store, "kind": kind.name, "seq": {"$lte": seq}}
        counts[f"refused_{kind.name}"] = database[DEAD_LETTERS].count_documents(question)
    return counts


def _erased(database: Database[Document], store: str) -> dict[str, int]:
    counts = {f"erased_{kind.name}{end}": 0 for kind in SEARCHABLE for end in ("", "_with_unfinished")}
    for step in database[ERASURES].find({"store": store, "kind": {"$in": [kind.name for kind in SEARCHABLE]}}):
        name = f"erased_{step['kind']}"
        counts[f"{name}_with_unfinished"] += step["count"] + step.get("pending", {}).get("count", 0)
        counts[name] += step["count"] if step["done"] else 0
    return counts


def _erased_payments(database: Database[Document]) -> dict[str, int]:
    steps = list(database[ERASURES].find({"store": mongo.MONGODB, "kind": RELEASES.name}))
    counted = sum(step.get("payments", 0) for step in steps)
    pending = sum(step.get("pending", {}).get("payments", 0) for step in steps)
    return {"erased_payments": counted, "erased_payments_with_unfinished": counted + pending}

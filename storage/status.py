"""What the stores say of themselves: schema, sizes, oldest and newest documents, and how long each kind is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from elasticsearch import Elasticsearch, NotFoundError
from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from storage import elastic, mongo
from storage.allowances import Allowances
from storage.capabilities import Capabilities, ask_capabilities
from storage.expiry import ExpiryCounts
from storage.kinds import DEAD_LETTERS, ERASURES, KINDS, PROGRESS, SEARCHABLE, Document, Kind
from storage.mappings import alias, patterns
from storage.migrations import STEPS, Migrator, migrating
from storage.reading import ElasticPages, MongoPages
from storage.retention import keep_days
from storage.verify import Terms, Verification, verify
from veilocity.settings import Settings

__all__ = ["Holding", "StoreStatus", "migrate_stores", "status_of", "verify_stores"]

_ANSWER_MS = 60_000
_T = TypeVar("_T")


class Holding(msgspec.Struct, frozen=True):
    """What one store holds of one kind."""

    documents: int
    bytes: int
    """On the disk, as the store tells it, indexes not counted."""
    oldest_ms: int | None
    newest_ms: int | None
    indices: int = 1


class StoreStatus(msgspec.Struct, frozen=True):
    """Everything that `veilocity storage status` tells."""

    version: int
    """Number of the newest step that this program knows."""
    pending: dict[str, tuple[str, ...]]
    elasticsearch: Capabilities
    keep_days: dict[str, int]
    """By kind; 0 for ever."""
    deleted: dict[str, dict[str, int]]
    """Documents deleted for their age, by store and kind."""
    holdings: dict[str, dict[str, Holding]]


def status_of(settings: Settings) -> StoreStatus:
    """Ask both stores.

    Raises:
        StateError: a store is of a newer program, or its history is another one.
        StoreUnavailableError: a store does not answer.
    """

    def asked(database: Database[Document], search: Elasticsearch, migrator: Migrator) -> StoreStatus:
        prefix = settings.elasticsearch_index_prefix
        return StoreStatus(
            version=STEPS[-1].number,
            pending=migrator.pending(),
            elasticsearch=ask_capabilities(search),
            keep_days=keep_days(settings),
            deleted=ExpiryCounts(database).by_kind(),
            holdings={
                mongo.MONGODB: {kind.name: _in_mongodb(database, kind) for kind in KINDS},
                elastic.ELASTICSEARCH: {kind.name: _in_elasticsearch(search, prefix, kind) for kind in SEARCHABLE},
            },
        )

    return _with_stores(settings, asked)


def migrate_stores(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Bring both stores up to date, whatever `storage_migrate` says; return the steps that were done, by store.

    Raises:
        StateError: a store is of a newer program, or its history is another one.
        StoreUnavailableError: a store does not answer.
        FencedError: this process was silent for so long that another one took over.
    """
    with migrating(settings) as migrator:
        never = threading.Event()
        return {mongo.MONGODB: migrator.migrate_mongodb(never), elastic.ELASTICSEARCH: migrator.migrate_elasticsearch(never)}


def verify_stores(settings: Settings, terms: Terms, pause: Callable[[float], object]) -> Verification:
    """Hold both stores against each other.

    Raises:
        StoreUnavailableError: a store did not answer for a while; the message names the day to go on from.
    """

    def compared(database: Database[Document], search: Elasticsearch, _: Migrator) -> Verification:
        def last_seq() -> int:
            with mongo.translated():
                progress = database[PROGRESS.name].find_one({"_id": "privacy"}, {"seq": 1})
            return -1 if progress is None else int(progress["seq"])

        with mongo.translated():
            allowances = Allowances(list(database[DEAD_LETTERS].find()), list(database[ERASURES].find({}, {"pending.ids": 0})))
        stores = (MongoPages(database), ElasticPages(search, settings.elasticsearch_index_prefix))
        return verify(stores, last_seq, allowances, pause, terms)

    return _with_stores(settings, compared)


def _with_stores(settings: Settings, ask: Callable[[Database[Document], Elasticsearch, Migrator], _T]) -> _T:
    client = mongo.connect(settings, socket_timeout_ms=_ANSWER_MS)
    search = elastic.connect(settings, request_timeout_s=_ANSWER_MS / 1000)
    try:
        database: Database[Document] = client[settings.mongodb_database]
        return ask(database, search, Migrator(database, search, settings.elasticsearch_index_prefix))
    finally:
        client.close()
        search.close()


def _in_mongodb(database: Database[Document], kind: Kind[Any]) -> Holding:
    with mongo.translated():
        if kind.name not in database.list_collection_names(filter={"name": kind.name}):
            return Holding(0, 0, None, None, 0)
        told = database.command("collStats", kind.name)
        ends = [
            one["minute_ms"] if one else None
            for direction in (ASCENDING, DESCENDING)
            for one in (
                database[kind.name].find_one({}, {"minute_ms": 1}, sort=[("minute_ms", direction)]) if kind in SEARCHABLE else None,
            )
        ]
        return Holding(int(told["count"]), int(told["storageSize"]), ends[0], ends[1])


def _in_elasticsearch(search: Elasticsearch, prefix: str, kind: Kind[Any]) -> Holding:
    name = alias(prefix, kind)
    with elastic.translated():
        try:
            stats = search.indices.stats(index=patterns(prefix, kind), metric=["docs", "store"])
        except NotFoundError:
            return Holding(0, 0, None, None, 0)
        if not stats["indices"]:
            return Holding(0, 0, None, None, 0)
        ends = {"oldest": {"min": {"field": "minute_ms"}}, "newest": {"max": {"field": "minute_ms"}}}
        told = search.search(index=name, size=0, aggs=ends, ignore_unavailable=True).get("aggregations", {})
    oldest, newest = (told.get(end, {}).get("value") for end in ("oldest", "newest"))
    primaries = stats["_all"]["primaries"]
    return Holding(
        int(primaries["docs"]["count"]),
        int(primaries["store"]["size_in_bytes"]),
        None if oldest is None else int(oldest),
        None if newest is None else int(newest),
        len(stats["indices"]),
    )

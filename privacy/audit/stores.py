"""Reading both stores to the end as whoever stole them would: every collection of the database and every index of the prefix.

One page of documents is in memory at a time. MongoDB's come in the order in which it keeps them, Elasticsearch's from a point in time, and
from a scroll where the server has none. What is written meanwhile may or may not be met; the progress is read first, so that the documents
of complete batches all are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import scan
from pymongo import MongoClient
from pymongo.database import Database

from privacy.audit.documents import StoredDocument
from storage import elastic, mongo
from storage.kinds import KINDS, PROGRESS, Document
from veilocity.settings import Settings

__all__ = ["StoreContents", "opened"]

_ANSWER_MS = 60_000
_PAGE = 1_000
_KEPT_OPEN = "2m"
_SYSTEM = "system."
_NO_POINT_IN_TIME = frozenset({400, 404, 405})


class StoreContents:
    """Gives all documents of both stores; each call begins anew."""

    def __init__(self, client: MongoClient[Document], database: str, search: Elasticsearch, prefix: str) -> None:
        self._database: Database[Document] = client[database]
        self._search = search
        self._prefix = prefix

    def __call__(self) -> Iterator[StoredDocument]:
        """Read MongoDB, then Elasticsearch.

        Raises:
            StoreUnavailableError: a store does not answer.
        """
        with mongo.translated():
            yield from self._mongodb()
        with elastic.translated():
            yield from self._elasticsearch()

    def _mongodb(self) -> Iterator[StoredDocument]:
        names = [name for name in self._database.list_collection_names() if not name.startswith(_SYSTEM)]
        for name in sorted(names, key=lambda one: (one != PROGRESS.name, one)):
            for place, fields in enumerate(self._database[name].find(batch_size=_PAGE)):
                yield StoredDocument(mongo.MONGODB, name, fields, place, place)

    def _elasticsearch(self) -> Iterator[StoredDocument]:
        pattern = f"{self._prefix}-*"
        # What was acknowledged is durable but found only after a refresh.
        self._search.indices.refresh(index=pattern, ignore_unavailable=True, allow_no_indices=True)
        for index in sorted(self._search.indices.get(index=pattern, ignore_unavailable=True, allow_no_indices=True)):
            kind = _kind(index.removeprefix(f"{self._prefix}-"))
            for place, hit in enumerate(self._hits(index)):
                yield StoredDocument(elastic.ELASTICSEARCH, kind, {**hit["_source"], "_id": hit["_id"]}, place, hit.get("_seq_no", place))

    def _hits(self, index: str) -> Iterator[dict[str, Any]]:
        try:
            opened_point = self._search.open_point_in_time(index=index, keep_alive=_KEPT_OPEN)["id"]
        except ApiError as cause:
            if cause.status_code not in _NO_POINT_IN_TIME:
                raise
            yield from scan(self._search, index=index, size=_PAGE, query={"query": {"match_all": {}}, "seq_no_primary_term": True})
            return
        try:
            yield from self._pages(opened_point)
        finally:
            self._search.close_point_in_time(id=opened_point)

    def _pages(self, point: str) -> Iterator[dict[str, Any]]:
        after: list[Any] | None = None
        while True:
            answer = self._search.search(
                size=_PAGE,
                pit={"id": point, "keep_alive": _KEPT_OPEN},
                sort=["_shard_doc"],
                search_after=after,
                seq_no_primary_term=True,
                track_total_hits=False,
            )
            hits = answer["hits"]["hits"]
            yield from hits
            if len(hits) < _PAGE:
                return
            after = hits[-1]["sort"]


@contextmanager
def opened(settings: Settings) -> Iterator[StoreContents]:
    """Give the contents of both stores, and let the connections go afterwards.

    Raises:
        SettingsError: an address of a store cannot be read.
    """
    client = mongo.connect(settings, socket_timeout_ms=_ANSWER_MS, patient=True)
    search = elastic.connect(settings, request_timeout_s=_ANSWER_MS / 1000)
    try:
        yield StoreContents(client, settings.mongodb_database, search, settings.elasticsearch_index_prefix)
    finally:
        client.close()
        search.close()


def _kind(rest: str) -> str:
    """Return the kind that an index without its prefix holds: that of ours by its first word, of others the whole name."""
    first = rest.partition("-")[0]
    return first if any(kind.name == first for kind in KINDS) else rest

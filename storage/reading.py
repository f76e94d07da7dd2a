"""Reading one kind of document of one store to the end, a stretch of time at a time: what verification is made of.

Which days hold anything is asked first, in one grouped question. A stretch is then read from the index on `minute_ms`; it is small, may be
read again when the connection broke, and one page of it is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from pymongo.database import Database

from storage import elastic, mongo
from storage.kinds import Document, Kind
from storage.mappings import alias

__all__ = ["DAY_MS", "ElasticPages", "MongoPages", "Pages"]

DAY_MS = 86_400_000
_PAGE = 1_000


class Pages(Protocol):
    """One store; every method raises `StoreUnavailableError` when it does not answer, and may be repeated."""

    name: str

    def days(self, kind: Kind[Any]) -> dict[int, int]:
        """Return how many documents there are by the start of their day in UTC, in milliseconds."""
        ...

    def between(self, kind: Kind[Any], from_ms: int, until_ms: int) -> Iterator[Document]:
        """Give the documents with `from_ms <= minute_ms < until_ms` in no order, without what one store alone has."""
        ...


class MongoPages:
    """MongoDB."""

    name = mongo.MONGODB

    def __init__(self, database: Database[Document]) -> None:
        """Take the database of documents."""
        self._database = database

    def days(self, kind: Kind[Any]) -> dict[int, int]:
        """Return how many documents there are by day; the server reads the collection through."""
        day = {"$subtract": ["$minute_ms", {"$mod": ["$minute_ms", DAY_MS]}]}
        with mongo.translated():
            return {
                int(row["_id"]): int(row["n"]) for row in self._database[kind.name].aggregate([{"$group": {"_id": day, "n": {"$sum": 1}}}])
            }

    def between(self, kind: Kind[Any], from_ms: int, until_ms: int) -> Iterator[Document]:
        """Give the documents of a stretch."""
        hidden = dict.fromkeys(kind.unsearched, 0) or None
        with mongo.translated():
            yield from self._database[kind.name].find({"minute_ms": {"$gte": from_ms, "$lt": until_ms}}, hidden, batch_size=_PAGE)


class ElasticPages:
    """Elasticsearch."""

    name = elastic.ELASTICSEARCH

    def __init__(self, client: Elasticsearch, prefix: str) -> None:
        """Take the cluster and the prefix of its indices."""
        self._client = client
        self._prefix = prefix

    def days(self, kind: Kind[Any]) -> dict[int, int]:
        """Return how many documents there are by day, after a refresh: what was acknowledged is durable but found only then."""
        name = alias(self._prefix, kind)
        after: Document = {}
        found: dict[int, int] = {}
        with elastic.translated():
            self._client.indices.refresh(index=name, ignore_unavailable=True)
            while True:
                days = {"sources": [{"day": {"date_histogram": {"field": "minute_ms", "fixed_interval": "1d"}}}], "size": _PAGE, **after}
                answer = self._client.search(index=name, size=0, aggs={"days": {"composite": days}}, ignore_unavailable=True)
                # A cluster without any index of the kind answers without the aggregation.
                told = answer.get("aggregations", {}).get("days", {"buckets": []})
                found |= {int(bucket["key"]["day"]): int(bucket["doc_count"]) for bucket in told["buckets"]}
                if "after_key" not in told:
                    return found
                after = {"after": told["after_key"]}

    def between(self, kind: Kind[Any], from_ms: int, until_ms: int) -> Iterator[Document]:
        """Give the documents of a stretch."""
        name = alias(self._prefix, kind)
        question = {"query": {"range": {"minute_ms": {"gte": from_ms, "lt": until_ms, "format": "epoch_millis"}}}}
        with elastic.translated():
            self._client.indices.refresh(index=name, ignore_unavailable=True)
            for hit in scan(self._client, query=question, index=name, size=_PAGE, ignore_unavailable=True):
                yield {**hit["_source"], "_id": hit["_id"]}

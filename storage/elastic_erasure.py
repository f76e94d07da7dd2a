"""A person's documents in Elasticsearch, found by tokens over all months and deleted by id in bulk requests, without any by-query call.

A payment is deleted with a version above any that it can get: for a minute (`index.gc_deletes`) Elasticsearch remembers it, so that an
amendment that was being written at that moment does not bring the payment back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from elasticsearch.helpers import scan, streaming_bulk

from storage.elastic import ELASTICSEARCH, connect, translated
from storage.kinds import ALERTS, GROUPS, TRANSACTIONS, Document, Kind
from storage.mappings import alias
from storage.mongo_erasure import CHUNK, SPANS, THINGS
from veilocity.errors import StoreUnavailableError
from veilocity.settings import Settings

__all__ = ["ElasticEraser"]

_KINDS: dict[str, Kind[Any]] = {kind.name: kind for kind in (ALERTS, TRANSACTIONS, GROUPS)}
_ANSWER_S = 60.0
_LAST_VERSION = 2**62
_DONE = frozenset({200, 404, 409})
"""Deleted now, gone before, or gone with this very version."""
_PAGE = 1_000


class ElasticEraser:
    """Elasticsearch as `storage.erasure` needs it."""

    name = ELASTICSEARCH

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the address cannot be read.
        """
        self._prefix = settings.elasticsearch_index_prefix
        self._client = connect(settings, request_timeout_s=_ANSWER_S)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds about one person, payments last."""
        return ALERTS.name, TRANSACTIONS.name

    def span_ms(self) -> tuple[int, int] | None:
        """Return the oldest and newest time in any document about a person."""
        times: list[int] = []
        for kind in self.kinds():
            for field in SPANS[kind]:
                for order in ("asc", "desc"):
                    hits = self._hits(kind, {"exists": {"field": field}}, 1, sort=[{field: {"order": order, "unmapped_type": "date"}}])
                    times += [int(hit["sort"][0]) for hit in hits]
        return (min(times), max(times)) if times else None

    def found(self, kind: str, subjects: Sequence[str], limit: int, up_to_seq: int | None = None) -> list[tuple[str, str, int]]:
        """Return id, index and time of at most `limit` documents of a person."""
        found: list[tuple[str, str, int]] = []
        for question in _questions(subjects, up_to_seq):
            hits = self._hits(kind, question, limit - len(found), source=["minute_ms"])
            found += [(hit["_id"], hit["_index"], int(hit["_source"]["minute_ms"])) for hit in hits]
            if len(found) >= limit:
                break
        return found

    def things(self, subjects: Sequence[str]) -> set[str]:
        """Return the tokens of the cards, devices and users in a person's payments."""
        return {
            str(hit["_source"][name])
            for question in _questions(subjects, None)
            for hit in self._all(TRANSACTIONS.name, question, list(THINGS))
            for name in THINGS
            if hit["_source"].get(name)
        }

    def ids(self, kind: str, subjects: Sequence[str]) -> set[str]:
        """Return the ids of all documents of a person."""
        return {hit["_id"] for question in _questions(subjects, None) for hit in self._all(kind, question, ["seq"])}

    def count(self, kind: str, subjects: Sequence[str]) -> int:
        """Return how many documents of a person are there."""
        self._refresh(kind)
        with translated():
            return sum(
                int(self._client.count(index=self._alias(kind), query=question, ignore_unavailable=True)["count"])
                for question in _questions(subjects, None)
            )

    def delete(self, kind: str, ids: Sequence[tuple[str, str]]) -> None:
        """Delete documents by id and index.

        Raises:
            StoreUnavailableError: one could not be deleted now.
        """
        last = {"version": _LAST_VERSION, "version_type": "external"} if kind == TRANSACTIONS.name else {}
        actions = [{"_op_type": "delete", "_index": index, "_id": identity, **last} for identity, index in ids]
        with translated():
            for _, result in streaming_bulk(self._client, actions, chunk_size=len(actions) or 1, raise_on_error=False, max_retries=0):
                status = result["delete"]["status"]
                if status not in _DONE:
                    raise StoreUnavailableError(f"Elasticsearch cannot delete now ({status}): is it read-only? Run the command again")
        self._refresh(kind)

    def groups_of(self, payments: Sequence[str], up_to_seq: int) -> list[tuple[Document, str]]:
        """Return each group that names one of the payments, and its index."""
        question = {"bool": {"filter": [{"terms": {"members": list(payments)}}, {"range": {"seq": {"lte": up_to_seq}}}]}}
        return [({**hit["_source"], "_id": hit["_id"]}, hit["_index"]) for hit in self._all(GROUPS.name, question, True)]

    def put_group(self, group: Document, index: str) -> None:
        """Store a group under its id."""
        with translated():
            fields = {name: value for name, value in group.items() if name != "_id"}
            self._client.index(index=index, id=group["_id"], document=fields)
        self._refresh(GROUPS.name)

    def naming(self, things: Sequence[str], subjects: Sequence[str]) -> int:
        """Return how many payments of other people name one of these cards, devices or users."""
        count = 0
        self._refresh(TRANSACTIONS.name)
        for start in range(0, len(things), CHUNK):
            some = [{"terms": {name: list(things[start : start + CHUNK])}} for name in THINGS]
            others = [{"terms": {"subject": list(subjects[first : first + CHUNK])}} for first in range(0, len(subjects), CHUNK)]
            question = {"bool": {"should": some, "minimum_should_match": 1, "must_not": others}}
            with translated():
                answer = self._client.count(index=self._alias(TRANSACTIONS.name), query=question, ignore_unavailable=True)
            count += int(answer["count"])
        return count

    def _all(self, kind: str, question: Document, fields: list[str] | bool) -> Iterator[Document]:
        """Give every document that a question finds."""
        self._refresh(kind)
        with translated():
            wanted = {"query": question, "_source": fields}
            yield from scan(self._client, index=self._alias(kind), query=wanted, size=_PAGE, ignore_unavailable=True)

    def _hits(self, kind: str, question: Document, size: int, **options: Any) -> list[Document]:
        self._refresh(kind)
        with translated():
            answer = self._client.search(index=self._alias(kind), query=question, size=size, ignore_unavailable=True, **options)
            return list(answer["hits"]["hits"])

    def _refresh(self, kind: str) -> None:
        # What was acknowledged is durable but found only after a refresh.
        with translated():
            self._client.indices.refresh(index=self._alias(kind), ignore_unavailable=True)

    def _alias(self, kind: str) -> str:
        return alias(self._prefix, _KINDS[kind])


def _questions(subjects: Sequence[str], up_to_seq: int | None) -> Iterator[Document]:
    finished = [] if up_to_seq is None else [{"range": {"seq": {"lte": up_to_seq}}}]
    for start in range(0, len(subjects), CHUNK):
        yield {"bool": {"filter": [{"terms": {"subject": list(subjects[start : start + CHUNK])}}, *finished]}}

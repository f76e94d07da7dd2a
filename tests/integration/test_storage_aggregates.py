"""Counts with noise in real stores: written once whatever is offered later, the same in both, and read newest first."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h3
import msgspec
import pytest
from elasticsearch import BadRequestError, Elasticsearch
from elasticsearch.helpers import scan
from pymongo import MongoClient

from privacy.aggregates import AggregateState, Aggregator
from privacy.differential.counts import HOUR_MS, Window
from privacy.policies.model import Aggregates
from storage.census import take_census
from storage.documents import AggregateDocument, MaskedBatch, Progress
from storage.elastic import ElasticStore
from storage.kinds import AGGREGATES, Document, from_document, to_document
from storage.mappings import alias, index_name
from storage.migrations import prepare_stores
from storage.mongo import MongoStore
from storage.queries import Reader
from veilocity.settings import Settings

pytestmark = pytest.mark.services

START_MS = 1_796_083_200_000 - 2 * HOUR_MS
"""Two hours before December 2026 in UTC."""
POLICY = Aggregates(epsilon=1.0, delta=1e-6, contributions=2, cell_resolution=5, horizon_days=1)
CELLS = tuple(sorted(h3.latlng_to_cell(51.5, degrees, 5) for degrees in (-0.12, 2.35, 9.99)))
PER_WINDOW = 1 + len(CELLS)


class _Nowhere:
    """Keeps nothing: every call draws anew."""

    def load(self, window: Window) -> bytes | None:
        return None

    def save(self, window: Window, data: bytes) -> None:
        """Nothing is kept."""


def published(windows: int, limit: float | None = None) -> list[tuple[AggregateDocument, ...]]:
    """Return the documents of some empty windows, drawn anew by every call; batch n writes window n."""
    aggregator = Aggregator(msgspec.structs.replace(POLICY, person_epsilon=limit), "p", bytes(32), public_cells=CELLS)
    state: AggregateState = aggregator.begin(START_MS)
    found = []
    for seq, window in enumerate(aggregator.due(state, START_MS + windows * HOUR_MS)):
        state, documents = aggregator.closed(state, [], window, seq, _Nowhere())
        found.append(documents)
    return found


class Stores:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.mongo = MongoStore(settings)
        self.elastic = ElasticStore(settings)
        prepare_stores(settings, threading.Event())

    def write(self, seq: int, documents: tuple[AggregateDocument, ...], *, progress: bool = True) -> None:
        batch = MaskedBatch(progress=Progress(id="privacy", seq=seq, event_ms=START_MS + seq * HOUR_MS), aggregates=documents)
        assert self.mongo.write(batch) == []
        assert self.elastic.write(batch) == []
        if progress:
            self.mongo.write_progress(batch.progress)

    def in_mongodb(self) -> dict[str, Document]:
        with _client(self.settings) as client:
            return {row.pop("_id"): row for row in client[self.settings.mongodb_database][AGGREGATES.name].find()}

    def in_elasticsearch(self) -> dict[str, tuple[str, Document]]:
        """Return index and content by id."""
        with Elasticsearch(self.settings.elasticsearch_url) as client:
            name = alias(self.settings.elasticsearch_index_prefix, AGGREGATES)
            client.indices.refresh(index=name)
            return {hit["_id"]: (hit["_index"], hit["_source"]) for hit in scan(client, query={"query": {"match_all": {}}}, index=name)}


@contextmanager
def _client(settings: Settings) -> Iterator[MongoClient[Document]]:
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri.get_secret_value())
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def stores(service_settings: Settings) -> Iterator[Stores]:
    stores = Stores(service_settings)
    yield stores
    stores.mongo.close()
    stores.elastic.close()


@pytest.fixture
def reader(service_settings: Settings) -> Iterator[Reader]:
    reader = Reader(service_settings)
    yield reader
    reader.close()


def test_both_stores_hold_what_was_drawn_first_whatever_is_offered_later(stores: Stores) -> None:
    first, again = published(3), published(3)
    assert first != again, "noise was not drawn anew"
    for seq, documents in enumerate(first):
        stores.write(seq, documents)
    before = stores.in_mongodb(), stores.in_elasticsearch()
    for other in (first, again):
        for seq, documents in enumerate(other):
            stores.write(seq, documents)
    assert (stores.in_mongodb(), stores.in_elasticsearch()) == before
    drawn = {one.id: one for documents in first for one in documents}
    assert {identity: from_document(AGGREGATES, {"_id": identity, **content}) for identity, content in before[0].items()} == drawn
    assert json.loads(json.dumps(before[0])) == {identity: content for identity, (_, content) in before[1].items()}
    assert len(drawn) == 3 * PER_WINDOW
    # Each window in the index of its month.
    months = [index for index, content in before[1].values() if content["cell"] == "*"]
    november, december = (index_name(stores.settings.elasticsearch_index_prefix, AGGREGATES, cut) for cut in ("2026.11", "2026.12"))
    assert sorted(months) == [november, november, december]


def test_the_newest_windows_come_first_and_each_whole_before_its_cells(stores: Stores, reader: Reader) -> None:
    assert reader.aggregates(10) == []
    # The last window is refused: the stores take its one document like any other.
    windows = published(20, limit=19.0)
    assert [one.refused for one in windows[-1]] == [True]
    for seq, documents in enumerate(windows):
        stores.write(seq, documents)
    newest_first = [one for documents in reversed(windows) for one in documents]
    assert reader.aggregates(1_000) == newest_first
    for count in (0, 1, 2, 9, 19):
        assert reader.aggregates(1 + count * PER_WINDOW) == newest_first[: 1 + count * PER_WINDOW]
    since_ms = START_MS + 10 * HOUR_MS
    assert reader.aggregates(1_000, since_minute_ms=since_ms) == newest_first[: 1 + 9 * PER_WINDOW]
    assert reader.aggregates(1_000, since_minute_ms=since_ms + 60_000) == newest_first[: 1 + 8 * PER_WINDOW]


def test_a_batch_that_is_not_complete_is_not_shown(stores: Stores, reader: Reader) -> None:
    windows = published(3)
    first, second = windows[0], tuple(msgspec.structs.replace(one, seq=1) for documents in windows[1:] for one in documents)
    stores.write(0, first)
    stores.write(1, second, progress=False)
    for limit in (1, 2, PER_WINDOW, 100):
        assert len(reader.aggregates(limit)) == min(limit, PER_WINDOW), "what is hidden takes no place of what is shown"
    assert reader.aggregates(100) == list(first)
    counted = take_census(stores.settings)
    assert (counted.mongodb.aggregates, counted.elasticsearch.aggregates) == (PER_WINDOW, PER_WINDOW)
    stores.write(1, second)
    assert reader.aggregates(100) == [*sorted(second, key=lambda one: (-one.window_start_ms, one.id)), *first]
    counted = take_census(stores.settings)
    assert (counted.mongodb.aggregates, counted.elasticsearch.aggregates) == (3 * PER_WINDOW, 3 * PER_WINDOW)


def test_neither_store_takes_an_undeclared_field_or_a_missing_one(stores: Stores) -> None:
    ((document, *_),) = published(1)
    refused = stores.mongo.write(MaskedBatch(Progress(id="privacy", seq=0), aggregates=(msgspec.structs.replace(document, terms=None),)))
    assert [(one.kind, one.id) for one in refused] == [("aggregates", document.id)]
    stranger: dict[str, Any] = to_document(AGGREGATES, document) | {"people": 3}
    del stranger["_id"]
    name = index_name(stores.settings.elasticsearch_index_prefix, AGGREGATES, "2026.11")
    with Elasticsearch(stores.settings.elasticsearch_url) as client, pytest.raises(BadRequestError, match="strict_dynamic_mapping"):
        client.index(index=name, document=stranger)

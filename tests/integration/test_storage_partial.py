"""Real answers of real stores to bulks that go wrong in part: who is at fault is found out document by document, and nobody else pays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from time import monotonic, sleep

import msgspec
import pytest
from elasticsearch import Elasticsearch
from prometheus_client import REGISTRY
from pymongo import MongoClient
from pymongo.database import Database

from devstack.environment import changed
from storage.documents import MaskedBatch
from storage.elastic import ElasticStore
from storage.kinds import ALERTS, TRANSACTIONS, Document
from storage.mappings import alias, index_name
from storage.mongo import MongoStore
from storage.reports import ReportDocument, ReportStore
from storage.segments import SegmentsDocument
from storage.segments_writer import SegmentStore
from storage.vault import SubjectKeys
from storage.writers import StoreWriter
from tests.integration.slow_proxy import SlowProxy, Weather
from tests.integration.storage_world import (
    START_MS,
    batch,
    both,
    elasticsearch_dump,
    mongodb_dump,
    token,
    transaction,
    writing,
)
from veilocity.errors import StateError, StoreUnavailableError
from veilocity.settings import Settings

pytestmark = pytest.mark.services
_MONTH_MS = 31 * 86_400_000


def _retries(store: str) -> float:
    return REGISTRY.get_sample_value("veilocity_store_retries_total", {"store": store}) or 0.0


def _eventually(ask: Callable[[], bool], what: str) -> None:
    deadline = monotonic() + 60.0
    while not ask():
        assert monotonic() < deadline, f"never: {what}"
        sleep(0.02)


@contextmanager
def waiting(writer: StoreWriter, one: MaskedBatch, store: str) -> Iterator[Future[None]]:
    """Write a batch in another thread, and go on once the writer has waited for a store some times."""
    with ThreadPoolExecutor(1) as threads:
        before = _retries(store)
        work = threads.submit(writer.write, both(one))
        _eventually(lambda: _retries(store) >= before + 3, "the writer waits")
        assert not work.done()
        yield work
        work.result(timeout=60)


def _dead_letters(settings: Settings) -> dict[str, str]:
    with MongoClient[Document](settings.mongodb_uri.get_secret_value()) as client:
        return {row["_id"]: row["reason"] for row in client[settings.mongodb_database]["dead_letters"].find()}


def test_an_index_that_is_full_holds_up_its_own_documents_alone(service_settings: Settings) -> None:
    """What a disk above its flood stage does to an index, done by hand."""
    prefix = service_settings.elasticsearch_index_prefix
    index = index_name(prefix, TRANSACTIONS, "2026.11")
    with writing(service_settings) as writer, Elasticsearch(service_settings.elasticsearch_url) as client:
        writer.write(both(batch(0)))
        client.indices.put_settings(index=index, settings={"index.blocks.read_only_allow_delete": True})
        with waiting(writer, batch(1), "elasticsearch"):
            held = elasticsearch_dump(service_settings)
            assert (len(held["transactions"]), len(held["alerts"])) == (20, 4)
            client.indices.put_settings(index=index, settings={"index.blocks.read_only_allow_delete": None})
    assert len(elasticsearch_dump(service_settings)["transactions"]) == 40
    assert _dead_letters(service_settings) == {}


def test_a_closed_index_is_no_fault_of_its_documents(service_settings: Settings) -> None:
    index = index_name(service_settings.elasticsearch_index_prefix, ALERTS, "")
    with writing(service_settings) as writer, Elasticsearch(service_settings.elasticsearch_url) as client:
        writer.write(both(batch(0)))
        client.indices.close(index=index)
        with waiting(writer, batch(1), "elasticsearch"):
            client.indices.open(index=index)
    assert len(elasticsearch_dump(service_settings)["alerts"]) == 4
    assert _dead_letters(service_settings) == {}


def test_a_cluster_without_room_for_a_new_month_makes_its_documents_wait(service_settings: Settings) -> None:
    later = tuple(transaction(100 + number, 1, START_MS + _MONTH_MS) for number in range(5))
    with writing(service_settings) as writer, Elasticsearch(service_settings.elasticsearch_url) as client:
        writer.write(both(batch(0)))
        client.cluster.put_settings(persistent={"cluster.max_shards_per_node": 1})
        try:
            with waiting(writer, msgspec.structs.replace(batch(1), transactions=later), "elasticsearch"):
                client.cluster.put_settings(persistent={"cluster.max_shards_per_node": None})
        finally:
            client.cluster.put_settings(persistent={"cluster.max_shards_per_node": None})
    assert len(elasticsearch_dump(service_settings)["transactions"]) == 25
    assert _dead_letters(service_settings) == {}


def test_a_key_that_is_taken_in_somebody_elses_index_is_told_and_not_taken_for_done(service_settings: Settings) -> None:
    with writing(service_settings) as writer:
        with _database(service_settings) as database:
            database["transactions"].create_index("merchant", unique=True, name="mine")
        writer.write(both(msgspec.structs.replace(batch(0, payments=0), transactions=tuple(transaction(n, 0) for n in (1, 2, 8)))))
    assert mongodb_dump(service_settings)["transactions"].keys() == {token("transaction", 1), token("transaction", 2)}
    assert _dead_letters(service_settings) == {f"mongodb:transactions:{token('transaction', 8)}": "code 11000 of another index"}


def test_a_document_that_is_too_large_costs_only_itself(service_settings: Settings) -> None:
    huge = msgspec.structs.replace(transaction(2, 0), merchant="m" * (17 << 20))
    with writing(service_settings):
        pass
    store = MongoStore(service_settings)
    refused = store.write(msgspec.structs.replace(batch(0, payments=0), transactions=(transaction(1, 0), huge, transaction(3, 0))))
    store.close()
    assert [(one.kind, one.id, one.reason) for one in refused] == [("transactions", huge.id, "too large for a document")]
    assert mongodb_dump(service_settings)["transactions"].keys() == {token("transaction", 1), token("transaction", 3)}


def test_a_mapping_that_fits_nothing_stops_instead_of_ending_in_dead_letters(service_settings: Settings) -> None:
    name = alias(service_settings.elasticsearch_index_prefix, TRANSACTIONS)
    with writing(service_settings) as writer, Elasticsearch(service_settings.elasticsearch_url) as client:
        client.indices.create(index=f"{name}-2026.12", mappings={"dynamic": "strict", "properties": {"merchant": {"type": "geo_point"}}})
        later = tuple(transaction(number, 1, START_MS + _MONTH_MS) for number in range(120))
        with pytest.raises(StateError, match="elasticsearch refuses every document"):
            writer.write(both(msgspec.structs.replace(batch(1, payments=0, alerts=0), transactions=later, releases=(), groups=())))
    assert _dead_letters(service_settings) == {}


@contextmanager
def _database(settings: Settings) -> Iterator[Database[Document]]:
    with MongoClient[Document](settings.mongodb_uri.get_secret_value()) as client:
        yield client[settings.mongodb_database]


def test_work_that_was_done_without_an_answer_is_done_once(service_settings: Settings) -> None:
    """Every answer breaks off in the middle: what was written is written, and nobody was told."""
    with (
        writing(service_settings),
        SlowProxy(service_settings.mongodb_uri.get_secret_value()) as mongodb,
        SlowProxy(service_settings.elasticsearch_url) as elasticsearch,
    ):
        behind = changed(service_settings, mongodb_uri=mongodb.address, elasticsearch_url=elasticsearch.address)
        writer = StoreWriter(behind)
        writer.write(both(batch(0)))
        for proxy in (mongodb, elasticsearch):
            proxy.weather = Weather(cut_share=1.0)
        with waiting(writer, batch(1), "elasticsearch"):
            _eventually(lambda: mongodb.seen["cut"] >= 2, "MongoDB breaks off")
            _eventually(lambda: len(elasticsearch_dump(service_settings)["transactions"]) == 40, "the work is done")
            for proxy in (mongodb, elasticsearch):
                proxy.weather = Weather()
        writer.close()
    assert len(mongodb_dump(service_settings)["transactions"]) == len(elasticsearch_dump(service_settings)["transactions"]) == 40
    assert _dead_letters(service_settings) == {}


@pytest.mark.parametrize("store", ["mongodb", "elasticsearch"])
def test_a_store_too_slow_for_a_full_chunk_is_given_smaller_ones(service_settings: Settings, store: str) -> None:
    """A full chunk needs several times as long as an answer is waited for: the same chunk again would never be written."""
    with writing(service_settings):
        pass
    address = service_settings.mongodb_uri.get_secret_value() if store == "mongodb" else service_settings.elasticsearch_url
    offered = msgspec.structs.replace(batch(0, payments=400), alerts=(), positions=(), sample=None, sketches=None)
    with SlowProxy(address) as proxy:
        behind = changed(service_settings, **{"mongodb_uri" if store == "mongodb" else "elasticsearch_url": proxy.address})
        slow = MongoStore(behind, socket_timeout_ms=1_500) if store == "mongodb" else ElasticStore(behind, request_timeout_s=1.5)
        # Some 250 kB in all: twice as long as an answer is waited for.
        proxy.weather = Weather(bytes_per_s=80_000.0)
        work, attempts = slow.begin(offered), 0
        while True:
            attempts += 1
            assert attempts < 100
            try:
                assert work.go_on() == []
                break
            except StoreUnavailableError:
                continue
        slow.close()
    assert attempts > 1
    dump = mongodb_dump(service_settings) if store == "mongodb" else elasticsearch_dump(service_settings)
    assert len(dump["transactions"]) == 400


def test_a_server_that_fails_inside_is_waited_for_whatever_it_is_asked(service_settings: Settings) -> None:
    """As on a full disk; before a write is repeated, a transaction that only reads is tried, and may fail alike."""
    with writing(service_settings), SlowProxy(service_settings.mongodb_uri.get_secret_value()) as proxy:
        store = MongoStore(changed(service_settings, mongodb_uri=proxy.address))
        proxy.weather = Weather(refuses=1, refuses_reads=True)
        work = store.begin(batch(0))
        for _ in range(3):
            with pytest.raises(StoreUnavailableError, match="disk full"):
                work.go_on()
        proxy.weather = Weather()
        assert work.go_on() == []
        store.close()
    assert len(mongodb_dump(service_settings)["transactions"]) == 20


def test_each_keeper_takes_a_server_that_fails_inside_for_one_that_comes_back(service_settings: Settings) -> None:
    with SlowProxy(service_settings.mongodb_uri.get_secret_value()) as proxy:
        proxy.weather = Weather(refuses=1)
        behind = changed(service_settings, mongodb_uri=proxy.address)
        report = ReportDocument("frauds:0", "frauds", 0, 120_000, 7)
        with closing(SubjectKeys(behind)) as keys, closing(ReportStore(behind)) as reports, SegmentStore(behind) as segments:
            writes: list[Callable[[], object]] = [
                lambda: keys.get_or_create("somebody", b"wrapped"),
                lambda: keys.erase("somebody"),
                lambda: reports.write([report]),
                lambda: segments.write(SegmentsDocument(0, 3_600_000, 9, 0, 5, ())),
            ]
            for write in writes:
                with pytest.raises(StoreUnavailableError, match="disk full"):
                    write()

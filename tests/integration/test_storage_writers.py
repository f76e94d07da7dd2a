"""Writing into real stores: twice is once, order does not matter, both hold the same, and what cannot be stored is told."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from elasticsearch import BadRequestError, Elasticsearch
from pymongo import MongoClient
from pymongo.errors import WriteError

from storage.census import take_census
from storage.documents import MaskedBatch, Place, Progress, Sample
from storage.elastic import ELASTICSEARCH
from storage.kinds import ALERTS, DEAD_LETTERS, POSITIONS, SCHEMA, TRANSACTIONS, Document, from_document, to_document
from storage.mappings import MAPPING_VERSION, alias, template
from storage.migrations import STEPS
from storage.mongo import MONGODB
from storage.writers import StoreWriter
from tests.integration.storage_world import (
    FAR,
    START_MS,
    alert,
    batch,
    both,
    elasticsearch_dump,
    minute,
    mongodb_contents,
    mongodb_dump,
    position,
    token,
    transaction,
    writing,
)
from veilocity.errors import StateError
from veilocity.settings import Settings

pytestmark = pytest.mark.services


def _alone(seq: int, **parts: object) -> MaskedBatch:
    return MaskedBatch(progress=Progress(id="privacy", seq=seq), **parts)  # type: ignore[arg-type]  # the fields of MaskedBatch


def test_a_batch_written_again_changes_no_byte(service_settings: Settings) -> None:
    with writing(service_settings) as writer:
        for seq in range(3):
            writer.write(both(batch(seq)))
        before = mongodb_dump(service_settings), elasticsearch_dump(service_settings)
        for seq in (2, 0, 1, 2):
            writer.write(both(batch(seq)))
        assert (mongodb_dump(service_settings), elasticsearch_dump(service_settings)) == before
    assert len(before[0]["transactions"]) == len(before[1]["transactions"]) == 60


def test_both_stores_hold_the_same_documents(service_settings: Settings) -> None:
    with writing(service_settings) as writer:
        for seq in range(3):
            writer.write(both(batch(seq)))
    in_elasticsearch = {
        kind: {identity: content for identity, (_, content) in held.items()} for kind, held in elasticsearch_dump(service_settings).items()
    }
    in_mongodb = mongodb_contents(service_settings)
    assert json.loads(json.dumps(in_mongodb)) == in_elasticsearch
    assert {kind: len(held) for kind, held in in_mongodb.items() if held} == {"transactions": 60, "alerts": 6, "releases": 3, "groups": 3}


def test_each_store_gets_its_own_batch_and_mongodb_alone_what_is_sealed(service_settings: Settings) -> None:
    sealed = msgspec.structs.replace(alert(1, 0), sealed="c2VhbGVk")
    record, search = _alone(0, alerts=(sealed,), sample=Sample("sample", 0, 1, ())), _alone(0, alerts=(alert(2, 0),))
    with writing(service_settings) as writer:
        writer.write({MONGODB: record, ELASTICSEARCH: search})
        writer.write({MONGODB: _alone(1), ELASTICSEARCH: _alone(1, alerts=(msgspec.structs.replace(sealed, seq=1),))})
    assert mongodb_dump(service_settings)["alerts"].keys() == {sealed.id}
    assert b"c2VhbGVk" in mongodb_dump(service_settings)["alerts"][sealed.id]
    found = elasticsearch_dump(service_settings)["alerts"]
    assert found.keys() == {alert(2, 0).id, sealed.id}
    assert not any("sealed" in source for _, source in found.values())
    assert take_census(service_settings).elasticsearch.refused_alerts == 0


def test_positions_of_a_period_that_ended_are_deleted_and_later_ones_stay(service_settings: Settings) -> None:
    turned = _alone(1, positions=(position(2, 1, minute(20)),), forget_positions_before_ms=minute(20))
    with writing(service_settings) as writer:
        writer.write(both(_alone(0, positions=(position(0, 0, minute(19)), position(1, 0, minute(20))))))
        for _ in range(2):
            writer.write(both(turned))
            assert mongodb_dump(service_settings)["positions"].keys() == {token("subject", 1), token("subject", 2)}


def test_the_highest_revision_of_an_alert_holds_in_whatever_order_they_come(service_settings: Settings) -> None:
    orders = list(itertools.permutations((1, 2, 3)))
    with writing(service_settings) as writer:
        for number, order in enumerate(orders):
            for seq, revision in enumerate(order):
                writer.write(both(_alone(seq, alerts=(alert(number, revision, revision),))))
        # All of them in one batch, and each twice.
        writer.write(both(_alone(9, alerts=tuple(alert(99, 9, revision) for revision in (2, 1, 3, 3, 1)))))
    numbers = [*range(len(orders)), 99]
    mongodb = mongodb_contents(service_settings)["alerts"]
    elasticsearch = elasticsearch_dump(service_settings)["alerts"]
    assert [mongodb[token("alert", number)]["revision"] for number in numbers] == [3] * len(numbers)
    assert [elasticsearch[token("alert", number)][0] for number in numbers] == [3] * len(numbers)
    newest = from_document(ALERTS, mongodb[token("alert", 99)] | {"_id": token("alert", 99)})
    assert newest == alert(99, 9, 3)


@pytest.mark.parametrize("transactions", [True, False], ids=["in a transaction", "one by one"])
def test_a_position_is_replaced_by_a_later_minute_or_a_later_batch_only(service_settings: Settings, transactions: bool) -> None:
    moves = (
        position(0, 5, minute(10)),
        position(0, 6, minute(9), FAR),  # an old minute that comes late
        position(0, 4, minute(10), FAR),  # the same minute of an earlier batch
        position(0, 5, minute(10), FAR),  # the same batch again
        position(0, 6, minute(10)),  # a later batch that has seen the same minute and place
    )
    with writing(service_settings) as writer:
        writer._mongo._transactions = transactions and writer._mongo._has_transactions()
        for seq, move in enumerate(moves):
            writer.write(both(_alone(seq, positions=(move,))))
        assert _position(service_settings) == moves[0]
        later_batch = position(0, 7, minute(10), FAR)
        writer.write(both(_alone(7, positions=(later_batch,))))
        assert _position(service_settings) == later_batch
        later_minute = position(0, 8, minute(11))
        writer.write(both(_alone(8, positions=(later_minute,))))
        assert _position(service_settings) == later_minute


@pytest.mark.parametrize("transactions", [True, False], ids=["in a transaction", "one by one"])
def test_a_refused_position_costs_only_itself(service_settings: Settings, transactions: bool) -> None:
    nowhere = msgspec.structs.replace(position(1, 0), place=None)  # what the validator is for
    with writing(service_settings) as writer:
        writer._mongo._transactions = transactions and writer._mongo._has_transactions()
        refused = writer._mongo.write(_alone(0, positions=(position(0, 0), nowhere, position(2, 0))))
    assert [(refusal.kind, refusal.id) for refusal in refused] == [("positions", nowhere.id)]
    assert set(mongodb_dump(service_settings)["positions"]) == {position(0, 0).id, position(2, 0).id}


def _position(settings: Settings) -> object:
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri.get_secret_value())
    try:
        (document,) = client[settings.mongodb_database]["positions"].find()
        return from_document(POSITIONS, document)
    finally:
        client.close()


def test_the_progress_and_the_sample_never_go_back(service_settings: Settings) -> None:
    with writing(service_settings) as writer:
        writer.write(both(batch(4)))
        before = mongodb_dump(service_settings)
        writer.write(both(msgspec.structs.replace(batch(3), transactions=(), alerts=(), positions=(), releases=(), groups=())))
    after = mongodb_dump(service_settings)
    assert after["progress"] == before["progress"]
    assert after["samples"] == before["samples"]


def test_months_lie_in_indices_of_their_own_behind_one_name(service_settings: Settings) -> None:
    days_ms = 86_400_000
    payments = tuple(transaction(number, 0, START_MS + number * 12 * days_ms) for number in range(3))
    with writing(service_settings) as writer:
        writer.write(both(_alone(0, transactions=payments)))
    prefix = service_settings.elasticsearch_index_prefix
    with Elasticsearch(service_settings.elasticsearch_url) as client:
        name = alias(prefix, TRANSACTIONS)
        assert set(client.indices.get(index=name)) == {f"{name}-2026.11", f"{name}-2026.12"}
        stored = client.indices.get_mapping(index=f"{name}-2026.12")[f"{name}-2026.12"]["mappings"]
        assert stored["dynamic"] == "strict"
        assert stored["properties"]["place"]["properties"]["point"]["type"] == "geo_point"
    assert len(elasticsearch_dump(service_settings)["transactions"]) == 3


def test_a_place_can_be_searched_as_a_place(service_settings: Settings) -> None:
    with writing(service_settings) as writer:
        writer.write(both(batch(0)))
    elasticsearch_dump(service_settings)  # refreshes
    near = {"geo_distance": {"distance": "10km", "place.point": {"lat": 37.77, "lon": -122.41}}}
    with Elasticsearch(service_settings.elasticsearch_url) as client:
        found = client.count(index=alias(service_settings.elasticsearch_index_prefix, TRANSACTIONS), query=near)["count"]
    assert found == sum(payment.place is not None for payment in batch(0).transactions) > 0


def test_both_stores_refuse_a_field_that_nobody_declared(service_settings: Settings) -> None:
    with writing(service_settings):
        pass
    document = to_document(TRANSACTIONS, transaction(1, 0)) | {"pan": "secret"}
    client: MongoClient[Document] = MongoClient(service_settings.mongodb_uri.get_secret_value())
    with pytest.raises(WriteError) as refused:
        client[service_settings.mongodb_database]["transactions"].insert_one(dict(document))
    client.close()
    assert refused.value.code == 121
    document.pop("_id")
    with Elasticsearch(service_settings.elasticsearch_url) as search, pytest.raises(BadRequestError) as unknown:
        search.index(index=f"{alias(service_settings.elasticsearch_index_prefix, TRANSACTIONS)}-2026.11", document=document)
    assert unknown.value.error == "strict_dynamic_mapping_exception"


def test_a_document_that_one_store_refuses_costs_only_itself_and_is_accounted_for(service_settings: Settings) -> None:
    nowhere = msgspec.structs.replace(transaction(1, 0), place=Place("87283082affffff", 95.0, 0.0))
    nameless = msgspec.structs.replace(transaction(2, 0), merchant=None)  # what the validator is for
    good = transaction(3, 0)
    offered = _alone(0, transactions=(nowhere, nameless, good))
    with writing(service_settings) as writer:
        writer.write(both(offered))
        writer.write(both(offered))
    assert set(mongodb_dump(service_settings)["transactions"]) == {nowhere.id, good.id}
    assert set(elasticsearch_dump(service_settings)["transactions"]) == {nameless.id, good.id}
    client: MongoClient[Document] = MongoClient(service_settings.mongodb_uri.get_secret_value())
    letters = {row["_id"]: row for row in client[service_settings.mongodb_database][DEAD_LETTERS].find()}
    client.close()
    assert set(letters) == {f"elasticsearch:transactions:{nowhere.id}", f"mongodb:transactions:{nameless.id}"}
    assert {row["reason"] for row in letters.values()} == {"document_parsing_exception", "code 121"}
    census = take_census(service_settings)
    for store in (census.mongodb, census.elasticsearch):
        assert (store.transactions, store.refused_transactions) == (2, 1)


def test_the_schema_can_be_made_by_two_programs_at_once_and_again(service_settings: Settings) -> None:
    writers = [StoreWriter(service_settings) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(StoreWriter.ensure_schema, writers))
    writers[0].ensure_schema()
    writers[1].write(both(batch(0)))
    for writer in writers:
        writer.close()
    assert len(mongodb_dump(service_settings)["transactions"]) == 20


def test_a_newer_mongodb_schema_is_refused(service_settings: Settings) -> None:
    client: MongoClient[Document] = MongoClient(service_settings.mongodb_uri.get_secret_value())
    client[service_settings.mongodb_database][SCHEMA].insert_one({"_id": "storage", "version": len(STEPS) + 1})
    client.close()
    writer = StoreWriter(service_settings)
    with pytest.raises(StateError, match=f"database has schema {len(STEPS) + 1}, this program knows {len(STEPS)}: upgrade it"):
        writer.ensure_schema()
    writer.close()


def test_newer_elasticsearch_mappings_are_refused(service_settings: Settings) -> None:
    prefix = service_settings.elasticsearch_index_prefix
    newer = {**template(prefix, ALERTS), "version": MAPPING_VERSION + 1, "composed_of": []}
    with Elasticsearch(service_settings.elasticsearch_url) as client:
        client.indices.put_index_template(name=alias(prefix, ALERTS), **newer)
        writer = StoreWriter(service_settings)
        with pytest.raises(StateError, match=f"mappings of version {MAPPING_VERSION + 1}, this program knows {MAPPING_VERSION}"):
            writer.ensure_schema()
        writer.close()
        client.indices.delete_index_template(name=alias(prefix, ALERTS))

"""Later answers to stored payments, in real stores: the highest revision holds, and nothing else of the payment changes."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from elasticsearch import Elasticsearch
from pymongo import MongoClient

from storage.census import take_census
from storage.documents import MaskedAmendment, MaskedBatch, MaskedTransaction, Progress
from storage.kinds import ALERTS, DEAD_LETTERS, TRANSACTIONS, Document, from_document
from storage.mappings import alias
from storage.queries import Reader
from tests.integration.storage_world import (
    START_MS,
    alert,
    alert_without_places,
    amendment,
    batch,
    both,
    elasticsearch_dump,
    minute,
    mongodb_contents,
    mongodb_dump,
    token,
    transaction,
    writing,
)
from veilocity.contracts import Verdict
from veilocity.settings import Settings

pytestmark = pytest.mark.services


def _alone(seq: int, **parts: object) -> MaskedBatch:
    return MaskedBatch(progress=Progress(id="privacy", seq=seq), **parts)  # type: ignore[arg-type]  # the fields of MaskedBatch


def _amended(payment: MaskedTransaction, later: MaskedAmendment) -> MaskedTransaction:
    fields = msgspec.structs.asdict(later)
    return msgspec.structs.replace(payment, **fields)


def _held(settings: Settings, number: int) -> tuple[MaskedTransaction, MaskedTransaction, int]:
    """Return what both stores hold of a payment, and the version in Elasticsearch."""
    name = token("transaction", number)
    version, source = elasticsearch_dump(settings)["transactions"][name]
    mongodb = mongodb_contents(settings)["transactions"][name]
    return from_document(TRANSACTIONS, mongodb | {"_id": name}), from_document(TRANSACTIONS, source | {"_id": name}), version


def test_the_highest_revision_holds_in_whatever_order_and_however_often_they_come(service_settings: Settings) -> None:
    orders = list(itertools.permutations((2, 3, 4)))
    with writing(service_settings) as writer:
        payments = tuple(transaction(number, 0) for number in range(len(orders)))
        writer.write(both(_alone(0, transactions=payments)))
        for number, order in enumerate(orders):
            for seq, revision in enumerate((*order, *order), 1):
                writer.write(both(_alone(seq, amendments=(amendment(number, revision, revision, minute(0)),))))
        # The first answer once more: whoever repeats it must not undo what came after.
        writer.write(both(_alone(0, transactions=payments)))
    for number, payment in enumerate(payments):
        expected = _amended(payment, amendment(number, 4, 4, minute(0)))
        assert _held(service_settings, number) == (expected, expected, 4)
        assert expected.verdict is Verdict.FLAGGED
        assert expected.place_seen_before is payment.place_seen_before


def test_an_amendment_may_come_in_the_batch_of_its_payment(service_settings: Settings) -> None:
    whole = _alone(3, transactions=(transaction(1, 3), transaction(2, 3)), amendments=(amendment(1, 3),))
    with writing(service_settings) as writer:
        writer.write(both(whole))
        before = mongodb_dump(service_settings), elasticsearch_dump(service_settings)
        writer.write(both(whole))
        assert (mongodb_dump(service_settings), elasticsearch_dump(service_settings)) == before
    expected = _amended(transaction(1, 3), amendment(1, 3))
    assert _held(service_settings, 1) == (expected, expected, 2)
    assert _held(service_settings, 2) == (transaction(2, 3), transaction(2, 3), 1)


def test_a_payment_that_is_not_there_is_not_made(service_settings: Settings) -> None:
    with writing(service_settings) as writer:
        writer.write(both(_alone(0, transactions=(transaction(1, 0),))))
        # In a month that has an index, and in one that has none.
        writer.write(both(_alone(1, amendments=(amendment(7, 1), amendment(8, 1, minute_ms=START_MS + 90 * 86_400_000)))))
    assert set(mongodb_dump(service_settings)["transactions"]) == set(elasticsearch_dump(service_settings)["transactions"])
    assert len(mongodb_dump(service_settings)["transactions"]) == 1
    assert take_census(service_settings).mongodb.refused_transactions == 0


def test_a_payment_of_another_month_is_found_by_its_own_minute(service_settings: Settings) -> None:
    december_ms = START_MS + 20 * 86_400_000
    with writing(service_settings) as writer:
        writer.write(both(_alone(0, transactions=(transaction(1, 0, december_ms),))))
        writer.write(both(_alone(1, amendments=(amendment(1, 1, minute_ms=december_ms),))))
    expected = _amended(transaction(1, 0, december_ms), amendment(1, 1, minute_ms=december_ms))
    assert _held(service_settings, 1) == (expected, expected, 2)


def test_more_amendments_than_one_request_takes(service_settings: Settings) -> None:
    count = 1_203
    with writing(service_settings) as writer:
        writer.write(both(_alone(0, transactions=tuple(transaction(number, 0) for number in range(count)))))
        writer.write(both(_alone(1, amendments=tuple(amendment(number, 1, minute_ms=minute(0)) for number in range(count)))))
    assert {row["revision"] for row in mongodb_contents(service_settings)["transactions"].values()} == {2}
    assert {version for version, _ in elasticsearch_dump(service_settings)["transactions"].values()} == {2}


def test_amended_payments_come_with_the_batch_that_amended_them_and_are_counted_once(service_settings: Settings) -> None:
    reader = Reader(service_settings)
    with writing(service_settings) as writer:
        for seq in range(3):
            writer.write(both(batch(seq, payments=4)))
        amending = msgspec.structs.replace(batch(3, payments=0, alerts=0), amendments=(amendment(1, 3, minute_ms=minute(0)),))
        writer._mongo.write(amending)  # stopped before the progress
        census = take_census(service_settings)
        assert (census.mongodb.transactions, census.mongodb.transactions_with_unfinished) == (11, 12)
        assert token("transaction", 1) not in {one.id for one in reader.recent_transactions(100)}
        writer.write(both(amending))
    census = take_census(service_settings)
    for store in (census.mongodb, census.elasticsearch):
        assert (store.transactions, store.transactions_with_unfinished) == (12, 12)
    expected = _amended(transaction(1, 0), amendment(1, 3, minute_ms=minute(0)))
    assert reader.changes(2, 3).transactions == (expected,)
    assert reader.recent_transactions(1) == [expected]
    assert len({one.id for one in reader.recent_transactions(100)}) == 12
    reader.close()


def test_a_refused_amendment_costs_only_itself_and_counts_as_no_payment(service_settings: Settings) -> None:
    wordless = msgspec.structs.replace(amendment(1, 1, minute_ms=minute(0)), reasons=None)  # what the validator is for
    with writing(service_settings) as writer:
        writer.write(both(_alone(0, transactions=(transaction(1, 0), transaction(2, 0)))))
        writer.write(both(_alone(1, amendments=(wordless, amendment(2, 1, minute_ms=minute(0))))))
    held = mongodb_contents(service_settings)["transactions"]
    assert [held[token("transaction", number)]["revision"] for number in (1, 2)] == [1, 2]
    client: MongoClient[Document] = MongoClient(service_settings.mongodb_uri.get_secret_value())
    letters = [row["_id"] for row in client[service_settings.mongodb_database][DEAD_LETTERS].find()]
    client.close()
    assert letters == [f"mongodb:amendments:{wordless.id}"]
    assert take_census(service_settings).mongodb.refused_transactions == 0


def test_alerts_without_places_are_stored_and_read_like_any_other(service_settings: Settings) -> None:
    nowhere = alert_without_places(4, 0, 1, minute(0))
    halfway = msgspec.structs.replace(alert(1, 0), first=nowhere.first, distance_m=None, speed_kmh=None)
    whole = alert(2, 0)
    with writing(service_settings) as writer:
        writer.write(both(_alone(0, alerts=(nowhere, halfway, whole))))
    expected = {one.id: one for one in (nowhere, halfway, whole)}
    assert {
        name: from_document(ALERTS, row | {"_id": name}) for name, row in mongodb_contents(service_settings)["alerts"].items()
    } == expected
    found = {name: source for name, (_, source) in elasticsearch_dump(service_settings)["alerts"].items()}
    assert {name: from_document(ALERTS, source | {"_id": name}) for name, source in found.items()} == expected
    assert take_census(service_settings).elasticsearch.refused_alerts == 0
    near = {"geo_distance": {"distance": "10km", "second.place.point": {"lat": 48.85, "lon": 2.35}}}
    with Elasticsearch(service_settings.elasticsearch_url) as client:
        assert client.count(index=alias(service_settings.elasticsearch_index_prefix, ALERTS), query=near)["count"] == 2

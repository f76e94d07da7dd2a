"""The audit on real stores: a clean world passes, one damaged document is named, unknown collections and indices are read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from bson import ObjectId
from elasticsearch import Elasticsearch
from pymongo import MongoClient
from pymongo.database import Database

from privacy.audit import AuditReport, audit_stores
from privacy.audit.stores import opened
from storage.audits import AUDITS, AuditStore
from storage.documents import MaskedBatch
from storage.elastic import ElasticStore
from storage.kinds import Document
from storage.mongo import MongoStore
from storage.writers import StoreWriter
from tests.unit.audit_world import HOURS, PEOPLE, records, token
from veilocity.settings import Settings

pytestmark = pytest.mark.services

CARD = "4111111111111111"


@contextmanager
def mongodb(settings: Settings) -> Iterator[Database[Document]]:
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri.get_secret_value())
    try:
        yield client[settings.mongodb_database]
    finally:
        client.close()


def batch(store: str) -> MaskedBatch:
    found = records(store)
    return MaskedBatch(
        progress=records("mongodb")["progress"][0],
        transactions=tuple(found["transactions"]),
        alerts=tuple(found["alerts"]),
        releases=tuple(found["releases"]),
        groups=tuple(found["groups"]),
        positions=tuple(found.get("positions", ())),
        sample=found.get("samples", [None])[0],
    )


def write_world(settings: Settings) -> None:
    """Write the small masked world: each store its own pseudonyms."""
    writer = StoreWriter(settings)
    record, search = MongoStore(settings), ElasticStore(settings)
    try:
        writer.ensure_schema()
        assert not record.write(batch("mongodb"))
        assert not search.write(batch("elasticsearch"))
        record.write_progress(batch("mongodb").progress)
    finally:
        writer.close()
        record.close()
        search.close()


def faults(report: AuditReport) -> list[str]:
    return [f"{check.name}: {fault.sentence()}" for check in report.checks for fault in check.faults]


def free_of_rules(database: Database[Document], name: str) -> None:
    """Take away the rules of a collection, as whoever damages it would."""
    database.command("collMod", name, validator={})


def test_a_clean_world_passes_and_damage_is_named(service_settings: Settings) -> None:
    write_world(service_settings)
    report = audit_stores(service_settings)
    assert report.passed, faults(report)
    assert report.read["mongodb/transactions"] == report.read["elasticsearch/transactions"] == HOURS * PEOPLE
    assert report.read["elasticsearch/releases"] == 4 * HOURS
    assert {"mongodb/progress", "mongodb/schema", "mongodb/positions", "elasticsearch/alerts"} <= report.read.keys()
    assert f"mongodb/{AUDITS}" not in report.read
    with AuditStore(service_settings) as store:
        assert msgspec.convert(store.newest()[0], AuditReport) == report
    first = token("mongodb", "transaction", (0, 5))
    elsewhere = token("elasticsearch", "transaction", (1, 6))
    with mongodb(service_settings) as database:
        free_of_rules(database, "transactions")
        database["transactions"].update_one({"_id": first}, {"$set": {"merchant": CARD, "at": 1_795_305_600_123}})
        database["left_over"].insert_one({"_id": ObjectId(), "note": "x"})
    with Elasticsearch(service_settings.elasticsearch_url) as search:
        index = f"{service_settings.elasticsearch_index_prefix}-transactions-2026.11"
        search.update(index=index, id=elsewhere, doc={"amount": 23.17, "card": token("mongodb", "card", 9)})
        search.index(index=f"{service_settings.elasticsearch_index_prefix}-notes", id="1", document={"text": f"of {CARD}"})
    damaged = audit_stores(service_settings)
    assert not damaged.passed
    assert damaged.read[f"mongodb/{AUDITS}"] == 1
    assert set(faults(damaged)) >= {
        f"identifiers: mongodb transactions {first} merchant: holds a card number (11 to 19 digits that pass Luhn's test)",
        "identifiers: elasticsearch notes #0 text: holds a card number (11 to 19 digits that pass Luhn's test)",
        f"exactness: mongodb transactions {first} at: is a time finer than a minute",
        "exactness: mongodb left_over #0 _id: is an id that tells the second and the order of its making",
        f"exactness: elasticsearch transactions {elsewhere} amount: has more than two significant digits",
        f"tokens: elasticsearch transactions {elsewhere} card: is a token that the other store has too: the stores can be joined",
    }
    assert CARD not in str(damaged)
    with AuditStore(service_settings) as store:
        newest, before = store.newest(2)
    assert (newest["passed"], before["passed"]) == (False, True)
    assert elsewhere not in str(newest)
    assert first in str(newest)


CLASS_DAMAGE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"release.people": 4, "release.members": ["ab" * 16]}, "classes"),
    ({"release.payments": 11, "release.sensitive": {"clear": 11}, "release.flagged": 0}, "linkage"),
    ({"release.amount_band": "EUR 50-100"}, "linkage"),
)


def test_a_damaged_class_is_named(service_settings: Settings) -> None:
    write_world(service_settings)
    with mongodb(service_settings) as database:
        free_of_rules(database, "releases")
        identities = sorted(document["_id"] for document in database["releases"].find())[: len(CLASS_DAMAGE)]
        for identity, (change, _) in zip(identities, CLASS_DAMAGE, strict=True):
            database["releases"].update_one({"_id": identity}, {"$set": change})
    report = audit_stores(service_settings, keep=False)
    found = {(check.name, fault.store, fault.id) for check in report.checks for fault in check.faults}
    assert found >= {(check, "mongodb", identity) for identity, (_, check) in zip(identities, CLASS_DAMAGE, strict=True)}
    with AuditStore(service_settings) as store:
        assert store.newest() == []


def test_stores_are_read_page_by_page_and_whole(service_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write_world(service_settings)
    monkeypatch.setattr("privacy.audit.stores._PAGE", 7)
    with opened(service_settings) as contents:
        found = list(contents())
        again = list(contents())
    names = [(one.store, one.collection, str(one.fields["_id"])) for one in found]
    assert len(set(names)) == len(names)
    assert sorted(names) == sorted((one.store, one.collection, str(one.fields["_id"])) for one in again)
    assert sum(one.collection == "transactions" for one in found) == 2 * HOURS * PEOPLE
    assert found[0].collection == "progress"
    orders = [one.order or 0 for one in found if (one.store, one.collection) == ("elasticsearch", "releases")]
    assert sorted(orders) == list(range(4 * HOURS))
    inserted = [one.fields["_id"] for one in found if (one.store, one.collection) == ("mongodb", "releases")]
    assert inserted == [one.id for one in records("mongodb")["releases"]]


def test_only_the_newest_audits_are_kept(service_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.audits.MOST_AUDITS", 3)
    with AuditStore(service_settings) as store:
        for written_ms in (5, 3, 1, 4, 2, 5):
            store.save(written_ms, {"written_ms": written_ms, "passed": True})
        assert [report["written_ms"] for report in store.newest(9)] == [5, 4, 3]
        assert store.newest() == [{"written_ms": 5, "passed": True}]


def test_a_server_without_points_in_time_is_read_by_a_scroll(service_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write_world(service_settings)

    def lacking(self: Elasticsearch, **_: Any) -> Any:
        # What a server of an older line answers to an address that it does not know.
        return self.perform_request("GET", f"/{service_settings.elasticsearch_index_prefix}-no-such-index/_search")

    monkeypatch.setattr(Elasticsearch, "open_point_in_time", lacking)
    with opened(service_settings) as contents:
        found = [one for one in contents() if one.store == "elasticsearch"]
    counted = {kind: len(list(group)) for kind, group in itertools.groupby(found, key=lambda one: one.collection)}
    assert counted["transactions"] == HOURS * PEOPLE
    assert all(one.order is not None for one in found)

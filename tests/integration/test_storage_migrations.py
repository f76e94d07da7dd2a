"""The schema's history on real servers: every version before is taken over, whoever comes first, and wherever it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from elasticsearch import Elasticsearch
from pymongo import MongoClient
from pymongo.database import Database

from storage.elastic import ELASTICSEARCH
from storage.kinds import ALERTS, SCHEMA, TRANSACTIONS, Document
from storage.mappings import alias, component_names, index_name, mapping, template
from storage.migrations import STEPS, AddFields, Migrator, Step
from storage.migrations.lease import LEASE_S, leased
from storage.mongo import MONGODB
from storage.queries import Reader
from storage.writers import StoreWriter
from tests.integration.storage_world import alert, amendment, batch, both, elasticsearch_dump, minute, mongodb_contents, token, writing
from veilocity.errors import FencedError, StateError
from veilocity.settings import Settings

pytestmark = pytest.mark.services

LACKING: dict[int, dict[str, tuple[str, ...]]] = {
    1: {"transactions": ("revision", "country", "severity"), "alerts": ("cause", "score", "probability"), "progress": ("amendments",)},
    2: {"alerts": ("sealed",), "progress": ("positions_since_ms",)},
    3: {"progress": ("erased",)},
}
"""By version, what the next one added."""
NEVER = threading.Event()


@pytest.fixture
def database(service_settings: Settings) -> Iterator[Database[Document]]:
    client: MongoClient[Document] = MongoClient(service_settings.mongodb_uri.get_secret_value())
    yield client[service_settings.mongodb_database]
    client.close()


@pytest.fixture
def search(service_settings: Settings) -> Iterator[Elasticsearch]:
    with Elasticsearch(service_settings.elasticsearch_url) as client:
        yield client


@pytest.fixture
def migrator(service_settings: Settings, database: Database[Document], search: Elasticsearch) -> Migrator:
    return Migrator(database, search, service_settings.elasticsearch_index_prefix)


def _as_version(version: int, settings: Settings, database: Database[Document], search: Elasticsearch) -> None:
    """Take away from both stores what later versions brought, the record of the steps included."""
    lacking: dict[str, set[str]] = {}
    for number, fields in LACKING.items():
        for name, some in fields.items() if number >= version else ():
            lacking.setdefault(name, set()).update(some)
    for name, gone in lacking.items():
        database.command("collMod", name, validator={})
        database[name].update_many({}, {"$unset": dict.fromkeys(gone, "")})
    database[SCHEMA].delete_many({})
    database[SCHEMA].insert_one({"_id": "storage", "version": version})
    prefix = settings.elasticsearch_index_prefix
    for kind in (TRANSACTIONS, ALERTS):
        _older_index(search, prefix, kind, lacking.get(kind.name, set()))
    for kind_name in ("releases", "groups", "aggregates"):
        search.indices.delete_index_template(name=f"{prefix}-{kind_name}")
    for name in component_names(prefix):
        search.cluster.delete_component_template(name=name)


def _older_index(search: Elasticsearch, prefix: str, kind: Any, lacking: set[str]) -> None:
    """Put an index of before in the place of today's: a template without components, fewer fields, the same documents."""
    index = index_name(prefix, kind, "2026.11")
    # What was written a moment ago is only found after a refresh.
    search.indices.refresh(index=index)
    held = search.search(index=index, size=100)["hits"]["hits"]
    search.indices.delete(index=index)
    search.indices.delete_index_template(name=alias(prefix, kind))
    older: dict[str, Any] = mapping(kind)
    for field in lacking & older["properties"].keys():
        del older["properties"][field]
    made = template(prefix, kind) | {"version": 1, "composed_of": []}
    made["template"]["mappings"] = older
    search.indices.put_index_template(name=alias(prefix, kind), **made)
    for hit in held:
        source = {name: value for name, value in hit["_source"].items() if name not in lacking}
        search.index(index=index, id=hit["_id"], document=source, version=1, version_type="external")


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_stores_of_every_version_before_are_taken_over(
    service_settings: Settings, database: Database[Document], search: Elasticsearch, migrator: Migrator, version: int
) -> None:
    with writing(service_settings) as writer:
        writer.write(both(batch(0)))
    before = mongodb_contents(service_settings)
    _as_version(version, service_settings, database, search)
    assert [identity for identity in migrator.pending()[MONGODB] if identity != "declared"] == [step.id for step in STEPS[version:]]
    with writing(service_settings) as writer:
        assert migrator.pending() == {MONGODB: (), ELASTICSEARCH: ()}
        after = mongodb_contents(service_settings)
        for kind, held in before.items():
            lost = set().union(*(LACKING[number].get(kind, ()) for number in LACKING if number >= version))
            assert after[kind].keys() == held.keys()
            assert all(
                {name: one for name, one in after[kind][identity].items() if name not in lost}
                == {name: one for name, one in document.items() if name not in lost}
                for identity, document in held.items()
            ), kind
        reader = Reader(service_settings)
        progress = reader.progress()
        assert progress is not None
        assert (progress.amendments, progress.positions_since_ms, progress.erased) == (0, 0, 0)
        assert {one.revision for one in reader.recent_transactions(100)} == {1}
        if version == 1:
            assert {(one.cause, one.score, one.probability) for one in reader.alerts(100)} == {("impossible_travel", 1.0, None)}
        later = msgspec.structs.replace(
            batch(1, payments=0, alerts=0), amendments=(amendment(1, 1, minute_ms=minute(0)),), alerts=(alert(1, 1, 2),)
        )
        writer.write(both(later))
        assert [reader.recent_transactions(1)[0].revision, reader.alerts(1)[0].revision] == [2, 2]
        reader.close()
    found = elasticsearch_dump(service_settings)
    assert found["transactions"][token("transaction", 1)][1]["severity"] == "high"
    assert found["alerts"][token("alert", 1)][1]["cause"] == "impossible_travel"
    records = {
        document["_id"]: document for document in database[SCHEMA].find({"checksum": {"$exists": True}, "taken_over": {"$exists": True}})
    }
    assert {identity: record["taken_over"] for identity, record in records.items()} == {step.id: step.number <= version for step in STEPS}
    assert database[SCHEMA].find_one({"_id": "storage"})["version"] == len(STEPS)  # type: ignore[index]  # it is there


def test_fresh_stores_know_their_whole_history_and_both_stores_say_so(service_settings: Settings, migrator: Migrator) -> None:
    assert {store: len(left) for store, left in migrator.pending().items()} == {MONGODB: len(STEPS) + 1, ELASTICSEARCH: len(STEPS) + 1}
    with writing(service_settings):
        pass
    done = {step.id: step.checksum() for step in STEPS}
    assert migrator.applied() == {MONGODB: done, ELASTICSEARCH: done}
    assert migrator.migrate_mongodb(NEVER) == migrator.migrate_elasticsearch(NEVER) == ()


def test_two_migrate_at_once_and_one_of_them_does_the_work(
    service_settings: Settings, database: Database[Document], search: Elasticsearch, migrator: Migrator
) -> None:
    with writing(service_settings) as writer:
        writer.write(both(batch(0)))
    _as_version(1, service_settings, database, search)
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda _: migrator.migrate_mongodb(NEVER), range(2)))
    assert sorted(done, key=len) == [(), tuple(step.id for step in STEPS[1:])]
    assert not database[SCHEMA].count_documents({"_id": "lease"})


def test_an_edited_step_and_a_newer_one_are_refused_by_both_stores_and_nothing_is_written(
    service_settings: Settings, database: Database[Document], search: Elasticsearch, migrator: Migrator
) -> None:
    prefix = service_settings.elasticsearch_index_prefix
    edited = (*STEPS[:3], msgspec.structs.replace(STEPS[3], mongodb=(AddFields("progress", {"erased": 1}),)), *STEPS[4:])
    next_number = len(STEPS) + 1
    newer = (*STEPS, Step(number=next_number, name="later", why="", mongodb=(AddFields("progress", {"later": 1}),)))
    with writing(service_settings):
        pass
    before = list(database[SCHEMA].find())
    for migrate in (Migrator.migrate_mongodb, Migrator.migrate_elasticsearch):
        with pytest.raises(StateError, match="0004-erased-payments is not what"):
            migrate(Migrator(database, search, prefix, edited), NEVER)
    assert list(database[SCHEMA].find()) == before
    database[SCHEMA].insert_one({"_id": newer[-1].id, "checksum": newer[-1].checksum()})
    with pytest.raises(StateError, match=f"the MongoDB database has schema {next_number}, this program knows {len(STEPS)}: upgrade it"):
        migrator.migrate_mongodb(NEVER)
    Migrator(database, search, prefix, newer).migrate_elasticsearch(NEVER)
    with pytest.raises(StateError, match=f"Elasticsearch has schema {next_number}, this program knows {len(STEPS)}: upgrade it"):
        migrator.migrate_elasticsearch(NEVER)


def test_where_it_is_to_be_done_by_hand_the_stage_does_not_start_before(service_settings: Settings, migrator: Migrator) -> None:
    by_hand = service_settings.model_copy(update={"storage_migrate": "manual"})
    writer = StoreWriter(by_hand)
    with pytest.raises(StateError, match="run `veilocity storage migrate`"):
        writer.ensure_schema()
    migrator.migrate_mongodb(NEVER)
    with pytest.raises(StateError, match=f"lack {len(STEPS) + 1} steps"):
        writer.ensure_schema()
    migrator.migrate_elasticsearch(NEVER)
    writer.ensure_schema()
    writer.write(both(batch(0)))
    writer.close()


_KILLED = """
import os, signal, sys, threading
from elasticsearch import Elasticsearch
from pymongo import MongoClient
from pymongo.collection import Collection
from storage.migrations import Migrator, running

running._BATCH = 50
uri, database, url, prefix = sys.argv[1:]
update, calls = Collection.update_many, []

def killed(self, *args, **kwargs):
    update(self, *args, **kwargs)
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

Collection.update_many = killed
Migrator(MongoClient(uri)[database], Elasticsearch(url), prefix).migrate_mongodb(threading.Event())
"""


def test_a_process_that_was_killed_in_the_middle_of_a_step_is_followed_by_one_that_goes_on(
    service_settings: Settings, database: Database[Document], search: Elasticsearch, migrator: Migrator
) -> None:
    with writing(service_settings) as writer:
        writer.write(both(batch(0, payments=125)))
    _as_version(1, service_settings, database, search)
    stores = (service_settings.mongodb_uri.get_secret_value(), service_settings.mongodb_database, service_settings.elasticsearch_url)
    addresses = (*stores, service_settings.elasticsearch_index_prefix)
    ended = subprocess.run([sys.executable, "-c", _KILLED, *addresses], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    lacking = database[TRANSACTIONS.name].count_documents({"revision": {"$exists": False}})
    assert lacking == 25
    assert database[SCHEMA].count_documents({"_id": "lease"}) == 1
    # The dead one's lease is waited for, by the server's clock; here it is made old.
    database[SCHEMA].update_one({"_id": "lease"}, {"$inc": {"written_ms": -round(LEASE_S * 1000)}})
    assert migrator.migrate_mongodb(NEVER) == tuple(step.id for step in STEPS[1:])
    assert database[TRANSACTIONS.name].count_documents({"revision": 1, "severity": None}) == 125


def test_a_lease_that_somebody_took_is_noticed_before_the_next_write(database: Database[Document]) -> None:
    with leased(database, NEVER) as lease:
        lease.check()
        database[SCHEMA].update_one({"_id": "lease"}, {"$set": {"owner": "another"}})
        lease._thread.join(30.0)
        with pytest.raises(FencedError, match="took over"):
            lease.check()
    assert database[SCHEMA].find_one({"_id": "lease"})["owner"] == "another"  # type: ignore[index]  # it is there

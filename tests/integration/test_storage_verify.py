"""Both stores are proved equal on real servers, every harm is found with its place, and what is old goes and is never taken for lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
from elasticsearch import Elasticsearch
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from typer.testing import CliRunner

from privacy.audit.conservation import ConservationCheck
from privacy.audit.stores import opened
from storage import retention
from storage.capabilities import ask_capabilities
from storage.census import take_census
from storage.documents import MaskedBatch
from storage.elastic import ELASTICSEARCH
from storage.elastic_erasure import ElasticEraser
from storage.expiry import ExpiryCounts
from storage.kinds import ERASURES, SEARCHABLE, TRANSACTIONS, Document
from storage.mappings import alias
from storage.migrations import STEPS
from storage.mongo import MONGODB
from storage.retention import retain
from storage.status import status_of, verify_stores
from storage.verify import Terms, Verification
from tests.integration.storage_world import START_MS, both, elasticsearch_dump, minute, mongodb_contents, transaction, writing
from tests.integration.storage_world import batch as batch_of
from veilocity.cli import app as cli
from veilocity.cli.conservation import Figures, State, conservation
from veilocity.errors import StoreUnavailableError
from veilocity.settings import Settings

pytestmark = pytest.mark.services

DAY_MS = 86_400_000
NOW_MS = START_MS + 100 * DAY_MS
"""2027-03-02."""
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


def batch(seq: int) -> MaskedBatch:
    """Return a batch whose payments are `20 * seq` days after the start."""
    one = batch_of(seq)
    moved = tuple(msgspec.structs.replace(payment, minute_ms=minute(seq) + 20 * seq * DAY_MS) for payment in one.transactions)
    return msgspec.structs.replace(one, transactions=moved)


def write(settings: Settings, count: int = 5) -> None:
    with writing(settings) as writer:
        for seq in range(count):
            writer.write(both(batch(seq)))


def look(settings: Settings) -> Verification:
    return verify_stores(settings, Terms(), lambda _: None)


def _harm_mongodb(database: Database[Document]) -> dict[str, Callable[[], object]]:
    payments, one = database[TRANSACTIONS.name], transaction(25, 1).id
    return {
        "only in elasticsearch": lambda: payments.delete_one({"_id": one}),
        "differs": lambda: payments.update_one({"_id": one}, {"$set": {"score": 0.5}}),
        "more often in mongodb": lambda: payments.insert_one({**(payments.find_one({"_id": one}) or {}), "_id": "twice"}),
    }


def _harm_elasticsearch(search: Elasticsearch, prefix: str) -> dict[str, Callable[[], object]]:
    index, one = f"{prefix}-transactions-2026.12", transaction(25, 1).id

    def source() -> dict[str, Any]:
        return dict(search.get(index=index, id=one)["_source"])

    return {
        "only in mongodb": lambda: search.delete(index=index, id=one),
        "differs": lambda: search.index(index=index, id=one, document=source() | {"score": 0.5}),
        # The same id in another month's index: what a wrong month would do.
        "more often in elasticsearch": lambda: search.index(index=f"{prefix}-transactions-2027.01", id=one, document=source()),
    }


@pytest.mark.parametrize("store", [MONGODB, ELASTICSEARCH])
@pytest.mark.parametrize("harm", [0, 1, 2], ids=["missing", "changed", "doubled"])
def test_every_harm_is_found_where_it_is(
    service_settings: Settings, database: Database[Document], search: Elasticsearch, store: str, harm: int
) -> None:
    write(service_settings, 2)
    found = look(service_settings)
    assert (found.equal, found.up_to_seq) == (True, 1)
    assert {kind: (count.mongodb, count.elasticsearch) for kind, count in found.kinds.items()} == {
        "transactions": (40, 40),
        "alerts": (4, 4),
        "releases": (2, 2),
        "groups": (2, 2),
        "aggregates": (0, 0),
    }
    harms = _harm_mongodb(database) if store == MONGODB else _harm_elasticsearch(search, service_settings.elasticsearch_index_prefix)
    what = list(harms)[harm]
    harms[what]()
    found = look(service_settings)
    (difference,) = found.differences
    assert (found.exit_code, difference.kind, difference.what, difference.minute) == (2, "transactions", what, "2026-12-12T00:01")
    assert found.kinds["transactions"].hours_that_differ == 1


def test_old_documents_go_from_both_stores_and_everything_still_adds_up(
    service_settings: Settings, database: Database[Document], search: Elasticsearch
) -> None:
    write(service_settings)
    before = take_census(service_settings)
    settings = service_settings.model_copy(
        update={"storage_keep_transactions_days": 70, "storage_keep_alerts_days": 70, "storage_keep_releases_days": 30}
    )
    assert retain(service_settings, NOW_MS, NEVER).deleted == {}, "kept for ever by default"
    assert not ask_capabilities(search).lifecycle, "the servers of the tests have no lifecycle policies"
    done = retain(settings, NOW_MS, NEVER).deleted
    # Before 2026-12-22: the payments of batches 0 and 1. November's index is wholly before it, December's is not.
    assert done[MONGODB] == {"transactions": 40, "alerts": 8, "releases": 4}
    assert done[ELASTICSEARCH] == {"transactions": 20, "alerts": 8}, "a month with a document of the last batch stays"
    assert {row["seq"] for row in mongodb_contents(settings)["transactions"].values()} == {2, 3, 4}
    assert {row["seq"] for _, row in elasticsearch_dump(settings)["transactions"].values()} == {1, 2, 3, 4}
    prefix = settings.elasticsearch_index_prefix
    assert f"{prefix}-transactions-2026.11" not in search.indices.get(index=f"{prefix}-transactions-*")
    assert search.indices.get_settings(index=f"{prefix}-releases-2026.11")[f"{prefix}-releases-2026.11"]["settings"]["index"].get(
        "blocks", {}
    ).get("write") in (None, "false")
    assert retain(settings, NOW_MS, NEVER).deleted == {}, "nothing is left to delete"
    census = take_census(settings)
    assert census.progress == before.progress
    for held, old in ((census.mongodb, before.mongodb), (census.elasticsearch, before.elasticsearch)):
        assert held.transactions + held.erased_transactions == old.transactions == 100
        assert held.releases + held.erased_releases == old.releases == 5
    names = ("stored payments = documents in", "alerts = documents in", "released classes = documents in", "released payments =")
    stores = [one for one in conservation(Figures(census=census)).equations if one.name.startswith(names)]
    assert len(stores) == 7
    assert {one.state for one in stores} == {State.HOLDS}
    assert look(settings).equal
    assert _audited(settings) == []
    with writing(settings) as writer:
        writer.write(both(batch(1)))
    assert status_of(settings).deleted[MONGODB] == {"transactions": 40, "alerts": 8, "releases": 4}
    assert {one["day_ms"] % DAY_MS for one in database[ERASURES].find()} == {0}


def _audited(settings: Settings) -> list[str]:
    check = ConservationCheck()
    with opened(settings) as contents:
        for document in contents():
            check.see(document)
    check.close()
    # The made-up progress suppresses nothing, so the audit of the whole is left to its own tests.
    return [fault.reason for fault in check.faults.kept if fault.path != "transactions" or "dropped" in fault.reason]


class _Questions(CommandListener):
    """Notes every question that a client asks."""

    def __init__(self) -> None:
        self.finds: list[Document] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "find" and event.command["find"] in {kind.name for kind in SEARCHABLE}:
            self.finds.append({name: event.command[name] for name in ("find", "filter", "limit") if name in event.command})

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing."""


def test_what_is_read_for_deletion_and_for_the_proof_is_found_by_an_index(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database[Document]
) -> None:
    write(service_settings)
    settings = service_settings.model_copy(update={f"storage_keep_{kind.name}_days": 70 for kind in SEARCHABLE})
    questions = _Questions()
    monkeypatch.setattr("storage.mongo.MongoClient", partial(MongoClient, event_listeners=[questions]))
    assert look(settings).equal
    # What is to go is asked for until nothing is left; the last questions find an empty stretch.
    retain(settings, NOW_MS, NEVER)
    assert {one["find"] for one in questions.finds} == {kind.name for kind in SEARCHABLE}
    write(service_settings)
    for question in questions.finds:
        plan = str(database.command("explain", question)["queryPlanner"]["winningPlan"])
        # A collection of a handful may be read as it lies.
        assert "IXSCAN" in plan or database[question["find"]].estimated_document_count() < 100, question


def test_a_deletion_that_was_broken_off_is_finished_and_counted_once(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database[Document], search: Elasticsearch
) -> None:
    write(service_settings)
    settings = service_settings.model_copy(update={"storage_keep_transactions_days": 70, "storage_keep_alerts_days": 70})
    counted = ExpiryCounts.finish
    calls: list[str] = []

    def killed(self: Any, store: str, kind: str, day_ms: int, pending: Document) -> None:
        calls.append(store)
        if len(calls) in (1, 4):
            raise StoreUnavailableError("killed")
        counted(self, store, kind, day_ms, pending)

    with monkeypatch.context() as patched:
        patched.setattr(ExpiryCounts, "finish", killed)
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                retain(settings, NOW_MS, NEVER)
            pending = [one for one in database[ERASURES].find() if "pending" in one]
            assert len(pending) == 1
            census = take_census(settings)
            held = census.mongodb if pending[0]["store"] == MONGODB else census.elasticsearch
            assert held.transactions_with_unfinished + held.erased_transactions_with_unfinished == 100
            assert look(settings).equal
    retain(settings, NOW_MS, NEVER)
    assert not [one for one in database[ERASURES].find() if "pending" in one]
    census = take_census(settings)
    for held in (census.mongodb, census.elasticsearch):
        assert held.transactions + held.erased_transactions == 100
        assert held.alerts + held.erased_alerts == 10


def test_an_index_that_a_policy_deletes_later_is_counted_when_it_is_gone(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database[Document], search: Elasticsearch
) -> None:
    write(service_settings)
    settings = service_settings.model_copy(update={"storage_keep_transactions_days": 70})
    handed_over: list[str] = []
    monkeypatch.setattr(retention, "ask_capabilities", lambda client: msgspec.structs.replace(ask_capabilities(client), lifecycle=True))
    # This server has no lifecycle policies, so what it would be told is looked at by a unit test.
    monkeypatch.setattr(retention._Run, "_give_to_policy", lambda _, index: handed_over.append(index))
    index, every = f"{settings.elasticsearch_index_prefix}-transactions-2026.11", alias(settings.elasticsearch_index_prefix, TRANSACTIONS)
    for _ in range(2):
        retain(settings, NOW_MS, NEVER)
        # What was written last is counted only once the index was refreshed.
        search.indices.refresh(index=every)
        assert search.count(index=every)["count"] == 100
        assert [one["count"] for one in database[ERASURES].find({"store": ELASTICSEARCH})] == [0]
    assert set(handed_over) == {index}
    search.indices.delete(index=index)
    assert retain(settings, NOW_MS, NEVER).deleted == {ELASTICSEARCH: {"transactions": 20}}
    assert take_census(settings).elasticsearch.erased_transactions == 20
    assert look(settings).equal


def test_the_commands_say_what_is_there_and_end_with_what_was_found(service_settings: Settings, search: Elasticsearch) -> None:
    def run(*words: str) -> tuple[int, str]:
        named = {
            "VEILOCITY_STATE_DIR": str(service_settings.state_dir),
            "VEILOCITY_MONGODB_URI": service_settings.mongodb_uri.get_secret_value(),
            "VEILOCITY_MONGODB_DATABASE": service_settings.mongodb_database,
            "VEILOCITY_ELASTICSEARCH_URL": service_settings.elasticsearch_url,
            "VEILOCITY_ELASTICSEARCH_INDEX_PREFIX": service_settings.elasticsearch_index_prefix,
        }
        ended = CliRunner().invoke(cli, ["storage", *words], env=named)
        return ended.exit_code, ended.stdout

    code, told = run("status", "--json")
    assert (code, len(json.loads(told)["pending"]["mongodb"])) == (1, len(STEPS) + 1)
    code, told = run("migrate")
    assert (code, told.count("0004-erased-payments")) == (0, 2)
    write(service_settings, 2)
    code, told = run("status")
    assert code == 0
    assert "up to date" in told
    assert "for ever" in told
    code, told = run("verify", "--json")
    assert (code, json.loads(told)["kinds"]["transactions"]["mongodb"]) == (0, 40)
    eraser = ElasticEraser(service_settings)
    eraser.delete("alerts", [(name, f"{service_settings.elasticsearch_index_prefix}-alerts-all") for name in _alert_ids(service_settings)])
    eraser.close()
    code, told = run("verify")
    assert (code, told.count("only in mongodb")) == (2, 4)


def _alert_ids(settings: Settings) -> list[str]:
    return sorted(elasticsearch_dump(settings)["alerts"])

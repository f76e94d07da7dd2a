"""A person's documents deleted from real stores: all of them, nobody else's, once however often it is broken off, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from storage.audits import AUDITS, AuditStore
from storage.census import take_census
from storage.documents import MaskedBatch, SimilarGroup
from storage.elastic import ELASTICSEARCH, ElasticStore
from storage.erasure import Stores, erase_documents, erasing, mend
from storage.kinds import ALERTS, DEAD_LETTERS, ERASURES, GROUPS, POSITIONS, SAMPLES, TRANSACTIONS, Document
from storage.mongo import MONGODB
from storage.refusals import Refusal, to_dead_letter
from tests.integration.storage_world import (
    HOUR_MS,
    START_MS,
    alert,
    batch,
    both,
    elasticsearch_dump,
    minute,
    mongodb_contents,
    token,
    transaction,
    writing,
)
from veilocity.errors import StoreUnavailableError
from veilocity.settings import Settings

pytestmark = pytest.mark.services
changed = msgspec.structs.replace

PERSON = token("subject", 3)
BATCHES = 6
LAST = BATCHES - 1
MONTH_MS = 31 * 86_400_000


@pytest.fixture
def database(service_settings: Settings) -> Iterator[Database[Document]]:
    client: MongoClient[Document] = MongoClient(service_settings.mongodb_uri.get_secret_value())
    yield client[service_settings.mongodb_database]
    client.close()


def world(seq: int) -> MaskedBatch:
    """Return a batch of forty people's payments over three months, of which `PERSON` has one, and a group with it."""
    one = batch(seq, payments=40, people=10)
    transactions = tuple(changed(payment, minute_ms=START_MS + seq % 3 * MONTH_MS) for payment in one.transactions)
    members = tuple(sorted(transaction(seq * 40 + number, seq).id for number in (3, 4, 5)))
    groups = (
        SimilarGroup(f"{START_MS:x}-{members[0]}", seq, START_MS, 3, 3, 0.9, ("channel=x",), members),
        SimilarGroup(
            f"{START_MS:x}-pair{seq}", seq, START_MS, 2, 2, 0.9, ("channel=y",), (*members[:1], transaction(seq * 40 + 3, seq).id)
        ),
    )
    sample = msgspec.structs.replace(one.sample, members=members) if one.sample else None
    alerts = tuple(changed(one, subject=PERSON if number else token("subject", 9)) for number, one in enumerate(one.alerts))
    return msgspec.structs.replace(one, transactions=transactions, groups=groups, sample=sample, alerts=alerts)


def write_world(settings: Settings) -> None:
    with writing(settings) as writer:
        for seq in range(BATCHES):
            writer.write(both(world(seq)))


def forget(stores: Stores, up_to_seq: int) -> dict[str, dict[str, int]]:
    counts = {}
    for store, eraser in stores.erasers.items():
        payments = eraser.ids(TRANSACTIONS.name, [PERSON])
        alerts = eraser.ids(ALERTS.name, [PERSON])
        found = mend(eraser, stores.mongodb, payments, [PERSON, *sorted(alerts)], up_to_seq)
        counts[store] = found | erase_documents(eraser, [PERSON], up_to_seq, stores.journal)
    return counts


def held(settings: Settings) -> str:
    return repr(mongodb_contents(settings)) + repr(elasticsearch_dump(settings))


def test_everything_of_the_person_goes_from_both_stores_and_nothing_of_others(
    service_settings: Settings, database: Database[Document]
) -> None:
    write_world(service_settings)
    theirs = [transaction(seq * 40 + 3, seq).id for seq in range(BATCHES)]
    letter = to_dead_letter(Refusal(MONGODB, "positions", PERSON, 2, "code 121"))
    other = to_dead_letter(Refusal(MONGODB, "positions", token("subject", 4), 2, "code 121"))
    database[DEAD_LETTERS].insert_many([letter, other])
    with AuditStore(service_settings) as audits:
        audits.save(5, {"checks": [{"name": "tokens", "faults": [{"id": theirs[0]}, {"id": "other"}]}]})
    with erasing(service_settings) as stores:
        for eraser in stores.erasers.values():
            assert eraser.span_ms() == (START_MS - HOUR_MS, START_MS + 2 * MONTH_MS), "an alert tells of an hour before"
            assert eraser.things([PERSON]) == {one for number in range(3, 240, 40) for one in (token("card", number % 50),)}
            # Ten cards are used by more than one of forty people.
            assert eraser.naming(sorted(eraser.things([PERSON])), [PERSON]) > 0
        counts = forget(stores, LAST)
        again = forget(stores, LAST)
    common = {"transactions": BATCHES, "alerts": BATCHES, "groups": counts[MONGODB]["groups"]}
    assert counts[ELASTICSEARCH] == common
    assert counts[MONGODB] == {**common, "positions": 1, "samples": 1, "dead_letters": 1, "audits": 1}
    assert again == {MONGODB: {}, ELASTICSEARCH: {}}
    left = held(service_settings) + repr(list(database[SAMPLES.name].find())) + repr(list(database[AUDITS].find()))
    assert not [one for one in (PERSON, *theirs) if one in left]
    assert [one["_id"] for one in database[DEAD_LETTERS].find()] == [other["_id"]]
    assert database[TRANSACTIONS.name].count_documents({}) == BATCHES * 39
    groups = list(database[GROUPS.name].find())
    assert {(one["payments"], one["people"], len(one["members"])) for one in groups} == {(2, 2, 2)}
    assert all(one["_id"] == f"{START_MS:x}-{one['members'][0]}" for one in groups)
    assert {one["_id"] for one in groups} == set(elasticsearch_dump(service_settings)["groups"])
    assert database[POSITIONS.name].count_documents({}) == 9
    census = take_census(service_settings)
    for count in (census.mongodb, census.elasticsearch):
        assert (count.transactions, count.erased_transactions, count.erased_transactions_with_unfinished) == (
            BATCHES * 39,
            BATCHES,
            BATCHES,
        )
        assert (count.alerts, count.erased_alerts) == (BATCHES, BATCHES)
    assert not [one for one in database[ERASURES].find() if set(one) != {"_id", "store", "kind", "day_ms", "count", "done"}]
    days = [one["day_ms"] for one in database[ERASURES].find({"kind": TRANSACTIONS.name})]
    assert len(set(days)) > 1, "payments are counted by day"
    assert all(day_ms % (24 * HOUR_MS) == 0 for day_ms in days)


def test_documents_of_a_batch_that_may_be_repeated_stay_until_it_cannot(service_settings: Settings) -> None:
    write_world(service_settings)
    with erasing(service_settings) as stores:
        counts = forget(stores, LAST - 2)
        assert counts[MONGODB]["transactions"] == counts[ELASTICSEARCH]["transactions"] == BATCHES - 2
        assert stores.mongodb.count("transactions", [PERSON]) == stores.elasticsearch.count("transactions", [PERSON]) == 2
        with writing(service_settings) as writer:
            writer.write(both(world(LAST)))
        assert forget(stores, LAST)[MONGODB]["transactions"] == 2
        assert stores.mongodb.count("transactions", [PERSON]) == stores.elasticsearch.count("transactions", [PERSON]) == 0


@pytest.mark.parametrize("store", [MONGODB, ELASTICSEARCH])
def test_a_step_that_broke_off_is_finished_and_counted_once(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch, store: str, database: Database[Document]
) -> None:
    write_world(service_settings)
    with erasing(service_settings) as stores:
        eraser: Any = stores.erasers[store]
        delete = eraser.delete

        def killed(kind: str, ids: Sequence[tuple[str, str]]) -> None:
            delete(kind, ids[:2])
            raise StoreUnavailableError("killed")

        monkeypatch.setattr(eraser, "delete", killed)
        with pytest.raises(StoreUnavailableError):
            erase_documents(eraser, [PERSON], LAST, stores.journal)
    files = list(Path(service_settings.privacy_dir / "erasures").glob("*.step"))
    assert len(files) == 1
    assert [one["done"] for one in database[ERASURES].find()] == [False]
    with erasing(service_settings) as stores:
        assert not list(Path(service_settings.privacy_dir / "erasures").glob("*.step"))
        erase_documents(stores.erasers[store], [PERSON], LAST, stores.journal)
    counts = getattr(take_census(service_settings), store)
    assert (counts.erased_transactions, counts.erased_alerts) == (BATCHES, BATCHES)
    assert counts.transactions == BATCHES * 39


def test_an_amendment_that_was_being_written_does_not_bring_a_payment_back(service_settings: Settings) -> None:
    write_world(service_settings)
    payment = changed(transaction(3, 0), minute_ms=minute(0), revision=7)
    store = ElasticStore(service_settings)
    try:
        with erasing(service_settings) as stores:
            forget(stores, LAST)
            # As the stage would that had read the payment just before.
            assert store.write(changed(batch(LAST), transactions=(payment,), alerts=(), releases=(), groups=())) == []
            assert stores.elasticsearch.count("transactions", [PERSON]) == 0
    finally:
        store.close()


def test_an_alert_that_is_amended_later_comes_again_and_can_be_erased_again(service_settings: Settings) -> None:
    write_world(service_settings)
    with erasing(service_settings) as stores:
        forget(stores, LAST)
        later = changed(alert(1, BATCHES, revision=9), subject=PERSON)
        with writing(service_settings) as writer:
            writer.write(both(changed(batch(BATCHES), alerts=(later,))))
        assert [one.count("alerts", [PERSON]) for one in stores.erasers.values()] == [1, 1]
        forget(stores, BATCHES)
        assert [one.count("alerts", [PERSON]) for one in stores.erasers.values()] == [0, 0]

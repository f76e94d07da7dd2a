"""The soak of the privacy stage in short: real servers, three crashes, a silence and two more partitions, judged from the input."""

from pathlib import Path

import pytest
from elasticsearch import Elasticsearch
from pymongo import MongoClient

from benchmarks.privacy_soak import Soak, plan_of, soak_settings
from benchmarks.privacy_soak_chaos import drawn_kills
from benchmarks.privacy_soak_judge import Verdict, judge
from benchmarks.privacy_soak_world import Plan, truth_of
from privacy.identifiers.keyring import KeyRing
from storage.kinds import TRANSACTIONS, Document
from storage.mappings import alias
from veilocity.settings import Settings

pytestmark = [pytest.mark.services, pytest.mark.spark]
EVENTS = 20_000
KILLS = 3


@pytest.mark.timeout(900)
def test_crashes_silences_and_more_partitions_lose_double_and_tell_nothing(service_settings: Settings, tmp_path: Path) -> None:
    settings = soak_settings(service_settings, policy=None, batch_records=2_000)
    KeyRing.generate(settings.token_key_file)
    plan = plan_of(EVENTS, silences=1, growths=2, seed=7)
    soak = Soak(settings, plan, drawn_kills(KILLS, EVENTS, silences=1, seed=7), tmp_path)
    outcome = soak.run(minutes=10.0)
    verdict = outcome.verdict
    assert verdict.faults == []
    assert verdict.passed
    assert (outcome.events, sum(outcome.places.values()), outcome.silences, outcome.growths) == (EVENTS, KILLS, 1, 2)
    assert verdict.classes > 100
    assert verdict.progress.late > 0
    assert verdict.progress.released > 0.8 * verdict.progress.transactions
    diary = (tmp_path / "soak.log").read_text(encoding="utf-8")
    assert diary.count("asked for") == KILLS
    judge_sees_what_is_done_to_the_stores(settings, plan, verdict)


def judge_sees_what_is_done_to_the_stores(settings: Settings, plan: Plan, verdict: Verdict) -> None:
    """One payment taken from MongoDB, one doubled in Elasticsearch, one class made too small: each is counted."""
    with MongoClient[Document](settings.mongodb_uri.get_secret_value()) as client:
        database = client[settings.mongodb_database]
        for name in ("transactions", "releases"):
            # Without its rules, as whoever damages it would.
            database.command("collMod", name, validator={})
        database["transactions"].delete_one({"revision": 1})
        database["releases"].update_one({}, {"$set": {"release.people": 4}})
    with Elasticsearch(settings.elasticsearch_url) as search:
        name = alias(settings.elasticsearch_index_prefix, TRANSACTIONS)
        hit = search.search(index=name, query={"term": {"revision": 1}}, size=1)["hits"]["hits"][0]
        others = [index for index in search.indices.get(index=f"{name}-*") if index != hit["_index"]]
        search.index(index=others[0], id=hit["_id"], document=hit["_source"])
    damaged = judge(settings, plan, truth_of(plan, plan.blocks), verdict.progress, [])
    tipped = {one.what: (one.lost, one.doubled) for one in damaged.balances if one.lost or one.doubled}
    assert tipped == {"payments in mongodb": (1, 0), "payments in elasticsearch": (0, 1)}
    assert damaged.classes_below_k > 0
    assert not damaged.passed

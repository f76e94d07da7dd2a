"""Everything that can go wrong with the stores, in short: killed, stopped, full, busy, slow, cut off; then each document is counted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.storage_documents import batch
from benchmarks.storage_faults import ALL, SHORT, Trial, own_stack
from storage.elastic import ELASTICSEARCH
from storage.kinds import TRANSACTIONS, to_document
from storage.mappings import index_name
from storage.mongo import MONGODB

pytestmark = pytest.mark.services


@pytest.mark.timeout(600)
def test_whatever_happens_to_the_stores_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    with own_stack(tmp_path) as stack, Trial(stack, SHORT) as trial:
        verdict = trial.run(ALL)
        assert (verdict.lost, verdict.doubled, verdict.dead_letters, verdict.differences) == (0, 0, 0, 0)
        assert verdict.passed
        payments = SHORT.plan.payments * trial.batches
        assert {store: found.documents > payments for store, found in verdict.stores.items()} == {MONGODB: True, ELASTICSEARCH: True}
        kinds = ("unreachable", "refused", "cut")
        seen = {(store, kind): verdict.faults[f"{kind} ({store})"] for store in (MONGODB, ELASTICSEARCH) for kind in kinds}
        assert min(seen.values()) > 0, seen
        judge_sees_what_is_done_to_the_stores(trial)


def judge_sees_what_is_done_to_the_stores(trial: Trial) -> None:
    """One payment taken from MongoDB, one that is put back into an older state, one doubled in Elasticsearch: each is counted."""
    payments = [batch(SHORT.plan, 0, store).transactions for store in (MONGODB, ELASTICSEARCH)]
    trial.database["transactions"].delete_one({"_id": payments[0][1].id})
    trial.database["transactions"].update_one({"_id": payments[0][0].id}, {"$set": {"revision": 1}})
    document = to_document(TRANSACTIONS, msgspec.structs.replace(payments[1][2], seq=0))
    trial.search.index(index=index_name(trial.prefix, TRANSACTIONS, "2026.12"), id=document.pop("_id"), document=document)
    damaged = trial.judge()
    assert {store: (found.lost, found.doubled) for store, found in damaged.stores.items()} == {MONGODB: (2, 0), ELASTICSEARCH: (0, 1)}
    assert damaged.differences == 3
    assert not damaged.passed

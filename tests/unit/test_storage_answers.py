"""What a store's answer to a bulk means, document by document: there already, refused for good, later, or stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from storage.elastic import ELASTICSEARCH, _judged, _Line, _whole
from storage.mongo_faults import Verdict, judge
from storage.refusals import Refusal
from veilocity.errors import StateError, StoreUnavailableError


@dataclass(frozen=True)
class Named:
    id: str
    seq: int = 7


ITEMS = [Named(letter) for letter in "abcd"]


def judged(*faults: dict[str, Any], concern: int | None = None) -> Verdict[Named]:
    details = {"writeErrors": list(faults), "writeConcernErrors": [] if concern is None else [{"code": concern}]}
    return judge("mongodb", "alerts", ITEMS, details)


def test_each_document_of_a_bulk_write_is_judged_by_itself() -> None:
    verdict = judged(
        {"index": 0, "code": 11000, "keyPattern": {"_id": 1}},
        {"index": 1, "code": 121},
        {"index": 3, "code": 112},
    )
    assert verdict.known == [ITEMS[0]]
    assert verdict.refused == [Refusal("mongodb", "alerts", "b", 7, "code 121")]
    assert (verdict.later, verdict.why) == ([ITEMS[3]], "MongoDB cannot write now (code 112)")


@pytest.mark.parametrize("code", [1, 6, 7, 50, 64, 89, 91, 112, 189, 262, 10107, 11600, 11602, 13435, 13436, 14031])
def test_a_code_that_says_not_now_makes_the_document_wait(code: int) -> None:
    verdict = judged({"index": 2, "code": code})
    assert (verdict.known, verdict.later, verdict.refused) == ([], [ITEMS[2]], [])


def test_a_key_of_another_index_that_is_taken_is_not_there_already() -> None:
    """An index that an operator made unique would otherwise swallow documents without a word."""
    other = {"index": 0, "code": 11000, "keyPattern": {"card": 1}}
    old = {"index": 1, "code": 11000, "errmsg": "E11000 duplicate key error collection: v.alerts index: _id_ dup key"}
    verdict = judged(other, old)
    assert verdict.known == [ITEMS[1]]
    assert [(one.id, one.reason) for one in verdict.refused] == [("a", "code 11000 of another index")]


def test_a_code_that_nobody_expects_stops() -> None:
    with pytest.raises(StateError, match=r"refuses to write alerts \(code 4711\)"):
        judged({"index": 0, "code": 4711})


def test_safety_that_was_not_reached_is_asked_for_again_and_safety_that_cannot_be_stops() -> None:
    with pytest.raises(StoreUnavailableError, match="without the safety"):
        judged(concern=64)
    with pytest.raises(StateError, match="`w` in VEILOCITY_MONGODB_URI"):
        judged(concern=100)


def lines(count: int) -> list[_Line]:
    return [_Line("alerts", letter, 7, b"{}", b"{}") for letter in "abcdefgh"[:count]]


def error(status: int, reason: str) -> dict[str, Any]:
    return {"status": status, "error": {"type": reason}}


def test_each_document_of_a_bulk_request_is_judged_by_itself() -> None:
    results = [
        {"status": 201},
        {"status": 200},
        error(409, "version_conflict_engine_exception"),
        error(429, "es_rejected_execution_exception"),
        error(400, "document_parsing_exception"),
        error(503, "unavailable_shards_exception"),
    ]
    sent = lines(len(results))
    answer = _judged(zip(sent, results, strict=True))
    assert answer.later == [sent[3], sent[5]]
    assert answer.refused == [Refusal(ELASTICSEARCH, "alerts", "e", 7, "document_parsing_exception")]
    assert answer.why == "Elasticsearch cannot write now (429 es_rejected_execution_exception)"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (429, "cluster_block_exception"),  # the flood stage of a disk
        (403, "cluster_block_exception"),  # an index that is about to be deleted
        (400, "index_closed_exception"),
        (400, "validation_exception"),  # as many shards as the cluster may have
        (429, "circuit_breaking_exception"),
    ],
)
def test_the_fault_of_an_index_or_the_cluster_is_not_the_documents(status: int, reason: str) -> None:
    (line,) = lines(1)
    answer = _judged([(line, error(status, reason))])
    assert (answer.later, answer.refused) == ([line], [])


def test_what_no_document_can_be_blamed_for_stops() -> None:
    with pytest.raises(StateError, match="404 index_not_found_exception"):
        _judged([(lines(1)[0], error(404, "index_not_found_exception"))])


@pytest.mark.parametrize("body", [None, "", {}, {"items": None}, {"items": [{}]}, {"items": [{}, {}, {}]}])
def test_an_answer_that_is_not_whole_says_nothing(body: object) -> None:
    with pytest.raises(StoreUnavailableError, match="not whole"):
        _whole(body, "items", 2)
    assert _whole({"items": [{}, {}]}, "items", 2) == [{}, {}]

"""One shape for both stores, and every record comes back from it as it was."""

from __future__ import annotations

import json
from typing import Any

import bson
import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from storage.kinds import KINDS, Kind, from_document, position_version, to_document
from tests.property.test_kernel_contracts import instances

INT64_LIMIT = 2**63
MINUTES_MS = st.integers(min_value=0, max_value=4_102_444_800_000 // 60_000).map(lambda minute: minute * 60_000)
SEQS = st.integers(min_value=0, max_value=2**31)


def _name(kind: Kind[Any]) -> str:
    return kind.name


@pytest.mark.parametrize("kind", KINDS, ids=_name)
@given(data=st.data())
def test_a_record_comes_back_from_mongodb_s_bytes_as_it_was(kind: Kind[Any], data: st.DataObject) -> None:
    record = data.draw(instances(kind.record))
    document = to_document(kind, record)
    assume(all(abs(document.get(name, 0)) < INT64_LIMIT for name in kind.derived))
    stored = bson.decode(bson.encode(document))
    assert stored["_id"] == record.id
    assert from_document(kind, stored) == record


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.searchable], ids=_name)
@given(data=st.data())
def test_a_record_comes_back_from_elasticsearch_s_json_as_it_was(kind: Kind[Any], data: st.DataObject) -> None:
    record = data.draw(instances(kind.record))
    document = to_document(kind, record)
    assert from_document(kind, json.loads(json.dumps(document))) == record


@pytest.mark.parametrize("kind", KINDS, ids=_name)
@given(data=st.data())
def test_making_a_document_does_not_change_the_record_and_gives_the_same_document_again(kind: Kind[Any], data: st.DataObject) -> None:
    record = data.draw(instances(kind.record))
    before = msgspec.json.encode(record)
    assert to_document(kind, record) == to_document(kind, record)
    assert msgspec.json.encode(record) == before


@given(first=st.tuples(MINUTES_MS, SEQS), second=st.tuples(MINUTES_MS, SEQS))
def test_the_version_of_a_position_orders_as_minute_and_batch_do(first: tuple[int, int], second: tuple[int, int]) -> None:
    assert (position_version(*first) < position_version(*second)) == (first < second)
    assert 0 <= position_version(*first) < INT64_LIMIT

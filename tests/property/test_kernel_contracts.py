"""The codec: what is written is read back, and nothing newer is guessed at."""

from __future__ import annotations

import json
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import documents
from veilocity import contracts
from veilocity.contracts import SCHEMA_VERSION, decode, encode
from veilocity.errors import ContractError, RejectReason, SchemaVersionError

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def _name(kind: type[msgspec.Struct]) -> str:
    return kind.__name__


def structs(module: Any) -> list[type[msgspec.Struct]]:
    """Return every record that a module declares."""
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, msgspec.Struct)]
    return sorted(
        {kind for kind in found if kind.__module__ == module.__name__ and not kind.__name__.startswith("_")}, key=lambda k: k.__name__
    )


RECORDS = [kind for kind in structs(contracts) if "schema" in kind.__struct_fields__]
DOCUMENTS = structs(documents)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for every value that a field of this type may hold on the wire."""
    hint = getattr(hint, "__supertype__", hint)
    arguments = get_args(hint)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        int: INT64,
        float: FINITE,
        str: st.text(max_size=20),
        bool: st.booleans(),
        NoneType: st.none(),
        object: st.none() | st.booleans() | INT64 | FINITE | st.text(max_size=20),
    }
    if hint in simple:
        return simple[hint]
    if get_origin(hint) in (Union, UnionType):
        return st.one_of([values(argument) for argument in arguments])
    if get_origin(hint) is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if get_origin(hint) is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    return instances(hint)


def instances(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Return a strategy for records of one kind."""
    hints = get_type_hints(kind)
    fields = {name: st.just(SCHEMA_VERSION) if name == "schema" else values(hints[name]) for name in kind.__struct_fields__}
    return st.builds(kind, **fields)


@pytest.mark.parametrize("kind", RECORDS, ids=_name)
@given(data=st.data())
def test_a_record_reads_back_as_it_was_and_always_gives_the_same_bytes(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    record = data.draw(instances(kind))
    read = decode(encode(record), kind)
    assert read == record
    assert encode(read) == encode(record)


@pytest.mark.parametrize("kind", DOCUMENTS, ids=_name)
@given(data=st.data())
def test_a_document_survives_json(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    document = data.draw(instances(kind))
    assert msgspec.json.decode(encode(document), type=kind) == document


@pytest.mark.parametrize("kind", RECORDS, ids=_name)
@given(data=st.data())
def test_unknown_fields_are_left_out(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    record = data.draw(instances(kind))
    wider = {**json.loads(encode(record)), "field_of_tomorrow": {"deep": [1]}}
    assert decode(json.dumps(wider).encode(), kind) == record


@pytest.mark.parametrize("kind", RECORDS, ids=_name)
@given(data=st.data(), version=st.integers(min_value=SCHEMA_VERSION + 1, max_value=2**31))
def test_a_newer_schema_is_refused_and_says_so(kind: type[msgspec.Struct], data: st.DataObject, version: int) -> None:
    newer = {**json.loads(encode(data.draw(instances(kind)))), "schema": version}
    for content in (newer, {"schema": version, "nothing": "else"}):  # even where no field is as we know it
        with pytest.raises(SchemaVersionError, match="upgrade this service") as refusal:
            decode(json.dumps(content).encode(), kind)
        assert refusal.value.reason is RejectReason.UNKNOWN_SCHEMA


@pytest.mark.parametrize("kind", RECORDS, ids=_name)
@given(data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.just(b"{}") | st.just(b"null"))
def test_what_is_no_record_is_refused_without_being_shown(kind: type[msgspec.Struct], data: bytes) -> None:
    with pytest.raises(ContractError) as refusal:
        decode(data, kind)
    assert refusal.value.reason is RejectReason.UNDECODABLE
    assert kind.__name__ in str(refusal.value)


@pytest.mark.parametrize("kind", [*RECORDS, *DOCUMENTS], ids=_name)
def test_records_are_frozen(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen

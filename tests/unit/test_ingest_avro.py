"""Avro without servers: schemas from records, the registry's frame, and what becomes of each record."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError
from fastavro import schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from ingest.avro.decisions import to_avro
from ingest.avro.payments import judge
from ingest.avro.relay import _translate
from ingest.avro.schemas import Payment, avro_schema
from ingest.avro.wire import Schema, frame, open_frame, read, to_schema
from ingest.directory import Directory
from ingest.fields import Arrival
from veilocity import topics
from veilocity.contracts import Channel, Decision, Severity, SubjectId, Transaction, Verdict, encode
from veilocity.errors import BrokerUnavailableError, ContractError, FencedError, InvalidInputError, RejectReason, StateError

AT_MS = 1_795_305_600_000
ARRIVAL = Arrival(AT_MS, 300.0)
OURS = to_schema(avro_schema(Payment))
GOOD = {
    "id": "p1",
    "authorised_ms": AT_MS,
    "amount": "12.50",
    "currency": "EUR",
    "merchant": "Café",
    "category": "food",
    "channel": "atm",
    "card": "c1",
}


def schema_of(number: int) -> Schema:
    if number != 1:
        raise InvalidInputError(RejectReason.UNKNOWN_SCHEMA, "register it")
    return OURS


def reasons(values: Sequence[bytes | None]) -> list[str]:
    outcome = judge(values, schema_of, ARRIVAL, Directory())
    assert len(outcome.accepted) + len(outcome.rejects) == len(values)
    return [one.reason.value for one in outcome.rejects]


def test_the_schema_of_decisions_says_every_field_and_each_record_once() -> None:
    described = avro_schema(Decision)
    assert [field["name"] for field in described["fields"]] == [field.name for field in msgspec.structs.fields(Decision)]
    inner = described["fields"][0]["type"]
    assert [field["name"] for field in inner["fields"]] == [field.name for field in msgspec.structs.fields(Transaction)]
    by_name = {field["name"]: field for field in described["fields"]}
    assert by_name["severity"] == {"name": "severity", "type": ["null", "string"], "default": None}
    assert by_name["rule_versions"]["type"] == {"type": "map", "values": "string"}
    assert by_name["revision"] == {"name": "revision", "type": "long", "default": 1}
    assert "default" not in by_name["verdict"]
    twice = msgspec.defstruct("Twice", [("first", Payment), ("second", Payment)])
    assert avro_schema(twice)["fields"][1]["type"] == "veilocity.Payment"
    with pytest.raises(StateError, match="Avro has no word for"):
        avro_schema(msgspec.defstruct("Odd", [("when", datetime.date)]))


def test_every_default_of_a_decision_is_one_that_avro_takes() -> None:
    # fastavro refuses what is no JSON, such as an empty tuple.
    assert next(one["default"] for one in avro_schema(Decision)["fields"] if one["name"] == "learned") == []
    assert to_schema(avro_schema(Decision)) is not None


@given(
    st.builds(
        Decision,
        transaction=st.builds(
            Transaction,
            id=st.text(max_size=20),
            subject=st.text(max_size=20).map(SubjectId),
            authorised_ms=st.integers(-(2**62), 2**62),
            received_ms=st.integers(0, 2**62),
            amount_minor=st.integers(0, 10**15),
            currency=st.just("EUR"),
            merchant=st.text(max_size=20),
            category=st.text(max_size=20),
            channel=st.sampled_from(Channel),
            lat=st.none() | st.floats(-90, 90),
        ),
        verdict=st.sampled_from(Verdict),
        score=st.floats(0, 1),
        reasons=st.lists(st.text(max_size=9), max_size=3).map(tuple),
        rule_versions=st.dictionaries(st.text(max_size=9), st.text(max_size=3), max_size=3),
        severity=st.none() | st.sampled_from(Severity),
    )
)
def test_a_decision_comes_back_whole(decision: Decision) -> None:
    schema = to_schema(avro_schema(Decision))
    number, payload = open_frame(to_avro(encode(decision), 258, schema))
    assert number == 258
    assert msgspec.convert(read(payload, schema), Decision) == decision


def test_what_is_no_decision_is_refused() -> None:
    with pytest.raises(ContractError):
        to_avro(b"{}", 1, to_schema(avro_schema(Decision)))


@given(st.binary(max_size=200))
def test_any_bytes_end_in_one_reject_or_one_payment(value: bytes) -> None:
    reasons([value, b"\x00\x00\x00\x00\x01" + value])


def test_each_fault_has_its_reason() -> None:
    good = frame(1, OURS, GOOD)
    assert reasons([good]) == []
    assert reasons([None, b"", b"\x01" + good[1:], good[:5]]) == ["malformed"] * 4
    assert reasons([frame(2, OURS, GOOD)]) == ["unknown_schema"]
    assert reasons([good[:12], good + b"\x00"]) == ["undecodable"] * 2
    for name in ("id", "amount", "currency", "merchant", "category", "channel", "authorised_ms", "card"):
        assert reasons([frame(1, OURS, GOOD | {name: None})]) == ["missing_field"], name
    assert reasons([frame(1, OURS, GOOD | {"id": "4.5E+15"})]) == ["damaged_identifier"]


def test_times_and_amounts_of_avros_own_types_are_exact_and_doubles_are_refused() -> None:
    def written(amount: Any, kind: Any, at: Any = AT_MS, at_kind: Any = "long") -> bytes:
        names = [{"name": name, "type": "string"} for name in ("id", "currency", "merchant", "category", "channel", "card")]
        fields = [*names, {"name": "amount", "type": kind}, {"name": "authorised_ms", "type": at_kind}]
        schema = to_schema({"type": "record", "name": "Theirs", "fields": fields})
        out = io.BytesIO()
        schemaless_writer(out, schema, GOOD | {"amount": amount, "authorised_ms": at})
        known.append(schema)
        return b"\x00" + (len(known) - 1).to_bytes(4, "big") + out.getvalue()

    known: list[Schema] = []
    at = datetime.datetime.fromtimestamp(AT_MS / 1000, tz=datetime.UTC)
    exact = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
    values = [
        written(Decimal("107.23"), exact, at, {"type": "long", "logicalType": "timestamp-millis"}),
        written(107.23, "double"),
        written("107.23", "string", at.replace(tzinfo=None), {"type": "long", "logicalType": "local-timestamp-millis"}),
    ]
    outcome = judge(values, known.__getitem__, ARRIVAL, Directory())
    (accepted,) = outcome.accepted
    assert isinstance(accepted, Transaction)
    assert (accepted.amount_minor, accepted.authorised_ms) == (10723, AT_MS)
    assert [(one.reason.value, one.source) for one in outcome.rejects] == [("invalid_field", "avro"), ("missing_field", "avro")]


def test_a_fenced_feed_ends_and_any_other_fault_is_tried_again() -> None:
    assert isinstance(_translate(KafkaError(KafkaError._FENCED)), FencedError)
    assert isinstance(_translate(KafkaError(KafkaError._TIMED_OUT)), BrokerUnavailableError)


def test_the_topics_of_extras_are_described_and_not_made_for_everybody() -> None:
    assert not [topic for topic in topics.EXTRAS if topic in topics.TOPICS]
    for topic in topics.EXTRAS:
        assert f"| `{topic.name}` | {topic.help} |" in topics.markdown()

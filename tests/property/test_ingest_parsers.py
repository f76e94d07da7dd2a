"""The parsers take anything: nothing crashes, nothing is lost, order does not matter."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ingest import directory, sensor_logger, transactions
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.money import minor_units
from ingest.outcome import Outcome, records
from veilocity.contracts import Fix, Transaction, decode
from veilocity.errors import RejectError
from veilocity.eventtime import EARLIEST_NS
from veilocity.geo import valid_coordinates
from veilocity.topics import FIXES, TRANSACTIONS

ARRIVAL = Arrival(received_ms=1_700_000_000_000, future_limit_s=300.0)
DIRECTORY = Directory()

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["4.5E+15", "-1", "1e400", "12.50", "EUR", "1698501145514000000", "2023-11-14T22:13:19Z", "atm", ""])
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=12
)


def near(good: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return items that are nearly right: some fields replaced by anything, some missing; or anything at all."""
    damaged = st.fixed_dictionaries(
        {}, optional={name: st.just(value) | st.just(value) | st.just(value) | anything for name, value in good.items()}
    )
    return st.just(good) | damaged | anything


PLACE = {"latitude": 47.129115537, "longitude": 15.211754321, "horizontalAccuracy": 14.3, "speed": -1, "bearing": 10, "seconds_elapsed": -3}
readings = near({"name": "location", "time": 1_698_501_145_514_000_000, "values": PLACE, "seconds_elapsed": 1}) | near(
    {"name": "location", "time": 1_698_501_145_514_000_000, **PLACE}
)
payments = near(
    {
        "id": "t-1",
        "card": "4539148803436467",
        "device": "d",
        "user": "u",
        "authorised_ms": 1_699_999_999_000,
        "amount": "12.50",
        "currency": "EUR",
        "merchant": "m",
        "category": "c",
        "channel": "atm",
        "lat": 52.5,
        "lon": 13.4,
        "place_accuracy_m": 5,
        "device_type": "terminal",
    }
)
entries = near({"kind": "card", "id": "c", "subject": "p"})


def check(outcome: Outcome, items: int) -> None:
    """Hold an outcome to the promise: everything accounted for, every record readable, every accepted event possible."""
    assert outcome.items == (1 if outcome.body_refused else items)
    written = records(outcome)
    assert len(written) == len(outcome.accepted) + len(outcome.rejects)
    for record in written:
        if record.topic is FIXES and record.value is not None:
            fix = decode(record.value, Fix)
            assert valid_coordinates(fix.lat, fix.lon)
            assert EARLIEST_NS <= fix.fix_ns <= ARRIVAL.latest_ns
            assert fix.accuracy_m is None or fix.accuracy_m > 0
            assert fix.speed_mps is None or fix.speed_mps >= 0
            assert record.key == fix.subject.encode()
        if record.topic is TRANSACTIONS and record.value is not None:
            payment = decode(record.value, Transaction)
            assert payment.amount_minor >= 0
            assert (payment.lat is None) == (payment.lon is None)
            assert record.key == payment.subject.encode()
            assert payment.subject


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(body: bytes) -> None:
    assert sensor_logger.parse(body, ARRIVAL, DIRECTORY).items <= 1 or body.startswith(b"{")
    transactions.parse(body, ARRIVAL, DIRECTORY)
    directory.parse(body, ARRIVAL)


@given(anything)
def test_any_json_is_survived(document: Any) -> None:
    body = _json(document)
    outcomes = (sensor_logger.parse(body, ARRIVAL, DIRECTORY), transactions.parse(body, ARRIVAL, DIRECTORY), directory.parse(body, ARRIVAL))
    for outcome in outcomes:
        check(outcome, outcome.items)


@given(st.lists(readings, max_size=6), st.integers(0, 2**32))
def test_readings_are_accounted_for_in_any_order(payload: list[Any], seed: int) -> None:
    outcomes = []
    for shuffled in (payload, _shuffled(payload, seed)):
        body = _json({"messageId": 1, "sessionId": "s", "deviceId": "d", "payload": shuffled})
        outcome = sensor_logger.parse(body, ARRIVAL, DIRECTORY)
        check(outcome, len(payload))
        outcomes.append(outcome)
    assert _sorted(outcomes[0]) == _sorted(outcomes[1])


@given(st.lists(payments, max_size=6), st.integers(0, 2**32))
def test_payments_are_accounted_for_in_any_order(items: list[Any], seed: int) -> None:
    outcomes = []
    for shuffled in (items, _shuffled(items, seed)):
        outcome = transactions.parse(_json(shuffled), ARRIVAL, DIRECTORY)
        check(outcome, len(items))
        outcomes.append(outcome)
    assert _sorted(outcomes[0]) == _sorted(outcomes[1])


@given(st.lists(entries, max_size=6))
def test_entries_are_accounted_for(items: list[Any]) -> None:
    check(directory.parse(_json(items), ARRIVAL), len(items))


@given(readings, readings)
def test_a_neighbour_changes_nothing(reading: Any, neighbour: Any) -> None:
    def accepted(*payload: Any) -> list[Any]:
        return sensor_logger.parse(_json({"deviceId": "d", "payload": list(payload)}), ARRIVAL, DIRECTORY).accepted

    assert accepted(reading, neighbour) == accepted(reading) + accepted(neighbour)


@given(st.integers(0, 10**15), st.sampled_from([("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)]))
def test_money_keeps_every_digit(minor: int, currency: tuple[str, int]) -> None:
    code, decimals = currency
    digits = str(minor).rjust(decimals + 1, "0")
    written = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
    assert minor_units(written, code) == minor


@given(scalars)
def test_money_is_exact_or_refused(amount: Any) -> None:
    if isinstance(amount, float):
        return
    try:
        assert minor_units(amount, "EUR") >= 0
    except RejectError:
        pass


def _json(document: Any) -> bytes:
    # The standard library's, because it writes integers of any size.
    return json.dumps(document).encode()


def _shuffled(items: list[Any], seed: int) -> list[Any]:
    copy = list(items)
    random.Random(seed).shuffle(copy)  # noqa: S311  # a reproducible order, no secret
    return copy


def _sorted(outcome: Outcome) -> tuple[list[bytes], list[bytes], int]:
    encode = msgspec.json.encode
    return sorted(map(encode, outcome.accepted)), sorted(map(encode, outcome.rejects)), outcome.ignored

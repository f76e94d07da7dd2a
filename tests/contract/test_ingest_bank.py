"""The bank's messages exactly as its programs send them, and the odd cases by name."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest import bank
from ingest.bank import Bank
from ingest.bank.hiding import hide
from ingest.protocols import Request
from tests.property.test_ingest_parsers import ARRIVAL, DIRECTORY
from tests.unit.test_ingest_app import Kafka, client_of
from veilocity import settings
from veilocity.contracts import Channel, Fix, Reject, Transaction, decode
from veilocity.errors import RejectReason, SettingsError
from veilocity.eventtime import ms_from_ns, ns_from_iso
from veilocity.topics import FIXES, REJECTS, TRANSACTIONS

SAN_JOSE = Bank(ZoneInfo("America/Los_Angeles"))
PAYMENT: dict[str, Any] = {
    "Transaction ID": "6a1f0c52-31f6-4a0e-9d4f-0a5b1a4f7e11",
    "User ID": "DEAD975D",
    "Device ID": "99dac4cb-0001-4b8c-9c2f-1f1f1f1f1f1f",
    "Name": "John Wick",
    "Timestamp": "2023-11-14T14:13:20.250000",
    "Amount": 107.23,
    "Card Number": "4539148803436467",
    "Merchant ID": "M-17",
    "Merchant": "Smith and Sons",
    "Merchant_category": "Retail",
    "Location Latitude": "37.3359139",
    "Location Longitude": "-121.8952841",
    "Transaction Type": "online",
    "Transaction_device": "mobile",
}
PLACE: dict[str, Any] = {
    "Time": "2023-11-14 14:13:18",
    "Speed": -1,
    "Altitude": 28.4,
    "Longitude": -121.8952841,
    "Latitude": 37.3359139,
    "DeviceId": "99dac4cb-0001-4b8c-9c2f-1f1f1f1f1f1f",
    "MessageId": 12,
    "SessionId": "s-1",
    "BearingAccuracy": -1,
    "SpeedAccuracy": -1,
    "VerticalAccuracy": 3.1,
    "HorizontalAccuracy": 14.25,
    "Bearing": -1,
}


def pay(*items: Any, here: Bank = SAN_JOSE) -> Any:
    return bank.parse(json.dumps(list(items)).encode(), ARRIVAL, DIRECTORY, here)


def locate(*items: Any, here: Bank = SAN_JOSE, **query: str) -> Any:
    return bank.locations_of(here).adapter(Request(json.dumps(list(items)).encode(), query), ARRIVAL, DIRECTORY)


def test_a_payment_is_taken_as_it_is() -> None:
    (found,) = pay(PAYMENT).accepted
    assert isinstance(found, Transaction)
    assert (found.id, found.user, found.device) == (PAYMENT["Transaction ID"], "DEAD975D", PAYMENT["Device ID"])
    assert found.authorised_ms == ms_from_ns(ns_from_iso("2023-11-14T22:13:20.25Z"))
    assert (found.amount_minor, found.currency, found.card) == (10723, "USD", "4539148803436467")
    assert (found.merchant, found.category, found.device_type) == ("Smith and Sons", "Retail", "mobile")
    assert (found.lat, found.lon, found.channel) == (37.3359139, -121.8952841, Channel.CARD_PRESENT)


def test_a_place_is_taken_as_it_is() -> None:
    (found,) = locate(PLACE).accepted
    assert isinstance(found, Fix)
    assert found.fix_ns == ns_from_iso("2023-11-14T22:13:18Z")
    assert (found.lat, found.lon, found.accuracy_m, found.altitude_m) == (37.3359139, -121.8952841, 14.25, 28.4)
    assert (found.speed_mps, found.bearing_deg, found.session, found.source) == (None, None, "s-1", "bank-locations")


@pytest.mark.parametrize("key", [key for key in PAYMENT if key not in ("Name", "Merchant ID")])
def test_what_a_payment_lacks_is_told_by_the_banks_own_key_or_it_is_not_needed(key: str) -> None:
    outcome = pay({name: value for name, value in PAYMENT.items() if name != key}, PAYMENT)
    needed = {"Transaction ID", "Timestamp", "Amount", "Merchant_category", "Transaction Type", "Location Latitude", "Location Longitude"}
    assert len(outcome.accepted) == (1 if key in needed else 2)
    assert all(key in item.detail or key.startswith("Location") for item in outcome.rejects)


@pytest.mark.parametrize(
    ("wall", "utc"),
    [
        ("2023-07-01T12:00:00", "2023-07-01T19:00:00Z"),
        ("2023-01-15T12:00:00", "2023-01-15T20:00:00Z"),
        ("2023-11-05T01:30:00", "2023-11-05T08:30:00Z"),
        ("2023-03-12T02:30:00", "2023-03-12T10:30:00Z"),
        ("2023-07-01T12:00:00+02:00", "2023-07-01T10:00:00Z"),
    ],
    ids=["summer", "winter", "there twice: the first", "never there: the offset before", "its own offset"],
)
def test_a_local_time_is_read_in_the_banks_zone(wall: str, utc: str) -> None:
    (found,) = pay({**PAYMENT, "Timestamp": wall}).accepted
    assert found.authorised_ms == ms_from_ns(ns_from_iso(utc))
    (place,) = locate({**PLACE, "Time": wall.replace("T", " ")}).accepted
    assert place.fix_ns == ns_from_iso(utc)


def test_a_local_time_without_a_zone_is_refused_and_a_request_may_state_one() -> None:
    (refused,) = pay(PAYMENT, here=Bank()).rejects
    assert (refused.reason, "VEILOCITY_BANK_ZONE" in refused.detail) == (RejectReason.INVALID_TIME, True)
    (found,) = locate(PLACE, here=Bank(), zone="Europe/Vienna").accepted
    assert found.fix_ns == ns_from_iso("2023-11-14T13:13:18Z")
    assert locate(PLACE, zone="Europe/Nowhere").body_refused


def test_an_online_payment_without_a_place_is_one_of_no_place() -> None:
    (found,) = pay({**PAYMENT, "Location Latitude": "", "Location Longitude": ""}).accepted
    assert (found.lat, found.channel) == (None, Channel.ECOMMERCE)
    (found,) = pay(PAYMENT, here=SAN_JOSE._replace(placed=Channel.ECOMMERCE)).accepted
    assert found.channel is Channel.ECOMMERCE


def test_a_refused_payment_is_kept_without_name_and_card() -> None:
    for number in ("4539148803436467", "4539 1488 0343 6467", "4539-1488-0343-6467", 4539148803436467):
        (kept,) = pay({**PAYMENT, "Card Number": number, "Amount": "much"}).rejects
        digits = "".join(character for character in kept.payload if character.isdigit())
        assert "John" not in kept.payload and "453914880343" not in digits, kept.payload
    body = bank.parse(b'{"Name": "John Wick", "Card Number": "4539148803436467"', ARRIVAL, DIRECTORY, SAN_JOSE)
    assert body.body_refused and "45391488" not in body.rejects[0].payload and "Wick" not in body.rejects[0].payload


def test_a_cut_number_is_hidden_too() -> None:
    assert hide('"Card Number": "453914880') == '"Card Number": "*4880'


def test_both_doors_answer_with_what_became_of_each_item() -> None:
    kafka = Kafka()
    client = client_of(kafka, bank_zone="America/Los_Angeles")
    answer = client.post("/v1/bank/transactions", json=[PAYMENT, {**PAYMENT, "Amount": "much"}, 7])
    assert (answer.status_code, answer.json) == (
        200,
        {
            "accepted": 1,
            "rejected": 2,
            "ignored": 0,
            "reasons": {"invalid_field": 1, "malformed": 1},
            "error": "Amount must be a decimal number, such as 12.50",
        },
    )
    assert client.post("/v1/bank/locations", json=PLACE).json == {"accepted": 1, "rejected": 0, "ignored": 0}
    assert client.post("/v1/bank/transactions?zone=Mars/Phobos", json=[PAYMENT]).status_code == 400
    topics = [record.topic for record in kafka.records]
    assert topics == [TRANSACTIONS, REJECTS, REJECTS, FIXES, REJECTS]
    kept = [decode(record.value or b"", Reject) for record in kafka.records if record.topic is REJECTS]
    assert {one.source for one in kept} == {"bank-transactions"}


def test_a_gateway_with_a_zone_that_is_none_does_not_start() -> None:
    with pytest.raises(SettingsError, match="VEILOCITY_BANK_ZONE"):
        bank.bank_of(settings.load({}, bank_zone="Europe/Nowhere"))

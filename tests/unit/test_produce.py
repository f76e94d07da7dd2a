"""Mappings, rates, profiles and the persona."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from ingest import bank, transactions
from ingest.bank import Bank
from ingest.bank.localtime import zone_named
from ingest.fields import Arrival
from ingest.produce.mapping import Mapping, brought, mapping_for, mapping_named
from ingest.produce.persona import FRAUD, PERSONA, PersonaAmongCrowd
from ingest.produce.profiles import Profile, Profiles
from ingest.produce.sustained import Label, due, sustain
from ingest.push import Pusher
from tests.property.test_ingest_parsers import DIRECTORY
from veilocity.contracts import Transaction
from veilocity.errors import SettingsError
from veilocity.geo import great_circle_m

AT_MS = 1_700_000_000_000
ARRIVAL = Arrival(AT_MS + 10**9, 300.0)
UTC = Bank(zone_named("UTC"))
ROWS: dict[str, dict[str, str]] = {
    "cards": {
        "trans_date_trans_time": "2019-01-01 00:00:18",
        "cc_num": "2703186189652095",
        "merchant": "Rippin",
        "category": "misc_net",
        "amt": "4.97",
        "merch_lat": "36.011293",
        "merch_long": "-82.048315",
        "trans_num": "t1",
    },
    "accounts": {
        "account_id": "11111",
        "transaction_amount": "962.41234567",
        "transaction_time": "2021-09-01 10:00:00",
        "location": "Germany",
        "transaction_method": "PayPal",
        "user_transactions_last_24h": "8",
    },
    "txn": {
        "txn_id": "9",
        "cc_no": "379354508162306",
        "txn_time": "2021-01-01 10:00:00",
        "amount": "12.5",
        "merchant": "Lidl",
        "country_code": "DE",
        "age": "44",
    },
    "credit-card": {"Time": "0", "V1": "-1.36", "V28": "-0.02", "Amount": "149.62", "Class": "1"},
    "shop-transactions": {
        "created_at": "2022-01-01T10:00:00.5",
        "customer_id": "7",
        "transaction_id": "u-1",
        "session_id": "s",
        "payment_method": "Gopay",
        "total_amount": "199832",
    },
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_each_kind_of_file_is_found_and_accepted(name: str) -> None:
    mapping = mapping_for(list(ROWS[name]))
    assert mapping == brought()[name]
    for ts in (None, AT_MS // 1000):
        item = mapping.item(ROWS[name], 3, ts)
        outcome = transactions.parse(msgspec.json.encode(item), ARRIVAL, DIRECTORY)
        if name == "credit-card" and ts is None:
            assert outcome.rejects[0].detail == "authorised_at or authorised_ms is missing"
            continue
        (found,) = outcome.accepted
        assert isinstance(found, Transaction)
        assert ts is None or found.authorised_ms == AT_MS
        assert "Class" not in item and "user_transactions_last_24h" not in item


def test_a_row_that_is_sent_as_it_is_stays_text_but_for_ts() -> None:
    row = {"session_id": "1", "event_time": "2022-01-01T10:00:00"}
    assert Mapping(door="/elsewhere").item(row, 1, 17) == {**row, "ts": 17}
    assert Mapping(door="/elsewhere").item(row, 1, None) == row


def test_a_browsing_event_keeps_its_visitor_and_takes_the_time_of_the_play() -> None:
    row = {
        "session_id": "s",
        "event_type": "ATC",
        "event_time": "x",
        "traffic_source": "MOBILE",
        "device_type": "android",
        "customer_id": "7",
    }
    item = mapping_for(list(row)).item(row, 1, 17)
    assert item == {"session": "s", "user": "7", "type": "ATC", "event_ms": 17_000, "traffic_source": "MOBILE", "device_type": "android"}


def test_a_mapping_of_ones_own_changes_cells(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "door: /v1/transactions\nfields:\n  id: {row: r-}\n  minor: {column: a, times: 100}\n"
        "  at: {column: t, local: Europe/Vienna}\n  how: {column: h, choose: {chip: card-present}, otherwise: e-commerce}\n"
        "stamp: {field: when, form: iso}\n",
        encoding="utf-8",
    )
    mapping = mapping_named(str(file))
    assert mapping.item({"a": "1.25", "t": "1970-01-01 01:00:01", "h": "chip"}, 4, 1) == {
        "id": "r-4",
        "minor": 125,
        "at": 1000,
        "how": "card-present",
        "when": "1970-01-01T00:00:01.000Z",
    }
    assert mapping.item({"a": "much", "t": "soon"}, 5, None) == {"id": "r-5", "minor": "much", "at": "soon", "how": "e-commerce"}


@pytest.mark.parametrize("text", ["door: 1", "doors: /x", "door: /x\nfields: {id: {colum: a}}", "- x"])
def test_a_wrong_mapping_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"mine\.yaml"):
        mapping_named(str(file))


def test_an_unknown_file_and_an_unknown_mapping_are_told() -> None:
    with pytest.raises(SettingsError, match="--mapping"):
        mapping_for(["a", "b"])
    with pytest.raises(SettingsError, match="cards"):
        mapping_named("nothing")


def payments_of(profile: Profile, count: int) -> list[tuple[Transaction, Label]]:
    source = Profiles(profile, 7)
    made = [source.make(number, AT_MS + number) for number in range(count)]
    body = b"[" + b",".join(item.body for one in made for item in one.items) + b"]"
    outcome = transactions.parse(body, ARRIVAL, DIRECTORY)
    assert not outcome.rejects
    return [(found, one.label) for found, one in zip(outcome.accepted, made, strict=True) if isinstance(found, Transaction)]


@pytest.mark.parametrize(("profile", "amounts", "counts"), [("normal", (100, 100_000), (1, 3)), ("hacker", (95_000, 150_000), (7, 9))])
def test_a_profile_pays_as_often_and_as_much_as_it_says(profile: str, amounts: tuple[int, int], counts: tuple[int, int]) -> None:
    found = payments_of(Profile(profile), 2_000)
    assert all(amounts[0] <= payment.amount_minor <= amounts[1] for payment, _ in found)
    often = Counter(payment.user for payment, _ in found)
    assert max(often.values()) == counts[1]
    # Those who were there last may have payments left.
    assert sum(number < counts[0] for number in often.values()) <= 64
    assert len({payment.id for payment, _ in found}) == 2_000
    assert all(payment.id == label.id and label.label == profile for payment, label in found)


def test_everybody_of_a_profile_pays_near_home() -> None:
    places: dict[Any, list[tuple[float, float]]] = {}
    for payment, _ in payments_of(Profile.MIXED, 1_000):
        if payment.channel.has_place and payment.lat is not None and payment.lon is not None:
            places.setdefault(payment.user, []).append((payment.lat, payment.lon))
    assert all(great_circle_m(*found[0], *place) < 40_000.0 for found in places.values() for place in found)


def test_the_same_seed_gives_the_same_bytes() -> None:
    for make in (lambda seed: Profiles(Profile.MIXED, seed), PersonaAmongCrowd):
        first, again, other = ([source.make(number, AT_MS) for number in range(50)] for source in (make(3), make(3), make(4)))
        assert first == again != other


def test_the_personas_phone_is_at_home_and_only_fraud_is_far() -> None:
    source = PersonaAmongCrowd(5, fraud_share=0.3)
    made = [source.make(number, AT_MS + number * 1000) for number in range(1_000)]
    phone: tuple[float, float] | None = None
    labels: Counter[str] = Counter()
    for one in made:
        labels[one.label.label] += 1
        for item in one.items:
            message = json.loads(item.body)
            assert "label" not in message and not {FRAUD, PERSONA} & {str(value) for value in message.values()}
            if "DeviceId" in message:
                phone = message["Latitude"], message["Longitude"]
                continue
            (payment,) = bank.parse(item.body, ARRIVAL, DIRECTORY, UTC).accepted
            assert isinstance(payment, Transaction) and payment.lat is not None and payment.lon is not None
            if payment.device == source.device:
                assert phone is not None
                away_m = great_circle_m(*phone, payment.lat, payment.lon)
                assert away_m > 400_000.0 if one.label.label == FRAUD else away_m < 1_000.0
    assert labels[FRAUD] + labels[PERSONA] == 100 and 15 <= labels[FRAUD] <= 45


def test_events_are_due_by_a_schedule_and_not_by_pauses() -> None:
    assert [due(number / 80.0, 80.0, None) for number in range(5)] == [1, 2, 3, 4, 5]
    assert due(100.0, 80.0, 7) == 7


def test_a_slow_gateway_delays_events_and_loses_none() -> None:
    taken: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        found = json.loads(request.content)
        taken.extend(item["id"] for item in found)
        return httpx.Response(200, json={"accepted": len(found), "rejected": 0, "ignored": 0})

    labels: list[Label] = []
    with Pusher("http://gateway", transport=httpx.MockTransport(answer)) as pusher:
        reached = sustain(Profiles(Profile.NORMAL, 1), 100_000.0, 3_000, pusher, threading.Event(), label=labels.append)
    assert (reached.events, reached.answer.accepted) == (3_000, 3_000)
    assert sorted(taken) == sorted(label.id for label in labels) and len(set(taken)) == 3_000

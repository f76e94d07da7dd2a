"""The bank's doors take anything: never a 500, never a lost neighbour, never a card number or a name in what is kept of a refusal."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from ingest import bank
from ingest.bank import Bank
from ingest.bank.localtime import ns_from_local, zone_named
from ingest.protocols import Request
from tests.contract.test_ingest_bank import PAYMENT, PLACE, SAN_JOSE
from tests.property.test_ingest_parsers import ARRIVAL, DIRECTORY, anything, check, near
from tests.unit.test_ingest_app import Kafka, client_of
from veilocity.errors import InvalidInputError

payments, places = near(PAYMENT), near(PLACE)
banks = st.sampled_from([SAN_JOSE, Bank(), Bank(zone_named("UTC"), "JPY")])
zones = st.sampled_from(["America/Los_Angeles", "Europe/Vienna", "Australia/Lord_Howe", "Pacific/Apia", "UTC", "Africa/Monrovia"])


def pay(body: bytes, here: Bank) -> Any:
    return bank.parse(body, ARRIVAL, DIRECTORY, here)


def locate(body: bytes, here: Bank) -> Any:
    return bank.locations_of(here).adapter(Request(body), ARRIVAL, DIRECTORY)


@given(st.lists(payments, max_size=5), st.lists(places, max_size=5), banks)
def test_no_neighbour_is_lost_in_any_order(found: list[Any], seen: list[Any], here: Bank) -> None:
    for take, items in ((pay, found), (locate, seen)):
        alone = [take(json.dumps([item]).encode(), here) for item in items]
        together, backwards = (take(json.dumps(part).encode(), here) for part in (items, items[::-1]))
        check(together, len(items))
        accepted = [one for outcome in alone for one in outcome.accepted]
        assert together.accepted == accepted
        assert backwards.accepted == accepted[::-1]
        assert len(together.rejects) == sum(len(one.rejects) for one in alone)


@given(st.binary(max_size=200) | anything.map(lambda document: json.dumps(document).encode()), banks)
def test_any_body_is_survived(body: bytes, here: Bank) -> None:
    for take in (pay, locate):
        outcome = take(body, here)
        check(outcome, outcome.items)


@given(near(PAYMENT), st.sampled_from(["4539148803436467", "4539 1488 0343 6467", "379354508162306"]))
def test_what_is_kept_of_a_refusal_holds_no_card_and_no_name(item: Any, card: str) -> None:
    if isinstance(item, dict):
        item = {**item, "Card Number": card, "Name": "John Wick", "Amount": "much"}
        (kept,) = pay(json.dumps([item]).encode(), SAN_JOSE).rejects
        assert "Wick" not in kept.payload
        assert card not in kept.payload and card.replace(" ", "") not in kept.payload


@cache
def client() -> FlaskClient:
    return client_of(Kafka(), bank_zone="America/Los_Angeles")


@given(
    st.sampled_from(["transactions", "locations"]),
    st.binary(max_size=80)
    | anything.map(lambda document: json.dumps(document).encode())
    | payments.map(lambda one: json.dumps(one).encode()),
    st.sampled_from(["", "UTC", "Europe/Nowhere", "../etc", "\u00e9", "Europe", "a" * 300, "\x00"]),
)
def test_the_doors_never_answer_500(name: str, body: bytes, zone: str) -> None:
    answer = client().post(f"/v1/bank/{name}", data=body, query_string={"zone": zone} if zone else {})
    assert answer.status_code in (200, 400), answer.text


@given(st.datetimes(), zones)
def test_any_local_time_has_one_moment_whose_wall_clock_it_is_unless_it_never_was(wall: Any, name: str) -> None:
    zone = zone_named(name)
    assert zone is not None
    text = wall.isoformat(sep=" ")
    try:
        moment_ns = ns_from_local(text, zone)
    except InvalidInputError:
        assert wall.year in (1, 9999)
        return
    offset = wall.replace(tzinfo=zone).utcoffset()
    assert moment_ns == ns_from_local(text, zone_named("UTC")) - int(offset.total_seconds()) * 1_000_000_000

"""Payments from outside: what is taken, what is refused, and why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ingest import transactions
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.outcome import Outcome
from veilocity.contracts import Channel, DirectoryEntry, IdentifierKind, SubjectId, Transaction
from veilocity.errors import RejectReason

RECEIVED_MS = 1_700_000_000_000
ARRIVAL = Arrival(received_ms=RECEIVED_MS, future_limit_s=300.0)
PAYMENT: dict[str, Any] = {
    "id": "t-1",
    "card": "4539148803436467",
    "device": "phone-1",
    "user": "u-1",
    "authorised_ms": RECEIVED_MS - 1000,
    "amount": "12.50",
    "currency": "EUR",
    "merchant": "Bakery",
    "category": "grocery",
    "channel": "card-present",
    "lat": 52.5163,
    "lon": 13.3777,
    "place_accuracy_m": 50,
    "country": "DE",
    "device_type": "terminal",
}


def parse(body: Any, directory: Directory | None = None) -> Outcome:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return transactions.parse(data, ARRIVAL, directory or Directory())


def payment(**changes: Any) -> Outcome:
    return parse({name: value for name, value in (PAYMENT | changes).items() if value is not ...})


def only(outcome: Outcome) -> Transaction:
    assert outcome.rejects == []
    (found,) = outcome.accepted
    assert isinstance(found, Transaction)
    return found


def reason(outcome: Outcome) -> RejectReason:
    assert outcome.accepted == []
    (reject,) = outcome.rejects
    return reject.reason


def test_the_normal_form_becomes_a_transaction() -> None:
    found = only(payment())
    assert found == Transaction(
        id="t-1",
        subject=SubjectId("phone-1"),
        authorised_ms=RECEIVED_MS - 1000,
        received_ms=RECEIVED_MS,
        amount_minor=1250,
        currency="EUR",
        merchant="Bakery",
        category="grocery",
        channel=Channel.CARD_PRESENT,
        card=found.card,
        device=found.device,
        user=found.user,
        device_type="terminal",
        lat=52.5163,
        lon=13.3777,
        place_accuracy_m=50.0,
        country="DE",
    )
    assert (found.card, found.device, found.user) == ("4539148803436467", "phone-1", "u-1")


@pytest.mark.parametrize("body", [PAYMENT, [PAYMENT], {"transactions": [PAYMENT]}])
def test_one_many_and_wrapped_are_the_same(body: Any) -> None:
    assert only(parse(body)).id == "t-1"


@pytest.mark.parametrize("body", [b"", b"{", b"7", b'"text"', b'{"transactions": 5}', b"[" * 100_000])
def test_a_body_that_is_no_list_of_payments_is_one_reject(body: bytes) -> None:
    outcome = parse(body)
    assert outcome.body_refused
    assert reason(outcome) is RejectReason.MALFORMED


def test_an_empty_list_is_nothing() -> None:
    assert parse([]).items == 0


def test_a_bad_payment_costs_nothing_but_itself() -> None:
    outcome = parse([PAYMENT, 5, PAYMENT | {"id": ""}, PAYMENT | {"id": "t-2"}])
    assert len(outcome.accepted) == 2
    assert [reject.reason.value for reject in outcome.rejects] == ["malformed", "missing_field"]


@pytest.mark.parametrize("name", ["id", "authorised_ms", "amount", "currency", "merchant", "category", "channel"])
def test_required_fields_are_required(name: str) -> None:
    assert reason(payment(**{name: ...})) is RejectReason.MISSING_FIELD
    assert reason(payment(**{name: None})) is RejectReason.MISSING_FIELD


def test_a_payment_needs_someone_who_paid() -> None:
    assert reason(payment(card=..., device="", user=None)) is RejectReason.MISSING_FIELD


@pytest.mark.parametrize(
    ("identifiers", "subject"),
    [({"card": ..., "user": ...}, "phone-1"), ({"device": ...}, "u-1"), ({"device": ..., "user": ...}, "4539148803436467")],
)
def test_without_an_entry_the_device_the_user_or_the_card_is_the_subject(identifiers: dict[str, Any], subject: str) -> None:
    assert only(payment(**identifiers)).subject == subject


def test_the_entry_of_the_card_wins_over_user_and_device() -> None:
    directory = Directory()
    for kind, key in ((IdentifierKind.DEVICE, "phone-1"), (IdentifierKind.USER, "u-1"), (IdentifierKind.CARD, "4539148803436467")):
        directory.put(DirectoryEntry(kind=kind, id=key, subject=SubjectId(f"p-{kind.value}")))
        assert only(parse(PAYMENT, directory)).subject == f"p-{kind.value}"


@pytest.mark.parametrize("card", ["4.5E+15", "6.76308E+11", 4.539148803436467e15, "4539148803436467.0"])
def test_a_card_that_went_through_a_spreadsheet_is_refused(card: Any) -> None:
    assert reason(payment(card=card)) is RejectReason.DAMAGED_IDENTIFIER


def test_a_card_number_may_be_an_integer_of_19_digits() -> None:
    assert only(payment(card=4890424426862856940)).card == "4890424426862856940"


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", "eur", 1250),
        ("12.5000", "EUR", 1250),
        (12, "EUR", 1200),
        (0, "EUR", 0),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("0.0001", "CLF", 1),
        ("9007199254740.93", "USD", 900719925474093),
    ],
)
def test_amounts_are_exact(amount: Any, currency: str, minor: int) -> None:
    assert only(payment(amount=amount, currency=currency)).amount_minor == minor


def test_an_amount_written_as_a_number_is_read_as_it_was_written() -> None:
    body = msgspec.json.encode(PAYMENT).replace(b'"12.50"', b"4503599627370.49")
    assert only(parse(body)).amount_minor == 450359962737049


@pytest.mark.parametrize("amount", ["-1", "12.505", "1e3", "NaN", "Infinity", "1,50", "12 EUR", "1_000", "٣", True, [], "9" * 19])
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    assert reason(payment(amount=amount)) is RejectReason.INVALID_FIELD


@pytest.mark.parametrize(
    "number",
    [b"1e1000000", b"1e-1000000", b"0.010000000000000000000000000000001", b"1.000000000000000000000000000000000000001", b"1e15", b"12.505"],
)
def test_a_number_that_cannot_be_exact_or_is_huge_is_refused(number: bytes) -> None:
    assert reason(parse(msgspec.json.encode(PAYMENT).replace(b'"12.50"', number))) is RejectReason.INVALID_FIELD


@pytest.mark.parametrize("currency", ["EURO", "€", 978, "E R"])
def test_what_is_no_currency_is_refused(currency: Any) -> None:
    assert reason(payment(currency=currency)) is RejectReason.INVALID_FIELD


def test_times_with_an_offset_are_read() -> None:
    assert only(payment(authorised_ms=..., authorised_at="2023-11-14T23:13:19.500+01:00")).authorised_ms == 1_699_999_999_500
    assert only(payment(authorised_ms="1699999999500")).authorised_ms == 1_699_999_999_500


@pytest.mark.parametrize("time", ["2023-11-14T23:13:19", "2023-13-14T23:13:19Z", "now", 1_699_999_999, ""])
def test_a_time_that_cannot_be_read_is_refused(time: Any) -> None:
    assert reason(payment(authorised_ms=..., authorised_at=time)) is RejectReason.INVALID_TIME


@pytest.mark.parametrize("time_ms", [1.7e12, "1.7e12", True, 1_699_999_999, 2**80, -(2**80)])
def test_milliseconds_that_are_none_are_refused(time_ms: Any) -> None:
    assert reason(payment(authorised_ms=time_ms)) is RejectReason.INVALID_TIME


def test_two_times_are_one_too_many() -> None:
    assert reason(payment(authorised_at="2023-11-14T22:13:19Z")) is RejectReason.INVALID_TIME


def test_the_future_is_refused_beyond_the_limit_only() -> None:
    assert only(payment(authorised_ms=RECEIVED_MS + 300_000)).id == "t-1"
    assert reason(payment(authorised_ms=RECEIVED_MS + 300_001)) is RejectReason.FUTURE_TIME


@pytest.mark.parametrize("channel", ["card present", "CARD-PRESENT", "online", 3])
def test_an_unknown_channel_is_refused(channel: Any) -> None:
    assert reason(payment(channel=channel)) is RejectReason.INVALID_FIELD


@pytest.mark.parametrize("place", [{"lat": ...}, {"lon": None}, {"lat": 0, "lon": 0}, {"lat": 100}, {"lon": "east"}])
def test_half_a_place_and_no_place_on_earth_are_refused(place: dict[str, Any]) -> None:
    assert reason(payment(**place)) is RejectReason.INVALID_COORDINATES


def test_a_payment_without_a_place_is_taken() -> None:
    found = only(payment(lat=..., lon=..., place_accuracy_m=...))
    assert (found.lat, found.lon, found.place_accuracy_m) == (None, None, None)


@pytest.mark.parametrize("accuracy", [0, -5, "near", True])
def test_a_place_accuracy_must_be_positive(accuracy: Any) -> None:
    assert reason(payment(place_accuracy_m=accuracy)) is RejectReason.INVALID_FIELD


@pytest.mark.parametrize("name", ["merchant", "category", "device_type"])
@pytest.mark.parametrize("value", [7, "x" * 257, "a\x00b"])
def test_texts_are_short_and_printable(name: str, value: Any) -> None:
    assert reason(payment(**{name: value})) is RejectReason.INVALID_FIELD


@pytest.mark.parametrize(("stated", "country"), [(..., None), (None, None), ("", None), (" FR ", "FR")])
def test_a_country_may_be_stated(stated: object, country: str | None) -> None:
    assert only(payment(country=stated)).country == country


@pytest.mark.parametrize("stated", ["fr", "FRA", "F", "F1", "ÄÖ", "France", 276, ["FR"]])
def test_what_is_no_country_code_is_refused(stated: object) -> None:
    assert reason(payment(country=stated)) is RejectReason.INVALID_FIELD

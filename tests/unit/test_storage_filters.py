"""Filters are checked and fit into a link; cursors belong to their question; places are judged by the centre of their cell."""

from __future__ import annotations

import base64
from typing import Any

import h3
import msgspec
import pytest

from storage.areas import Box, Cell, Circle, enclosing_circle, is_in
from storage.cases.model import Status
from storage.cursors import read_cursor, write_cursor
from storage.documents import Place
from storage.filters import ALERT_FIELDS, PAYMENT_FIELDS, Filter, holds_alert, holds_payment, only
from storage.paging import MOST_ITEMS, Part, make_page
from tests.integration.storage_world import FAR, PLACE, START_MS, alert, minute, transaction
from veilocity.contracts import Channel, Severity, Verdict
from veilocity.errors import InvalidInputError

EVERYTHING = Filter(
    since_ms=START_MS,
    until_ms=START_MS + 60_000,
    severities=(Severity.HIGH, Severity.LOW),
    rules=("impossible-travel", "payments-count"),
    status=Status.CONFIRMED_FRAUD,
    verdicts=(Verdict.FLAGGED,),
    channels=(Channel.ECOMMERCE, Channel.ATM),
    categories=("food & drink", "Bücher"),
    currency="EUR",
    amount_low=0.5,
    amount_high=1e6,
    area=Circle(-12.5, 179.25, 1_500.0),
    subject="0123456789abcdef0123456789abcdef",
)
changed = msgspec.structs.replace


def test_a_filter_of_everything_comes_back_from_its_link() -> None:
    assert Filter.from_query(EVERYTHING.to_query()) == EVERYTHING
    for area in (Box(-90.0, 170.0, 90.0, -170.0), Cell("87283082affffff"), None):
        other = changed(EVERYTHING, area=area)
        assert Filter.from_query(other.to_query()) == other
    assert Filter().to_query() == ""
    assert Filter.from_query("") == Filter()


@pytest.mark.parametrize(
    "fields",
    [
        {"since_ms": -1},
        {"until_ms": 10**15},
        {"since_ms": 60_000, "until_ms": 60_000},
        {"amount_low": -0.01},
        {"amount_high": float("nan")},
        {"amount_high": float("inf")},
        {"amount_low": 2.0, "amount_high": 1.0},
        {"rules": ("a,b",)},
        {"rules": ("",)},
        {"categories": ("x" * 101,)},
        {"categories": (" padded",)},
        {"subject": "line\nbreak"},
        {"currency": ""},
        {"severities": (Severity.LOW, Severity.LOW)},
        {"rules": tuple(f"rule-{number}" for number in range(31))},
    ],
)
def test_what_cannot_be_asked_for_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        Filter(**fields)


@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "severity=high&severity=low",
        "severity=grave",
        "status=",
        "since=now",
        "since=1_000",
        "since=\u0661",
        "since",
        "amount=5",
        "amount=..",
        "amount=a..b",
        "box=1,2,3",
        "box=2,0,1,1",
        "box=0,0,91,0",
        "circle=0,0,0",
        "circle=0,0,nan",
        "circle=0,181,5",
        "cell=87283082afffff0",
        "cell=87283082affffff&box=0,0,1,1",
        "category=%FF",
        "category=a%00b",
        "rule=" + "x" * 8_001,
    ],
)
def test_a_damaged_link_is_refused_with_a_sentence(query: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        Filter.from_query(query)
    assert len(refused.value.detail) > 20


def test_lists_refuse_what_their_documents_do_not_have() -> None:
    assert only(Filter(rules=("a",), status=Status.NEW), ALERT_FIELDS, "alerts").rules == ("a",)
    with pytest.raises(InvalidInputError, match="payments cannot be limited by rules"):
        only(Filter(rules=("a",)), PAYMENT_FIELDS, "payments")
    with pytest.raises(InvalidInputError, match="alerts cannot be limited by channels"):
        only(Filter(channels=(Channel.ATM,)), ALERT_FIELDS, "alerts")


def test_a_box_across_the_antimeridian_and_one_that_is_a_point() -> None:
    fiji, dateline = Place("", -17.7, 178.0), Box(-20.0, 177.0, -15.0, -178.0)
    assert is_in(dateline, fiji)
    assert is_in(dateline, Place("", -17.7, -179.5))
    assert not is_in(dateline, Place("", -17.7, 0.0))
    assert is_in(Box(-17.7, 178.0, -17.7, 178.0), fiji)
    assert not is_in(dateline, None)


@pytest.mark.parametrize("resolution", range(8))
def test_a_cell_holds_its_descendants_and_its_circle_holds_their_centres(resolution: int) -> None:
    cell = Cell(h3.cell_to_parent(PLACE.cell, resolution))
    circle = enclosing_circle(cell)
    held = 0
    for lat_step in range(-20, 21):
        for lon_step in range(-20, 21):
            lat, lon = circle.lat + lat_step * circle.radius_m / 2.2e6, circle.lon + lon_step * circle.radius_m / 1.7e6
            inner = h3.latlng_to_cell(max(-90.0, min(90.0, lat)), lon, 7)
            place = Place(inner, *h3.cell_to_latlng(inner))
            if is_in(cell, place):
                held += 1
                assert is_in(circle, place)
    assert held > 0
    assert not is_in(cell, FAR)
    assert not is_in(Cell(PLACE.cell), Place(h3.cell_to_parent(PLACE.cell, 5), PLACE.lat, PLACE.lon))
    assert not is_in(cell, Place("no cell", PLACE.lat, PLACE.lon))


def test_an_alert_lies_at_both_of_its_ends_and_at_its_later_minute() -> None:
    one = alert(0, 5)
    for place in (PLACE, FAR):
        assert holds_alert(Filter(area=Circle(place.lat, place.lon, 100.0)), one)
    assert not holds_alert(Filter(area=Circle(0.0, 0.0, 100_000.0)), one)
    assert not holds_alert(Filter(area=Circle(0.0, 0.0, 100_000.0)), alert(4, 5))
    assert holds_alert(Filter(since_ms=minute(5), until_ms=minute(6)), one)
    assert not holds_alert(Filter(until_ms=minute(5)), one)
    assert holds_alert(Filter(severities=(Severity.HIGH,), rules=(one.rule,), subject=one.subject), one)
    for wrong in (Filter(severities=(Severity.LOW,)), Filter(rules=("other",)), Filter(subject="other")):
        assert not holds_alert(wrong, one)


def test_a_payment_is_held_to_every_field() -> None:
    one = changed(transaction(1, 5), severity=Severity.LOW)
    right = Filter(
        since_ms=minute(5),
        until_ms=minute(6),
        severities=(Severity.LOW,),
        verdicts=(Verdict.CLEAR,),
        channels=(Channel.CARD_PRESENT,),
        categories=("groceries",),
        currency="EUR",
        amount_low=12.0,
        amount_high=12.0,
        area=Cell(PLACE.cell),
        subject=one.subject,
    )
    assert holds_payment(right, one)
    wrong: dict[str, Any] = {
        "since_ms": minute(6),
        "until_ms": minute(5),
        "severities": (Severity.HIGH,),
        "verdicts": (Verdict.FLAGGED,),
        "channels": (Channel.ATM,),
        "categories": ("fuel",),
        "currency": "USD",
        "amount_low": 12.5,
        "amount_high": 11.5,
        "area": Cell(FAR.cell),
        "subject": "other",
    }
    for name, value in wrong.items():
        assert not holds_payment(Filter(**{name: value}), one), name


def test_a_cursor_belongs_to_its_question_and_is_checked() -> None:
    cursor = write_cursor((60_000, "a.b"), "alerts?")
    assert read_cursor(cursor, "alerts?") == (60_000, "a.b")
    assert read_cursor(write_cursor((0, ""), "alerts?"), "alerts?") == (0, "")
    forged = base64.urlsafe_b64encode(b"000000000000.1.5.x").decode()
    for damaged in (cursor[:-1], cursor[1:], cursor + "A", "", "ü", "=", "AAAA", "A" * 501, forged):
        with pytest.raises(InvalidInputError, match="ask for the first page"):
            read_cursor(damaged, "alerts?")
    for other in ("alerts?severity=high", "payments?"):
        with pytest.raises(InvalidInputError, match="ask for the first page"):
            read_cursor(cursor, other)
    with pytest.raises(InvalidInputError, match="ask for the first page"):
        read_cursor(write_cursor((2**63, ""), "alerts?"), "alerts?")


@pytest.mark.parametrize("limit", [0, -1, MOST_ITEMS + 1])
def test_a_page_is_bounded(limit: int) -> None:
    with pytest.raises(InvalidInputError, match="1 to 500 items"):
        make_page(lambda key, count: Part[str]([], None), "list?", limit, None, parts=1)


def test_a_page_that_may_not_look_further_says_where_to_go_on() -> None:
    asked: list[int] = []

    def source(key: tuple[int, str] | None, count: int) -> Part[str]:
        asked.append(count)
        return Part([], (100 - len(asked), ""))

    page = make_page(source, "list?", 3, None, parts=4)
    assert (page.items, page.looked_to_ms, len(asked)) == ((), 96, 4)
    assert page.next is not None
    assert read_cursor(page.next, "list?") == (96, "")

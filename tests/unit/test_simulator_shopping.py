"""The lively city: large shops, browsing before payments, registers, and figures that the reports tell."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.simulator import CityPlan, Event, Payment, directory, simulate
from ingest.simulator.events import Browsing
from ingest.simulator.merchants import Market
from ingest.simulator.people import Population
from ingest.simulator.registers import write_registers
from ingest.simulator.shopping import shopping
from veilocity.contracts import IdentifierKind
from veilocity.errors import SettingsError

START_MS = 1_750_000_000_000
PLAN = CityPlan.lively(people=8)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(simulate(PLAN, START_MS, 12.0))


def _read(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(event.body)
    return found


def test_the_same_plan_gives_the_same_browsing_in_order_and_never_before_it_happened(events: list[Event]) -> None:
    browsing = [event for event in events if isinstance(event, Browsing)]
    assert len(browsing) > 50
    assert browsing == [event for event in simulate(PLAN, START_MS, 12.0) if isinstance(event, Browsing)]
    assert [event.due_ms for event in events] == sorted(event.due_ms for event in events)
    assert all(_read(event)["event_ms"] < event.due_ms for event in browsing)


def test_checkouts_come_before_a_payment_of_the_same_user_within_ten_minutes(events: list[Event]) -> None:
    paid = [(one["user"], one["authorised_ms"]) for one in map(_read, (event for event in events if isinstance(event, Payment)))]
    until_ms = START_MS + 12 * 3_600_000 - 600_000
    checkouts = [one for one in map(_read, (event for event in events if isinstance(event, Browsing))) if one["type"] == "CO"]
    checkouts = [one for one in checkouts if one["event_ms"] < until_ms]
    assert checkouts
    for one in checkouts:
        assert any(user == one["user"] and 0 <= at_ms - one["event_ms"] <= 600_000 for user, at_ms in paid)


def test_a_session_may_end_without_a_payment() -> None:
    market = Market(PLAN.seed)
    day = shopping(PLAN, Population(PLAN, market)[0], 20_000, market)
    assert len(day.purchases) < PLAN.large_shop_visits


def test_the_ordinary_payments_of_a_lively_city_are_those_of_a_quiet_one(events: list[Event]) -> None:
    quiet = CityPlan(seed=PLAN.seed, people=PLAN.people, frauds_per_person_day=0.0)
    ordinary = {_read(event)["id"] for event in simulate(quiet, START_MS, 12.0) if isinstance(event, Payment)}
    assert ordinary
    assert ordinary <= {_read(event)["id"] for event in events if isinstance(event, Payment)}
    assert not any(isinstance(event, Browsing) for event in simulate(quiet, START_MS, 1.0))


def test_a_few_large_shops_get_most_payments(events: list[Event]) -> None:
    merchants = Counter(_read(event)["merchant"] for event in events if isinstance(event, Payment))
    assert sum(count for _, count in merchants.most_common(5)) > merchants.total() / 2


def test_the_registers_name_everybody_and_every_merchant(events: list[Event], tmp_path: Path) -> None:
    customers, merchants = write_registers(PLAN, tmp_path / "city")
    with customers.open(encoding="utf-8", newline="") as stream:
        known = {row["customer_id"] for row in csv.DictReader(stream)}
    assert known == {entry.subject for entry in directory(PLAN) if entry.kind is IdentifierKind.USER}
    with merchants.open(encoding="utf-8", newline="") as stream:
        shops = {row["merchant"]: row["category"] for row in csv.DictReader(stream)}
    assert all(shops[one["merchant"]] == one["category"] for one in map(_read, (e for e in events if isinstance(e, Payment))))


def test_visits_cannot_be_fewer_than_none() -> None:
    with pytest.raises(SettingsError):
        CityPlan(large_shop_visits=-1)

"""Who is in the city, and what they carry."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from ingest.simulator import CityPlan, Payment, directory, simulate
from ingest.simulator.chance import Dice, card_number, generator, luhn_digit, uuid_like
from ingest.simulator.merchants import CATEGORIES, Market, amount_text
from ingest.simulator.people import identity
from ingest.simulator.places import CITIES, METROPOLIS, RESIDENTIAL, metres_between, rail_path
from veilocity.contracts import IdentifierKind
from veilocity.geo import great_circle_m

PLAN = CityPlan(people=300)


def test_cards_are_luhn_valid_and_issued_by_nobody() -> None:
    cards = [card for number in range(PLAN.people) for card in identity(PLAN, number).cards]
    assert all(luhn_digit(card[:-1]) == int(card[-1]) and card.startswith("999") for card in cards)
    assert len(set(cards)) == len(cards)
    assert {len(card) for card in cards} == {15, 16, 19}
    assert Counter(len(card) for card in cards).most_common(1)[0][0] == 16


def test_everybody_has_one_to_three_cards() -> None:
    assert {len(identity(PLAN, number).cards) for number in range(PLAN.people)} == {1, 2, 3}


def test_device_ids_have_the_shape_of_a_random_uuid() -> None:
    shape = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(shape.fullmatch(uuid_like(seed, "device", 1)) for seed in range(100))


def test_the_directory_knows_every_identifier_once() -> None:
    entries = list(directory(PLAN))
    assert len({(entry.kind, entry.id) for entry in entries}) == len(entries)
    assert len({entry.subject for entry in entries}) == PLAN.people
    assert Counter(entry.kind for entry in entries)[IdentifierKind.DEVICE] == 2 * PLAN.people


def test_every_identifier_of_a_payment_is_in_the_directory() -> None:
    plan = CityPlan(people=60)
    known = {(entry.kind, entry.id): entry.subject for entry in directory(plan)}
    shared = 0
    for event in simulate(plan, 1_750_000_000_000, 24.0):
        if isinstance(event, Payment):
            content = msgspec.json.decode(event.body)
            owner = known[IdentifierKind.CARD, content["card"]]
            user = known[IdentifierKind.USER, content["user"]]
            shared += owner != user
            if content["device"] is not None:
                assert known[IdentifierKind.DEVICE, content["device"]] == user
    assert shared > 0, "couples share a card"


def test_no_city_is_wider_than_the_minimum_distance_of_the_rule() -> None:
    """So that a shared card, or a badly placed terminal, is never an impossible trip."""
    market = Market(7)
    for city in CITIES:
        places = [shop.stated for kind in CATEGORIES if kind not in ("online", "subscription") for shop in market.shops(city, kind)]
        widest = max(metres_between(first, second) for first in places for second in places)
        assert widest < 49_000


def test_far_cities_are_far_and_flights_have_somewhere_to_go() -> None:
    for city in CITIES[1:]:
        assert great_circle_m(*METROPOLIS.centre, *city.centre) > 300_000
        assert metres_between(city.centre, city.airport) < 40_000
    assert 6 <= len(RESIDENTIAL) <= 8


def test_a_ride_never_leaves_the_lines() -> None:
    steps = {frozenset(pair) for line in METROPOLIS.lines for pair in pairwise(line)}
    for end in (district.place for district in METROPOLIS.districts):
        path = rail_path(METROPOLIS, METROPOLIS.lines[1][0], end)
        assert all(frozenset(pair) in steps for pair in pairwise(path))


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.name)
def test_amounts_are_plain_decimals_in_the_currency_of_the_city(city: object) -> None:
    dice = Dice(generator(3, "amounts"))
    market = Market(3)
    for place in CITIES:
        if place is city:
            for category in CATEGORIES:
                amount, currency = amount_text(market.shops(place, category)[0], dice)
                assert re.fullmatch(r"\d+" if currency == "JPY" else r"\d+\.\d\d", amount)
                assert float(amount) > 0


def test_card_numbers_differ_by_name() -> None:
    assert card_number(1, "card", 1, 0) != card_number(1, "card", 1, 1) != card_number(2, "card", 1, 1)

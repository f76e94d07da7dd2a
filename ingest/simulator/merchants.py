"""Merchants: places where cards are used, with what people buy there and how far the terminal may be from its stated place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from ingest.simulator.chance import Dice, generator
from ingest.simulator.places import CITIES, METROPOLIS, City, Point, offset, somewhere
from veilocity.contracts import Channel

__all__ = ["CATEGORIES", "Category", "Market", "Merchant", "amount_text"]

_NO_CENTS = frozenset({"JPY"})
"""Currencies without a minor unit (ISO 4217)."""
_HEAD_OFFICE_CHANCE = 0.03
_NEAREST = 6
"""People choose among so many shops of a kind nearby."""


@dataclass(frozen=True, slots=True)
class Category:
    """What is bought: amounts are lognormal, with this median in euros and this standard deviation of the logarithm."""

    name: str
    median: float
    spread: float
    shops: int
    """In the metropolis; a far city has a sixth, and at least two."""
    stay_min: tuple[float, float]
    """How long a visit takes."""


CATEGORIES = {
    category.name: category
    for category in (
        Category("groceries", 31.0, 0.6, 70, (12.0, 35.0)),
        Category("restaurant", 24.0, 0.5, 90, (35.0, 80.0)),
        Category("cafe", 5.5, 0.35, 70, (8.0, 25.0)),
        Category("transport", 2.6, 0.3, 30, (3.0, 6.0)),
        Category("fuel", 52.0, 0.3, 24, (6.0, 12.0)),
        Category("clothing", 58.0, 0.6, 36, (15.0, 50.0)),
        Category("electronics", 130.0, 0.8, 18, (15.0, 45.0)),
        Category("health", 19.0, 0.6, 30, (6.0, 20.0)),
        Category("entertainment", 21.0, 0.5, 30, (60.0, 150.0)),
        Category("cash", 70.0, 0.6, 48, (3.0, 6.0)),
        Category("travel", 34.0, 0.7, 3, (15.0, 40.0)),
        Category("online", 44.0, 0.9, 40, (0.0, 0.0)),
        Category("subscription", 11.0, 0.4, 12, (0.0, 0.0)),
    )
}


@dataclass(frozen=True, slots=True)
class Merchant:
    """One merchant with one terminal."""

    id: str
    category: str
    city: City
    place: Point
    """Where the terminal is."""
    stated: Point
    """Where the acquirer says it is: the head office, for a few."""
    accuracy_m: float | None
    """How far the two may differ, as the acquirer states; None where it states nothing."""

    @property
    def channel(self) -> Channel:
        """How one pays here."""
        return {"cash": Channel.ATM, "online": Channel.ECOMMERCE, "subscription": Channel.RECURRING}.get(
            self.category, Channel.CARD_PRESENT
        )


class Market:
    """All merchants of the world for one seed; they do not depend on how many people there are."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._shops: dict[tuple[str, str], tuple[tuple[Merchant, ...], np.ndarray]] = {}

    def shops(self, city: City, category: str) -> tuple[Merchant, ...]:
        """Return the merchants of a kind in a city."""
        return self._of(city, category)[0]

    def near(self, city: City, category: str, place: Point, dice: Dice) -> Merchant:
        """Return one of the merchants of a kind that are nearest to a place."""
        shops, places = self._of(city, category)
        north, east = places[0] - place[0], (places[1] - place[1]) * math.cos(math.radians(place[0]))
        nearest = (north * north + east * east).argsort(kind="stable")
        return shops[int(nearest[dice.whole(0, min(_NEAREST, len(shops)) - 1)])]

    def online(self, dice: Dice, category: str = "online") -> Merchant:
        """Return a merchant that sells from anywhere in the world."""
        return dice.pick(self.shops(dice.pick(CITIES), category))

    def _of(self, city: City, category: str) -> tuple[tuple[Merchant, ...], np.ndarray]:
        key = (city.name, category)
        if key not in self._shops:
            dice = Dice(generator(self._seed, "merchants", *key))
            kind = CATEGORIES[category]
            count = kind.shops if city is METROPOLIS else max(2, kind.shops // 6)
            shops = tuple(_merchant(city, category, number, dice) for number in range(count))
            self._shops[key] = shops, np.array([shop.place for shop in shops]).T
        return self._shops[key]


def _merchant(city: City, category: str, number: int, dice: Dice) -> Merchant:
    if category == "travel":
        place = offset(city.airport, dice.between(-300, 300), dice.between(-300, 300))
    else:
        place = somewhere(city, dice, jobs=not dice.happens(0.4))
    accuracy: float | None = round(dice.between(20.0, 250.0))
    stated = place
    if dice.happens(_HEAD_OFFICE_CHANCE) and category != "travel":
        stated, accuracy = offset(place, dice.between(-4000, 4000), dice.between(-4000, 4000)), None
    return Merchant(f"{_slug(city.name)}-{category}-{number + 1:03d}", category, city, place, stated, accuracy)


@cache  # one entry per city
def _slug(name: str) -> str:
    return name.lower().replace(" ", "-").replace("ã", "a")


def amount_text(merchant: Merchant, dice: Dice, times: float = 1.0) -> tuple[str, str]:
    """Return an amount as a decimal string in the merchant's currency, and the currency.

    Args:
        merchant: whose category and city set the price.
        dice: draws the amount.
        times: thieves buy more at once than customers.
    """
    category, city = CATEGORIES[merchant.category], merchant.city
    euros = category.median * math.exp(category.spread * dice.normal()) * times
    local = euros * city.price_level
    if merchant.category == "cash":
        note = 10.0 * 10.0 ** len(str(int(city.price_level))) / 10.0
        local = max(1.0, round(local / note)) * note
    return (f"{max(1.0, local):.0f}" if city.currency in _NO_CENTS else f"{max(0.5, local):.2f}"), city.currency

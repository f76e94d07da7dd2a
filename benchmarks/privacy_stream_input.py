"""What the streaming release is measured on: a day's hours of decided payments of people who live in cities and pay in shops.

Seeded: the same plan gives the same records. Every payment is of its person's city, where shops have a fixed place; one in five has no
place. Payments come in the order of time but for a few minutes, and a few come hours late.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from veilocity.contracts import CardId, Channel, Decision, DeviceId, SubjectId, Transaction, UserId, Verdict

__all__ = ["Plan", "decisions", "last"]

_CITIES = 24
_SHOPS = 1_500
"""Of one city."""
_CATEGORIES = ("grocery", "restaurant", "fuel", "pharmacy", "clothing", "cafe", "electronics", "hotel", "train", "cinema")
_HOUR_MS = 3_600_000
_START_MS = 1_790_000_000_000 // 86_400_000 * 86_400_000 + 8 * _HOUR_MS
_AFTER_ALL_MS = 3 * 86_400_000
"""After the deadline of every window."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn."""

    payments: int = 3_000_000
    people: int = 300_000
    hours: int = 8
    seed: int = 7


class _Shop(NamedTuple):
    name: str
    category: str
    lat: float
    lon: float


def decisions(plan: Plan) -> Iterator[Decision]:
    """Yield the decided payments."""
    dice = random.Random(plan.seed)  # noqa: S311  # test data
    cities = [_shops(number, dice) for number in range(_CITIES)]
    step_ms = plan.hours * _HOUR_MS / plan.payments
    for number in range(plan.payments):
        person = int(dice.random() * plan.people)
        city = cities[person % _CITIES]
        shop = city[int(dice.random() ** 2 * _SHOPS)]
        chance = dice.random()
        late_ms = 3 * _HOUR_MS if chance < 0.001 else int(chance * 300_000)
        yield _decision(number, person, shop, _START_MS + int(number * step_ms) - late_ms, dice)


def last(partition: int) -> Decision:
    """Return a payment of a partition that comes long after all others, so that every window before it closes."""
    shop = _Shop("after all", "grocery", 0.0, 0.0)
    at_ms = _START_MS + _AFTER_ALL_MS
    return _decision(-1 - partition, -1 - partition, shop, at_ms, random.Random(partition))  # noqa: S311  # test data


def _shops(city: int, dice: random.Random) -> list[_Shop]:
    lat, lon = dice.uniform(36.0, 58.0), dice.uniform(-8.0, 24.0)
    return [
        _Shop(f"shop-{city}-{number}", dice.choice(_CATEGORIES), round(dice.gauss(lat, 0.05), 6), round(dice.gauss(lon, 0.08), 6))
        for number in range(_SHOPS)
    ]


def _decision(number: int, person: int, shop: _Shop, at_ms: int, dice: random.Random) -> Decision:
    is_online = dice.random() < 0.2
    verdict = Verdict.FLAGGED if dice.random() < 0.01 else Verdict.CLEAR
    payment = Transaction(
        id=f"payment-{number:09}",
        subject=SubjectId(f"person-{person:07}"),
        authorised_ms=at_ms,
        received_ms=at_ms + 400,
        amount_minor=int(dice.lognormvariate(7.6, 1.0)),
        currency="EUR",
        merchant=shop.name,
        category=shop.category,
        channel=Channel.ECOMMERCE if is_online else Channel.CARD_PRESENT,
        card=CardId(f"45391488{person:08}"),
        device=DeviceId(f"phone-{person:07}"),
        user=UserId(f"user-{person:07}"),
        device_type="mobile" if is_online else "terminal",
        lat=None if is_online else shop.lat,
        lon=None if is_online else shop.lon,
        country="FR",
    )
    return Decision(payment, verdict, 0.02, ("no_finding",), {})

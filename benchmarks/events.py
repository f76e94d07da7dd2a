"""The events that benchmarks are run on: people with a home, who move a little and pay near their phone.

Seeded: the same plan gives the same bytes. Nine in ten are fixes, the rest payments; some come late, some twice, and now and then a card is
used on another continent than its phone.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from veilocity.contracts import CardId, Channel, DeviceId, Fix, SubjectId, Transaction, encode
from veilocity.topics import FIXES, TRANSACTIONS, Topic

__all__ = ["Event", "Plan", "events"]

_CITIES = ((51.5074, -0.1278), (48.8566, 2.3522), (52.52, 13.405), (40.4168, -3.7038), (41.9028, 12.4964))
_FAR = ((6.5244, 3.3792), (-33.8688, 151.2093), (35.6762, 139.6503))
_CATEGORIES = ("grocery", "restaurant", "fuel", "pharmacy", "clothing")
_STEP_DEGREES = 0.0002
"""About 20 m."""
_REPEATED = 1_000
"""A repeated record is one of so many before it."""


class Event(NamedTuple):
    """One record as the gateway writes it."""

    topic: Topic
    key: bytes
    value: bytes
    fraud: str = ""
    """Id of a payment that is made impossibly far away."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn."""

    seed: int = 4
    subjects: int = 20_000
    interval_s: float = 120.0
    """Mean time between two events of one subject: with one payment in ten events, three payments an hour.

    At 25 s it would be fourteen, which no honest person makes, and what is measured would be the rules that flag that.
    """
    payments: float = 0.10
    late: float = 0.05
    repeated: float = 0.01
    fraud: float = 0.001
    """Share of the payments."""


class _Person:
    __slots__ = ("lat", "lon", "name", "number", "payments")

    def __init__(self, number: int, rng: random.Random) -> None:
        city = _CITIES[number % len(_CITIES)]
        self.number = number
        self.name = SubjectId(f"person-{number:07}")
        self.lat = city[0] + rng.uniform(-0.1, 0.1)
        self.lon = city[1] + rng.uniform(-0.1, 0.1)
        self.payments = 0


def events(plan: Plan, start_ms: int) -> Iterator[Event]:
    """Yield events without end; event time runs on by `interval_s / subjects` with each.

    Args:
        plan: what is drawn.
        start_ms: event time of the first.
    """
    rng = random.Random(plan.seed)  # noqa: S311  # test data
    people = [_Person(number, rng) for number in range(plan.subjects)]
    recent: deque[Event] = deque(maxlen=_REPEATED)
    step_ms = plan.interval_s * 1000.0 / plan.subjects
    order, number = list(range(plan.subjects)), 0
    while True:
        rng.shuffle(order)
        for index in order:
            number += 1
            at_ms = start_ms + int(number * step_ms)
            if recent and rng.random() < plan.repeated:
                yield rng.choice(recent)
                continue
            if rng.random() < plan.late:
                at_ms -= rng.randrange(30_000, 600_000)
            event = _payment(people[index], at_ms, plan, rng) if rng.random() < plan.payments else _fix(people[index], at_ms, rng)
            recent.append(event)
            yield event


def _fix(person: _Person, at_ms: int, rng: random.Random) -> Event:
    person.lat += rng.uniform(-_STEP_DEGREES, _STEP_DEGREES)
    person.lon += rng.uniform(-_STEP_DEGREES, _STEP_DEGREES)
    fix = Fix(
        subject=person.name,
        device=DeviceId(f"phone-{person.number:07}"),
        source="sensor-logger/gps",
        fix_ns=at_ms * 1_000_000 + rng.randrange(1_000_000),
        received_ms=at_ms + rng.randrange(100, 900),
        lat=round(person.lat, 7),
        lon=round(person.lon, 7),
        accuracy_m=round(rng.uniform(4.0, 40.0), 1),
        speed_mps=round(rng.uniform(0.0, 2.0), 2),
        bearing_deg=round(rng.uniform(0.0, 360.0), 1),
        altitude_m=round(rng.uniform(0.0, 90.0), 1),
        session=f"session-{person.number:07}",
    )
    return Event(FIXES, person.name.encode(), encode(fix))


def _payment(person: _Person, at_ms: int, plan: Plan, rng: random.Random) -> Event:
    person.payments += 1
    name = f"payment-{person.number:07}-{person.payments:05}"
    is_fraud = rng.random() < plan.fraud
    lat, lon = rng.choice(_FAR) if is_fraud else (person.lat, person.lon)
    shop = rng.randrange(5)
    payment = Transaction(
        id=name,
        subject=person.name,
        authorised_ms=at_ms,
        received_ms=at_ms + rng.randrange(100, 900),
        amount_minor=round(rng.lognormvariate(7.5, 0.8)),
        currency="EUR",
        merchant=f"shop-{(person.number + shop) % 5_000}",
        category=_CATEGORIES[shop],
        channel=Channel.CARD_PRESENT,
        card=CardId(f"card-{person.number:07}"),
        lat=round(lat + rng.uniform(-_STEP_DEGREES, _STEP_DEGREES), 6),
        lon=round(lon + rng.uniform(-_STEP_DEGREES, _STEP_DEGREES), 6),
    )
    return Event(TRANSACTIONS, person.name.encode(), encode(payment), name if is_fraud else "")

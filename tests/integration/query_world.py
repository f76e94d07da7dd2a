"""Alerts and payments of a small made-up world, varied enough that every filter keeps some and drops some, for the tests of read models."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import h3
import msgspec
from elasticsearch import Elasticsearch

from storage.areas import Box, Circle
from storage.documents import MaskedAlert, MaskedBatch, MaskedObservation, MaskedTransaction, Place, Progress
from storage.paging import Page
from tests.integration.storage_world import START_MS, alert, both, position, token, transaction, writing
from veilocity.contracts import Channel, ObservationKind, Severity, Verdict
from veilocity.geo import great_circle_m
from veilocity.settings import Settings

MINUTE_MS = 60_000
SPAN_MINUTES = 2_000
CITIES = ((37.77, -122.41), (48.85, 2.35), (6.52, 3.38), (-17.71, 178.06), (-17.8, -179.9))
RULES = ("impossible-travel", "payments-count", "phone-far-away", "spoofed-place")
CATEGORIES = ("groceries", "fuel", "travel", "food & drink", "games", "books")
PEOPLE = 30
changed = msgspec.structs.replace


def place_near(dice: random.Random) -> Place:
    lat, lon = dice.choice(CITIES)
    cell = h3.latlng_to_cell(lat + dice.gauss(0, 0.2), lon + dice.gauss(0, 0.2) if lon < 178 else 179.99, 7)
    return Place(cell, *h3.cell_to_latlng(cell))


def minute_of(dice: random.Random) -> int:
    # Crowded now and then, so that pages end within a minute.
    number = dice.randrange(SPAN_MINUTES) if dice.random() < 0.6 else dice.randrange(4) * 500
    return START_MS + number * MINUTE_MS


def made_alert(number: int) -> MaskedAlert:
    dice = random.Random(f"alert {number}")  # noqa: S311  # a made-up world
    minute_ms = minute_of(dice)
    base = alert(number, 0, minute_ms=minute_ms)
    kinds = (ObservationKind.FIX, dice.choice((ObservationKind.ATM, ObservationKind.CARD_PRESENT, ObservationKind.ECOMMERCE)))
    places = (place_near(dice), None if kinds[1] is ObservationKind.ECOMMERCE else place_near(dice))
    ends = [MaskedObservation(kind, minute_ms, place, 30.0) for kind, place in zip(kinds, places, strict=True)]
    return changed(
        base,
        rule=dice.choice(RULES),
        severity=dice.choices(tuple(Severity), (6, 3, 1))[0],
        subject=token("subject", dice.randrange(PEOPLE)),
        first=changed(ends[0], minute_ms=minute_ms - dice.randrange(3) * 7 * MINUTE_MS),
        second=ends[1],
    )


def made_payment(number: int, alerts: list[MaskedAlert]) -> MaskedTransaction:
    dice = random.Random(f"payment {number}")  # noqa: S311  # a made-up world
    of = dice.choice(alerts) if dice.random() < 0.4 else None
    channel = dice.choice(tuple(Channel))
    return changed(
        transaction(number, 0, minute_of(dice) if of is None else max(of.first.minute_ms, of.second.minute_ms)),
        subject=token("subject", dice.randrange(PEOPLE)) if of is None else of.subject,
        card=token("card", dice.randrange(2 * PEOPLE)),
        device_type=dice.choice(("mobile", "terminal", None)),
        amount=float(dice.choice((1, 5, 12, 75, 250, 1_200))),
        currency=dice.choices(("EUR", "USD", "NGN", "FJD"), (6, 3, 2, 1))[0],
        merchant=f"merchant {dice.randrange(25)}",
        category=dice.choice(CATEGORIES),
        channel=channel,
        place=place_near(dice) if channel.has_place else None,
        verdict=Verdict.CLEAR if of is None else Verdict.FLAGGED,
        alert=None if of is None else of.id,
        severity=None if of is None else of.severity,
    )


def write_world(settings: Settings, alerts: int = 160, payments: int = 500) -> tuple[list[MaskedAlert], list[MaskedTransaction]]:
    """Write the world in a few batches, and return it."""
    made = [made_alert(number) for number in range(alerts)]
    paid = [made_payment(number, made) for number in range(payments)]
    with writing(settings) as writer:
        for seq in range(4):
            batch = MaskedBatch(
                progress=Progress(id="privacy", seq=seq, event_ms=START_MS + SPAN_MINUTES * MINUTE_MS),
                alerts=tuple(changed(one, seq=seq) for one in made[seq::4]),
                transactions=tuple(changed(one, seq=seq) for one in paid[seq::4]),
                positions=tuple(
                    position(person, seq, START_MS + seq * MINUTE_MS, place_near(random.Random(f"person {person}")))  # noqa: S311  # a made-up world
                    for person in range(seq * 8, PEOPLE)
                ),
            )
            writer.write(both(batch))
    return [changed(one, seq=number % 4) for number, one in enumerate(made)], [changed(one, seq=n % 4) for n, one in enumerate(paid)]


PARIS = CITIES[1]
BAY = Box(37.0, -123.0, 38.5, -121.5)
DATELINE = Box(-19.0, 177.0, -16.0, -179.0)
AROUND = Circle(*PARIS, 20_000.0)
MIDDLE_MS = START_MS + 1_000 * MINUTE_MS
SUBJECT = token("subject", 3)
World = tuple[list[MaskedAlert], list[MaskedTransaction]]


def refresh(settings: Settings) -> None:
    with Elasticsearch(settings.elasticsearch_url) as search:
        search.indices.refresh(index=f"{settings.elasticsearch_index_prefix}-*")


def later_ms(one: MaskedAlert) -> int:
    return max(one.first.minute_ms, one.second.minute_ms)


def newest_first(alerts: list[MaskedAlert]) -> list[str]:
    return [one.id for one in sorted(alerts, key=lambda one: (later_ms(one), one.id), reverse=True)]


def everything(ask: Callable[..., Page[Any]], *question: Any) -> list[Any]:
    """Return all pages as one list, and see that they end."""
    found: list[Any] = []
    cursor = None
    for _ in range(2_000):
        page = ask(*question, cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found
    raise AssertionError("the list did not end")


def places(one: MaskedAlert) -> list[Place]:
    return [end.place for end in (one.first, one.second) if end.place is not None]


def near_paris(place: Place) -> bool:
    return great_circle_m(*PARIS, place.lat, place.lon) <= 20_000


def in_the_bay(place: Place) -> bool:
    return 37.0 <= place.lat <= 38.5 and -123.0 <= place.lon <= -121.5


def at_the_dateline(place: Place) -> bool:
    return -19.0 <= place.lat <= -16.0 and (place.lon >= 177.0 or place.lon <= -179.0)

"""Weeks of alerts and payments for the benchmark of questions: seeded, written into both stores in bulk, with cases and positions.

Nine in ten documents are payments. A person has a home, pays near it, and is somewhere else in one payment of thirty; minutes follow the
hours of a day, so some hold many documents and some none.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import h3
from elasticsearch import Elasticsearch
from pymongo import MongoClient

from storage.cases.collections import CASES
from storage.cases.model import Case, Label, Status
from storage.documents import (
    MaskedAlert,
    MaskedEpisode,
    MaskedObservation,
    MaskedTransaction,
    Place,
    Position,
    Progress,
)
from storage.kinds import ALERTS, POSITIONS, PROGRESS, TRANSACTIONS, Document, Kind, month, to_document
from storage.mappings import index_name
from storage.schema import ensure_collections
from veilocity.contracts import AlertState, Channel, Check, ObservationKind, Severity, Verdict
from veilocity.geo import Interval
from veilocity.settings import Settings

__all__ = ["CITIES", "PEOPLE", "RULES", "START_MS", "Plan", "World", "fill", "token"]

START_MS = 1_793_491_200_000
"""2026-11-01T00:00Z."""
PEOPLE = 5_000
_DAY_MINUTES = 24 * 60
_BATCH_MINUTES = 5
CITIES = ((51.5074, -0.1278), (48.8566, 2.3522), (52.52, 13.405), (40.4168, -3.7038), (6.5244, 3.3792), (35.6762, 139.6503))
RULES = (
    "impossible-travel",
    "phone-far-away",
    "payments-count",
    "first-country",
    "spoofed-place",
    "shared-card",
    "night-place",
    "amount-jump",
)
_CATEGORIES = ("grocery", "restaurant", "fuel", "pharmacy", "clothing", "travel", "games", "books", "electronics", "cash")
_CURRENCIES = ("EUR", "GBP", "NGN", "JPY")
_DECIDED = (Status.ACKNOWLEDGED, Status.CONFIRMED_FRAUD, Status.FALSE_POSITIVE, Status.CLOSED)
_INSERTED = 2_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what, spread over how long."""

    payments: int
    alerts: int
    cases: int
    days: int

    @property
    def end_ms(self) -> int:
        """The end of the last day."""
        return START_MS + self.days * _DAY_MINUTES * 60_000


@dataclass(slots=True)
class World:
    """What questions are drawn from: a sample of what there is."""

    alerts: list[str]
    subjects: list[str]
    days: int


def token(*parts: object) -> str:
    """Return a token as the privacy stage makes them: 128 bits in hexadecimal."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


class _Maker:
    """Makes documents from their numbers; places and tokens of people are made once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        dice = random.Random("places")  # noqa: S311  # a made-up world
        self.places = [[_place(dice, city) for _ in range(400)] for city in CITIES]
        self.homes = [dice.choices(range(len(CITIES)), (6, 5, 4, 3, 2, 1))[0] for _ in range(PEOPLE)]
        self.subjects = [token("subject", person) for person in range(PEOPLE)]

    def minute(self, dice: random.Random) -> int:
        # Hours of the day: twelve busy ones have three in four.
        day, hour = dice.randrange(self.plan.days), dice.randrange(8, 20) if dice.random() < 0.75 else dice.randrange(24)
        return START_MS + ((day * 24 + hour) * 60 + dice.randrange(60)) * 60_000

    def where(self, dice: random.Random, person: int, away: float) -> Place:
        city = dice.randrange(len(CITIES)) if dice.random() < away else self.homes[person]
        return self.places[city][int(400 * dice.random() ** 2)]

    def alert(self, number: int) -> MaskedAlert:
        dice = random.Random(f"alert {number}")  # noqa: S311  # a made-up world
        minute_ms, person = self.minute(dice), dice.randrange(PEOPLE)
        rule = dice.choices(RULES, (8, 6, 5, 4, 3, 2, 1, 0.2))[0]
        elapsed = dice.randrange(1, 240)
        first = MaskedObservation(ObservationKind.FIX, minute_ms - elapsed * 60_000, self.where(dice, person, 0.0), 30.0)
        second = MaskedObservation(ObservationKind.CARD_PRESENT, minute_ms, self.where(dice, person, 0.6), 1000.0)
        return MaskedAlert(
            id=token("alert", number),
            seq=_seq(minute_ms),
            revision=1,
            rule=rule,
            rule_version="1",
            cause=rule.replace("-", "_"),
            severity=dice.choices(tuple(Severity), (5, 3, 2))[0],
            state=AlertState.OPEN,
            subject=self.subjects[person],
            score=0.9,
            probability=0.01,
            first=first,
            second=second,
            distance_m=Interval(8.9e6, 9.0e6, 9.1e6),
            elapsed_s=elapsed * 60.0,
            speed_kmh=Interval(8800.0, 9000.0, 9200.0),
            speed_limit_kmh=1100.0,
            minimum_distance_m=50_000.0,
            fine_with_s=32_000.0,
            sentence="9,000 km in 1 h 00 min: at least 8,900 km/h, limit 1,100 km/h. Fine with 8 h 04 min or more.",
            checks=tuple(Check(name, applied=False) for name in ("known-place", "shared-card", "terminal-spread")),
            episode=MaskedEpisode(minute_ms, minute_ms, 1),
        )

    def payment(self, number: int) -> MaskedTransaction:
        dice = random.Random(f"payment {number}")  # noqa: S311  # a made-up world
        # Every alert has a payment.
        of = self.alert(number) if number < self.plan.alerts else None
        person = dice.randrange(PEOPLE)
        minute_ms = self.minute(dice) if of is None else of.second.minute_ms
        channel = dice.choices(tuple(Channel), (6, 1, 3, 1))[0]
        place = self.where(dice, person, 0.03) if of is None else of.second.place
        return MaskedTransaction(
            id=token("payment", number),
            seq=_seq(minute_ms),
            revision=1,
            subject=self.subjects[person] if of is None else of.subject,
            card=token("card", person, dice.randrange(2)),
            device=token("device", person),
            user=None,
            device_type=dice.choice(("mobile", "terminal", None)),
            minute_ms=minute_ms,
            amount=float(f"{dice.lognormvariate(3.2, 1.3):.2g}"),
            currency=dice.choices(_CURRENCIES, (10, 5, 3, 1))[0],
            amount_band="10-100",
            merchant=f"merchant {int(2_000 * dice.random() ** 2)}",
            category=dice.choices(_CATEGORIES, range(10, 0, -1))[0],
            channel=channel,
            country="GB",
            place=place if channel.has_place else None,
            verdict=Verdict.CLEAR if of is None else Verdict.FLAGGED,
            score=0.1,
            reasons=() if of is None else (of.cause,),
            alert=None if of is None else of.id,
            severity=None if of is None else of.severity,
            place_seen_before=True,
        )

    def case(self, number: int) -> Case:
        dice = random.Random(f"case {number}")  # noqa: S311  # a made-up world
        of = self.alert(number * (self.plan.alerts // self.plan.cases))
        status = _DECIDED[dice.randrange(4)]
        return Case(
            id=of.id,
            status=status,
            label=Label.CONFIRMED_FRAUD if status is Status.CONFIRMED_FRAUD else None,
            reason="the bank called the holder",
            author="ada",
            assignee=None,
            revision=2,
            head="0" * 64,
            opened_ms=of.second.minute_ms,
            updated_ms=of.second.minute_ms + 3_600_000,
            minute_ms=of.second.minute_ms,
            severity=of.severity,
            rule=of.rule,
            subject=of.subject,
            cell=of.second.place.cell if of.second.place else None,
        )

    def position(self, person: int) -> Position:
        dice = random.Random(f"position {person}")  # noqa: S311  # a made-up world
        seq = _seq(self.plan.end_ms) - dice.randrange(15)
        return Position(self.subjects[person], seq, START_MS + seq * _BATCH_MINUTES * 60_000, self.where(dice, person, 0.05))


def _place(dice: random.Random, city: tuple[float, float]) -> Place:
    cell = h3.latlng_to_cell(city[0] + dice.gauss(0, 0.15), city[1] + dice.gauss(0, 0.2), 7)
    return Place(cell, *h3.cell_to_latlng(cell))


def _seq(minute_ms: int) -> int:
    return (minute_ms - START_MS) // 60_000 // _BATCH_MINUTES


def fill(settings: Settings, plan: Plan) -> World:
    """Write everything into both stores, whose schema is there already; MongoDB's indexes are made again behind it."""
    maker = _Maker(plan)
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri.get_secret_value())
    search = Elasticsearch(settings.elasticsearch_url, request_timeout=120)
    kinds: tuple[tuple[Kind[Any], Callable[[int], Any], int], ...] = (
        (ALERTS, maker.alert, plan.alerts),
        (TRANSACTIONS, maker.payment, plan.payments),
        (CASES, maker.case, plan.cases),
        (POSITIONS, maker.position, PEOPLE),
    )
    try:
        database = client[settings.mongodb_database]
        with ThreadPoolExecutor(1) as beside:
            for kind, make, count in kinds:
                database[kind.name].drop_indexes()
                for start in range(0, count, _INSERTED):
                    some = [to_document(kind, make(number)) for number in range(start, min(count, start + _INSERTED))]
                    indexed = beside.submit(_index, search, settings, kind, some) if kind.searchable else None
                    # What is made here is what the validators ask for: checking it costs some servers more than writing it.
                    database[kind.name].insert_many(some, ordered=False, bypass_document_validation=True)
                    if indexed is not None:
                        indexed.result()
        ensure_collections(database)
        database[PROGRESS.name].insert_one(to_document(PROGRESS, Progress("privacy", _seq(plan.end_ms), event_ms=plan.end_ms)))
        search.indices.refresh(index=f"{settings.elasticsearch_index_prefix}-*")
    finally:
        search.close()
        client.close()
    return World([token("alert", number) for number in range(0, plan.alerts, 7)], maker.subjects, plan.days)


def _index(search: Elasticsearch, settings: Settings, kind: Kind[Any], documents: Sequence[Document]) -> None:
    lines: list[Document] = []
    for document in documents:
        index = index_name(settings.elasticsearch_index_prefix, kind, month(document["minute_ms"]))
        lines.append({"index": {"_index": index, "_id": document["_id"]}})
        lines.append({name: value for name, value in document.items() if name not in ("_id", *kind.unsearched)})
    answer = search.bulk(operations=lines)
    if answer["errors"]:
        raise SystemExit("Elasticsearch refuses made-up documents: are they still what its mappings ask for?")

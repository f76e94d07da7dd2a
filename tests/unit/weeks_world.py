"""Labelled weeks, made once for all tests that look at them."""

from __future__ import annotations

from functools import cache

from ingest.simulator.weeks import Week, WeekPlan, fix_id, labelled_week
from veilocity.contracts import Channel, DeviceId, Fix, SubjectId, Transaction

PLAN = WeekPlan(seed=3, people=20, days=6)


@cache
def week() -> Week:
    return labelled_week(PLAN)


def name_of(event: Fix | Transaction) -> str:
    return fix_id(event) if isinstance(event, Fix) else event.id


def time_ns(event: Fix | Transaction) -> int:
    return event.fix_ns if isinstance(event, Fix) else event.authorised_ms * 1_000_000


START_MS = 1_764_000_000_000
PARIS, LONDON, LAGOS = (48.8566, 2.3522), (51.5074, -0.1278), (6.5244, 3.3792)


def fix(at_s: float, place: tuple[float, float]) -> Fix:
    at_ms = START_MS + round(at_s * 1000)
    return Fix(SubjectId("anna"), DeviceId("phone"), "sensor-logger", at_ms * 1_000_000, at_ms + 500, *place, accuracy_m=20.0)


def payment(at_s: float, place: tuple[float, float], name: str) -> Transaction:
    at_ms = START_MS + round(at_s * 1000)
    return Transaction(
        id=name,
        subject=SubjectId("anna"),
        authorised_ms=at_ms,
        received_ms=at_ms + 700,
        amount_minor=1250,
        currency="EUR",
        merchant="Corner shop",
        category="groceries",
        channel=Channel.CARD_PRESENT,
        lat=place[0],
        lon=place[1],
    )

"""Labelled weeks, made once for all tests that look at them."""

from __future__ import annotations

from functools import cache

from ingest.simulator.weeks import Week, WeekPlan, fix_id, labelled_week
from veilocity.contracts import Fix, Transaction

PLAN = WeekPlan(seed=3, people=20, days=6)


@cache
def week() -> Week:
    return labelled_week(PLAN)


def name_of(event: Fix | Transaction) -> str:
    return fix_id(event) if isinstance(event, Fix) else event.id


def time_ns(event: Fix | Transaction) -> int:
    return event.fix_ns if isinstance(event, Fix) else event.authorised_ms * 1_000_000

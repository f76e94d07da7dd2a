"""The order in which events reach the engine: by time of receipt, some of them twice."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ingest.simulator.chance import Dice, generator
from ingest.simulator.weeks.labels import fix_id
from ingest.simulator.weeks.plan import WeekPlan
from veilocity.contracts import Fix, Transaction

__all__ = ["in_order_of_arrival"]


def in_order_of_arrival(events: Iterable[Fix | Transaction], plan: WeekPlan) -> tuple[Fix | Transaction, ...]:
    """Return the events by time of receipt, a share of them again up to two minutes later: senders repeat what was not answered."""
    ordered = sorted(events, key=_key)
    dice = Dice(generator(plan.seed, "repeats"))
    repeats = [
        msgspec.structs.replace(event, received_ms=event.received_ms + dice.whole(500, 120_000))
        for event in ordered
        if dice.happens(plan.duplicate_chance)
    ]
    return tuple(sorted(ordered + repeats, key=_key))


def _key(event: Fix | Transaction) -> tuple[int, str, int, str]:
    if isinstance(event, Fix):
        return event.received_ms, event.subject, event.fix_ns, fix_id(event)
    return event.received_ms, event.subject, event.authorised_ms * 1_000_000, event.id

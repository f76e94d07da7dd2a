"""People of three kinds, drawn from a seed, whose payments fill two whole windows of a week and close the second."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import Producer

from veilocity.contracts import Channel, Decision, SubjectId, Transaction, Verdict, encode
from veilocity.kafka import producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

WEEK_MS = 7 * 86_400_000
START_MS = 1_790_000_000_000 // WEEK_MS * WEEK_MS
OF_A_KIND = 12
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000


class Kind(NamedTuple):
    """How one kind of people pays."""

    per_week: int
    amount_minor: int
    hour: int
    spread_deg: float
    is_online: bool


LOCAL, TRAVELLER, NIGHT_BUYER = Kind(5, 1_500, 11, 0.01, False), Kind(14, 24_000, 14, 4.0, False), Kind(40, 4_000, 1, 0.01, True)
KINDS = (LOCAL, TRAVELLER, NIGHT_BUYER)
STRANGERS = 3
"""People who pay too seldom."""


def decisions(seed: int = 5) -> list[Decision]:
    """Return the answers to all payments, later answers to some, and the payment that closes the second week."""
    dice = random.Random(seed)  # noqa: S311  # a seeded test, nothing secret
    made: list[Decision] = []
    for week in range(2):
        for number, kind in enumerate(kind for kind in KINDS for _ in range(OF_A_KIND)):
            made.extend(_payment(f"PERSON-{number:04d}", kind, week, each, dice) for each in range(kind.per_week))
        made.extend(_payment(f"STRANGER-{number}", LOCAL, week, 0, dice) for number in range(STRANGERS))
    made.extend(_again(one) for one in made[::9])
    # So late that the partitions of all others are idle.
    made.append(_payment("PERSON-0000", LOCAL, 3, 0, dice))
    return made


def _payment(person: str, kind: Kind, week: int, each: int, dice: random.Random) -> Decision:
    day = dice.randrange(7)
    event_ms = START_MS + week * WEEK_MS + day * _DAY_MS + kind.hour * _HOUR_MS + dice.randrange(_HOUR_MS)
    placed = not kind.is_online or each % 5 == 0
    payment = Transaction(
        id=f"PAYMENT-{person}-{week}-{each}",
        subject=SubjectId(person),
        authorised_ms=event_ms,
        received_ms=event_ms,
        amount_minor=round(kind.amount_minor * dice.uniform(0.7, 1.4)),
        currency="GBP",
        merchant="shop",
        category="groceries",
        channel=Channel.CARD_PRESENT if placed else Channel.ECOMMERCE,
        lat=51.5 + dice.uniform(-1.0, 1.0) * kind.spread_deg if placed else None,
        lon=-0.12 + dice.uniform(-1.0, 1.0) * kind.spread_deg if placed else None,
    )
    return Decision(payment, Verdict.CLEAR, 0.1, (), {})


def _again(decision: Decision) -> Decision:
    return Decision(decision.transaction, Verdict.FLAGGED, 0.9, ("later",), {}, revision=2)


def feed(settings: Settings, made: Sequence[Decision]) -> None:
    """Write answers, as the rules service does, between a transaction that is aborted and records that nobody can read."""
    producer = Producer(producer_config(settings, **{"transactional.id": f"{settings.kafka_topic_prefix}feed"}))
    producer.init_transactions()
    for committed in (False, True):
        producer.begin_transaction()
        for decision in made:
            producer.produce(topic_name(settings, DECISIONS), encode(decision), decision.transaction.subject)
        producer.produce(topic_name(settings, DECISIONS), b"{", "PERSON-0001")
        producer.commit_transaction() if committed else producer.abort_transaction()

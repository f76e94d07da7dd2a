"""What the page of payments could be told, made up: payments that are counted here one by one, by the filter's own words."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from storage.documents import MaskedTransaction, Progress
from storage.filters import Filter, holds_payment
from storage.read_panels import STEP_MS, Averages, Money, Panels, Share, Volume
from tests.e2e.pages_world import payment
from tests.e2e.privacy_world import HOUR_MS, START_MS, progress
from veilocity.contracts import Channel
from veilocity.errors import StoreUnavailableError

CATEGORIES = ("groceries", "restaurant", "fuel", "clothes", "electronics", "travel", "pharmacy")
MINUTES = 24 * 60


@dataclass
class PaymentsWorld:
    """Stores that tell what a test gives them. `down` makes both silent, `counting` False Elasticsearch alone."""

    progress_document: Progress | None = None
    payments: list[MaskedTransaction] = field(default_factory=list)
    down: bool = False
    counting: bool = True
    unfound: int = 0
    """So many of the newest payments are not found yet: Elasticsearch is a moment behind."""
    asked: list[Filter] = field(default_factory=list)
    """What was counted."""
    looks: int = 0

    def progress(self) -> Progress | None:
        self.looks += 1
        if self.down:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")
        return self.progress_document

    def panels(self, which: Filter) -> Panels:
        if self.down or not self.counting:
            raise StoreUnavailableError("Elasticsearch does not answer: is it running?")
        self.asked.append(which)
        assert which.since_ms is not None
        assert which.until_ms is not None
        return count(
            [one for one in self.payments[: len(self.payments) - self.unfound] if holds_payment(which, one)], which.since_ms, which.until_ms
        )

    def add(self, *more: MaskedTransaction) -> None:
        """Write another batch."""
        assert self.progress_document is not None
        self.payments.extend(more)
        event_ms = max(self.progress_document.event_ms, *(one.minute_ms for one in more))
        self.progress_document = msgspec.structs.replace(self.progress_document, seq=self.progress_document.seq + 1, event_ms=event_ms)


def count(payments: Sequence[MaskedTransaction], since_ms: int, until_ms: int) -> Panels:
    """Return the ten panels of payments."""
    currencies = [share.name for share in shares((one.currency for one in payments), 3)]
    return Panels(
        since_ms=since_ms,
        until_ms=until_ms,
        payments=len(payments),
        people=_distinct(one.subject for one in payments),
        cards=_distinct(one.card for one in payments),
        merchants=_distinct(one.merchant for one in payments),
        categories=shares((one.category for one in payments), 5),
        money=tuple(_money(name, [one for one in payments if one.currency == name]) for name in currencies),
        volume=tuple(Volume(start_ms, found) for start_ms, found in sorted(Counter(map(_start_ms, payments)).items())),
        averages=tuple(_averages(name, [one for one in payments if one.currency == name]) for name in currencies),
        channels=shares((one.channel.value for one in payments), 10),
        device_types=shares((one.device_type or "(none)" for one in payments), 5),
    )


def shares(values: Iterable[str], most: int) -> tuple[Share, ...]:
    """Return the most frequent values, the earlier name first among equals."""
    ordered = sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Share(name, found) for name, found in ordered[:most])


def payments_day(now_ms: int, payments: int = 2_600, seed: int = 17) -> PaymentsWorld:
    """Return a day of payments that are most at noon and few at night."""
    draw = random.Random(seed)  # noqa: S311  # a made-up day
    made = []
    for number in range(payments):
        minute = _minute(draw)
        kind = min(len(CATEGORIES) - 1, int(draw.expovariate(0.55)))
        channel = draw.choices(tuple(Channel), (50, *(9 for _ in tuple(Channel)[1:])))[0]
        made.append(
            msgspec.structs.replace(
                payment(number, draw),
                minute_ms=START_MS + minute * 60_000,
                card=f"card{number % 402}",
                merchant=f"merchant{number % 97}",
                category=CATEGORIES[kind],
                channel=channel,
                currency=draw.choices(("GBP", "EUR", "USD"), (80, 15, 5))[0],
                device_type=draw.choices(("terminal", "phone", "browser", None), (55, 25, 15, 5))[0],
                amount=round(draw.lognormvariate(3.0 + 0.25 * kind, 0.7), 1),
            )
        )
    whole = msgspec.structs.replace(progress(now_ms), event_ms=START_MS + 24 * HOUR_MS - 60_000)
    return PaymentsWorld(progress_document=whole, payments=made)


def _minute(draw: random.Random) -> int:
    while True:
        minute = draw.randrange(MINUTES)
        if draw.random() < 0.12 + 0.88 * math.sin(math.pi * minute / MINUTES) ** 4:
            return minute


def _distinct(values: Iterable[Hashable]) -> int:
    return len({value for value in values if value is not None})


def _start_ms(payment: MaskedTransaction) -> int:
    return payment.minute_ms // STEP_MS * STEP_MS


def _money(currency: str, payments: Sequence[MaskedTransaction]) -> Money:
    sums: dict[str, float] = {}
    for one in payments:
        sums[one.category] = sums.get(one.category, 0.0) + one.amount
    total = sum(sums.values())
    largest = sorted(sums.items(), key=lambda pair: -pair[1])[:5]
    return Money(currency, len(payments), total, total / len(payments), tuple(largest))


def _averages(currency: str, payments: Sequence[MaskedTransaction]) -> Averages:
    amounts: dict[int, list[float]] = {}
    for one in payments:
        amounts.setdefault(_start_ms(one), []).append(one.amount)
    return Averages(currency, tuple((start_ms, sum(found) / len(found)) for start_ms, found in sorted(amounts.items())))

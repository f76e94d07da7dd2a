"""The rules that count payments in a window: count, amount, distinct merchants, distinct countries; and card testing.

One class per rule, one counting base: `Window` takes the payments of the window up to and with the judged one, and a rule says what of them
counts and from which value on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Generic, TypeVar

from msgspec import Meta

from rules.glance import Quiet
from rules.hits import Evidence, Proof
from rules.profile import Recent, recent_of
from rules.rule import Parameters, Rule, check
from rules.scene import Scene
from rules.sight import ATM, ECOMMERCE, RECURRING, Sight
from veilocity.contracts import Item, ObservationKind, Severity
from veilocity.evidence import tell_duration

__all__ = [
    "MAX_ITEMS",
    "AmountParameters",
    "AmountPerWindow",
    "CardTesting",
    "CardTestingParameters",
    "CountPerWindow",
    "CountriesParameters",
    "CountriesPerWindow",
    "MerchantsParameters",
    "MerchantsPerWindow",
    "WindowParameters",
    "items_of",
]

MAX_ITEMS = 32
_KINDS = tuple(ObservationKind)


Window = Annotated[float, Meta(gt=0, le=86_400)]
"""Seconds of event time; a profile remembers one day."""
Limit = Annotated[float, Meta(gt=0, le=MAX_ITEMS)]
"""What is counted must fit into the evidence."""


class WindowParameters(Parameters, frozen=True):
    """A limit within a window of event time."""

    window_s: Window = 3600.0
    limit: Limit = 10.0
    """From this value on it is a finding."""


class AmountParameters(Parameters, frozen=True):
    """A sum in minor units within a window of event time."""

    window_s: Window = 86_400.0
    limit: Annotated[float, Meta(gt=0)] = 500_000.0
    """From this sum on it is a finding."""


class MerchantsParameters(WindowParameters, frozen=True):
    """Distinct merchants within an hour."""

    limit: Limit = 8.0


class CountriesParameters(WindowParameters, frozen=True):
    """Distinct countries within a day."""

    window_s: Window = 86_400.0
    limit: Limit = 3.0


P = TypeVar("P", bound=WindowParameters | AmountParameters)


def items_of(payments: Sequence[Recent]) -> tuple[Item, ...]:
    """Return payments as evidence, the newest `MAX_ITEMS`."""
    return tuple(
        Item(one.event_ns // 1_000_000, one.amount_minor, one.merchant, one.country.decode().strip(), _KINDS[one.kind])
        for one in payments[-MAX_ITEMS:]
    )


class _Window(Rule[P], Generic[P]):
    """Counts what payments of the window have; a subclass says what."""

    unit: ClassVar[str]
    severity: ClassVar[Severity] = Severity.LOW
    parameter_type: ClassVar[type[Parameters]] = WindowParameters

    @property
    def _bound(self) -> tuple[int, int]:
        """Fewer than so many in the window's nanoseconds are never a finding."""
        return math.ceil(self.parameters.limit), int(self.parameters.window_s * 1e9)

    def quiet(self) -> Quiet:
        """Too few payments of any kind."""
        return Quiet(payments=(self._bound,))

    def judge(self, scene: Scene) -> Evidence | None:
        """Count the payments of the window, the judged one among them."""
        start_ns = scene.sight.event_ns - self._bound[1]
        own = recent_of(scene.sight, scene.transaction)
        if not self.counts(own) or not self.may_reach(scene, start_ns):
            return None
        window = [*(one for one in scene.profile.since(start_ns) if self.counts(one)), own]
        items = items_of(window)
        # A longer window is proven by its newest payments alone.
        if self.value(items) < self.parameters.limit:
            return None
        first = Sight(window[0].event_ns, 0, 0, -1, kind=window[0].kind, source="")
        return Evidence(first, scene.sight, {"value": self.value(items)}, items)

    def may_reach(self, scene: Scene, start_ns: int) -> bool:
        """Say whether the limit may be reached, from what is quick to get: here, whether there are as many payments of any kind."""
        return scene.profile.reaches(self._bound[0], start_ns)

    def counts(self, payment: Recent) -> bool:
        """Say whether a payment takes part."""
        return payment.kind != RECURRING

    def value(self, items: Sequence[Item]) -> float:
        """Return what is compared with the limit; monotone in the payments."""
        raise NotImplementedError

    def prove(self, evidence: Evidence) -> Proof:
        """Compare the value of the counted payments with the limit."""
        value, limit = self.value(evidence.items), self.parameters.limit
        spent_s = (evidence.items[-1].event_ms - evidence.items[0].event_ms) / 1000.0 if evidence.items else 0.0
        return Proof(
            severity=self.severity if value >= limit else None,
            score=0.5 if self.severity is Severity.LOW else round(value / (value + limit), 6),
            cause=self.reasons[0],
            sentence=f"{value:,.0f} {self.unit} within {tell_duration(spent_s)}; from {limit:,.0f} on it is unusual.",
            checks=check(recurring=False),
        )


class CountPerWindow(_Window[WindowParameters]):
    """Rule `payments-count`: many payments in a short time.

    value = number of payments in [t - window_s, t], the judged one at t among them, recurring ones not; found from `limit` on.
    """

    id: ClassVar[str] = "payments-count"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Many payments in a short time"
    reasons: ClassVar[tuple[str, ...]] = ("many_payments",)
    false_positives: ClassVar[str] = "A day at a fair; a vending machine paid coin by coin; a wallet that splits one purchase."
    unit: ClassVar[str] = "payments"

    def value(self, items: Sequence[Item]) -> float:
        """Return the number of payments."""
        return float(len(items))


class AmountPerWindow(_Window[AmountParameters]):
    """Rule `payments-amount`: much money in a short time, in minor units.

    value = sum of max(0, amount) over the payments in [t - window_s, t], the judged one at t among them, recurring ones not, the newest
    32 at most; found from `limit` on.
    """

    id: ClassVar[str] = "payments-amount"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Much money in a short time"
    reasons: ClassVar[tuple[str, ...]] = ("much_money",)
    false_positives: ClassVar[str] = "Rent, furniture, a flight; sums of different currencies are added as they are."
    parameter_type: ClassVar[type[Parameters]] = AmountParameters
    unit: ClassVar[str] = "minor units spent"

    def quiet(self) -> Quiet:
        """Even all that was spent on the day is too little."""
        return Quiet(spent_minor=self.parameters.limit)

    def may_reach(self, scene: Scene, start_ns: int) -> bool:
        """Say whether as much was spent on the whole day."""
        return scene.profile.spent_minor + max(0, scene.transaction.amount_minor) >= self.parameters.limit

    def value(self, items: Sequence[Item]) -> float:
        """Return the sum of the amounts."""
        return float(sum(max(0, one.amount_minor) for one in items))


class MerchantsPerWindow(_Window[MerchantsParameters]):
    """Rule `payments-merchants`: many different merchants in a short time.

    value = distinct merchants of the payments in [t - window_s, t], the judged one at t among them, recurring ones not; found from
    `limit` on.
    """

    id: ClassVar[str] = "payments-merchants"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Many merchants in a short time"
    reasons: ClassVar[tuple[str, ...]] = ("many_merchants",)
    false_positives: ClassVar[str] = "Christmas shopping in a mall; a market."
    parameter_type: ClassVar[type[Parameters]] = MerchantsParameters
    unit: ClassVar[str] = "merchants"

    def quiet(self) -> Quiet:
        """Too few merchants."""
        return Quiet(merchants=(self._bound,))

    def value(self, items: Sequence[Item]) -> float:
        """Return the number of different merchants."""
        return float(len({one.merchant for one in items}))


class CountriesPerWindow(_Window[CountriesParameters]):
    """Rule `payments-countries`: cards used in several countries in a short time.

    value = distinct countries of the payments at a place in [t - window_s, t], the judged one at t among them; found from `limit` on.
    """

    id: ClassVar[str] = "payments-countries"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Several countries in a short time"
    reasons: ClassVar[tuple[str, ...]] = ("many_countries",)
    false_positives: ClassVar[str] = "A journey by rail or air through several countries; life at a border."
    parameter_type: ClassVar[type[Parameters]] = CountriesParameters
    unit: ClassVar[str] = "countries"
    severity: ClassVar[Severity] = Severity.LOW

    def quiet(self) -> Quiet:
        """Even those of the whole day are too few."""
        return Quiet(countries=self.parameters.limit)

    def may_reach(self, scene: Scene, start_ns: int) -> bool:
        """Say whether there are as many countries on the whole day."""
        return len(scene.profile.recent_countries()) + 1 >= self.parameters.limit

    def counts(self, payment: Recent) -> bool:
        """Count payments at a place that say their country: on the net a country is where the merchant is."""
        return payment.kind <= ATM and payment.country != b"  "

    def value(self, items: Sequence[Item]) -> float:
        """Return the number of different countries."""
        return float(len({one.country for one in items}))


class CardTestingParameters(WindowParameters, frozen=True):
    """Small payments on the net, at different merchants."""

    window_s: Window = 900.0
    limit: Limit = 4.0
    small_minor: int = 300
    merchants: int = 3


class CardTesting(_Window[CardTestingParameters]):
    """Rule `card-testing`: a thief tries whether a card works, with small payments at several merchants on the net.

    value = number of payments on the net of 0 to `small_minor` in [t - window_s, t], the judged one at t among them, if they are at
    `merchants` or more merchants; found from `limit` on.
    """

    id: ClassVar[str] = "card-testing"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Small payments that try a card"
    reasons: ClassVar[tuple[str, ...]] = ("card_testing",)
    false_positives: ClassVar[str] = "Parking, apps and public transport paid in small sums one after the other."
    unit: ClassVar[str] = "small payments on the net"
    severity: ClassVar[Severity] = Severity.MEDIUM
    parameter_type: ClassVar[type[Parameters]] = CardTestingParameters

    def quiet(self) -> Quiet:
        """Only payments on the net are looked at."""
        return Quiet(kinds=1 << ECOMMERCE)

    def counts(self, payment: Recent) -> bool:
        """Count small payments on the net."""
        return payment.kind == ECOMMERCE and 0 <= payment.amount_minor <= self.parameters.small_minor

    def value(self, items: Sequence[Item]) -> float:
        """Return the number of payments, 0 below the number of merchants."""
        return float(len(items)) if len({one.merchant for one in items}) >= self.parameters.merchants else 0.0

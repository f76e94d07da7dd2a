"""Injected fraud whose truth is known: who is hit when, what the thief does, and what a rule can prove of it.

A fraud is put between two fixes of the victim's phone with no honest payment of the victim between them, so that its neighbours in event
time are known and the contradiction is the fraud's and nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ingest.simulator.chance import Dice, generator, hexadecimal
from ingest.simulator.events import FraudKind, Label
from ingest.simulator.life import Hour, Spending
from ingest.simulator.merchants import Market, Merchant, amount_text
from ingest.simulator.phones import Fixes, keep, stranger
from ingest.simulator.places import CITIES, Point, offset, somewhere
from ingest.simulator.plan import CityPlan
from ingest.simulator.routes import Mode
from ingest.simulator.wire import payment_body
from veilocity.contracts import TravelLimits
from veilocity.evidence import speed_bounds_kmh
from veilocity.geo import distance_bounds_m

__all__ = ["Haul", "Order", "commit", "order_of"]

_SHOPS = ("electronics", "clothing", "groceries", "fuel", "restaurant")
_TRIES = 24
_STEP_MS = 75_000
_MARGIN_MS = 2_000
_NEAR_MISS_M = 15_000.0
_NEAR_MISS_AT_ONCE_M = 45_000.0
"""Fast on paper, but below the distance from which the rule looks."""


@dataclass(frozen=True, slots=True)
class Order:
    """A fraud that shall happen to somebody at about a time."""

    slot: int
    at_ms: int
    kind: FraudKind
    phone_off_ms: tuple[int, int]
    """How long before and after the fraud the victim's phone records nothing."""
    exact: bool = False
    """The moment was chosen with care already: try no other."""


@dataclass(frozen=True, slots=True)
class Haul:
    """What an hour becomes by the frauds in it."""

    fixes: Fixes
    """The victim's own, without what a phone that is off does not record."""
    payments: tuple[Spending, ...]
    intruder: tuple[Fixes, ...]
    labels: tuple[Label, ...]


Neighbour = tuple[int, float, float, float]
"""Milliseconds, latitude, longitude, accuracy radius."""


def order_of(plan: CityPlan, slot: int, at_ms: int, dice: Dice) -> Order:
    """Draw what the thief of a slot does."""
    shares = (plan.share_teleport, plan.share_atm, plan.share_simultaneous, plan.share_takeover)
    kind = dice.weighted(tuple(FraudKind), (*shares, max(0.0, 1.0 - sum(shares))))
    off = (0, 0)
    if kind is FraudKind.NEAR_MISS and dice.happens(0.4):
        off = 1_200_000, 300_000
    elif kind in (FraudKind.TELEPORT, FraudKind.ATM) and dice.happens(plan.share_phone_off):
        off = int(dice.between(240_000, 1_500_000)), int(dice.between(240_000, 1_500_000))
    return Order(slot, at_ms, kind, off)


def commit(plan: CityPlan, hour: Hour, orders: list[Order], market: Market, rule: TravelLimits) -> Haul:
    """Return the hour with the ordered frauds in it; an order that finds no fit moment in the hour comes to nothing."""
    crime = _Crime(plan, hour, market, rule)
    for order in orders:
        crime.carry_out(order)
    return Haul(crime.fixes, (*hour.payments, *crime.payments), tuple(crime.intruder), tuple(crime.labels))


class _Crime:
    """The frauds of one person's hour as they are committed, one after the other."""

    def __init__(self, plan: CityPlan, hour: Hour, market: Market, rule: TravelLimits) -> None:
        self._plan, self._hour, self._market, self._rule = plan, hour, market, rule
        self._person = hour.person
        self.fixes = hour.fixes
        self.payments: list[Spending] = []
        self.intruder: list[Fixes] = []
        self.labels: list[Label] = []
        self._taken: list[tuple[int, int]] = []
        """Spans between honest fixes that hold a fraud already."""

    def carry_out(self, order: Order) -> None:
        dice = Dice(generator(self._plan.seed, "crime", order.slot, order.at_ms))
        if order.kind is FraudKind.SIMULTANEOUS:
            if self._simultaneous(order, dice):
                return
            # The owner pays nowhere in this hour.
            order = replace(order, kind=FraudKind.TELEPORT)
        lasts_ms = int(dice.between(330_000, 600_000)) if order.kind is FraudKind.TAKEOVER else 0
        for attempt in range(1 if order.exact else _TRIES):
            # 0, +1, -1, +2, -2, ... steps away from the wanted moment.
            at_ms = order.at_ms + _STEP_MS * ((attempt + 1) // 2) * (1 if attempt % 2 else -1)
            at_ms, fixes = self._settle(order, at_ms, dice)
            span = _span(fixes, at_ms, at_ms + lasts_ms)
            if span is not None and self._fits(*span, at_ms, at_ms + lasts_ms, spare=0):
                self.fixes = fixes
                self._taken.append(span)
                self._strike(order, at_ms, lasts_ms, span, dice)
                return

    def _settle(self, order: Order, at_ms: int, dice: Dice) -> tuple[int, Fixes]:
        """Return the moment, moved well between two fixes, and the fixes that the phone records around it."""
        times = self.fixes.time_us // 1000
        before_ms, after_ms = order.phone_off_ms
        if before_ms or after_ms:
            return at_ms, keep(self.fixes, (times < at_ms - before_ms) | (times > at_ms + after_ms))
        right = int(np.searchsorted(times, at_ms))
        if 0 < right < len(times) and not order.exact:
            at_ms = int(times[right - 1] + (times[right] - times[right - 1]) * dice.between(0.25, 0.75))
        return at_ms, self.fixes

    def _fits(self, left_ms: int, right_ms: int, from_ms: int, until_ms: int, *, spare: int) -> bool:
        """Say whether nothing else happens between the two honest fixes, but for `spare` honest payments."""
        honest = sum(left_ms <= payment.at_ms <= right_ms for payment in self._hour.payments if payment.place is not None)
        apart = all(right_ms <= taken[0] or left_ms >= taken[1] for taken in self._taken)
        return honest == spare and apart and left_ms + _MARGIN_MS <= from_ms and until_ms + _MARGIN_MS <= right_ms

    def _simultaneous(self, order: Order, dice: Dice) -> bool:
        placed = [payment for payment in self._hour.payments if payment.place is not None]
        for honest in sorted(placed, key=lambda payment: abs(payment.at_ms - order.at_ms)):
            span = _span(self.fixes, honest.at_ms, honest.at_ms)
            if span is not None and honest.place is not None and self._fits(*span, honest.at_ms, honest.at_ms, spare=1):
                self._taken.append(span)
                neighbours = [(honest.at_ms, *honest.place), *self._around(span)]
                self._pay(order, honest.at_ms, self._far_shop("electronics", dice), neighbours, dice)
                return True
        return False

    def _strike(self, order: Order, at_ms: int, lasts_ms: int, span: tuple[int, int], dice: Dice) -> None:
        if order.kind is FraudKind.TAKEOVER:
            self._take_over(order, at_ms, lasts_ms, span, dice)
        elif order.kind is FraudKind.NEAR_MISS:
            away_m = _NEAR_MISS_AT_ONCE_M if order.phone_off_ms == (0, 0) else _NEAR_MISS_M
            self._pay(order, at_ms, self._shop_near(at_ms, away_m, dice), self._around(span), dice)
        else:
            kind = "cash" if order.kind is FraudKind.ATM else dice.pick(_SHOPS)
            self._pay(order, at_ms, self._far_shop(kind, dice), self._around(span), dice)

    def _far_shop(self, category: str, dice: Dice) -> Merchant:
        city = dice.pick([city for city in CITIES if city is not self._person.city])
        return dice.pick(self._market.shops(city, category))

    def _shop_near(self, at_ms: int, away_m: float, dice: Dice) -> Merchant:
        """Return a shop so far from where the phone was last."""
        shop = dice.pick(self._market.shops(self._person.city, "electronics"))
        index = int(np.searchsorted(self.fixes.time_us, at_ms * 1000)) - 1
        here: Point = float(self.fixes.lat_e7[index]) / 1e7, float(self.fixes.lon_e7[index]) / 1e7
        angle = dice.between(0.0, 2.0 * np.pi)
        there = offset(here, away_m * float(np.cos(angle)), away_m * float(np.sin(angle)))
        return replace(shop, place=there, stated=there, accuracy_m=120.0)

    def _around(self, span: tuple[int, int]) -> list[Neighbour]:
        """Return the honest fixes at both ends of a span."""
        times = self.fixes.time_us // 1000
        return [self._neighbour(self.fixes, int(np.searchsorted(times, moment))) for moment in span]

    def _neighbour(self, fixes: Fixes, index: int) -> Neighbour:
        return (
            int(fixes.time_us[index]) // 1000,
            float(fixes.lat_e7[index]) / 1e7,
            float(fixes.lon_e7[index]) / 1e7,
            float(fixes.accuracy_m[index]),
        )

    def _pay(self, order: Order, at_ms: int, shop: Merchant, neighbours: list[Neighbour], dice: Dice) -> None:
        person, seed = self._person, self._plan.seed
        name = hexadecimal(seed, "fraud", order.slot, person.number, at_ms)
        body = payment_body(
            id=name,
            card=dice.pick(person.identity.cards),
            user=person.identity.user,
            device=None,
            device_type="terminal",
            authorised_ms=at_ms,
            amount=amount_text(shop, dice, times=2.5),
            merchant=shop,
        )
        accuracy = self._rule.default_place_accuracy_m if shop.accuracy_m is None else shop.accuracy_m
        place = (*shop.stated, accuracy)
        self.payments.append(Spending(at_ms, at_ms + dice.whole(300, 1500), place, body))
        self._label(order, (at_ms, *place), at_ms, neighbours, transaction=name)

    def _take_over(self, order: Order, at_ms: int, lasts_ms: int, span: tuple[int, int], dice: Dice) -> None:
        city = dice.pick([city for city in CITIES if city is not self._person.city])
        lat, lon = somewhere(city, dice, jobs=False)
        piece = (at_ms / 1000.0, (at_ms + lasts_ms) / 1000.0, lat, lon, lat, lon, int(Mode.INDOORS))
        fixes = stranger(self._person, piece, generator(self._plan.seed, "intruder", order.slot, order.at_ms))
        self.intruder.append(fixes)
        first, last = self._neighbour(fixes, 0), self._neighbour(fixes, -1)
        self._label(order, first, last[0], self._around(span)[:1])

    def _label(self, order: Order, far: Neighbour, until_ms: int, neighbours: list[Neighbour], transaction: str | None = None) -> None:
        rule = self._rule
        judged = []
        for at_ms, lat, lon, accuracy_m in neighbours:
            distance = distance_bounds_m(lat, lon, accuracy_m, *far[1:])
            elapsed_s = abs(far[0] - at_ms) / 1000.0
            speed = speed_bounds_kmh(distance, elapsed_s, rule.time_slack_s)
            low = None if speed is None else speed.low
            impossible = distance.low >= rule.minimum_distance_m and (low is None or low > rule.speed_limit_kmh)
            judged.append((impossible, low is None, low or 0.0, distance.low, elapsed_s, low))
        impossible, _, _, distance_low_m, elapsed_s, low = max(judged, key=lambda one: one[:3])
        self.labels.append(
            Label(
                kind=order.kind,
                subject=self._person.identity.subject,
                from_ms=far[0],
                until_ms=until_ms,
                transaction=transaction,
                device=None if transaction is not None else self._person.identity.intruder_device,
                distance_low_m=distance_low_m,
                elapsed_s=elapsed_s,
                speed_low_kmh=low,
                expected_alert=impossible,
            )
        )


def _span(fixes: Fixes, from_ms: int, until_ms: int) -> tuple[int, int] | None:
    """Return the times of the last fix before and the first fix after a span, or None where the hour lacks one."""
    times: NDArray[np.int64] = fixes.time_us // 1000
    left, right = int(np.searchsorted(times, from_ms, "right")) - 1, int(np.searchsorted(times, until_ms, "right"))
    if left < 0 or right >= len(times):
        return None
    return int(times[left]), int(times[right])

"""A load for benchmarks: ready request bodies at a fixed mix of nine fixes to one payment, at whatever rate the caller asks for.

Bodies are made once per person with holes for numbers and times; filling the holes costs well under a microsecond per event. Nobody moves,
so every contradiction is an injected fraud, and its transaction id comes with the request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import msgspec

from ingest.simulator.chance import Dice, generator, uuid_like
from ingest.simulator.merchants import Market, amount_text
from ingest.simulator.people import Person, Population
from ingest.simulator.places import CITIES, offset
from ingest.simulator.plan import CityPlan
from ingest.simulator.wire import location_reading, payment_body, push_body

__all__ = ["Load", "Request"]

_FIX_SHARE = 0.9
_VICTIM_EVERY = 10
"""Every tenth person is robbed and makes no honest payment, so that no honest payment stands beside a fraud."""
_HOLE_US, _HOLE_MS, _HOLE_MESSAGE, _HOLE_ID = 1_111_111_111_111, 2_222_222_222_222, 333_333_333, "%hole%"


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request to the gateway."""

    path: str
    body: bytes
    fixes: int
    payments: int
    frauds: tuple[str, ...] = ()
    """Ids of the payments in it that are impossible trips."""


class _Templates(NamedTuple):
    push: bytes
    honest: bytes
    fraud: bytes


class Load:
    """An endless source of requests. The same calls give the same bytes."""

    def __init__(
        self, plan: CityPlan, run: str = "load", *, fixes_per_push: int = 10, payments_per_request: int = 50, fraud_share: float = 0.01
    ) -> None:
        """Prepare the people; nothing is encoded yet.

        Args:
            plan: seed and number of people; `directory(plan)` says who they are.
            run: part of every payment id: two runs into one system need two names.
            fixes_per_push: in every push.
            payments_per_request: at most, in every request of payments.
            fraud_share: payments that are impossible trips.
        """
        self._plan, self._run = plan, run
        self._fixes_per_push, self._payments_per_request = fixes_per_push, payments_per_request
        self._fraud_share = fraud_share
        self._market = Market(plan.seed)
        self._people = Population(plan, self._market)
        self._templates: dict[int, _Templates] = {}
        self._pushed_us: dict[int, int] = {}
        self._next_push = self._next_payer = self._messages = self._payments = 0
        self._fixes_due = self._payments_due = self._frauds_due = 0.0

    def take(self, events: float, now_ms: int) -> list[Request]:
        """Return requests with `events` more events, pushes first; what does not fill a request is kept for the next call.

        Args:
            events: fixes and payments together; nine in ten are fixes.
            now_ms: the latest time an event gets; it must not go back from call to call.
        """
        self._fixes_due += events * _FIX_SHARE
        self._payments_due += events * (1.0 - _FIX_SHARE)
        requests = []
        victims = []
        while self._fixes_due >= self._fixes_per_push:
            self._fixes_due -= self._fixes_per_push
            number = self._next_push
            self._next_push = (number + 1) % self._plan.people
            requests.append(Request("/v1/sensor-logger", self._push(number, now_ms), self._fixes_per_push, 0))
            if number % _VICTIM_EVERY == 0:
                victims.append(number)
        whole = int(self._payments_due)
        self._payments_due -= whole
        bodies = list(self._pay(whole, victims, now_ms))
        for start in range(0, len(bodies), self._payments_per_request):
            part = bodies[start : start + self._payments_per_request]
            frauds = tuple(name for name, _, fraud in part if fraud)
            body = b"[" + b",".join(body for _, body, _ in part) + b"]"
            requests.append(Request("/v1/transactions", body, 0, len(part), frauds))
        return requests

    def _push(self, number: int, now_ms: int) -> bytes:
        count = self._fixes_per_push
        until_us = now_ms * 1000
        since_us = self._pushed_us.get(number, until_us - 1_000_000 * count)
        self._pushed_us[number] = until_us
        self._messages += 1
        step_us = (until_us - since_us) // count
        times = [until_us - step_us * ordinal for ordinal in range(count - 1, -1, -1)]
        return self._of(number).push % (self._messages, *times)

    def _pay(self, count: int, victims: list[int], now_ms: int) -> Iterator[tuple[str, bytes, bool]]:
        for _ in range(count):
            self._payments += 1
            self._frauds_due += self._fraud_share
            name = f"{self._run}-{self._payments}"
            # A victim is somebody whose phone has just been heard.
            fraud = self._frauds_due >= 1.0 and bool(victims)
            if fraud:
                self._frauds_due -= 1.0
                template = self._of(victims.pop()).fraud
            else:
                template = self._of(self._payer()).honest
            yield name, template % (name.encode(), now_ms), fraud

    def _payer(self) -> int:
        number = self._next_payer
        if number % _VICTIM_EVERY == 0 and self._plan.people > 1:
            number = (number + 1) % self._plan.people
        self._next_payer = (number + 1) % self._plan.people
        return number

    def _of(self, number: int) -> _Templates:
        found = self._templates.get(number)
        if found is None:
            found = self._templates[number] = self._make(self._people[number])
        return found

    def _make(self, person: Person) -> _Templates:
        dice = Dice(generator(self._plan.seed, "load", person.number))
        readings = []
        for _ in range(self._fixes_per_push):
            lat, lon = offset(person.home, dice.between(-15.0, 15.0), dice.between(-15.0, 15.0))
            readings.append(location_reading(_HOLE_US, round(lat * 1e7) | 1, round(lon * 1e7) | 1, dice.between(5.0, 40.0), 0.0, 0.0, 60.0))
        session = uuid_like(self._plan.seed, "session", person.number, self._run)
        push = push_body(_HOLE_MESSAGE, session, person.identity.device, readings)
        # Shops at their true place: a head office across town would be no contradiction, but nothing to measure either.
        near = self._market.near(person.city, "groceries", person.home, dice)
        far = dice.pick(self._market.shops(dice.pick([city for city in CITIES if city is not person.city]), "electronics"))
        honest, fraud = (
            payment_body(
                id=_HOLE_ID,
                card=person.identity.cards[0],
                user=person.identity.user,
                device=None,
                device_type="terminal",
                authorised_ms=_HOLE_MS,
                amount=amount_text(shop, dice),
                merchant=replace(shop, stated=shop.place, accuracy_m=100.0),
            )
            for shop in (near, far)
        )
        return _Templates(
            push.replace(b"%d" % _HOLE_MESSAGE, b"%d").replace(b"%d" % _HOLE_US, b"%d"),
            *(body.replace(_HOLE_ID.encode(), b"%b").replace(b"%d" % _HOLE_MS, b"%d") for body in (honest, fraud)),
        )

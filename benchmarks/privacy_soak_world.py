"""The input of the privacy soak: people, places and hours drawn from a seed, block by block, and what must be found of it afterwards.

A block is a function of the plan and its number alone, so writing it twice gives the same bytes, and whoever judges draws it once more
instead of keeping it. In it is what goes wrong in life: payments that come late, answers that are amended, alerts of several revisions,
records that do not decode. Every raw value carries a mark (`MARKS`, `is_exact`), so that a search finds any of them anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.privacy_soak_people import BASE_MARKS, HOUR_MS, MINUTE_MS, People, exact_places, hour_of_day
from veilocity.contracts import (
    Alert,
    AlertState,
    Channel,
    Check,
    Decision,
    Episode,
    Fix,
    Observation,
    ObservationKind,
    Severity,
    Transaction,
    TravelLimits,
    Verdict,
    encode,
)
from veilocity.geo import Interval
from veilocity.topics import ALERTS, DECISIONS, FIXES, Topic

__all__ = ["MARKS", "START_MS", "Block", "Kind", "Plan", "Record", "Truth", "known_identifiers", "truth_of"]

START_MS = int(datetime(2026, 9, 30, tzinfo=UTC).timestamp() * 1000)
"""A day before a month and a period of pseudonyms end together."""
_GAP_MS = 3 * HOUR_MS
"""What event time leaps over a silence: more than the window that it cuts."""
_DELAY_MS = 8 * MINUTE_MS
"""Within what a window waits for."""
_SHARES = (0.20, 0.745, 0.035, 0.015, 0.0025, 0.0025)
_CATEGORIES = ("online", "groceries", "cafe", "groceries", "restaurant", "fuel", "clothing")
_MOST_REVISIONS = 3
_ALERT_GROWS = 0.6
MARKS = (*BASE_MARKS, "PAYMENT-", "ALERT-")
"""What every raw identifier holds."""


class Kind(IntEnum):
    """What an event is; the order is that of its shares."""

    FIX = 0
    PAYMENT = 1
    AMENDMENT = 2
    ALERT = 3
    BAD_DECISION = 4
    BAD_FIX = 5


class Record(NamedTuple):
    """One event as Kafka gets it."""

    topic: Topic
    person: int
    """Number of whom it is about, by which it finds its partition."""
    value: bytes


class Plan(msgspec.Struct, frozen=True, dict=True):
    """What is simulated. Blocks are the unit of transactions, silences and changes."""

    events: int
    people: int
    hours: int
    """Of event time, without silences."""
    seed: int = 1
    block_events: int = 1_000
    silences: tuple[int, ...] = ()
    """Blocks before which nothing is written until the stage has drained."""
    growths: tuple[int, ...] = ()
    """Blocks before which `decisions` gets one more partition."""
    partitions: int = 2
    """Of every topic at the beginning."""

    @property
    def blocks(self) -> int:
        """How many there are."""
        return -(-self.events // self.block_events)

    @cached_property
    def population(self) -> People:
        """The people, drawn once."""
        return People.drawn(self.people, self.seed)

    def partitions_at(self, block: int) -> int:
        """Return how many partitions `decisions` has when a block is written.

        >>> [Plan(10_000, 100, 48, growths=(4, 7)).partitions_at(block) for block in (0, 4, 6, 7)]
        [2, 3, 3, 4]
        """
        return self.partitions + sum(block >= grown for grown in self.growths)

    def event_ms(self, ordinals: NDArray[Any]) -> NDArray[np.int64]:
        """Return the times of events in order of writing, before any of them is late; shape (n,)."""
        hours = ordinals / self.events * self.hours
        days = np.floor(hours / 24)
        smooth = START_MS + ((days * 24 + hour_of_day(hours / 24 - days)) * HOUR_MS).astype(np.int64)
        return smooth + np.searchsorted(np.array(self.silences), ordinals // self.block_events, side="right") * _GAP_MS


class Block:
    """One block of the plan."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan = plan
        self.number = number
        self.first = number * plan.block_events
        size = min(plan.block_events, plan.events - self.first)
        self._dice = np.random.default_rng([plan.seed, 1, number])
        self.kinds: NDArray[np.int64] = np.searchsorted(np.cumsum(_SHARES)[:-1], self._dice.random(size), side="right")
        self.targets = np.arange(size)
        """Place in the block of the payment that is answered again, or of the first revision of an alert."""
        self.revisions = np.ones(size, dtype=np.int64)
        self._resolve(self._dice.random(size))

    def _resolve(self, draws: NDArray[np.float64]) -> None:
        """Give every amendment a payment before it, no payment two of them, and every alert its revision."""
        payments: list[int] = []
        alerts: dict[int, int] = {}
        for place, (kind, draw) in enumerate(zip(self.kinds.tolist(), draws.tolist(), strict=True)):
            if kind == Kind.PAYMENT:
                payments.append(place)
            elif kind == Kind.AMENDMENT and payments:
                self.targets[place] = payments.pop(int(draw * len(payments)))
                self.revisions[place] = 2
            elif kind == Kind.AMENDMENT:
                self.kinds[place] = Kind.FIX
            elif kind == Kind.ALERT and alerts and draw < _ALERT_GROWS:
                first = list(alerts)[int(draw / _ALERT_GROWS * len(alerts))]
                alerts[first] += 1
                self.targets[place], self.revisions[place] = first, alerts[first]
                if alerts[first] == _MOST_REVISIONS:
                    del alerts[first]
            elif kind == Kind.ALERT:
                alerts[place] = 1

    @property
    def uncounted(self) -> int:
        """Records that the stage counts as rejected only: fixes that do not decode."""
        return int(np.sum(self.kinds == Kind.BAD_FIX))

    def times_ms(self) -> NDArray[np.int64]:
        """Return when the events happened: three of a hundred payments come minutes late, one hours; shape (n,)."""
        size = len(self.kinds)
        dice = np.random.default_rng([self.plan.seed, 2, self.number])
        draws = dice.random(size)
        late = np.where(draws < 0.01, dice.integers(HOUR_MS, 5 * HOUR_MS, size), 0)
        late = np.where((draws >= 0.01) & (draws < 0.04), dice.integers(0, _DELAY_MS, size), late)
        times = self.plan.event_ms(np.arange(self.first, self.first + size))
        return times - np.where(self.kinds == Kind.PAYMENT, late, 0)

    def decisions(self) -> dict[int, Decision]:
        """Return the first answers to the payments of this block, by their places."""
        return {place: row for place, row in enumerate(self._payments()) if row is not None}

    def _payments(self) -> list[Decision | None]:
        people, size = self.plan.population, len(self.kinds)
        dice = np.random.default_rng([self.plan.seed, 3, self.number])
        who = dice.integers(0, self.plan.people, size)
        lat, lon = exact_places(people, who, dice)
        amounts = np.clip(dice.lognormal(7.6, 0.9, size), 100, 2_000_000).astype(int).tolist()
        shops, draws = dice.integers(0, 40, size).tolist(), dice.random(size).tolist()
        times, kinds = self.times_ms().tolist(), self.kinds.tolist()
        persons, lats, lons = who.tolist(), lat.tolist(), lon.tolist()
        self._who, self._lat, self._lon = persons, lats, lons
        columns = zip(times, persons, lats, lons, amounts, shops, draws, strict=True)
        return [
            _decision(people, self.first + place, _Drawn(*row)) if kinds[place] == Kind.PAYMENT else None
            for place, row in enumerate(columns)
        ]

    def records(self) -> Iterator[Record]:
        """Yield the events in the order of writing."""
        decisions = self._payments()
        people, times = self.plan.population, self.plan.event_ms(np.arange(self.first, self.first + len(self.kinds))).tolist()
        for place, kind in enumerate(self.kinds.tolist()):
            person = self._who[place]
            decision = decisions[place]
            if decision is not None:
                yield Record(DECISIONS, person, encode(decision))
            elif kind == Kind.FIX:
                yield Record(FIXES, person, encode(self._fix(people, place, times[place])))
            elif kind == Kind.AMENDMENT:
                target = int(self.targets[place])
                answered = decisions[target]
                assert answered is not None  # noqa: S101  # amendments are of payments
                yield Record(DECISIONS, self._who[target], encode(_amended(answered)))
            elif kind == Kind.ALERT:
                target = int(self.targets[place])
                alert = self._alert(people, target, int(self.revisions[place]), times[target])
                yield Record(ALERTS, self._who[target], encode(alert))
            else:
                topic = DECISIONS if kind == Kind.BAD_DECISION else FIXES
                text = f'{{"transaction": "{people.subject(person)}", "card": "{people.card(person)}", "user": "{people.user(person)}"}}'
                yield Record(topic, person, text.encode())

    def _fix(self, people: People, place: int, event_ms: int) -> Fix:
        person = self._who[place]
        return Fix(
            subject=people.subject(person),
            device=people.device(person),
            source="sensor-logger",
            fix_ns=event_ms * 1_000_000 + 456_789,
            received_ms=event_ms,
            lat=self._lat[place],
            lon=self._lon[place],
            accuracy_m=12.5,
        )

    def _alert(self, people: People, place: int, revision: int, event_ms: int) -> Alert:
        person = self._who[place]
        event_ns = event_ms * 1_000_000 + 777_777
        end = Observation(
            ObservationKind.FIX, f"{people.device(person)}@{event_ns}", event_ns, self._lat[place], self._lon[place], accuracy_m=31.5
        )
        return Alert(
            id=f"ALERT-{self.first + place:09d}",
            rule="impossible-travel",
            rule_version="1",
            severity=Severity.HIGH,
            state=AlertState.OPEN if revision == 1 else AlertState.AMENDED,
            revision=revision,
            subject=people.subject(person),
            anchor=end.id,
            cause="impossible_travel",
            score=0.9,
            first=end,
            second=end,
            distance_m=Interval(4_980_123.0, 5_012_345.0, 5_040_456.0),
            elapsed_s=2_461.0,
            speed_kmh=Interval(7_189.0, 7_334.6, 7_401.0),
            probability=0.001,
            parameters=msgspec.to_builtins(TravelLimits()),
            facts={},
            fine_with_s=17_899.0,
            sentence="exact",
            checks=(Check("same-place", applied=False),),
            episode=Episode(event_ms, event_ms, 1, (end.id,)),
            received_ms=event_ms,
        )


class _Drawn(NamedTuple):
    event_ms: int
    person: int
    lat: float
    lon: float
    amount_minor: int
    shop: int
    chance: float


def _decision(people: People, ordinal: int, drawn: _Drawn) -> Decision:
    category = _CATEGORIES[drawn.shop % len(_CATEGORIES)]
    online = category == "online"
    payment = Transaction(
        id=f"PAYMENT-{ordinal:09d}",
        subject=people.subject(drawn.person),
        authorised_ms=drawn.event_ms,
        received_ms=drawn.event_ms,
        amount_minor=drawn.amount_minor,
        currency=people.currency(drawn.person),
        merchant=f"shop-{drawn.shop}",
        category=category,
        channel=Channel.ECOMMERCE if online else Channel.CARD_PRESENT,
        card=people.card(drawn.person),
        device=people.device(drawn.person),
        user=people.user(drawn.person),
        lat=None if online else drawn.lat,
        lon=None if online else drawn.lon,
    )
    flagged, unclear = drawn.chance < 0.02, drawn.chance > 0.97
    verdict = Verdict.FLAGGED if flagged else Verdict.NOT_SCORABLE if unclear else Verdict.CLEAR
    return Decision(payment, verdict, 0.5, ("reason",), {"rule": "1"}, alert_id=f"ALERT-{ordinal:09d}" if flagged else None)


def _amended(decision: Decision) -> Decision:
    return msgspec.structs.replace(decision, verdict=Verdict.NOT_SCORABLE, score=0.25, reasons=("later",), alert_id=None, revision=2)


class Truth(msgspec.Struct, frozen=True):
    """What must be found of the blocks that were written."""

    payments: NDArray[np.int64]
    """Ordinals, ascending."""
    amended: NDArray[np.int64]
    """Ordinals of payments with a second answer, ascending."""
    alerts: dict[int, int]
    """Ordinal to newest revision."""
    alert_revisions: int
    fixes: int
    bad_decisions: int
    bad_fixes: int
    blocks: int

    @property
    def decisions(self) -> int:
        """Records on `decisions`."""
        return len(self.payments) + len(self.amended) + self.bad_decisions

    @property
    def events(self) -> int:
        """Records on all topics."""
        return self.decisions + self.fixes + self.bad_fixes + self.alert_revisions


def truth_of(plan: Plan, blocks: int) -> Truth:
    """Return what the first blocks of a plan hold, drawn anew.

    >>> truth = truth_of(Plan(5_000, 50, 24), 3)
    >>> truth.events, len(truth.payments) > 2_000, set(truth.alerts.values()) <= {1, 2, 3}
    (3000, True, True)
    """
    payments, amended = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    alerts: dict[int, int] = {}
    counts = np.zeros(len(Kind), dtype=np.int64)
    for number in range(blocks):
        block = Block(plan, number)
        counts += np.bincount(block.kinds, minlength=len(Kind))
        payments.append(block.first + np.flatnonzero(block.kinds == Kind.PAYMENT))
        amended.append(block.first + np.sort(block.targets[block.kinds == Kind.AMENDMENT]))
        for place in np.flatnonzero(block.kinds == Kind.ALERT).tolist():
            alerts[block.first + int(block.targets[place])] = int(block.revisions[place])
    return Truth(
        payments=np.concatenate(payments),
        amended=np.concatenate(amended),
        alerts=alerts,
        alert_revisions=int(counts[Kind.ALERT]),
        fixes=int(counts[Kind.FIX]),
        bad_decisions=int(counts[Kind.BAD_DECISION]),
        bad_fixes=int(counts[Kind.BAD_FIX]),
        blocks=blocks,
    )


def known_identifiers(plan: Plan, some: Sequence[int] = ()) -> list[str]:
    """Return raw identifiers of everybody, and of some payments."""
    people = plan.population
    whole = [text for person in range(plan.people) for text in people.identifiers(person)]
    return [*MARKS, *whole, *(f"PAYMENT-{ordinal:09d}" for ordinal in some)]

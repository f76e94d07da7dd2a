"""The city as a stream: everything everybody sends, in order of sending, day after day, in bounded memory.

Time advances by the minute. Each person's life is computed an hour at a time, beginning at a minute of the hour that is the person's own,
so the work is spread evenly; what is computed waits in a bucket for the minute in which it is sent. At most an hour and a half of events
is ever held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.simulator.chance import Dice, generator
from ingest.simulator.events import Event, FraudKind, Label, Payment
from ingest.simulator.fraud import Haul, Order, commit, order_of
from ingest.simulator.life import Hour, Lives
from ingest.simulator.people import HOUR_MS
from ingest.simulator.plan import CityPlan
from ingest.simulator.recorder import Recorder, network
from veilocity.contracts import TravelLimits

__all__ = ["default_rule", "simulate", "truth"]

_MINUTE_MS = 60_000
_CANDIDATES = 24
_OPENING_CANDIDATES = 48
_OPENING_MS = 60_000
"""Fraud of the ordinary kind begins after the first minute: a recording must have begun before it can be contradicted."""
_AFTER_FIRST_FIX_MS = 2_500


@dataclass(frozen=True, slots=True)
class _Task:
    """A span of one person's life to compute."""

    number: int
    from_ms: int
    until_ms: int
    begins: bool
    orders: list[Order]


def default_rule() -> TravelLimits:
    """Return the thresholds that hold where nobody sets others: what labels are judged by."""
    return TravelLimits()


def simulate(plan: CityPlan, start_ms: int, hours: float | None = None) -> Iterator[Event]:
    """Yield everything that is sent, in order of `due_ms`.

    Args:
        plan: the city.
        start_ms: the first moment; phones begin to record within 20 s of it.
        hours: nothing happens after so many hours, but what has happened is still sent (backlogs come up to 20 minutes later); None for
            without end.

    Guarantee: no event is sent before it happened; the same arguments give the same bytes in every process; honest payments are a function
    of the plan and of absolute time, so runs that overlap agree on them. Memory: at most an hour and a half of events.

    >>> events = list(simulate(CityPlan(people=20), 1_750_000_000_000, 1.0))
    >>> [event.due_ms for event in events] == sorted(event.due_ms for event in events)
    True
    """
    city = _City(plan, start_ms, hours)
    recorders: dict[str, Recorder] = {}
    waiting: defaultdict[int, list[tuple[int, int, Event]]] = defaultdict(list)
    ordinal = 0
    for minute, tasks in city.minutes():
        for task in tasks:
            for event in _events(plan, *city.live(task), recorders):
                ordinal += 1
                waiting[event.due_ms // _MINUTE_MS].append((event.due_ms, ordinal, event))
        yield from (event for _, _, event in sorted(waiting.pop(minute, ()), key=_moment))
    for minute in sorted(waiting):
        yield from (event for _, _, event in sorted(waiting.pop(minute), key=_moment))


def truth(plan: CityPlan, start_ms: int, hours: float | None = None) -> Iterator[Label]:
    """Yield the label of every fraud that `simulate` with the same arguments contains, about in order of time."""
    city = _City(plan, start_ms, hours)
    for _, tasks in city.minutes():
        for task in tasks:
            if task.orders:
                yield from city.live(task)[1].labels


def _moment(entry: tuple[int, int, Event]) -> tuple[int, int]:
    return entry[:2]


def _events(plan: CityPlan, hour: Hour, haul: Haul, recorders: dict[str, Recorder]) -> Iterator[Event]:
    person = hour.person
    own, foreign = person.identity.device, person.identity.intruder_device
    dice = Dice(generator(plan.seed, "network", person.number, hour.from_ms))
    for device, fixes in ((own, haul.fixes), *((foreign, found) for found in haul.intruder)):
        recorder = recorders.get(device)
        if recorder is None:
            recorder = recorders[device] = Recorder(plan, device)
        pushes = recorder.pushes(person, fixes, dice)
        yield from network(plan, pushes, hour.from_ms, hour.until_ms, dice) if device == own else pushes
    for payment in haul.payments:
        yield Payment(payment.sent_ms, payment.body)
    yield from hour.browsing


class _City:
    """Who lives through what in which minute, frauds included."""

    def __init__(self, plan: CityPlan, start_ms: int, hours: float | None) -> None:
        self._plan = plan
        self._start_ms = start_ms
        self._end_ms = None if hours is None else start_ms + int(hours * HOUR_MS)
        self._rule = default_rule()
        self._lives = Lives(plan, self._rule.default_place_accuracy_m)
        self._orders: defaultdict[int, list[Order]] = defaultdict(list)
        self._interval_ms = plan.fraud_interval_s * 1000.0
        self._next_slot = 0 if self._interval_ms == float("inf") else int(start_ms / self._interval_ms)

    def minutes(self) -> Iterator[tuple[int, list[_Task]]]:
        """Yield the minutes since 1970 from the first one on, with the tasks that must be done before events of that minute are sent."""
        by_minute: defaultdict[int, list[int]] = defaultdict(list)
        for number in range(self._plan.people):
            by_minute[self._lives.people.minute(number)].append(number)
        minute = self._start_ms // _MINUTE_MS
        self._draw_orders((minute + 1) * _MINUTE_MS + HOUR_MS)
        self._open()
        start_ms = self._start_ms
        everybody = range(self._plan.people)
        yield minute, [self._task(number, start_ms, self._hour_start(number, start_ms) + HOUR_MS, begins=True) for number in everybody]
        while self._end_ms is None or (minute + 1) * _MINUTE_MS < self._end_ms:
            minute += 1
            from_ms = minute * _MINUTE_MS
            self._draw_orders(from_ms + _MINUTE_MS + HOUR_MS)
            yield minute, [self._task(number, from_ms, from_ms + HOUR_MS) for number in by_minute[minute % 60]]

    def live(self, task: _Task) -> tuple[Hour, Haul]:
        """Compute one task."""
        hour = self._lives.hour(task.number, task.from_ms, task.until_ms, begins=task.begins)
        if not task.orders:
            return hour, Haul(hour.fixes, hour.payments, (), ())
        return hour, commit(self._plan, hour, task.orders, self._lives.market, self._rule)

    def _hour_start(self, number: int, at_ms: int) -> int:
        """Return the beginning of the person's own hour that holds a moment."""
        return at_ms - (at_ms - self._lives.people.minute(number) * _MINUTE_MS) % HOUR_MS

    def _task(self, number: int, from_ms: int, until_ms: int, *, begins: bool = False) -> _Task:
        due = [order for order in self._orders[number] if order.at_ms < until_ms]
        self._orders[number] = [order for order in self._orders[number] if order.at_ms >= until_ms]
        if self._end_ms is not None:
            until_ms = min(until_ms, self._end_ms)
        return _Task(number, from_ms, until_ms, begins, [order for order in due if order.at_ms < until_ms])

    def _draw_orders(self, until_ms: int) -> None:
        """Draw who is hit in all slots that begin before `until_ms`; each slot has one fraud at a time of its own."""
        while self._next_slot * self._interval_ms < until_ms and self._interval_ms != float("inf"):
            slot = self._next_slot
            self._next_slot += 1
            dice = Dice(generator(self._plan.seed, "fraud", slot))
            at_ms = int((slot + dice.between(0.15, 0.85)) * self._interval_ms)
            order = order_of(self._plan, slot, at_ms, dice)
            victim = self._victim(at_ms, dice, pays=order.kind is FraudKind.SIMULTANEOUS)
            if at_ms >= self._start_ms + _OPENING_MS and victim is not None:
                self._orders[victim].append(order)

    def _victim(self, at_ms: int, dice: Dice, *, pays: bool) -> int | None:
        """Draw somebody whose whereabouts are plain, if possible one who pays in that hour where that is asked for."""
        second: int | None = None
        for _ in range(_CANDIDATES):
            number = dice.whole(0, self._plan.people - 1)
            if self._plain(number, at_ms):
                begins = self._hour_start(number, at_ms)
                if not pays or self._lives.pays(number, begins, begins + HOUR_MS):
                    return number
                second = number
        return second

    def _plain(self, number: int, at_ms: int) -> bool:
        """Say whether the person is no half of a couple and not on a trip."""
        return not self._lives.people.in_couple(number) and not self._lives.travelling(number, at_ms)

    def _open(self) -> None:
        """Put one fraud right after the first fix of the phone that records first, of some that are looked at."""
        if not self._plan.opening_fraud:
            return
        dice = Dice(generator(self._plan.seed, "opening", self._start_ms))
        found: list[tuple[int, int]] = []
        for number in range(min(self._plan.people, _OPENING_CANDIDATES)):
            if self._plain(number, self._start_ms):
                until_ms = self._hour_start(number, self._start_ms) + HOUR_MS
                until_ms = until_ms if self._end_ms is None else min(until_ms, self._end_ms)
                times_us = self._lives.hour(number, self._start_ms, until_ms, begins=True).fixes.time_us
                if len(times_us) > 1 and times_us[1] - times_us[0] > 2000 * _AFTER_FIRST_FIX_MS:
                    found.append((int(times_us[0]) // 1000, number))
        if found:
            first_ms, victim = min(found)
            kind = dice.pick((FraudKind.TELEPORT, FraudKind.ATM))
            self._orders[victim].insert(0, Order(-1, first_ms + _AFTER_FIRST_FIX_MS, kind, (0, 0), exact=True))

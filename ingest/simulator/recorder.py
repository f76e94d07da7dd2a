"""The phone's app: fixes become pushes, with sessions, message numbers, cached first fixes, backlogs and repeats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest.simulator.chance import Dice, uuid_like
from ingest.simulator.days import day_number
from ingest.simulator.events import Push
from ingest.simulator.people import Person
from ingest.simulator.phones import Fixes
from ingest.simulator.plan import CityPlan
from ingest.simulator.wire import battery_reading, location_reading, push_body

__all__ = ["Recorder", "network"]

_NEW_SESSION_AFTER_US = 20 * 60 * 1_000_000
_FIRST_PUSH_AFTER_MS = 1_200


@dataclass(slots=True)
class _Batch:
    due_ms: int
    readings: list[tuple[int, bytes]]
    """Time in microseconds and JSON."""


class Recorder:
    """One phone's recording, from push to push."""

    __slots__ = ("_day", "_device", "_last", "_message", "_plan", "_session")

    def __init__(self, plan: CityPlan, device: str) -> None:
        self._plan = plan
        self._device = device
        self._session = ""
        self._message = 0
        self._day = 0
        self._last: tuple[int, bytes] | None = None

    def pushes(self, person: Person, fixes: Fixes, dice: Dice) -> list[Push]:
        """Return the pushes that carry these fixes, in the order in which the app makes them.

        A new session begins on a new local day and after 20 minutes without a fix. As phones do, it begins with the last fix of the session
        before, with its old time.
        """
        return [self._push(person, batch) for batch in self._batches(person, fixes, dice)]

    def _batches(self, person: Person, fixes: Fixes, dice: Dice) -> list[_Batch]:
        rows = zip(
            fixes.time_us.tolist(),
            fixes.lat_e7.tolist(),
            fixes.lon_e7.tolist(),
            fixes.accuracy_m.tolist(),
            fixes.speed_mps.tolist(),
            fixes.bearing_deg.tolist(),
            fixes.altitude_m.tolist(),
            strict=True,
        )
        period = person.push_period_ms
        batches: list[_Batch] = []
        window, starts = -1, self._last is None
        for row in rows:
            time_ms = row[0] // 1000
            reading = row[0], location_reading(*row)
            if starts:
                # Whoever starts a recording watches it: the first fix goes out at once.
                batches.append(_Batch(time_ms + _FIRST_PUSH_AFTER_MS, [reading]))
                starts = False
            elif time_ms // period == window:
                batches[-1].readings.append(reading)
            else:
                window = time_ms // period
                batches.append(_Batch((window + 1) * period + dice.whole(200, 1500), [reading]))
        return batches

    def _push(self, person: Person, batch: _Batch) -> Push:
        readings = [reading for _, reading in batch.readings]
        first_us = batch.readings[0][0]
        day = day_number(person.city, first_us / 1e6)
        fixes = len(readings)
        if self._last is None or day != self._day or first_us - self._last[0] > _NEW_SESSION_AFTER_US:
            self._session = uuid_like(self._plan.seed, "session", self._device, first_us)
            self._message, self._day = 0, day
            cached = [] if self._last is None else [self._last[1]]
            readings = [*cached, battery_reading(first_us - 400_000), *readings]
            fixes += len(cached)
        self._last = batch.readings[-1]
        self._message += 1
        return Push(batch.due_ms, fixes, push_body(self._message, self._session, self._device, readings))


def network(plan: CityPlan, pushes: list[Push], from_ms: int, until_ms: int, dice: Dice) -> list[Push]:
    """Return the pushes as the network delivers them: some late and out of order after a time without network, some twice."""
    if dice.happens(plan.offline_chance * (until_ms - from_ms) / 3_600_000):
        offline_ms = from_ms + int(dice.between(0.0, 0.8) * (until_ms - from_ms))
        online_ms = offline_ms + int(dice.between(300_000, 1_200_000))
        held = [index for index, push in enumerate(pushes) if offline_ms <= push.due_ms < online_ms]
        order = np.argsort([dice.unit() for _ in held]).tolist() if dice.happens(0.5) else range(len(held))
        for place, index in zip(order, held, strict=True):
            push = pushes[index]
            pushes[index] = Push(online_ms + 150 * place, push.fixes, push.body)
    repeats = [
        Push(push.due_ms + dice.whole(1000, 30_000), push.fixes, push.body) for push in pushes if dice.happens(plan.duplicate_chance)
    ]
    return pushes + repeats

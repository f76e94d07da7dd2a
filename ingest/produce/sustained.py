"""A sustained rate: event n is due at the beginning plus n / rate, whatever the events before it took.

Pauses between events would add what sending takes to every one of them, and 80 a second would become 2. Here a late event takes nothing
from the next: who falls behind sends what is due at once, and the rate that was reached is told beside the one that was wanted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ingest.push import Answer, Pusher
from ingest.simulator.couriers import Couriers

__all__ = ["Item", "Label", "Made", "Reached", "Source", "due", "sustain"]

_LOOK_EVERY_S = 0.02
_MOST_AT_ONCE = 1_000
_GRACE_S = 5.0


class Item(NamedTuple):
    """One item for a door of the gateway."""

    door: str
    body: bytes


class Label(NamedTuple):
    """The truth about one payment; it is never part of what is sent."""

    id: str
    label: str
    at_ms: int


class Made(NamedTuple):
    """What one event of a source consists of."""

    items: Sequence[Item]
    label: Label


class Source(Protocol):
    """Makes events in their order; the same seed and times give the same bytes."""

    def make(self, number: int, at_ms: int) -> Made:
        """Return event `number`, counted from 0, as it happens at `at_ms`."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What became of a rate."""

    events: int
    elapsed_s: float
    wanted_per_s: float
    latest_s: float
    """The longest time that an event was handed over after it was due."""
    answer: Answer

    @property
    def reached_per_s(self) -> float:
        """Return the rate that was reached: events over the time in which they were due, or longer if it took longer."""
        return self.events / self.elapsed_s if self.elapsed_s > 0 else 0.0


def due(elapsed_s: float, rate: float, count: int | None) -> int:
    """Return how many events are due after `elapsed_s`.

    >>> [due(seconds, 80.0, 100) for seconds in (0.0, 0.0125, 1.0, 60.0)]
    [1, 2, 81, 100]
    """
    found = int(elapsed_s * rate + 1e-9) + 1
    return found if count is None else min(found, count)


def sustain(
    source: Source,
    rate: float,
    count: int | None,
    pusher: Pusher,
    stopped: threading.Event,
    *,
    label: Callable[[Label], object] = lambda _: None,
    report: Callable[[int], object] = lambda _: None,
) -> Reached:
    """Send events at a rate until there are `count` of them, or until a stop; return what was reached.

    Args:
        source: makes the events.
        rate: events a second.
        count: how many; None for until stopped.
        pusher: connections to the gateway.
        stopped: set to end.
        label: told the truth about every event, before it is sent.
        report: told now and then how many events were sent.

    Raises:
        SettingsError, InvalidInputError: as `Pusher.send`.
    """
    began, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    sent, latest_s = 0, 0.0
    with Couriers(pusher) as couriers:
        while not stopped.is_set() and (count is None or sent < count):
            elapsed_s = time.monotonic() - began
            until = due(elapsed_s, rate, count)
            if until == sent:
                stopped.wait(max(_LOOK_EVERY_S, sent / rate - elapsed_s))
                continue
            until = min(until, sent + _MOST_AT_ONCE)
            latest_s = max(latest_s, elapsed_s - sent / rate)
            made = [source.make(number, began_ms + int(number * 1000 / rate)) for number in range(sent, until)]
            for one in made:
                label(one.label)
            for door, body in requests([item for one in made for item in one.items]):
                couriers.hand_over(door, body, stopped)
            sent = until
            report(sent)
        couriers.finish(stopped, _GRACE_S)
        # The last event stands for a whole interval of its own.
        elapsed_s = max(time.monotonic() - began, sent / rate)
        return Reached(sent, elapsed_s, rate, latest_s, couriers.answers)


def requests(items: Sequence[Item]) -> Iterator[tuple[str, bytes]]:
    """Yield one request for each door, its items in their order.

    >>> list(requests([Item("/a", b"1"), Item("/b", b"2"), Item("/a", b"3")]))
    [('/a', b'[1,3]'), ('/b', b'[2]')]
    """
    doors: dict[str, list[bytes]] = {}
    for door, body in items:
        doors.setdefault(door, []).append(body)
    for door, bodies in doors.items():
        yield door, b"[" + b",".join(bodies) + b"]"

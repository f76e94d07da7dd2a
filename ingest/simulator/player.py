"""Sending a city's events when they are due, and keeping where that has come to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from ingest.push import Answer, Pusher
from ingest.simulator.clock import Clock
from ingest.simulator.couriers import Couriers
from ingest.simulator.events import Browsing, Event, Push
from ingest.simulator.people import directory
from ingest.simulator.plan import CityPlan

__all__ = ["Player", "load_directory", "read_position"]

_DIRECTORY_ENTRIES = 2000
_GROUP_S = 0.02
"""The pause before more events are looked for: what falls due in it is sent together."""
_LONGEST_GROUP_S = 0.1
_MOST_PAYMENTS = 200
_PAYMENTS, _BROWSING = "/v1/transactions", "/v1/sessions"
_SAVE_EVERY_S = 2.0
_STOP_S = 2.0


class _Position(msgspec.Struct, frozen=True):
    sent_until_ms: int


class Player:
    """Plays events into a gateway until they end or somebody says stop."""

    def __init__(
        self,
        pusher: Pusher,
        stopped: threading.Event,
        position: Path | None = None,
        *,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        report: Callable[[int, Answer], object] = lambda _, __: None,
    ) -> None:
        """Prepare.

        Args:
            pusher: connections to the gateway; its patience is how long one request is repeated.
            stopped: set to end the play.
            position: file that keeps how far the play has come; None for none.
            wall_ms: the wall clock.
            report: told the simulated time and the answers so far, now and then.
        """
        self._pusher, self._stopped, self._position = pusher, stopped, position
        self._wall_ms, self._report = wall_ms, report
        self._saved_s = 0.0

    def play(self, events: Iterable[Event], clock: Clock) -> Answer:
        """Send every event when it is due; return what the gateway answered.

        A stop ends it within about two seconds; what was not sent by then stays unsent.

        Raises:
            SettingsError: the gateway refuses the token.
            InvalidInputError: there is no gateway at this address.
        """
        with Couriers(self._pusher) as couriers:
            waiting: dict[str, list[bytes]] = {_BROWSING: [], _PAYMENTS: []}
            sent_ms = clock.start_ms
            rested_s = time.monotonic()
            for event in events:
                ahead = event.due_ms > clock.simulated_ms(self._wall_ms())
                # A play that is behind never waits, but what it holds back must go all the same.
                if ahead or max(map(len, waiting.values())) >= _MOST_PAYMENTS or time.monotonic() - rested_s > _LONGEST_GROUP_S:
                    rested_s = time.monotonic()
                    self._hand_over(couriers, waiting)
                    self._keep(sent_ms, couriers.answers)
                    self._wait(clock, event.due_ms)
                if isinstance(event, Push):
                    couriers.hand_over("/v1/sensor-logger", event.body, self._stopped)
                else:
                    waiting[_BROWSING if isinstance(event, Browsing) else _PAYMENTS].append(event.body)
                if self._stopped.is_set():
                    break
                sent_ms = event.due_ms
            self._hand_over(couriers, waiting)
            couriers.finish(self._stopped, _STOP_S)
            self._keep(sent_ms, couriers.answers, at_last=True)
            return couriers.answers

    def _wait(self, clock: Clock, due_ms: int) -> None:
        while not self._stopped.is_set():
            left_s = (clock.wall_ms(due_ms) - self._wall_ms()) / 1000.0
            if left_s <= 0.0:
                return
            self._stopped.wait(max(_GROUP_S, min(left_s, _SAVE_EVERY_S)))

    def _hand_over(self, couriers: Couriers, waiting: dict[str, list[bytes]]) -> None:
        for path, bodies in waiting.items():
            if bodies:
                couriers.hand_over(path, b"[" + b",".join(bodies) + b"]", self._stopped)
                bodies.clear()

    def _keep(self, sent_ms: int, answers: Answer, *, at_last: bool = False) -> None:
        if not at_last and time.monotonic() - self._saved_s < _SAVE_EVERY_S:
            return
        self._saved_s = time.monotonic()
        self._report(sent_ms, answers)
        if self._position is not None:
            self._position.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._position.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(_Position(sent_ms)))
            fresh.replace(self._position)


def read_position(path: Path) -> int | None:
    """Return the simulated time up to which the last play has come; None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Position).sent_until_ms
    except (OSError, msgspec.MsgspecError):
        # A position only spares the next play some work: without one it begins where it was told to.
        return None


def load_directory(plan: CityPlan, pusher: Pusher) -> int:
    """Tell the gateway who every device, card and user id of the city belongs to; return the number of entries."""
    entries = [{"kind": entry.kind.value, "id": entry.id, "subject": entry.subject} for entry in directory(plan)]
    for first in range(0, len(entries), _DIRECTORY_ENTRIES):
        pusher.send("/v1/directory", msgspec.json.encode(entries[first : first + _DIRECTORY_ENTRIES]), "PUT")
    return len(entries)

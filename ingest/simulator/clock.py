"""Simulated time, as a pure function of the wall clock."""

from __future__ import annotations

import re
from dataclasses import dataclass

from veilocity.errors import InvalidInputError, SettingsError
from veilocity.eventtime import ms_from_ns, ns_from_iso

__all__ = ["Clock", "start_ms"]

_BEFORE_NOW = re.compile(r"-(\d+(?:\.\d+)?)([smhd])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class Clock:
    """Time that begins in the past, runs at a speed of its own until it has caught up with the wall clock, and then goes with it.

    >>> clock = Clock(start_ms=0, began_ms=60_000, speed=60.0)
    >>> clock.simulated_ms(60_000), clock.simulated_ms(60_500), clock.simulated_ms(80_000)
    (0, 30000, 80000)
    >>> clock.wall_ms(30_000), clock.wall_ms(80_000)
    (60500, 80000)
    """

    start_ms: int
    began_ms: int
    """Wall time at which simulated time was `start_ms`; not before it."""
    speed: float

    def simulated_ms(self, wall_ms: int) -> int:
        """Return the simulated time at a moment of the wall clock: never later than that moment."""
        return min(wall_ms, self.start_ms + int((wall_ms - self.began_ms) * self.speed))

    def wall_ms(self, simulated_ms: int) -> int:
        """Return the moment of the wall clock from which simulated time is at least `simulated_ms`."""
        return max(simulated_ms, self.began_ms + -int(-(simulated_ms - self.start_ms) // self.speed))


def start_ms(text: str, now_ms: int) -> tuple[int, bool]:
    """Read where simulated time begins: ISO 8601 with an offset, or so long before now (`-24h`, `-90m`, `-2d`, `-30s`).

    Returns:
        Milliseconds since 1970 UTC, and whether it was told relative to now.

    Raises:
        SettingsError: neither of the two, or in the future.

    >>> start_ms("-2h", 10_000_000), start_ms("1970-01-01T00:00:01Z", 10_000_000)
    ((2800000, True), (1000, False))
    """
    before = _BEFORE_NOW.fullmatch(text.strip())
    if before is not None:
        return now_ms - int(float(before[1]) * _UNIT_MS[before[2]]), True
    try:
        at_ms = ms_from_ns(ns_from_iso(text))
    except InvalidInputError as cause:
        raise SettingsError("--start must be a time such as 2026-01-31T08:00:00Z, or -24h for so long before now") from cause
    if at_ms > now_ms:
        raise SettingsError("--start lies in the future: the simulator never sends what has not happened")
    return at_ms, False

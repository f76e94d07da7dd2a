"""The path of one phone: its readings of the last hour, at most 3,600, in the order of their time. Pure.

Readings come late, twice and out of order. A reading that is there already changes nothing; what lies more than an hour before the newest,
or is one too many, is forgotten. Each has a number in the order of arrival, so that who has seen up to a number asks for what came since.
"""

from __future__ import annotations

from bisect import insort

import msgspec

from veilocity.contracts import Fix

__all__ = ["HOUR_MS", "MOST", "Path", "Reading", "reading_of"]

HOUR_MS = 3_600_000
MOST = 3_600
_NS_PER_MS = 1_000_000


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One place of the phone, exact: it never leaves this process but for the page that was paired."""

    at_ms: int
    number: int
    lat: float
    lon: float
    accuracy_m: float | None
    speed_mps: float | None
    bearing_deg: float | None
    altitude_m: float | None
    received_ms: int
    flags: tuple[str, ...] = ()


def reading_of(fix: Fix, number: int) -> Reading:
    """Return what the page shows of a fix."""
    return Reading(
        at_ms=fix.fix_ns // _NS_PER_MS,
        number=number,
        lat=fix.lat,
        lon=fix.lon,
        accuracy_m=fix.accuracy_m,
        speed_mps=fix.speed_mps,
        bearing_deg=fix.bearing_deg,
        altitude_m=fix.altitude_m,
        received_ms=fix.received_ms,
        flags=tuple(flag.value for flag in fix.flags),
    )


class Path:
    """Bounded; not locked: its owner sees to that.

    >>> from veilocity.contracts import DeviceId, SubjectId
    >>> path = Path()
    >>> fix = Fix(SubjectId("p"), DeviceId("d"), "sensor-logger", 7_000_000_000, 7_100, 52.5, 13.4)
    >>> path.add(fix), path.add(fix), [one.at_ms for one in path.since(0)], path.since(1)
    (True, False, [7000], ())
    """

    def __init__(self, most: int = MOST, span_ms: int = HOUR_MS) -> None:
        """Begin empty."""
        self._most = most
        self._span_ms = span_ms
        self._readings: list[Reading] = []
        self._known: set[tuple[int, float, float]] = set()
        self._number = 0
        self.first_received_ms = 0
        """When the first reading came; 0 before."""
        self.last_received_ms = 0

    def __len__(self) -> int:
        return len(self._readings)

    @property
    def taken(self) -> int:
        """How many readings came, forgotten ones included: the number of the newest."""
        return self._number

    def add(self, fix: Fix) -> bool:
        """Take a fix; return whether it was new and is not too old."""
        identity = (fix.fix_ns // _NS_PER_MS, fix.lat, fix.lon)
        newest_ms = self._readings[-1].at_ms if self._readings else 0
        if identity in self._known or identity[0] < newest_ms - self._span_ms:
            return False
        self._number += 1
        insort(self._readings, reading_of(fix, self._number), key=lambda one: (one.at_ms, one.number))
        self._known.add(identity)
        self.first_received_ms = self.first_received_ms or fix.received_ms
        self.last_received_ms = max(self.last_received_ms, fix.received_ms)
        self._forget()
        return True

    def since(self, number: int) -> tuple[Reading, ...]:
        """Return what came after the reading of this number, in the order of their time."""
        if number >= self._number:
            return ()
        return tuple(one for one in self._readings if one.number > number)

    @property
    def oldest_ms(self) -> int:
        """Time of the oldest reading that is kept; 0 where there is none."""
        return self._readings[0].at_ms if self._readings else 0

    def _forget(self) -> None:
        horizon_ms = self._readings[-1].at_ms - self._span_ms
        gone = max(0, len(self._readings) - self._most)
        while self._readings[gone].at_ms < horizon_ms:
            gone += 1
        for one in self._readings[:gone]:
            self._known.discard((one.at_ms, one.lat, one.lon))
        del self._readings[:gone]

"""What a phone reports: fixes from where it is, sent in batches, sometimes after a while without a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ingest.simulator.chance import Dice, generator
from ingest.simulator.people import Person
from ingest.simulator.phones import Fixes, observe
from ingest.simulator.places import METRES_PER_DEGREE, Point
from ingest.simulator.routes import Piece
from ingest.simulator.weeks.plan import WeekPlan
from veilocity.contracts import DeviceId, Fix, SubjectId

__all__ = ["Post", "odd", "record", "report", "still"]

_CHUNK_S = 6 * 3600.0
_OFFLINE_CHANCE = 0.03
"""Of each hour."""
_OFFLINE_MIN = (5.0, 40.0)
"""An hour of lateness is allowed; what comes later is a confuser of its own."""
_RAYLEIGH_MEDIAN = 1.0 / math.sqrt(-2.0 * math.log(1.0 - 0.68))


class Post:
    """When a phone's fixes reach the gateway: at the next push, or once the network is back."""

    def __init__(self, from_s: float, until_s: float, period_s: float, dice: Dice) -> None:
        self._period_s, self._phase_s = period_s, dice.between(0.0, period_s)
        self._offline: list[tuple[float, float]] = []
        hour = from_s
        while hour < until_s:
            if dice.happens(_OFFLINE_CHANCE):
                begun = hour + 3600.0 * dice.unit()
                self._offline.append((begun, begun + 60.0 * dice.between(*_OFFLINE_MIN)))
            # Every other hour at most, so that two silences never join to more than an hour.
            hour += 7200.0
        self._jitter_s = dice.between(0.2, 2.0)

    def received_ms(self, at_s: float) -> int:
        """Return when a fix taken at a moment arrives."""
        sent = math.ceil((at_s - self._phase_s) / self._period_s) * self._period_s + self._phase_s
        for begun, ended in self._offline:
            if begun <= sent < ended:
                sent = ended
                break
        return int((sent + self._jitter_s) * 1000.0)


def record(plan: WeekPlan, person: Person, pieces: list[Piece], device: DeviceId, post: Post) -> list[Fix]:
    """Return everything the phone reports while its owner goes through the pieces, in order of time."""
    found: list[Fix] = []
    from_s, end_s = pieces[0][0], pieces[-1][1]
    first, chunk = 0, 0
    while from_s < end_s:
        until_s = min(end_s, from_s + _CHUNK_S)
        while pieces[first][1] <= from_s:
            first += 1
        last = first
        while last < len(pieces) and pieces[last][0] < until_s:
            last += 1
        fixes = observe(plan.city, person, pieces[first:last], from_s, until_s, generator(plan.seed, "phone", person.number, device, chunk))
        found += report(person.identity.subject, device, fixes, post)
        from_s, chunk = until_s, chunk + 1
    return found


def report(subject: SubjectId, device: DeviceId, fixes: Fixes, post: Post) -> Iterable[Fix]:
    """Yield what was recorded as the gateway accepts it."""
    columns: Sequence[list[float]] = (fixes.accuracy_m.tolist(), fixes.speed_mps.tolist(), fixes.bearing_deg.tolist())
    times, lats, lons = fixes.time_us.tolist(), fixes.lat_e7.tolist(), fixes.lon_e7.tolist()
    for time_us, lat_e7, lon_e7, accuracy_m, speed_mps, bearing_deg in zip(times, lats, lons, *columns, strict=True):
        yield Fix(
            subject=subject,
            device=device,
            source="sensor-logger",
            fix_ns=time_us * 1000,
            received_ms=post.received_ms(time_us / 1e6),
            lat=lat_e7 / 1e7,
            lon=lon_e7 / 1e7,
            accuracy_m=accuracy_m,
            speed_mps=speed_mps if speed_mps >= 0.0 else None,
            bearing_deg=bearing_deg if bearing_deg >= 0.0 else None,
        )


def still(subject: SubjectId, device: DeviceId, place: Point, times_s: Iterable[float], dice: Dice, delay_s: float = 3.0) -> list[Fix]:
    """Return the fixes of a phone that lies in one place, with an honest error of some metres."""
    found = []
    for at_s in times_s:
        accuracy_m = dice.between(8.0, 45.0)
        error = accuracy_m * min(2.5, _RAYLEIGH_MEDIAN * math.sqrt(-2.0 * math.log(1.0 - dice.unit()))) / METRES_PER_DEGREE
        angle = dice.between(0.0, 2.0 * math.pi)
        lat, lon = place[0] + error * math.cos(angle), place[1] + error * math.sin(angle) / math.cos(math.radians(place[0]))
        found.append(
            Fix(
                subject=subject,
                device=device,
                source="sensor-logger",
                fix_ns=int(at_s * 1000.0) * 1_000_000,
                received_ms=int((at_s + delay_s) * 1000.0),
                lat=odd(lat),
                lon=odd((lon + 180.0) % 360.0 - 180.0),
                accuracy_m=round(accuracy_m, 3),
                speed_mps=0.0,
            )
        )
    return found


def odd(degrees: float) -> float:
    """Return the coordinate to 1e-7 degrees with an odd last digit: one of 0 would look like rounding on purpose."""
    return (round(degrees * 1e7) | 1) / 1e7

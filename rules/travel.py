"""What it would take to be at both places: speed as an interval, a probability, and the reach of a person.

Theory. Two observations a and b state places with radii r_a, r_b (about one standard deviation each) and times that may each be off: the
clocks by up to s seconds together, and a time that is written in whole minutes by up to 60 s more. Then

    distance in [d (1 - 0.0056) - r_a - r_b,  d (1 + 0.0056) + r_a + r_b]        (veilocity.geo: great circle against the ellipsoid)
    speed    in [distance_low / (t + s),      distance_high / max(t - s, 0)]

and with the distance as a normal variable of mean d and variance r_a^2 + r_b^2 + (0.0056 d)^2, the probability that a person whose reach in
the time is R could have made the trip is

    P = Phi((R - d) / sigma)

The reach in a time is the larger of what the ground and the air allow (`reach_m`). A place between two sights is possible only in the
intersection of the two reaches: the space-time prism.

Reference: T. Hagerstrand, "What about people in regional science?", Papers of the Regional Science Association 24 (1970); H. J. Miller,
"Modelling accessibility using space-time prism concepts within geographical information systems", IJGIS 5 (1991).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rules.sight import NO_SPEED, Sight
from veilocity.evidence import speed_bounds_kmh
from veilocity.geo import SPHERE_ERROR, Interval, distance_bounds_m, great_circle_m

__all__ = ["Mobility", "Trip", "gap_m", "possibility", "reach_m", "slack_s", "trip"]

_MINUTE_NS = 60_000_000_000
_KMH = 3.6
_EARTH_DM_PER_E7 = 0.111_950
"""Most decimetres that 1e-7 degrees of a meridian or of a parallel can be, on the safe side."""


class Trip(NamedTuple):
    """Distance, time and speed from one observation to a later one."""

    distance_m: Interval
    elapsed_s: float
    speed_kmh: Interval | None
    """None when both happened at the same time: no speed exists."""


class Mobility(NamedTuple):
    """How fast a person could have moved, speeds in km/h."""

    ground_kmh: float
    """By road or rail, without waiting."""
    air_kmh: float
    boarding_s: float
    """What a flight takes besides flying."""
    seen_factor: float
    """Somebody seen at a speed may be this much faster on average."""


def slack_s(first: Sight, second: Sight, clock_slack_s: float) -> float:
    """Return how far the elapsed time may be wrong: clocks, and payments whose time is in whole minutes.

    >>> slack_s(Sight(0, 0, 0, 0), Sight(60_000_000_000, 0, 0, 0, kind=1), 30.0)
    90.0
    """
    slack = clock_slack_s
    for sight in (first, second):
        if sight.kind and sight.event_ns % _MINUTE_NS == 0:
            slack += 60.0
    return slack


def gap_m(first: Sight, second: Sight) -> float:
    """Return the lower bound of the distance, at least 0.

    >>> round(gap_m(Sight(0, 0, 0, 1000), Sight(0, 0, 10_000_000, 1000)))
    110372
    """
    gap_e7 = abs(first.lat_e7 - second.lat_e7) + abs(first.lon_e7 - second.lon_e7)
    if gap_e7 * _EARTH_DM_PER_E7 <= first.accuracy_dm + second.accuracy_dm:
        # The way along the meridian and then along the parallel is never shorter than the great circle.
        return 0.0
    distance = great_circle_m(first.lat_e7 / 1e7, first.lon_e7 / 1e7, second.lat_e7 / 1e7, second.lon_e7 / 1e7)
    return max(0.0, distance * (1.0 - SPHERE_ERROR) - (first.accuracy_dm + second.accuracy_dm) / 10.0)


def trip(first: Sight, second: Sight, clock_slack_s: float) -> Trip:
    """Return the trip between two observations in event-time order.

    >>> london, lagos = Sight(0, 515_074_000, -1_278_000, 0), Sight(3_600_000_000_000, 65_244_000, 33_792_000, 0)
    >>> round(trip(london, lagos, 0.0).speed_kmh.low)
    4984
    """
    distance_m = distance_bounds_m(
        first.lat_e7 / 1e7,
        first.lon_e7 / 1e7,
        first.accuracy_dm / 10.0,
        second.lat_e7 / 1e7,
        second.lon_e7 / 1e7,
        second.accuracy_dm / 10.0,
    )
    elapsed_s = (second.event_ns - first.event_ns) / 1e9
    return Trip(distance_m, elapsed_s, speed_bounds_kmh(distance_m, elapsed_s, slack_s(first, second, clock_slack_s)))


def reach_m(elapsed_s: float, mobility: Mobility, seen_kmh: float = 0.0) -> float:
    """Return how far a person can get in a time.

    Args:
        elapsed_s: with the slack of the clocks.
        mobility: of people.
        seen_kmh: speed at which the person was seen moving at either end: somebody in a train or a plane goes on at its speed.

    >>> people = Mobility(ground_kmh=160.0, air_kmh=1000.0, boarding_s=1200.0, seen_factor=1.3)
    >>> round(reach_m(90.0, people)), round(reach_m(4800.0, people)), round(reach_m(90.0, people, seen_kmh=800.0))
    (4000, 1000000, 25000)
    """
    kmh = max(mobility.ground_kmh, min(seen_kmh * mobility.seen_factor, mobility.air_kmh))
    return max(kmh * elapsed_s, mobility.air_kmh * (elapsed_s - mobility.boarding_s)) / _KMH


def seen_kmh(*sights: Sight) -> float:
    """Return the highest speed that phones reported; 0 where none did."""
    return max((sight.speed_dms * 0.36 for sight in sights if sight.speed_dms != NO_SPEED), default=0.0)


def possibility(first: Sight, second: Sight, within_m: float) -> float:
    """Return the probability that the true distance is at most `within_m`: that a person with this reach could have made the trip.

    >>> here, there = Sight(0, 0, 0, 1000), Sight(0, 0, 10_000_000, 1000)
    >>> round(possibility(here, there, 111_000.0), 2), possibility(here, there, 1000.0)
    (0.38, 0.0)
    """
    distance = great_circle_m(first.lat_e7 / 1e7, first.lon_e7 / 1e7, second.lat_e7 / 1e7, second.lon_e7 / 1e7)
    sigma_m = math.sqrt((first.accuracy_dm**2 + second.accuracy_dm**2) / 100.0 + (SPHERE_ERROR * distance) ** 2)
    if sigma_m == 0.0:
        return float(distance <= within_m)
    return round(0.5 * math.erfc((distance - within_m) / (sigma_m * math.sqrt(2.0))), 9)

"""Whether geometry alone proves a fraud, whatever any rule thinks.

A fraud is provable when one of its observations and the truthful honest observation before or after it in event time, of the same subject,
lie so far apart that no aircraft connects them:

    d = distance - radius_1 - radius_2;    d >= 50 km    and    d > 1,100 km/h (|dt| + 120 s)

The distance is taken on the short side (great circle times 1 - 0.0056), radii are as stated, 100 m for a fix and 1,000 m for a payment
that state none. Truthful are all honest observations but the misplaced ones of the labels: a glitch proves nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from veilocity.contracts import Fix, Transaction
from veilocity.geo import distance_bounds_m, valid_coordinates

__all__ = ["MINIMUM_M", "SLACK_S", "SPEED_KMH", "Sighting", "contradict", "is_provable", "sighting"]

SPEED_KMH = 1100.0
SLACK_S = 120.0
MINIMUM_M = 50_000.0
_FIX_RADIUS_M = 100.0
_PAYMENT_RADIUS_M = 1000.0


class Sighting(NamedTuple):
    """Somebody at a place at a time, as stated."""

    event_ns: int
    lat: float
    lon: float
    radius_m: float


def sighting(event: Fix | Transaction) -> Sighting | None:
    """Return what an event says of where somebody was; None for a payment without a usable place."""
    if isinstance(event, Fix):
        return Sighting(event.fix_ns, event.lat, event.lon, event.accuracy_m or _FIX_RADIUS_M)
    if not event.channel.has_place or event.lat is None or event.lon is None or not valid_coordinates(event.lat, event.lon):
        return None
    return Sighting(event.authorised_ms * 1_000_000, event.lat, event.lon, event.place_accuracy_m or _PAYMENT_RADIUS_M)


def contradict(first: Sighting, second: Sighting) -> bool:
    """Say whether nobody can have been at both.

    >>> home = Sighting(0, 48.86, 2.35, 20.0)
    >>> contradict(home, Sighting(60 * 10**9, 49.5, 2.35, 20.0)), contradict(home, Sighting(600 * 10**9, 49.5, 2.35, 20.0))
    (True, False)
    """
    distance_m = distance_bounds_m(*first[1:], *second[1:]).low
    elapsed_s = abs(second.event_ns - first.event_ns) / 1e9
    return distance_m >= MINIMUM_M and distance_m > SPEED_KMH / 3.6 * (elapsed_s + SLACK_S)


def is_provable(fraud: Iterable[Sighting], honest: Sequence[Sighting]) -> bool:
    """Say whether a fraud's sightings contradict an honest neighbour in event time.

    Args:
        fraud: in any order.
        honest: truthful ones of the same subject, in order of time.
    """
    for seen in fraud:
        after = bisect_right(honest, seen.event_ns, key=lambda one: one.event_ns)
        if any(contradict(neighbour, seen) for neighbour in honest[max(0, after - 1) : after + 1]):
            return True
    return False

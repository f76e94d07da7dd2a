"""Places beyond the cities of the simulator: made-up towns at a distance."""

from __future__ import annotations

import math

from ingest.simulator.chance import Dice
from ingest.simulator.places import CITIES, City, District, Point, offset, somewhere
from veilocity.geo import EARTH_RADIUS_M, great_circle_m

__all__ = ["anywhere", "cities_within", "far_place", "town"]


def anywhere(place: Point, distance_m: float, bearing: float) -> Point:
    """Return the place at a distance and bearing (radians from north) along the great circle.

    >>> tuple(round(value, 6) for value in anywhere((0.0, 0.0), EARTH_RADIUS_M * math.pi / 2, math.pi / 2))
    (0.0, 90.0)
    """
    phi, angle = math.radians(place[0]), distance_m / EARTH_RADIUS_M
    sine = math.sin(phi) * math.cos(angle) + math.cos(phi) * math.sin(angle) * math.cos(bearing)
    lam = math.atan2(math.sin(bearing) * math.sin(angle) * math.cos(phi), math.cos(angle) - math.sin(phi) * sine)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine)))), (place[1] + math.degrees(lam) + 180.0) % 360.0 - 180.0


def town(city: City, distance_m: float, dice: Dice) -> City:
    """Return a made-up town of the same country and time at a distance from a city."""
    centre = anywhere(city.centre, distance_m, dice.between(0.0, 2.0 * math.pi))
    districts = tuple(District(offset(centre, dice.between(-3000, 3000), dice.between(-3000, 3000)), 900.0, 1.0, 1.0) for _ in range(3))
    return City(
        f"{city.name}, town {dice.whole(10_000, 99_999)}",
        city.country,
        city.utc_offset_min,
        city.currency,
        city.price_level,
        offset(centre, 9000.0, 4000.0),
        (District(centre, 900.0, 1.0, 3.0), *districts),
    )


def cities_within(city: City, low_m: float, high_m: float) -> tuple[City, ...]:
    """Return the cities whose centres lie between two distances from that of a city."""
    return tuple(other for other in CITIES if other is not city and low_m <= great_circle_m(*city.centre, *other.centre) <= high_m)


def far_place(city: City, at_least_m: float, dice: Dice) -> tuple[Point, City]:
    """Return a place where a stolen card is used, and the city whose country and prices hold there.

    Half of them lie in a real city far away, the others 60 km to 9,000 km away, as likely in each doubling of the distance; none is nearer
    to the centre than `at_least_m`.
    """
    cities = cities_within(city, max(300_000.0, at_least_m), 2.0e7)
    if cities and dice.happens(0.5):
        other = dice.pick(cities)
        return somewhere(other, dice, jobs=True), other
    low_m = max(60_000.0, at_least_m)
    distance_m = low_m * (9.0e6 / low_m) ** dice.unit() if low_m < 9.0e6 else low_m
    return anywhere(city.centre, distance_m, dice.between(0.0, 2.0 * math.pi)), city

"""Distances that know how sure they are.

Theory: the distance on the WGS 84 ellipsoid lies between 0.99441 and 1.00449 times the great-circle distance d on the mean sphere. Adding
the two accuracy radii to that gives an interval which holds the true distance whenever both true places lie within their accuracy radii:

    low  = max(0, d (1 - 0.0056) - a1 - a2)      high = d (1 + 0.0056) + a1 + a2

References: Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984); C. F. F. Karney, "Algorithms for geodesics",
J. Geodesy 87 (2013) for the ellipsoid, which the tests use as the judge.
"""

from __future__ import annotations

import math

import msgspec

__all__ = [
    "EARTH_RADIUS_M",
    "SPHERE_ERROR",
    "Interval",
    "distance_bounds_m",
    "great_circle_m",
    "interpolate",
    "valid_coordinates",
]

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius R1 of the GRS 80 ellipsoid (IUGG), in metres; the value the `haversine` package uses too."""
SPHERE_ERROR = 0.0056
"""Largest difference between the two, relative to the distance on this sphere: 0.5583 % along a meridian at the equator, where the
ellipsoid's radius of curvature is a (1 - e^2) = 6,335,439 m; -0.4487 % at the poles, where it is a^2 / b = 6,399,594 m."""
_RADIANS = math.pi / 180.0
_ANTIPODAL = 1e-6
"""Radians (6 m) from the antipode below which no direction can be told."""
_MAX_LAT = 90.0
_MAX_LON = 180.0


class Interval(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A lower bound, a likely value and an upper bound of one quantity."""

    low: float
    likely: float
    high: float


def valid_coordinates(lat: float, lon: float) -> bool:
    """Say whether both are finite and in range: -90..90 and -180..180 degrees.

    >>> valid_coordinates(-97.7, 30.3), valid_coordinates(30.3, -97.7), valid_coordinates(math.nan, 0.0)
    (False, True, False)
    """
    return -_MAX_LAT <= lat <= _MAX_LAT and -_MAX_LON <= lon <= _MAX_LON


def great_circle_m(lat_1: float, lon_1: float, lat_2: float, lon_2: float) -> float:
    """Return the great-circle distance in metres between two places in degrees.

    Guarantee: within 0.56 % of the WGS 84 ellipsoid, exact across the antimeridian and at the poles, and never NaN for valid input.

    >>> round(great_circle_m(51.5074, -0.1278, 6.5244, 3.3792) / 1000)
    5012
    """
    phi_1 = lat_1 * _RADIANS
    phi_2 = lat_2 * _RADIANS
    sin_lat = math.sin((phi_2 - phi_1) / 2.0)
    sin_lon = math.sin((lon_2 - lon_1) * _RADIANS / 2.0)
    h = sin_lat * sin_lat + math.cos(phi_1) * math.cos(phi_2) * sin_lon * sin_lon
    # Rounding can lift h a few ulp above 1 between antipodes.
    return 2.0 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def distance_bounds_m(
    lat_1: float,
    lon_1: float,
    accuracy_1_m: float,
    lat_2: float,
    lon_2: float,
    accuracy_2_m: float,
) -> Interval:
    """Return the interval in metres that holds the distance between two uncertain places.

    Guarantee: if each true place lies within its accuracy radius, the distance on the WGS 84 ellipsoid lies in the interval.

    >>> distance_bounds_m(0.0, 0.0, 30.0, 0.0, 0.0, 50.0)
    Interval(low=0.0, likely=0.0, high=80.0)
    """
    likely = great_circle_m(lat_1, lon_1, lat_2, lon_2)
    spread = accuracy_1_m + accuracy_2_m
    low = max(0.0, likely * (1.0 - SPHERE_ERROR) - spread)
    return Interval(low, likely, likely * (1.0 + SPHERE_ERROR) + spread)


def interpolate(lat_1: float, lon_1: float, lat_2: float, lon_2: float, fraction: float) -> tuple[float, float]:
    """Return the place in degrees at `fraction` (0..1) of the great circle from the first to the second place.

    Antipodes are joined by every meridian: the way over the north pole is taken.

    >>> lat, lon = interpolate(0.0, 170.0, 0.0, -170.0, 0.5)
    >>> round(lat, 9), round(abs(lon), 9)
    (0.0, 180.0)
    """
    angle = great_circle_m(lat_1, lon_1, lat_2, lon_2) / EARTH_RADIUS_M
    if angle == 0.0:
        return lat_1, lon_1
    if math.pi - angle < _ANTIPODAL:
        return _over_the_pole(lat_1, lon_1, angle * fraction)
    weight_1 = math.sin((1.0 - fraction) * angle) / math.sin(angle)
    weight_2 = math.sin(fraction * angle) / math.sin(angle)
    phi_1, lam_1, phi_2, lam_2 = (value * _RADIANS for value in (lat_1, lon_1, lat_2, lon_2))
    x = weight_1 * math.cos(phi_1) * math.cos(lam_1) + weight_2 * math.cos(phi_2) * math.cos(lam_2)
    y = weight_1 * math.cos(phi_1) * math.sin(lam_1) + weight_2 * math.cos(phi_2) * math.sin(lam_2)
    z = weight_1 * math.sin(phi_1) + weight_2 * math.sin(phi_2)
    return math.atan2(z, math.hypot(x, y)) / _RADIANS, math.atan2(y, x) / _RADIANS


def _over_the_pole(lat: float, lon: float, angle: float) -> tuple[float, float]:
    climbed = lat + angle / _RADIANS
    if climbed <= _MAX_LAT:
        return climbed, lon
    return 2.0 * _MAX_LAT - climbed, lon - _MAX_LON if lon > 0.0 else lon + _MAX_LON

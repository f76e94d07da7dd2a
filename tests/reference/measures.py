"""Distances on the ellipsoid, and comparisons that refuse to guess.

The engine measures on a sphere. The sphere's distance lies within 0.56 % of the ellipsoid's, so from the geodesic follows a span that holds
whatever the engine gets. A comparison that the span does not decide raises `NearThresholdError`, and the history is passed over.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from geographiclib.geodesic import Geodesic

from tests.reference.seen import Seen

__all__ = ["NearThresholdError", "Span", "apart", "distance"]

SPHERE_ERROR = 0.0056
_SHORTEST, _LONGEST = 1.0 / 1.00449, 1.0 / 0.99441
"""Great circle over geodesic, at least and at most."""


class NearThresholdError(Exception):
    """A quantity lies so near a threshold that sphere and ellipsoid may disagree."""


class Span(NamedTuple):
    """What the engine may have measured, in metres."""

    low: float
    high: float

    def over(self, threshold: float) -> bool:
        """Whether it is more than a threshold."""
        if self.low > threshold:
            return True
        if self.high <= threshold:
            return False
        raise NearThresholdError

    def reaches(self, threshold: float) -> bool:
        """Whether it is a threshold or more."""
        if self.low >= threshold:
            return True
        if self.high < threshold:
            return False
        raise NearThresholdError

    def under_half_of(self, other: Span) -> bool:
        """Whether it is less than half of another."""
        if self.high < other.low / 2.0:
            return True
        if self.low >= other.high / 2.0:
            return False
        raise NearThresholdError


@cache
def geodesic_m(lat_1: float, lon_1: float, lat_2: float, lon_2: float) -> float:
    """Return the distance on WGS 84."""
    return float(Geodesic.WGS84.Inverse(lat_1, lon_1, lat_2, lon_2, Geodesic.DISTANCE)["s12"])


def distance(lat_1: float, lon_1: float, lat_2: float, lon_2: float) -> Span:
    """Return the great-circle distance."""
    exact = geodesic_m(lat_1, lon_1, lat_2, lon_2)
    return Span(exact * _SHORTEST, exact * _LONGEST)


def apart(first: Seen, second: Seen) -> Span:
    """Return the lower bound of the distance of two observations."""
    circle = distance(first.lat, first.lon, second.lat, second.lon)
    radii = first.radius_m + second.radius_m
    return Span(max(0.0, circle.low * (1.0 - SPHERE_ERROR) - radii), max(0.0, circle.high * (1.0 - SPHERE_ERROR) - radii))

"""Noise on single records: a place is moved by the planar Laplace law, an amount by the discrete Laplace law, both by a keyed hash.

**Place.** Direction uniform, distance Gamma(2, 1 / e) along the great circle, e = (1 - 0.0056) epsilon: the polar form of the planar
Laplace law, laid on the Earth by the exponential map. Guarantee (geo-indistinguishability), for all places x and x' and sets Z of places:

    P(noisy(x) in Z) <= exp(epsilon d(x, x')) P(noisy(x') in Z),        d the geodesic distance in metres on the WGS 84 ellipsoid

at every latitude, at the poles and across the antimeridian. Proof: with t = r / R the density by area at distance r is
f(r) = e^2 / 2 pi exp(-e r) t / sin t, and the slope of ln f lies between -e and e until r is within about 1 / (2 e) of half way round the
Earth, where no draw comes (`LEAST_EPSILON_PER_M`). So ln f changes by at most e times the difference of two distances; that is at most
the great-circle distance of x and x', which is at most d / (1 - 0.0056) (`veilocity.geo`). The mean move is 2 / e metres; 95 % of moves
are below 4.74 / e. Nothing is added to degrees or to Earth-centred coordinates: there, noise would shrink with the cosine or the sine of
the latitude.

Not proven is what finite precision costs: a draw has 53 bits (it leaves the ideal law with a probability of about 1e-16), and five decimals
(1.1 m) are printed, which hides the last bits of the floats, as Andres et al. advise. Amounts, counts and totals do not have this gap.

**Amount.** Discrete Laplace noise of scale 1 / epsilon minor units: P(noisy(x) = z) <= exp(epsilon |x - x'|) P(noisy(x') = z), exactly.

**Deterministic.** The draw is a pseudorandom function of key, record, exact value and epsilon: the same record has the same noise for ever,
in every process, so asking again averages nothing away. Therefore this is computational privacy: it holds against whoever lacks the key
(`keyed`). The exact value is hashed because a corrected record with the same noise would show the exact correction; epsilon, because the
same draw at two scales could be solved for the place. A record that is corrected, released at two epsilons or under two keys (two stores)
costs epsilon once for each.

**Per person.** n records of one person cost n epsilon in all (`person_epsilon`): a person who stays at one place for n records is found to
about 2 / (e sqrt(n)) metres. Release few places of a person, or cells with k people (`privacy.releases`).

**Never moved back.** A place in the sea or an amount below zero stays as it is. To move it to the nearest land or to zero would protect
nothing, and would bend the law whose error is stated; where the exact place decides whether to move, it would tell of that place.

References: Andres, Bordenabe, Chatzikokolakis and Palamidessi, "Geo-indistinguishability: differential privacy for location-based systems",
CCS 2013, sections 4.1 and 4.2; Chatzikokolakis et al., "Broadening the scope of differential privacy using metrics", PETS 2013.
"""

from __future__ import annotations

import math
from fractions import Fraction

from privacy.differential.keyed import KeyedDraws, discrete_laplace
from sketches.portable import log_of
from veilocity.errors import ContractError, RejectReason, UnsafePolicyError
from veilocity.geo import EARTH_RADIUS_M, SPHERE_ERROR, valid_coordinates

__all__ = ["LEAST_EPSILON_PER_M", "destination", "noisy_amount", "noisy_place", "person_epsilon"]

LEAST_EPSILON_PER_M = 1e-5
"""Below it (a mean move of 200 km) a place is better hidden. The longest draw, 73.5 / epsilon, stays within a third of the globe."""
MOST_EPSILON_PER_M = 0.1
"""Above it (a mean move of 20 m) a fix is as exact as without noise."""
_DECIMALS = 5
_PLACE, _AMOUNT = "veilocity noise place", "veilocity noise amount"


def noisy_place(lat: float, lon: float, *, epsilon_per_m: float, key: bytes, record: str) -> tuple[float, float]:
    """Return the place of a record with noise: latitude and longitude in degrees, five decimals.

    Guarantee: epsilon-geo-indistinguishable in metres on the ellipsoid, for whoever lacks the key.

    Args:
        lat: -90 to 90 degrees.
        lon: -180 to 180 degrees.
        epsilon_per_m: places d metres apart look alike up to a factor of exp(epsilon_per_m * d); the mean move is 2 / epsilon_per_m.
        key: 32 bytes; the same one wherever the record goes, or each key costs epsilon again.
        record: what names the record.

    Raises:
        ContractError: coordinates out of range.
        UnsafePolicyError: epsilon out of range.
        SettingsError: the key has another length.

    >>> noisy_place(48.2082, 16.3738, epsilon_per_m=0.01, key=bytes(32), record="t-1")
    (48.21061, 16.37238)
    """
    if not valid_coordinates(lat, lon):
        raise ContractError(RejectReason.INVALID_COORDINATES, "coordinates are out of range: check which program writes this topic")
    if not LEAST_EPSILON_PER_M <= epsilon_per_m <= MOST_EPSILON_PER_M:
        raise UnsafePolicyError(f"epsilon_per_m must lie between {LEAST_EPSILON_PER_M:g} and {MOST_EPSILON_PER_M:g}: correct the policy")
    # Adding 0.0 turns -0.0 into 0.0, which is the same place.
    draws = KeyedDraws(key, [_PLACE, record, repr(lat + 0.0), repr(lon + 0.0), repr(float(epsilon_per_m))])
    # The sum of two exponential distances has the Gamma law of shape 2.
    distance_m = -(log_of(draws.unit()) + log_of(draws.unit())) / (epsilon_per_m * (1.0 - SPHERE_ERROR))
    moved_lat, moved_lon = destination(lat, lon, distance_m, 360.0 * draws.unit())
    return round(moved_lat, _DECIMALS) + 0.0, round(moved_lon, _DECIMALS) + 0.0


def noisy_amount(amount_minor: int, *, epsilon_per_minor: float, key: bytes, record: str) -> int:
    """Return the amount of a record with noise, in minor units; it may be negative.

    Guarantee: amounts that differ by d minor units look alike up to a factor of exp(epsilon_per_minor * d), for whoever lacks the key. The
    draw is exact: no float is involved, and `epsilon_per_minor` counts as the decimal number it is written as.

    Args:
        amount_minor: exact amount, in minor units.
        epsilon_per_minor: above 0 and at most 10; noise has a standard deviation of about 1.41 / epsilon_per_minor.
        key: 32 bytes.
        record: what names the record.

    Raises:
        UnsafePolicyError: epsilon out of range.
        SettingsError: the key has another length.

    >>> noisy_amount(4_990, epsilon_per_minor=0.002, key=bytes(32), record="t-1")
    4846
    """
    if not 1e-9 <= epsilon_per_minor <= 10.0:
        raise UnsafePolicyError("epsilon_per_minor must lie between 1e-9 and 10: correct the policy")
    scale = 1 / Fraction(repr(float(epsilon_per_minor)))
    return amount_minor + discrete_laplace(KeyedDraws(key, [_AMOUNT, record, str(amount_minor), str(scale)]), scale)


def person_epsilon(epsilon: float, records: int) -> float:
    """Return what a person loses whose records were released with noise: by basic composition, the sum.

    For places that is epsilon per metre: two whole paths with `records` points, each pair d metres apart, look alike up to a factor of
    exp(person_epsilon * d).

    Args:
        epsilon: of one record, per metre or per minor unit.
        records: of one person, all keys and corrections counted.

    Raises:
        UnsafePolicyError: a negative number of records.

    >>> person_epsilon(0.001, 20)
    0.02
    """
    if records < 0:
        raise UnsafePolicyError("the number of records cannot be negative")
    return epsilon * records


def destination(lat: float, lon: float, distance_m: float, azimuth_deg: float) -> tuple[float, float]:
    """Return the place that lies a distance along the great circle that starts in a direction.

    Error: the place is right on the mean sphere to about 1e-8 m for a thousand kilometres; the way to it on the WGS 84 ellipsoid is 0.9944
    to 1.0045 times as long. At a pole, where every direction is south or north, azimuths turn as seen from the meridian `lon`.

    Args:
        lat: degrees.
        lon: degrees.
        distance_m: not negative.
        azimuth_deg: clockwise from north.

    >>> lat, lon = destination(0.0, 179.5, 111_195.08, 90.0)
    >>> round(lat, 6), round(lon, 6)
    (0.0, -179.5)
    """
    phi, lam, azimuth = math.radians(lat), math.radians(lon), math.radians(azimuth_deg)
    angle = distance_m / EARTH_RADIUS_M
    along, north, east = math.cos(angle), math.sin(angle) * math.cos(azimuth), math.sin(angle) * math.sin(azimuth)
    # By vectors: the arcsine of the usual formula loses half of its digits near the poles.
    outward = along * math.cos(phi) - north * math.sin(phi)
    x = outward * math.cos(lam) - east * math.sin(lam)
    y = outward * math.sin(lam) + east * math.cos(lam)
    z = along * math.sin(phi) + north * math.cos(phi)
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))

"""The world: one metropolis with its districts and railways, and far cities. Coordinates are of real places."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from ingest.simulator.chance import Dice

__all__ = [
    "CITIES",
    "METRES_PER_DEGREE",
    "METROPOLIS",
    "RESIDENTIAL",
    "City",
    "District",
    "Point",
    "metres_between",
    "offset",
    "rail_path",
    "somewhere",
]

Point = tuple[float, float]
"""Latitude and longitude in degrees."""

METRES_PER_DEGREE = 111_195.0
"""Of latitude, on the sphere of `veilocity.geo`."""


@dataclass(frozen=True, slots=True)
class District:
    """Where people live and work: normally distributed around a point."""

    place: Point
    spread_m: float
    homes: float
    """Relative number of homes."""
    jobs: float
    """Relative number of jobs, shops and bars."""


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: hashing all districts on every look-up costs more than the look-up
class City:
    """One city. Local time is a fixed offset: daylight saving would add nothing but surprises."""

    name: str
    country: str
    """Two letters (ISO 3166-1)."""
    utc_offset_min: int
    currency: str
    price_level: float
    """Local currency units for one euro of the price table."""
    airport: Point
    districts: tuple[District, ...]
    lines: tuple[tuple[Point, ...], ...] = ()
    """Railway lines as lists of stations; lines meet where they share a station."""

    @property
    def centre(self) -> Point:
        """The first district's place."""
        return self.districts[0].place


def offset(place: Point, north_m: float, east_m: float) -> Point:
    """Return the place that lies so many metres north and east (flat earth, good for tens of kilometres).

    >>> offset((0.0, 10.0), 111_195.0, 0.0)
    (1.0, 10.0)
    """
    lat, lon = place
    return lat + north_m / METRES_PER_DEGREE, lon + east_m / (METRES_PER_DEGREE * math.cos(math.radians(lat)))


def metres_between(first: Point, second: Point) -> float:
    """Return the distance in metres between two places of one city (flat earth, within 0.1 %)."""
    east = (second[1] - first[1]) * math.cos(math.radians((first[0] + second[0]) / 2.0))
    return math.hypot(second[0] - first[0], east) * METRES_PER_DEGREE


def somewhere(city: City, dice: Dice, *, jobs: bool) -> Point:
    """Return a place where people of the city live, or work where `jobs` is true."""
    districts = city.districts
    district = dice.weighted(districts, [part.jobs if jobs else part.homes for part in districts])
    # Cut at two standard deviations: no one lives in the next town, and no city is wider than the rule's minimum distance.
    north, east = (max(-2.0, min(2.0, dice.normal())) * district.spread_m for _ in range(2))
    return offset(district.place, north, east)


def _district(lat: float, lon: float, spread_m: float, homes: float, jobs: float) -> District:
    return District((lat, lon), spread_m, homes, jobs)


def _compact(lat: float, lon: float) -> tuple[District, ...]:
    """Districts of a far city: a centre and four quarters around it, all on land."""
    quarters = tuple(District(offset((lat, lon), north, east), 1100.0, 2.0, 1.0) for north, east in _QUARTERS)
    return (_district(lat, lon, 1400.0, 2.0, 5.0), *quarters)


_QUARTERS = ((3800.0, 800.0), (-900.0, 3600.0), (-3500.0, -1200.0), (1000.0, -3700.0))

_CHATELET, _LYON, _NORD = (48.8619, 2.3470), (48.8443, 2.3740), (48.8809, 2.3553)
_LAZARE, _MONTPARNASSE, _SAINT_MICHEL = (48.8763, 2.3254), (48.8412, 2.3205), (48.8535, 2.3440)

METROPOLIS = City(
    "Paris",
    "FR",
    60,
    "EUR",
    1.0,
    (49.0085, 2.5500),
    (
        _district(48.8606, 2.3476, 900, 3, 8),  # Les Halles
        _district(48.8590, 2.3620, 600, 4, 4),  # Marais
        _district(48.8480, 2.3440, 700, 4, 4),  # Quartier Latin
        _district(48.8530, 2.3330, 500, 2, 4),  # Saint-Germain
        _district(48.8420, 2.3210, 800, 4, 6),  # Montparnasse
        _district(48.8715, 2.3320, 700, 2, 10),  # Opéra
        _district(48.8700, 2.3070, 700, 2, 9),  # Champs-Élysées
        _district(48.8865, 2.3430, 800, 6, 2),  # Montmartre
        _district(48.8720, 2.3800, 800, 6, 2),  # Belleville
        _district(48.8530, 2.3690, 600, 5, 4),  # Bastille
        _district(48.8480, 2.3960, 700, 5, 2),  # Nation
        _district(48.8380, 2.3830, 600, 3, 5),  # Bercy
        _district(48.8310, 2.3560, 800, 6, 3),  # Place d'Italie
        _district(48.8240, 2.3300, 700, 4, 1),  # Montsouris
        _district(48.8400, 2.2990, 900, 6, 2),  # Vaugirard
        _district(48.8580, 2.2760, 700, 4, 2),  # Passy
        _district(48.8860, 2.3170, 700, 5, 2),  # Batignolles
        _district(48.8890, 2.3860, 700, 4, 2),  # La Villette
        _district(48.8920, 2.2390, 600, 2, 12),  # La Défense
        _district(48.8350, 2.2410, 900, 5, 5),  # Boulogne
        _district(48.8230, 2.2700, 600, 3, 4),  # Issy
        _district(48.8620, 2.4410, 900, 5, 2),  # Montreuil
        _district(48.9360, 2.3570, 1000, 5, 4),  # Saint-Denis
        _district(48.8470, 2.4360, 600, 3, 1),  # Vincennes
        _district(48.8130, 2.3880, 800, 4, 1),  # Ivry
        _district(48.7930, 2.3640, 900, 4, 2),  # Villejuif
        _district(48.8900, 2.2050, 900, 4, 3),  # Nanterre
        _district(48.8030, 2.1330, 900, 3, 2),  # Versailles
        _district(48.7270, 2.2750, 1000, 3, 3),  # Massy
        _district(48.7880, 2.4560, 1000, 4, 3),  # Créteil
        _district(48.9080, 2.4390, 900, 4, 2),  # Bobigny
        _district(48.9470, 2.2480, 900, 4, 1),  # Argenteuil
        _district(48.8420, 2.5600, 1000, 3, 2),  # Noisy-le-Grand
    ),
    (
        # The express lines, thinned to stations that give them their shape.
        (
            (48.8957, 2.2233),
            (48.8919, 2.2380),
            (48.8738, 2.2950),
            (48.8724, 2.3296),
            _CHATELET,
            _LYON,
            (48.8483, 2.3959),
            (48.8473, 2.4329),
            (48.8533, 2.4885),
            (48.8430, 2.5794),
        ),
        (
            (49.0040, 2.5710),
            (48.9321, 2.4953),
            (48.9176, 2.3622),
            _NORD,
            _CHATELET,
            _SAINT_MICHEL,
            (48.8339, 2.3329),
            (48.8211, 2.3388),
            (48.7801, 2.3124),
            (48.7260, 2.2600),
        ),
        ((48.7997, 2.1290), (48.8202, 2.2599), (48.8463, 2.2776), (48.8607, 2.3142), _SAINT_MICHEL, (48.8421, 2.3649), (48.8137, 2.3905)),
        ((48.9348, 2.3458), _NORD, _CHATELET, _LYON, (48.8023, 2.4266), (48.7737, 2.4350)),
        ((48.9467, 2.2570), (48.9060, 2.2830), _LAZARE, (48.8607, 2.3142), _MONTPARNASSE, (48.8310, 2.3560), (48.7960, 2.3680)),
        (_LAZARE, _NORD, (48.8890, 2.3860), (48.9065, 2.4490)),
    ),
)

_FAR = (
    City("New York", "US", -300, "USD", 1.10, (40.6446, -73.7790), _compact(40.7350, -73.8700)),
    City("Los Angeles", "US", -480, "USD", 1.10, (33.9430, -118.4050), _compact(34.0500, -118.2500)),
    City("São Paulo", "BR", -180, "BRL", 6.0, (-23.4320, -46.4690), _compact(-23.5500, -46.6330)),
    City("Lagos", "NG", 60, "NGN", 1700.0, (6.5770, 3.3210), _compact(6.6000, 3.3500)),
    City("Johannesburg", "ZA", 120, "ZAR", 20.0, (-26.1350, 28.2310), _compact(-26.1700, 28.0500)),
    City("Singapore", "SG", 480, "SGD", 1.45, (1.3590, 103.9890), _compact(1.3460, 103.8300)),
    City("Tokyo", "JP", 540, "JPY", 162.0, (35.5520, 139.7790), _compact(35.6940, 139.7000)),
    City("Sydney", "AU", 600, "AUD", 1.65, (-33.9350, 151.1660), _compact(-33.8700, 151.0800)),
)

_NEAR = (
    City("London", "GB", 0, "GBP", 0.85, (51.4700, -0.4540), _compact(51.5150, -0.1200)),
    City("Madrid", "ES", 60, "EUR", 0.9, (40.4900, -3.5680), _compact(40.4200, -3.7030)),
    City("Berlin", "DE", 60, "EUR", 0.95, (52.3620, 13.5010), _compact(52.5200, 13.4050)),
    City("Rome", "IT", 60, "EUR", 0.95, (41.8000, 12.2470), _compact(41.9000, 12.5000)),
    City("Istanbul", "TR", 180, "TRY", 45.0, (41.2620, 28.7420), _compact(41.0700, 28.9900)),
)

RESIDENTIAL = _FAR
"""Far cities in which people live."""
CITIES = (METROPOLIS, *_FAR, *_NEAR)
"""Everywhere that has merchants: where people fly to, and where stolen cards are used."""


@cache  # one entry per city
def _network(city: City) -> dict[Point, tuple[Point, ...]]:
    joined: dict[Point, set[Point]] = {}
    for line in city.lines:
        for first, second in pairwise(line):
            joined.setdefault(first, set()).add(second)
            joined.setdefault(second, set()).add(first)
    return {station: tuple(sorted(neighbours)) for station, neighbours in joined.items()}


def rail_path(city: City, start: Point, end: Point) -> tuple[Point, ...]:
    """Return the stations of the shortest ride between two places, from the nearest station to the nearest; empty where there is no ride.

    >>> len(rail_path(METROPOLIS, METROPOLIS.lines[0][0], METROPOLIS.lines[3][-1]))
    8
    """
    stations = _network(city)
    if not stations:
        return ()
    first, last = (min(stations, key=lambda station: metres_between(station, place)) for place in (start, end))
    return _ride(city, first, last)


@cache  # one entry per pair of stations
def _ride(city: City, first: Point, last: Point) -> tuple[Point, ...]:
    """Shortest path (Dijkstra 1959)."""
    network = _network(city)
    waiting: list[tuple[float, tuple[Point, ...]]] = [(0.0, (first,))]
    done: set[Point] = set()
    while waiting:
        length, path = heapq.heappop(waiting)
        if path[-1] == last:
            return path if len(path) > 1 else ()
        if path[-1] not in done:
            done.add(path[-1])
            for station in network[path[-1]]:
                heapq.heappush(waiting, (length + metres_between(path[-1], station), (*path, station)))
    return ()

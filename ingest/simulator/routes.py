"""A diary of where somebody is: stays and journeys on foot, by car, by rail and by air, as straight pieces of time and place.

Longitudes in a diary run on past 180 degrees where a journey crosses the antimeridian, so that pieces can be interpolated; whoever reads a
diary wraps them. Honest people obey physics here: nobody drives faster than 110 km/h or flies faster than 940 km/h over ground.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise

from ingest.simulator.chance import Dice
from ingest.simulator.places import City, Point, metres_between, offset, rail_path
from veilocity.geo import great_circle_m, interpolate

__all__ = ["Diary", "Mode", "Piece"]

Piece = tuple[float, float, float, float, float, float, int]
"""From and until (seconds since 1970 UTC), latitude and longitude at both, and the mode."""

_WALKABLE_M = 1100.0
_WALK_MPS = 1.33
_CITY_DRIVE_MPS = 8.5
_ROAD_DRIVE_MPS = 20.0
_RAIL_MPS = 13.5
_ROAD_M = 9000.0
"""From this distance on people take the faster roads."""
_FLIGHT_PIECE_M = 150_000.0


class Mode(IntEnum):
    """What somebody is doing, as far as a phone can tell."""

    ASLEEP = 0
    INDOORS = 1
    WALK = 2
    DRIVE = 3
    RAIL = 4
    AIR = 5
    OFF = 6
    """The phone records nothing: flight mode."""

    @property
    def moving(self) -> bool:
        """Whether the place changes."""
        return Mode.WALK <= self <= Mode.AIR


class Diary:
    """Pieces without a hole or overlap from a first moment on."""

    def __init__(self, start_s: float, place: Point) -> None:
        self.now_s = start_s
        self.place = place
        self.pieces: list[Piece] = []

    def stay(self, until_s: float, mode: Mode = Mode.INDOORS) -> None:
        """Stay until a moment; nothing happens where it has passed."""
        if until_s > self.now_s:
            lat, lon = self.place
            self.pieces.append((self.now_s, until_s, lat, lon, lat, lon, mode))
            self.now_s = until_s

    def go(self, city: City, to: Point, dice: Dice, *, drives: bool) -> None:
        """Travel inside one city: on foot where it is near, else by car or rail."""
        distance = metres_between(self.place, to)
        if distance < _WALKABLE_M:
            self._move(to, _WALK_MPS * dice.between(0.85, 1.15), Mode.WALK)
            return
        stations = () if drives else rail_path(city, self.place, to)
        if stations:
            self._ride(stations, to, dice)
        else:
            self._drive(to, distance, dice)

    def fly(self, to: City, dice: Dice, *, records: bool) -> None:
        """Fly to a city's airport: doors close, taxi, great circle at 780 to 940 km/h, taxi, and some minutes until the phone is on.

        Args:
            to: where the aircraft lands.
            dice: draws the speed and the delays.
            records: whether the phone records on board, at a window; else it is in flight mode from door to door.
        """
        self.stay(self.now_s + dice.between(1500.0, 2400.0), Mode.OFF)
        start, end = self.place, to.airport
        distance = great_circle_m(*start, *end)
        lasts = distance / (dice.between(780.0, 940.0) / 3.6)
        count = max(1, int(distance / _FLIGHT_PIECE_M))
        begun, last_lon = self.now_s, start[1]
        before = start
        for number in range(1, count + 1):
            lat, lon = interpolate(*start, *end, number / count) if number < count else end
            lon += 360.0 * round((last_lon - lon) / 360.0)
            until = begun + lasts * number / count
            self.pieces.append((self.now_s, until, before[0], before[1], lat, lon, Mode.AIR if records else Mode.OFF))
            self.now_s, before, last_lon = until, (lat, lon), lon
        self.place = end
        self.stay(self.now_s + dice.between(600.0, 1500.0), Mode.OFF)

    def _ride(self, stations: tuple[Point, ...], to: Point, dice: Dice) -> None:
        self._access(stations[0], dice)
        self.stay(self.now_s + dice.between(60.0, 420.0))
        for first, second in pairwise(stations):
            self.place = first
            self._move(second, _RAIL_MPS * dice.between(0.8, 1.3), Mode.RAIL)
            self.stay(self.now_s + 30.0)
        self._access(to, dice)

    def _access(self, to: Point, dice: Dice) -> None:
        """To or from a station: on foot, or by bus where that is far."""
        if metres_between(self.place, to) < 1800.0:
            self._move(to, _WALK_MPS * dice.between(0.85, 1.15), Mode.WALK)
        else:
            self._drive(to, metres_between(self.place, to), dice)

    def _drive(self, to: Point, distance: float, dice: Dice) -> None:
        """Drive in three straight pieces: streets never lead straight."""
        speed = (_ROAD_DRIVE_MPS if distance > _ROAD_M else _CITY_DRIVE_MPS) * dice.between(0.75, 1.25)
        start = self.place
        self.stay(self.now_s + dice.between(60.0, 180.0))
        for fraction in (dice.between(0.2, 0.45), dice.between(0.55, 0.8)):
            bend = min(2500.0, 0.18 * distance)
            straight = (start[0] + (to[0] - start[0]) * fraction, start[1] + (to[1] - start[1]) * fraction)
            self._move(offset(straight, dice.between(-bend, bend), dice.between(-bend, bend)), speed, Mode.DRIVE)
        self._move(to, speed, Mode.DRIVE)

    def _move(self, to: Point, speed_mps: float, mode: Mode) -> None:
        distance = metres_between(self.place, to)
        if distance < 1.0:
            return
        until = self.now_s + distance / speed_mps
        self.pieces.append((self.now_s, until, *self.place, *to, mode))
        self.now_s, self.place = until, to

"""Parts of the earth that a question can be limited to: a box, a circle, an H3 cell. Pure.

What is stored is the centre of a cell, so a place is in an area when that centre is.
"""

from __future__ import annotations

from functools import lru_cache

import h3
import msgspec

from storage.documents import Place
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.geo import great_circle_m, valid_coordinates

__all__ = ["Area", "Box", "Cell", "Circle", "enclosing_circle", "is_in"]

_HALF_ROUND_M = 20_037_509.0
"""Half of the way around the earth: further away is nothing."""
_BEYOND = 1.35
"""Descendants of a cell lie within its corners' distance but for a little: each finer ring of cells is turned against the one above."""


class Box(msgspec.Struct, frozen=True):
    """From south-west to north-east in degrees, borders included; a box whose west is greater than its east crosses the antimeridian."""

    south: float
    west: float
    north: float
    east: float

    def __post_init__(self) -> None:
        """Refuse what is no box.

        Raises:
            InvalidInputError: a corner is not on the earth, or south lies north of north.
        """
        if not (valid_coordinates(self.south, self.west) and valid_coordinates(self.north, self.east)):
            raise _invalid("a box is south,west,north,east in degrees: a corner is not on the earth")
        if self.south > self.north:
            raise _invalid("a box is south,west,north,east in degrees: its south lies north of its north")


class Circle(msgspec.Struct, frozen=True):
    """All within a distance of a place."""

    lat: float
    lon: float
    radius_m: float

    def __post_init__(self) -> None:
        """Refuse what is no circle.

        Raises:
            InvalidInputError: the centre is not on the earth, or the radius is not between 0 and half of the way around it.
        """
        if not valid_coordinates(self.lat, self.lon) or not 0.0 < self.radius_m <= _HALF_ROUND_M:
            raise _invalid("a circle is latitude,longitude,metres: the centre is not on the earth, or the radius not above 0")


class Cell(msgspec.Struct, frozen=True):
    """An H3 cell of any resolution with all cells in it."""

    cell: str

    def __post_init__(self) -> None:
        """Refuse what is no cell.

        Raises:
            InvalidInputError: H3 does not know it.
        """
        if not h3.is_valid_cell(self.cell):
            raise _invalid("a cell is an H3 index in 15 hexadecimal digits: this is none")


Area = Box | Circle | Cell


def is_in(area: Area, place: Place | None) -> bool:
    """Say whether a place is in an area; what has no place is nowhere.

    >>> market = Place("871fb4662ffffff", 48.85, 2.35)
    >>> is_in(Box(48.0, 2.0, 49.0, 3.0), market), is_in(Circle(48.85, 2.36, 500.0), market), is_in(Cell("841fb47ffffffff"), market)
    (True, False, True)
    >>> is_in(Box(-90.0, 170.0, 90.0, -170.0), Place("", 0.0, 175.0))
    True
    """
    if place is None:
        return False
    match area:
        case Box():
            return area.south <= place.lat <= area.north and _is_between(area.west, place.lon, area.east)
        case Circle():
            return great_circle_m(area.lat, area.lon, place.lat, place.lon) <= area.radius_m
        case Cell():
            return _contains(area.cell, place.cell)


def enclosing_circle(cell: Cell) -> Circle:
    """Return a circle that holds the centres of a cell and of all cells in it, and some more.

    >>> circle = enclosing_circle(Cell("87283082affffff"))
    >>> is_in(circle, Place("87283082affffff", *h3.cell_to_latlng("87283082affffff"))), circle.radius_m < 3_000
    (True, True)
    """
    lat, lon = h3.cell_to_latlng(cell.cell)
    corner_m = max(great_circle_m(lat, lon, *corner) for corner in h3.cell_to_boundary(cell.cell))
    return Circle(lat, lon, corner_m * _BEYOND)


def _is_between(west: float, lon: float, east: float) -> bool:
    return west <= lon <= east if west <= east else lon >= west or lon <= east


@lru_cache(maxsize=20_000)
def _contains(cell: str, inner: str) -> bool:
    if not h3.is_valid_cell(inner):
        return False
    resolution = h3.get_resolution(cell)
    return h3.get_resolution(inner) >= resolution and h3.cell_to_parent(inner, resolution) == cell


def _invalid(sentence: str) -> InvalidInputError:
    return InvalidInputError(RejectReason.INVALID_FIELD, sentence)

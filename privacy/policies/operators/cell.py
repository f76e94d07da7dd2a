"""`generalise` a place: the H3 cell that holds it, and the cell's centre."""

from __future__ import annotations

from typing import Annotated, ClassVar

import h3
import msgspec

from privacy.policies.operators.context import Context, Operation
from storage.documents import Place
from veilocity.errors import ContractError, RejectReason
from veilocity.geo import valid_coordinates

__all__ = ["GeneralisePlace", "place_of"]


class GeneralisePlace(Operation, frozen=True, tag="generalise place"):
    """Replaces coordinates by a cell of the given H3 resolution: 7 is about 5 km², 5 about 253 km².

    Guarantee: the result depends on the cell alone, so all places of a cell look alike.
    """

    name: ClassVar[str] = "generalise"
    h3_resolution: Annotated[int, msgspec.Meta(ge=0, le=15)]

    def apply(self, value: tuple[float, float], context: Context) -> Place:
        """Return the cell of (latitude, longitude) in degrees.

        Raises:
            ContractError: coordinates out of range.
        """
        return place_of(*value, self.h3_resolution)


def place_of(lat: float, lon: float, h3_resolution: int) -> Place:
    """Return the cell of a place and its centre in degrees.

    Raises:
        ContractError: coordinates out of range.

    >>> place_of(51.5074, -0.1278, 7)
    Place(cell='87195da49ffffff', lat=51.50971, lon=-0.14252)
    """
    if not valid_coordinates(lat, lon):
        raise ContractError(RejectReason.INVALID_COORDINATES, "coordinates are out of range: check which program writes this topic")
    cell = h3.latlng_to_cell(lat, lon, h3_resolution)
    centre_lat, centre_lon = h3.cell_to_latlng(cell)
    # Five digits are a metre: the centre stands for the cell, more digits would only look like an exact place.
    return Place(cell, round(centre_lat, 5), round(centre_lon, 5))

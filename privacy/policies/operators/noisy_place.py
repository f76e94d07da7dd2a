"""`noise` on a place: moved by planar Laplace noise, then shown as a cell."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from privacy.policies.operators.cell import place_of
from privacy.policies.operators.context import Context, Operation
from storage.documents import Place

__all__ = ["NoisePlace"]


class NoisePlace(Operation, frozen=True, tag="noise place"):
    """Moves a place by planar Laplace noise of `epsilon_per_m`, then takes its H3 cell, which costs no privacy (post-processing).

    Guarantee: for places x, y and every cell z, P(z | x) <= exp(epsilon d(x, y)) P(z | y), d in metres; mean displacement 2 / epsilon.
    Each record of a person adds its epsilon. Source: Andrés et al., "Geo-indistinguishability", CCS 2013.
    """

    name: ClassVar[str] = "noise"
    epsilon_per_m: Annotated[float, msgspec.Meta(ge=1e-5, le=0.1)]
    h3_resolution: Annotated[int, msgspec.Meta(ge=0, le=15)]
    per: Literal["record", "query"] | None = None
    """Must be `record`: noise that is drawn anew for each asking averages out."""

    def apply(self, value: tuple[float, float], context: Context) -> Place:
        """Return the cell of the moved place.

        Raises:
            ContractError: coordinates out of range.
            KeyMissingError: no source of noise.
        """
        if context.tools.noise is None:
            raise context.lacking("noise")
        moved = context.tools.noise.place(*value, self.epsilon_per_m, context.record_id, context.event_ms)
        return place_of(*moved, self.h3_resolution)

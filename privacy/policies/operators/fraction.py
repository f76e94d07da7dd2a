"""`generalise` a score or probability: few digits after the point."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Annotated, ClassVar, Literal

import msgspec

from privacy.policies.operators.context import Context, Operation

__all__ = ["GeneraliseFraction"]


class GeneraliseFraction(Operation, frozen=True, tag="generalise fraction"):
    """Rounds a number between 0 and 1 to `digits` after the point, to the nearest or up.

    Guarantee: |rounded - exact| <= 10^-digits; with `direction: up` rounded >= exact, so a probability is never told smaller than it is.
    """

    name: ClassVar[str] = "generalise"
    digits: Annotated[int, msgspec.Meta(ge=0)]
    direction: Literal["nearest", "up"] = "nearest"

    def apply(self, value: float, context: Context) -> float:
        """Return the rounded number.

        >>> from privacy.policies.operators.context import Tools
        >>> context = Context("mongodb", "alert.probability", "", "", "", 0, Tools())
        >>> GeneraliseFraction(digits=2).apply(0.98765, context), GeneraliseFraction(digits=2, direction="up").apply(1e-9, context)
        (0.99, 0.01)
        """
        if self.direction == "nearest":
            return round(value, self.digits)
        return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-self.digits), ROUND_CEILING))

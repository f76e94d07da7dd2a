"""`generalise` a distance, speed or radius: few significant digits, every bound moved outwards."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN
from decimal import Context as Arithmetic
from functools import lru_cache
from typing import Annotated, ClassVar

import msgspec

from privacy.policies.operators.context import Context, Operation
from veilocity.geo import Interval

__all__ = ["GeneraliseFigure"]


class GeneraliseFigure(Operation, frozen=True, tag="generalise figure"):
    """Rounds a lower bound down, an upper bound up, a likely value to the nearest; a figure without bounds is an upper bound.

    Guarantee: a rounded interval holds the exact one, so what is told claims less, never more. A lower bound above a limit that the record
    states stays at or above it, because that it is above is what the record says.
    """

    name: ClassVar[str] = "generalise"
    significant_digits: Annotated[int, msgspec.Meta(ge=1)]

    def apply(self, value: Interval | float, context: Context) -> Interval | float:
        """Return the rounded figure or interval.

        >>> from privacy.policies.operators.context import Tools
        >>> context = Context("mongodb", "alert.distance_m", "", "", "", 0, Tools())
        >>> GeneraliseFigure(significant_digits=2).apply(Interval(4_980_123.0, 5_012_345.0, 5_040_456.0), context)
        Interval(low=4900000.0, likely=5000000.0, high=5100000.0)
        """
        digits = self.significant_digits
        if not isinstance(value, Interval):
            return _rounded(value, digits, ROUND_CEILING)
        low = _rounded(value.low, digits, ROUND_FLOOR)
        if context.floor is not None and value.low >= context.floor:
            low = max(low, context.floor)
        likely = _rounded(value.likely, digits, ROUND_HALF_EVEN)
        return Interval(low, max(likely, low), _rounded(value.high, digits, ROUND_CEILING))


@lru_cache(maxsize=64)
def _arithmetic(digits: int, rounding: str) -> Arithmetic:
    return Arithmetic(prec=digits, rounding=rounding)


def _rounded(value: float, digits: int, rounding: str) -> float:
    return float(_arithmetic(digits, rounding).create_decimal_from_float(value))

"""`generalise` an amount: few significant digits, or its 1-2-5 band alone."""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

import msgspec

from privacy.amounts import band, band_bounds, minor_digits
from privacy.policies.operators.context import Context, Operation

__all__ = ["GeneraliseAmount", "StoredAmount", "amount_of"]


class StoredAmount(NamedTuple):
    """What a stored payment tells of its amount."""

    amount: float
    """Major units."""
    amount_band: str


class GeneraliseAmount(Operation, frozen=True, tag="generalise amount"):
    """Rounds an amount to `significant_digits` (half away from zero), or with `band: true` to the lower end of its band.

    Guarantee: `amount_band` holds the exact amount. With two digits |rounded - exact| <= 5 % of the exact amount, and an amount of one or
    two digits in minor units is exact.
    """

    name: ClassVar[str] = "generalise"
    significant_digits: Annotated[int, msgspec.Meta(ge=1)] | None = None
    band: bool = False

    def apply(self, value: int, context: Context) -> StoredAmount:
        """Return amount and band of a number of minor units."""
        return amount_of(value, context.currency, None if self.band else self.significant_digits)


def amount_of(amount_minor: int, currency: str, significant_digits: int | None) -> StoredAmount:
    """Return amount and band; without a number of digits the amount is the lower end of its band.

    >>> amount_of(123_456, "EUR", 2), amount_of(-123_456, "EUR", None)
    (StoredAmount(amount=1200.0, amount_band='EUR 1000-2000'), StoredAmount(amount=-1000.0, amount_band='EUR back 1000-2000'))
    """
    narrow = band(amount_minor, currency)
    if significant_digits is None:
        major = float(band_bounds(narrow)[0])
    else:
        size = abs(amount_minor)
        step = 10 ** max(0, len(str(size)) - significant_digits)
        rounded = (size + step // 2) // step * step
        major = float(rounded / 10 ** minor_digits(currency))
    return StoredAmount(-major if amount_minor < 0 else major, narrow)

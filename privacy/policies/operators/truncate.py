"""`mask`: a card number cut to its first and last digits, in the truncation formats that PCI allows."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from privacy.policies.operators.context import Context, Operation

__all__ = ["Mask"]


class Mask(Operation, frozen=True, tag="mask"):
    """Keeps at most the `first` and `last` digits of a card number.

    Guarantee: the digits between are in no store. Cards with equal ends look alike, so this is no identity. Source: PCI DSS 4.0.1
    requirement 3.4.1; PCI SSC FAQ 1091 (formats by length and brand).
    """

    name: ClassVar[str] = "mask"
    first: Annotated[int, msgspec.Meta(ge=0)] = 6
    last: Annotated[int, msgspec.Meta(ge=0)] = 4

    def apply(self, value: str, context: Context) -> str:
        """Return the number with stars for the digits that are cut.

        Raises:
            KeyMissingError: no truncation service.
        """
        if context.tools.truncation is None:
            raise context.lacking("truncation")
        return context.tools.truncation.truncate(value, self.first, self.last)

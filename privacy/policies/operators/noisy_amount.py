"""`noise` on an amount: discrete Laplace noise in minor units, then rounded."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from privacy.policies.operators.amount import StoredAmount, amount_of
from privacy.policies.operators.context import Context, Operation

__all__ = ["NoiseAmount"]


class NoiseAmount(Operation, frozen=True, tag="noise amount"):
    """Adds discrete Laplace noise of `scale_minor` to an amount; amount and band are both made from the noisy one.

    Guarantee: amounts that differ by d minor units are told apart with a likelihood ratio of at most exp(d / scale_minor). The band need
    not hold the exact amount. Source: Ghosh, Roughgarden, Sundararajan, "Universally utility-maximizing privacy mechanisms", STOC 2009.
    """

    name: ClassVar[str] = "noise"
    scale_minor: Annotated[int, msgspec.Meta(ge=1)]
    per: Literal["record", "query"] | None = None
    """Must be `record`: noise that is drawn anew for each asking averages out."""

    def apply(self, value: int, context: Context) -> StoredAmount:
        """Return amount and band of the noisy number of minor units, to two significant digits.

        Raises:
            KeyMissingError: no source of noise.
        """
        if context.tools.noise is None:
            raise context.lacking("noise")
        noisy_minor = context.tools.noise.amount(value, self.scale_minor, context.record_id, context.event_ms)
        return amount_of(noisy_minor, context.currency, 2)

"""`generalise` a time: cut to the minute, quarter, hour or day that holds it, in UTC."""

from __future__ import annotations

from typing import ClassVar, Literal

from privacy.policies.operators.context import Context, Operation

__all__ = ["WIDTHS_MS", "GeneraliseTime"]

WIDTHS_MS = {"second": 1_000, "minute": 60_000, "quarter": 900_000, "hour": 3_600_000, "day": 86_400_000}
"""Milliseconds of each step; `second` stands in the grammar only to be refused."""


class GeneraliseTime(Operation, frozen=True, tag="generalise time"):
    """Cuts a time to the start of the step that holds it.

    Guarantee: start <= time < start + width.
    """

    name: ClassVar[str] = "generalise"
    to: Literal["second", "minute", "quarter", "hour", "day"]

    def apply(self, value: int, context: Context) -> int:
        """Return the start of the step, in milliseconds since 1970 UTC.

        >>> from privacy.policies.operators.context import Tools
        >>> context = Context("mongodb", "transaction.authorised_ms", "", "", "", 0, Tools())
        >>> GeneraliseTime(to="minute").apply(1_690_598_222_123, context), GeneraliseTime(to="day").apply(1_690_598_222_123, context)
        (1690598220000, 1690588800000)
        """
        return value - value % WIDTHS_MS[self.to]

"""`drop`: the value does not reach the store."""

from __future__ import annotations

from typing import ClassVar

from privacy.policies.operators.context import Context, Operation

__all__ = ["Drop"]


class Drop(Operation, frozen=True, tag="drop"):
    """Leaves the field empty. Refused by the compiler where the stored document cannot be without it."""

    name: ClassVar[str] = "drop"

    def apply(self, value: object, context: Context) -> None:
        """Return None."""
        return None

"""`keep`: the value passes as it is. The compiler allows it for labels (merchant, channel, rule) and codes only."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from privacy.policies.operators.context import Context, Operation

__all__ = ["Keep"]

_T = TypeVar("_T")


class Keep(Operation, frozen=True, tag="keep"):
    """Lets a label pass. Promises nothing: what a label tells is told."""

    name: ClassVar[str] = "keep"

    def apply(self, value: _T, context: Context) -> _T:
        """Return the value."""
        return value

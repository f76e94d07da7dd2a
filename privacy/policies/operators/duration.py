"""`generalise` a duration: whole minutes, up."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from privacy.policies.operators.context import Context, Operation

__all__ = ["GeneraliseDuration"]


class GeneraliseDuration(Operation, frozen=True, tag="generalise duration"):
    """Rounds a duration up to a multiple of `minutes`.

    Guarantee: rounded - 60 s * minutes < exact <= rounded: an elapsed time is never told shorter than it was.
    """

    name: ClassVar[str] = "generalise"
    minutes: Annotated[int, msgspec.Meta(ge=1)]

    def apply(self, value: float, context: Context) -> float:
        """Return seconds.

        >>> from privacy.policies.operators.context import Tools
        >>> GeneraliseDuration(minutes=1).apply(60.4, Context("mongodb", "alert.elapsed_s", "", "", "", 0, Tools()))
        120.0
        """
        step_s = 60.0 * self.minutes
        return -(-value // step_s) * step_s

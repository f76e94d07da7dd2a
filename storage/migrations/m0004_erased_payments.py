"""Step 4: payments that left their window with a forgotten person are counted."""

from __future__ import annotations

from storage.migrations.model import AddFields, Step

__all__ = ["STEP"]

STEP = Step(
    number=4,
    name="erased-payments",
    why="Nobody could be forgotten before.",
    mongodb=(AddFields("progress", {"erased": 0}),),
)

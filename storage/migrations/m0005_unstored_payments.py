"""Step 5: payments that a policy drops from a store are counted."""

from __future__ import annotations

from storage.migrations.model import AddFields, Step

__all__ = ["STEP"]

STEP = Step(
    number=5,
    name="unstored-payments",
    why="Every payment was stored before.",
    mongodb=(AddFields("progress", {"unstored": 0}),),
)

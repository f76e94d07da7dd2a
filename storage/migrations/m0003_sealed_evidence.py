"""Step 3: exact evidence under a person's key, and periods of pseudonyms."""

from __future__ import annotations

from storage.migrations.model import AddFields, Step

__all__ = ["STEP"]

STEP = Step(
    number=3,
    name="sealed-evidence",
    why="Alerts of before were not sealed; their positions are of a period that began at no known time.",
    mongodb=(AddFields("alerts", {"sealed": None}), AddFields("progress", {"positions_since_ms": 0})),
)

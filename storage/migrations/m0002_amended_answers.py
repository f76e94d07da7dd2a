"""Step 2: answers that may be amended, and alerts with a cause."""

from __future__ import annotations

from storage.migrations.model import AddFields, ExtendMapping, Step

__all__ = ["STEP"]

STEP = Step(
    number=2,
    name="amended-answers",
    why="A payment may be answered anew, so its answer has a revision. Before, there was one rule and one cause: a trip nobody can make.",
    mongodb=(
        AddFields("transactions", {"revision": 1, "country": None, "severity": None}),
        AddFields("alerts", {"cause": "impossible_travel", "score": 1.0, "probability": None}),
        AddFields("progress", {"amendments": 0}),
    ),
    elasticsearch=(
        ExtendMapping("transactions", ("revision", "country", "severity")),
        ExtendMapping("alerts", ("cause", "score", "probability")),
    ),
)

"""Fixes and payments in, decisions and alerts out.

What the room promises:

- Every transaction gets exactly one decision: flagged, clear, or not scorable with the reason.
- An alert stands on both neighbours in event time. Late events amend and retract it, so that the alerts at the end are the same for any
  order of arrival within the lateness bound, any repetition and any crash.
- Every alert can be recomputed from itself (`recompute`).
- The memory of a subject is bounded (`state_bound_bytes`).

`evaluate` is the whole judgement, pure; `rules.service` hosts it on Kafka. docs/rules.md describes the rules.
"""

from __future__ import annotations

from rules.engine import Outcome, evaluate
from rules.parameters import EngineParameters
from rules.parts import state_bound_bytes
from rules.proof import recompute
from rules.state import SubjectState

__all__ = ["EngineParameters", "Outcome", "SubjectState", "evaluate", "recompute", "state_bound_bytes"]

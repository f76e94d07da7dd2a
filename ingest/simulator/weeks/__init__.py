"""Labelled weeks: honest lives with everything that confuses a travel rule, and one fraud for every ten of those confusers.

What the package promises: a week is a pure function of its plan; events come in order of arrival, late, in batches and sometimes twice;
honest people obey physics unless a label says that a sensor does not; and every fraud says whether geometry alone proves it.
"""

from __future__ import annotations

from ingest.simulator.weeks.generate import labelled_week
from ingest.simulator.weeks.labels import Episode, Fraud, FraudKind, Labels, Week, fix_id
from ingest.simulator.weeks.plan import WeekPlan

__all__ = ["Episode", "Fraud", "FraudKind", "Labels", "Week", "WeekPlan", "fix_id", "labelled_week"]

"""Fixes and payments in, decisions and alerts out.

What the room promises:

- Every transaction gets a decision: flagged, clear, or not scorable with the reason.
- The final decisions and alerts are a function of the set of events: the same for any order of arrival within the lateness bound, any
  repetition, any batch split and any crash. A late event opens, amends or retracts.
- Every alert can be recomputed from itself (`recompute`).
- The memory of a subject is bounded.

`Engine.process` is the whole judgement, pure; `rules.service` hosts it on Kafka, `rules.backtest` on files, `rules.spark` on a cluster.
docs/rules.md describes the rules.
"""

from __future__ import annotations

from rules.book import RuleBook
from rules.engine import Engine, Outcome
from rules.library import default_rule_book, load_rule_book
from rules.subject import SubjectState

__all__ = ["Engine", "Outcome", "RuleBook", "SubjectState", "default_rule_book", "load_rule_book"]

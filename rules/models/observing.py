"""Watching the engine: for each decision the row that a model scores.

A first decision is scored by what was known when the payment arrived, before the engine took it in. A later decision on the same payment is
scored by what is known then of the time before the payment: fixes and payments that came late are part of it. Nothing is kept for this, so
the states are the same with and without models, and a restart needs no model of before.
"""

from __future__ import annotations

from typing import NamedTuple

from rules.engine import Engine, Outcome
from rules.models.features import row_of
from rules.ruling import FUTURE_TIME, TOO_LATE
from rules.subject import SubjectState
from veilocity.contracts import Alert, Decision, Fix, Transaction

__all__ = ["Answer", "Row", "observe"]

Row = tuple[float, ...]


class Answer(NamedTuple):
    """A decision with what the learned rules say of it."""

    decision: Decision
    alert: Alert | None = None
    """That a learned rule opened."""


_OUTSIDE = frozenset((TOO_LATE, FUTURE_TIME))
"""Reasons of a payment that never entered the history: what came before it is not known."""


def observe(engine: Engine, state: SubjectState, event: Fix | Transaction) -> tuple[Outcome, tuple[Row | None, ...]]:
    """Let the engine take one event; return what follows and, for each decision, its row.

    Args:
        engine: with the rules in force.
        state: of the event's subject; brought up to date.
        event: as read from Kafka.

    Returns:
        outcome: as `Engine.process` gives it.
        rows: as many as decisions; None for a payment that is in no history.

    Raises:
        InvalidInputError: as `Engine.process`; the state is unchanged.
    """
    first: Row | None = None
    if isinstance(event, Transaction) and engine.has_possible_time(event):
        first = row_of(state, event, engine.sight(event))
    outcome = engine.process(state, event)
    rows = tuple(_row(decision, first, state) for decision in outcome.decisions)
    return outcome, rows


def _row(decision: Decision, first: Row | None, state: SubjectState) -> Row | None:
    if decision.revision == 1:
        return None if _OUTSIDE.intersection(decision.reasons) else first
    for payment in reversed(state.payments):
        if payment.sight.source == decision.transaction.id:
            return row_of(state, decision.transaction, payment.sight)
    return None

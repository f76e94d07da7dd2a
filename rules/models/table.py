"""The rows of recorded events: what a model is trained on, made by the code that scores the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules.engine import Engine, Outcome
from rules.library import default_rule_book
from rules.models.features import FEATURES
from rules.models.observing import observe
from rules.subject import SubjectState
from veilocity.contracts import Fix, SubjectId, Transaction
from veilocity.errors import InvalidInputError

__all__ = ["FeatureTable", "feature_table"]


class FeatureTable(NamedTuple):
    """One row per payment that was decided, in the order of arrival."""

    transaction_ids: list[str]
    event_ms: npt.NDArray[np.int64]
    """When the payment was authorised, shape (n,)."""
    rows: npt.NDArray[np.float64]
    """Shape (n, len(FEATURES)); NaN where a figure is not known."""


def feature_table(
    events: Iterable[Fix | Transaction], engine: Engine | None = None, told: Callable[[Outcome], object] = lambda _: None
) -> FeatureTable:
    """Return the rows that the rules service would score, had it read these events.

    Guarantee: bit for bit those of the stream, however it was cut into batches or interrupted. Repeats, events that cannot be, and payments
    that came too late to enter the history have no row, because the service scores none of them.

    Args:
        events: of any number of subjects, in the order of arrival.
        engine: with the rules in force; by default those that Veilocity brings. What a rule flags teaches no habits, so it matters.
        told: is given each outcome, for whoever wants the decisions of the written rules as well.

    >>> feature_table([]).rows.shape == (0, len(FEATURES))
    True
    """
    judge = engine if engine is not None else Engine(default_rule_book())
    states: dict[SubjectId, SubjectState] = {}
    ids: list[str] = []
    times_ms: list[int] = []
    found: list[tuple[float, ...]] = []
    for event in events:
        state = states.get(event.subject)
        if state is None:
            state = states[event.subject] = SubjectState()
        try:
            outcome, rows = observe(judge, state, event)
        except InvalidInputError:
            # The service writes it to `rejects`, and no decision on it.
            continue
        told(outcome)
        for decision, row in zip(outcome.decisions, rows, strict=True):
            if row is not None and decision.revision == 1:
                ids.append(decision.transaction.id)
                times_ms.append(decision.transaction.authorised_ms)
                found.append(row)
    table = np.array(found, dtype=np.float64).reshape(len(found), len(FEATURES))
    return FeatureTable(ids, np.array(times_ms, dtype=np.int64), table)

"""Scores in the stream: the rows of a batch together, one call per model, before the batch's results leave.

The scores are part of the decisions, so they are written in the same Kafka transaction. Nothing of them enters the states: a crash repeats
the judgement of the written rules only, and whichever model is in force then scores what was not committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from rules.models import telemetry
from rules.models.alerts import alert_of
from rules.models.drift import Window, drift
from rules.models.features import FEATURES
from rules.models.model import Floats, Model
from rules.models.observing import Answer, Row
from rules.models.swap import InForce, Source
from rules.models.verdict import Policy, answer, grade, holds_against, learned_scores
from rules.sight import Sight
from veilocity.contracts import Decision, LearnedScore, Transaction

__all__ = ["Scorer"]

_RECENT = 5_000
"""Payments by which drift is told."""
_TELL_EVERY_S = 15.0


class Scorer:
    """The learned rules of one process. Used by one thread."""

    def __init__(self, source: Source, sight: Callable[[Transaction], Sight], policy: Policy = "shadow") -> None:
        """Begin without a model; `look` takes them up.

        Args:
            source: of the models.
            sight: returns a payment as the engine judges it (`Engine.sight`).
            policy: what a learned rule may do.
        """
        self.policy = policy
        self._sight = sight
        self._in_force = InForce(source)
        self._rows = Window(_RECENT, len(FEATURES))
        self._scores: dict[str, Window] = {}
        self._told_s = float("-inf")

    @property
    def models(self) -> tuple[Model, ...]:
        """In force now."""
        return self._in_force.models

    @property
    def is_scoring(self) -> bool:
        """Whether any is."""
        return bool(self._in_force.models)

    def look(self, now_s: float) -> None:
        """Between two batches: take up other models where there are any, and tell the drift now and then.

        Args:
            now_s: monotonic time.
        """
        if self._in_force.look(now_s):
            self._scores = {model.name: Window(_RECENT, 1) for model in self.models}
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            for model in self.models:
                telemetry.drifted(model.name, drift(model.reference, self._rows.rows, self._scores[model.name].rows[:, 0]))

    def answers(self, decisions: Sequence[Decision], rows: Sequence[Row | None]) -> list[Answer]:
        """Return the decisions of a batch with what the models in force say of them.

        Guarantee: a score is a function of row and model alone. Decisions without a row come back as they are.

        Args:
            decisions: of the written rules.
            rows: of each decision; None where it has none.
        """
        places = [number for number, row in enumerate(rows) if row is not None]
        answered = [Answer(decision) for decision in decisions]
        if not places or not self.models:
            return answered
        matrix = np.array([rows[number] for number in places], dtype=np.float64)
        self._rows.add(matrix)
        for number, scored, row in zip(places, self._scored(matrix), matrix.tolist(), strict=True):
            answered[number] = self._answer(decisions[number], scored, row)
        return answered

    def _scored(self, matrix: Floats) -> list[list[tuple[str, LearnedScore]]]:
        """Return kind and score of each model for each row."""
        found: list[list[tuple[str, LearnedScore]]] = [[] for _ in matrix]
        for model in self.models:
            begun = time.perf_counter()
            try:
                scores = learned_scores(model, matrix)
            except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError):
                # The payments of this batch are judged without it.
                self._in_force.drop(model)
                continue
            telemetry.scored(model.name, scores, time.perf_counter() - begun)
            self._scores[model.name].add(np.array([[one.score] for one in scores if one is not None]).reshape(-1, 1))
            for place, score in zip(found, scores, strict=True):
                if score is not None:
                    place.append((model.kind, score))
        return found

    def _answer(self, decision: Decision, scored: Sequence[tuple[str, LearnedScore]], row: Sequence[float]) -> Answer:
        told = answer(decision, scored, self.policy)
        # A later answer opens none: whether the first one did is not remembered.
        if decision.revision > 1 or told.verdict is decision.verdict:
            return Answer(told)
        kind, score = max(((kind, one) for kind, one in scored if holds_against(one)), key=lambda pair: (_grade(*pair), pair[1].rule))
        alert = alert_of(decision.transaction, self._sight(decision.transaction), kind, score, row)
        return Answer(msgspec.structs.replace(told, alert_id=alert.id), alert)


def _grade(kind: str, score: LearnedScore) -> float:
    return grade(kind, score.score, score.threshold)

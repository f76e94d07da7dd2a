"""From scores to an answer: what a learned rule's score makes of a decision. Pure.

A score at or above its threshold gives the reason code `learned-` and the model's name. Under the policy `shadow` that is all: verdict,
score and severity stay those of the written rules. Under `verdict` the payment is flagged, of medium severity at least: a model is no
proof, so by itself it never makes high.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from rules.hits import severity_rank
from rules.models.features import FEATURES, plain
from rules.models.model import Floats, Model
from veilocity.contracts import Decision, LearnedScore, Severity, Verdict

__all__ = ["FIGURES", "Policy", "answer", "grade", "holds_against", "learned_scores", "rule_name"]

Policy = Literal["shadow", "verdict"]
FIGURES = 3
"""Figures that an answer shows for each model."""


def rule_name(name: str) -> str:
    """Return what a model is called as a rule, which is its reason code, too.

    >>> rule_name("boosting")
    'learned-boosting'
    """
    return f"learned-{name}"


def holds_against(score: LearnedScore) -> bool:
    """Say whether the rule holds against the payment.

    >>> holds_against(LearnedScore("learned-a", "1", 0.5, 0.5, {}))
    True
    """
    return score.score >= score.threshold


def grade(kind: str, score: float, threshold: float) -> float:
    """Return a score as a number from 0 (surely fine) to 1 (surely not).

    A probability is one already. The error e of an autoencoder with threshold t has no upper end; e / (e + t) is 1/2 at the threshold.

    >>> grade("boosting", 0.25, 0.9), grade("autoencoder", 3.0, 1.0), grade("autoencoder", 0.0, 0.0)
    (0.25, 0.75, 0.0)
    """
    if kind == "boosting":
        return min(1.0, max(0.0, score))
    return score / (score + threshold) if score > 0.0 else 0.0


def learned_scores(model: Model, rows: Floats) -> list[LearnedScore | None]:
    """Return what a model says of each row, by one call for all of them; None where its score is no number.

    The figures are those farthest from the mean of the training rows, in standard deviations: they say what is unusual of the payment, not
    how the model weighs it.

    Args:
        model: in force.
        rows: shape (n, d).

    Raises:
        ValueError: the model does not give one score per row.
    """
    scores = np.asarray(model.score(rows), dtype=np.float64)
    if scores.shape != (len(rows),):
        raise ValueError("a model must give one score per row")
    means, deviations = np.asarray(model.reference.means), np.asarray(model.reference.deviations)
    unusual = np.nan_to_num(np.abs(rows - means) / deviations, nan=-1.0)
    order = np.argsort(-unusual, axis=1, kind="stable")[:, :FIGURES]
    rule, version, threshold = rule_name(model.name), model.version, float(model.threshold)
    found: list[LearnedScore | None] = []
    for number, score in enumerate(scores.tolist()):
        if not np.isfinite(score):
            found.append(None)
            continue
        known = [index for index in order[number].tolist() if unusual[number, index] >= 0.0]
        figures = dict(plain(FEATURES[index], float(rows[number, index])) for index in known)
        found.append(LearnedScore(rule, version, score, threshold, {name: float(f"{value:.6g}") for name, value in figures.items()}))
    return found


def answer(decision: Decision, scores: Sequence[tuple[str, LearnedScore]], policy: Policy) -> Decision:
    """Return a decision with what the learned rules say; the same decision where none says anything.

    Args:
        decision: of the written rules.
        scores: kind of each model, and what it says of the payment.
        policy: what a learned rule may do.
    """
    if not scores:
        return decision
    against = [(kind, one) for kind, one in scores if holds_against(one)]
    codes = tuple(one.rule for _, one in against)
    learned = tuple(one for _, one in scores)
    if not against or policy == "shadow":
        return msgspec.structs.replace(decision, learned=learned, reasons=(*decision.reasons, *codes))
    is_news = decision.verdict is not Verdict.FLAGGED
    is_graver = decision.severity is None or severity_rank(decision.severity) < severity_rank(Severity.MEDIUM)
    return msgspec.structs.replace(
        decision,
        learned=learned,
        verdict=Verdict.FLAGGED,
        score=max(decision.score, *(grade(kind, one.score, one.threshold) for kind, one in against)),
        reasons=(*codes, *decision.reasons) if is_news else (*decision.reasons, *codes),
        rule_versions=decision.rule_versions | {one.rule: one.version for _, one in against},
        severity=Severity.MEDIUM if is_graver else decision.severity,
    )

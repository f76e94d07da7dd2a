"""The alert of a learned rule: opened where it flags a payment that the written rules do not, so that people see it and can label it.

It holds the score, the threshold and the payment's whole row, so its grade follows from the alert alone, and the score from the alert and
the model of its version. A learned rule keeps no state, so its alert has one revision and stands until a person decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rules.episodes import alert_id
from rules.models.features import FEATURES
from rules.models.verdict import grade
from rules.sight import Sight, observation
from veilocity.contracts import Alert, AlertState, Episode, LearnedScore, Severity, Transaction

__all__ = ["alert_of", "rebuilt"]


def alert_of(transaction: Transaction, sight: Sight, kind: str, score: LearnedScore, row: Sequence[float]) -> Alert:
    """Return the alert on a payment.

    Args:
        transaction: that the rule flags.
        sight: the payment as the engine judges it.
        kind: of the model.
        score: at or above its threshold.
        row: that was scored; figures that are not known are left out.
    """
    seen = observation(sight)
    known = {name: value for name, value in zip(FEATURES, row, strict=True) if not math.isnan(value)}
    return Alert(
        id=alert_id(score.rule, transaction.subject, transaction.id),
        rule=score.rule,
        rule_version=score.version,
        severity=Severity.MEDIUM,
        state=AlertState.OPEN,
        revision=1,
        subject=transaction.subject,
        anchor=transaction.id,
        cause=score.rule,
        score=grade(kind, score.score, score.threshold),
        first=seen,
        second=seen,
        distance_m=None,
        elapsed_s=0.0,
        speed_kmh=None,
        probability=None,
        parameters={"kind": kind, "threshold": score.threshold},
        facts={"score": score.score, **known},
        fine_with_s=None,
        sentence=_sentence(score.score, score.threshold),
        checks=(),
        episode=Episode(transaction.authorised_ms, transaction.authorised_ms, 1, (transaction.id,)),
        received_ms=transaction.received_ms,
    )


def rebuilt(alert: Alert) -> dict[str, object]:
    """Return what follows from the facts and parameters of a learned rule's alert, by the names of its fields.

    Raises:
        KeyError: a fact or a parameter is missing.
        TypeError: one is of another type.
    """
    score, threshold, kind = alert.facts["score"], alert.parameters["threshold"], alert.parameters["kind"]
    if not isinstance(threshold, int | float) or not isinstance(kind, str):
        raise TypeError("threshold or kind")
    return {
        "id": alert_id(alert.rule, alert.subject, alert.anchor),
        "severity": Severity.MEDIUM,
        "cause": alert.rule,
        "score": grade(kind, score, threshold),
        "sentence": _sentence(score, threshold),
    }


def _sentence(score: float, threshold: float) -> str:
    ratio = f"{score / threshold:.2f} times" if threshold > 0.0 else "above"
    return f"A learned rule puts this payment at {ratio} its threshold: it is unlike the payments that were called fine."

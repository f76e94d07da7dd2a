"""How good scores are: precision and recall first, because frauds are few; the area under the ROC curve only beside.

PR-AUC is average precision, sum over n of (R_n - R_(n-1)) P_n, without interpolation (scikit-learn). Its interval is a bootstrap of people,
not of payments: the payments of one person, and of one fraud, are not independent.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from rules.models.labelled import Labelled
from rules.models.learning import library
from rules.models.model import Floats

__all__ = ["DAY_MS", "Bin", "Confusion", "Found", "Quality", "best_feature", "confusion", "judge_scores", "pr_auc", "tables", "top"]

DAY_MS = 86_400_000
_DRAWS = 300
_EDGES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


class Confusion(msgspec.Struct, frozen=True):
    """What flagging some payments comes to."""

    frauds_flagged: int
    honest_flagged: int
    frauds_missed: int
    honest_passed: int
    alerts_per_day: float

    @property
    def precision(self) -> float:
        """Share of the flagged payments that are frauds; 1 where none is flagged."""
        flagged = self.frauds_flagged + self.honest_flagged
        return self.frauds_flagged / flagged if flagged else 1.0

    @property
    def recall(self) -> float:
        """Share of the fraudulent payments that are flagged; 1 where there is none."""
        frauds = self.frauds_flagged + self.frauds_missed
        return self.frauds_flagged / frauds if frauds else 1.0


class Found(msgspec.Struct, frozen=True):
    """Payments of one kind of fraud, and how many of them are flagged."""

    flagged: int
    of: int


class Bin(msgspec.Struct, frozen=True):
    """Payments of about the same probability: a calibrated model says on average what is true."""

    payments: int
    said: float
    """Mean of the stated probabilities."""
    true: float
    """Share of frauds."""


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What scores are worth on payments that nothing was fitted on."""

    payments: int
    frauds: int
    days: float
    pr_auc: float
    pr_auc_low: float
    """Bounds of the 95 % bootstrap interval over people."""
    pr_auc_high: float
    roc_auc: float
    at_threshold: Confusion
    at_budget: Confusion
    """Of the payments with the highest scores, as many as the budget allows."""
    kinds: dict[str, Found]
    """At the threshold, by kind of fraud."""
    brier: float | None = None
    """Mean squared error of the probabilities; None for scores that are none."""
    reliability: tuple[Bin, ...] = ()


def pr_auc(frauds: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], scores: Floats, weights: Floats | None = None) -> float:
    """Return average precision.

    >>> pr_auc(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])).__round__(4)
    0.8333
    """
    return float(library("sklearn.metrics").average_precision_score(frauds, scores, sample_weight=weights))


def top(scores: Floats, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Say which payments have the `count` highest scores; of equal ones the earlier come first, as in a queue.

    >>> top(np.array([1.0, 3.0, 3.0]), 1).tolist()
    [False, True, False]
    """
    flagged = np.zeros(len(scores), np.bool_)
    flagged[np.argsort(-scores, kind="stable")[:count]] = True
    return flagged


def confusion(data: Labelled, flagged: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Confusion:
    """Return what flagging these payments comes to; alerts a day are those over the time from the first payment to the last."""
    frauds = data.frauds
    return Confusion(
        int(np.sum(flagged & frauds)),
        int(np.sum(flagged & ~frauds)),
        int(np.sum(~flagged & frauds)),
        int(np.sum(~flagged & ~frauds)),
        float(np.sum(flagged) / data.days),
    )


def judge_scores(data: Labelled, scores: Floats, threshold: float, alerts_per_day: float, seed: int, *, calibrated: bool) -> Quality:
    """Judge scores of labelled payments.

    Args:
        data: payments in order of time, of both labels.
        scores: float64[n]; higher is worse.
        threshold: from which on the model flags.
        alerts_per_day: the budget.
        seed: of the bootstrap.
        calibrated: the scores are probabilities.
    """
    frauds, flagged = data.frauds, scores >= threshold
    draws = list(_drawn(data, scores, seed))
    low, high = np.quantile(draws, (0.025, 0.975)) if draws else (0.0, 1.0)
    return Quality(
        payments=len(scores),
        frauds=int(frauds.sum()),
        days=data.days,
        pr_auc=pr_auc(frauds, scores),
        pr_auc_low=float(low),
        pr_auc_high=float(high),
        roc_auc=float(library("sklearn.metrics").roc_auc_score(frauds, scores)),
        at_threshold=confusion(data, flagged),
        at_budget=confusion(data, top(scores, int(alerts_per_day * data.days))),
        kinds={str(kind): _found(data, flagged, str(kind)) for kind in np.unique(data.kinds[frauds])},
        brier=float(np.mean((scores - frauds) ** 2)) if calibrated else None,
        reliability=tuple(_bins(data, scores)) if calibrated else (),
    )


def best_feature(data: Labelled, features: tuple[str, ...]) -> tuple[str, float]:
    """Return the single feature that ranks frauds best, in its better direction, and its PR-AUC: near 1 the labels would be trivial."""
    found: dict[str, float] = {}
    for number, name in enumerate(features):
        column = data.rows[:, number]
        for sign in (1.0, -1.0):
            for unknown in (-np.inf, np.inf):
                values = np.where(np.isnan(column), unknown, sign * column)
                # scikit-learn refuses what is infinite, and only the order counts.
                ranks = np.unique(values, return_inverse=True)[1].astype(np.float64)
                found[name] = max(found.get(name, 0.0), pr_auc(data.frauds, ranks))
    return max(found.items(), key=lambda one: one[1])


def _drawn(data: Labelled, scores: Floats, seed: int) -> Iterator[float]:
    rng = np.random.default_rng(seed)
    people, person = np.unique(data.subjects, return_inverse=True)
    for _ in range(_DRAWS):
        weights = np.bincount(rng.integers(0, len(people), len(people)), minlength=len(people)).astype(np.float64)[person]
        if np.any(weights[data.frauds] > 0.0):
            yield pr_auc(data.frauds, scores, weights)


def _found(data: Labelled, flagged: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], kind: str) -> Found:
    of_kind = data.kinds == kind
    return Found(int(np.sum(of_kind & flagged)), int(np.sum(of_kind)))


def _bins(data: Labelled, scores: Floats) -> Iterator[Bin]:
    places = np.searchsorted(_EDGES[1:-1], scores, side="right")
    for number in range(len(_EDGES) - 1):
        here = places == number
        if here.any():
            yield Bin(int(here.sum()), float(scores[here].mean()), float(data.frauds[here].mean()))


def tables(quality: Quality) -> str:
    """Return the figures as Markdown."""
    head = (
        f"{quality.payments:,} payments over {quality.days:.1f} days, {quality.frauds} of them fraudulent"
        f" ({100 * quality.frauds / quality.payments:.1f} %)."
        f" PR-AUC {quality.pr_auc:.3f} (95 % interval {quality.pr_auc_low:.3f} to {quality.pr_auc_high:.3f});"
        f" ROC-AUC {quality.roc_auc:.3f}."
    )
    parts = [head, _confusions(quality), _kinds(quality)]
    if quality.brier is not None:
        parts.append(f"Brier score {quality.brier:.4f}; always saying the share of frauds would be {_trivial_brier(quality):.4f}.")
        rows = [f"| {one.payments} | {100 * one.said:.1f} % | {100 * one.true:.1f} % |" for one in quality.reliability]
        parts.append("\n".join(["| payments | said on average | were fraudulent |", "| ---: | ---: | ---: |", *rows]))
    return "\n\n".join(parts)


def _confusions(quality: Quality) -> str:
    lines = [
        "| flagged by | frauds flagged | frauds missed | honest flagged | honest passed | alerts a day | precision | recall |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in (("threshold", quality.at_threshold), ("budget", quality.at_budget)):
        counts = f"{one.frauds_flagged} | {one.frauds_missed} | {one.honest_flagged} | {one.honest_passed}"
        lines.append(f"| {name} | {counts} | {one.alerts_per_day:.1f} | {100 * one.precision:.1f} % | {100 * one.recall:.1f} % |")
    return "\n".join(lines)


def _kinds(quality: Quality) -> str:
    rows = [f"| {kind} | {found.of} | {found.flagged} |" for kind, found in quality.kinds.items()]
    return "\n".join(["| fraud | payments | flagged at the threshold |", "| --- | ---: | ---: |", *rows])


def _trivial_brier(quality: Quality) -> float:
    share = quality.frauds / quality.payments
    return share * (1.0 - share)

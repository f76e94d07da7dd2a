"""What the learned rules of the service tell Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rules.models.model import Model
from rules.models.verdict import holds_against, rule_name
from veilocity.contracts import LearnedScore
from veilocity.metrics import counter, gauge, histogram

__all__ = ["drifted", "in_force", "refused", "scored", "swapped"]

_INFO = gauge("rules_model_info", "1 for the version of a learned rule that is in force.", "rule", "version")
_THRESHOLD = gauge("rules_model_threshold", "Score from which on a learned rule holds against a payment.", "rule")
_SCORED = counter("rules_model_scored", "Answers to payments that a learned rule scored.", "rule")
_FLAGGED = counter("rules_model_flagged", "Of these, the scores at or above the threshold.", "rule")
_SECONDS = histogram("rules_model_seconds", "Scoring of one batch by one learned rule.")
_DRIFT = gauge("rules_model_drift", "Population stability index of recent payments against training.", "rule", "feature")
_SWAPS = counter("rules_model_swaps", "Times that other learned rules were taken up.")
_REFUSED = counter("rules_model_refused", "Learned rules that could not be used, by what was wrong.", "reason")


def in_force(models: Sequence[Model]) -> None:
    """Tell which versions score from now on."""
    _INFO.clear()
    _THRESHOLD.clear()
    _DRIFT.clear()
    for model in models:
        _INFO.labels(rule_name(model.name), model.version).set(1)
        _THRESHOLD.labels(rule_name(model.name)).set(model.threshold)
        # From the beginning on, so that a rate can be told of the first payment.
        _SCORED.labels(rule_name(model.name))
        _FLAGGED.labels(rule_name(model.name))


def swapped() -> None:
    """Count that other models were taken up."""
    _SWAPS.inc()


def scored(name: str, scores: Iterable[LearnedScore | None], duration_s: float) -> None:
    """Count what one model said of a batch."""
    known = [one for one in scores if one is not None]
    _SCORED.labels(rule_name(name)).inc(len(known))
    _FLAGGED.labels(rule_name(name)).inc(sum(map(holds_against, known)))
    _SECONDS.observe(duration_s)


def drifted(name: str, indices: Mapping[str, float]) -> None:
    """Tell how far recent payments are from those of training."""
    for feature, index in indices.items():
        _DRIFT.labels(rule_name(name), feature).set(index)


def refused(reason: str) -> None:
    """Count a model that could not be used."""
    _REFUSED.labels(reason).inc()

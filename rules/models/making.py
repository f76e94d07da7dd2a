"""From labelled payments to stored versions: train, judge, write the cards; and judge a stored version on other payments."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

from rules.models.archive import to_bytes
from rules.models.card import Card, Slice
from rules.models.features import FEATURES, FEATURES_VERSION
from rules.models.judging import Confusion, Quality, best_feature, confusion, judge_scores, pr_auc, top
from rules.models.labelled import Labelled
from rules.models.model import Model
from rules.models.splitting import WARM_UP_MS
from rules.models.training import TrainingPlan, train
from veilocity.errors import SettingsError

__all__ = ["SIMULATED", "Made", "Making", "beside", "evaluate", "make", "settled"]

_USES = {
    "boosting": "Ranks payments for analysts beside the written rules. It learned from labelled frauds, and finds what is like them.",
    "autoencoder": "Points at payments unlike the normal ones it learned from, also of kinds that nobody labelled. Not a probability.",
}
_LIMITS = (
    "It is as good as its labels and no better: judge it anew on your own before its verdict counts.",
    "Training and test hold the same people at different times: new people are judged worse while their habits are unknown.",
    "Features say nothing of who somebody is; country, place and hour may still stand for groups of people: look at false alerts by group.",
    "A score is a reason to look, never alone a reason to refuse a person's payment.",
)
SIMULATED = "An example: it was trained on simulated weeks. Never let it judge real payments; train one on your own."
"""What a card says besides where nothing was recorded."""


@dataclass(frozen=True, slots=True)
class Made:
    """One model, ready to be stored."""

    data: bytes
    card: Card
    model: Model


class Making(NamedTuple):
    """What a training came to."""

    models: list[Made]
    """Boosted trees, then autoencoder."""
    written: Confusion
    """What the written rules flag on the same test slice."""
    as_many: Confusion
    """What the boosted trees flag with as many alerts."""


def make(data: Labelled, plan: TrainingPlan, source: str, created_ms: int, limits: tuple[str, ...] = ()) -> Making:
    """Train both models and write their cards.

    Args:
        data: labelled payments in order of time.
        plan: of the training.
        source: where the data came from, in words.
        created_ms: now.
        limits: what the cards say of the data beside what holds for every model.

    Raises:
        SettingsError: there is too little to learn from.
        DependencyError: scikit-learn is not installed.
    """
    trained = train(data, plan)
    test = data.take(trained.split.test)
    slices = {name: _slice(data.take(rows)) for name, rows in trained.split._asdict().items()}
    others = beside(test)
    made = []
    for model in (trained.boosting, trained.autoencoder):
        stored = to_bytes(model)
        card = Card(
            name=model.name,
            kind=model.kind,
            sha256=hashlib.sha256(stored).hexdigest(),
            created_ms=created_ms,
            data=source,
            data_sha256=data.sha256(),
            seed=plan.seed,
            features_version=model.features_version,
            features=FEATURES,
            slices=slices,
            parameters=trained.parameters[model.name],
            threshold=model.threshold,
            alerts_per_day=plan.alerts_per_day,
            quality=_quality(model, test, plan),
            baselines=others,
            libraries={name: version(name) for name in ("scikit-learn", "numpy")},
            limits=(*limits, *_LIMITS),
            intended_use=_USES[model.kind],
        )
        made.append(Made(stored, card, model))
    flagged = test.written >= 1.0
    return Making(made, confusion(test, flagged), confusion(test, top(trained.boosting.score(test.rows), int(flagged.sum()))))


def beside(test: Labelled) -> dict[str, float]:
    """Return PR-AUC of the written rules, of the best single feature and of chance on some payments."""
    name, value = best_feature(test, FEATURES)
    return {
        "written rules": pr_auc(test.frauds, test.written),
        f"best single feature, {name}": value,
        "chance": float(np.mean(test.frauds)),
    }


def evaluate(model: Model, data: Labelled, plan: TrainingPlan) -> Quality:
    """Judge a model on other payments than it was made of; give `settled` ones, as the first days of anybody's history say little.

    Raises:
        SettingsError: the model was trained on other features, or the payments hold no fraud, or nothing else.
    """
    if model.features_version != FEATURES_VERSION:
        raise SettingsError("the model was trained on other features than this program computes: train it anew")
    if not data.frauds.any() or data.frauds.all():
        raise SettingsError("judging needs payments of both labels: give more data, or the labels that belong to it")
    return _quality(model, data, plan)


def settled(data: Labelled) -> Labelled:
    """Return the payments after the first two days, which training leaves out as well."""
    later = data.event_ms >= data.event_ms.min(initial=2**62) + WARM_UP_MS
    return data.take(np.flatnonzero(later))


def _quality(model: Model, data: Labelled, plan: TrainingPlan) -> Quality:
    scores = model.score(data.rows)
    return judge_scores(data, scores, model.threshold, plan.alerts_per_day, plan.seed, calibrated=model.kind == "boosting")


def _slice(data: Labelled) -> Slice:
    return Slice(int(data.event_ms[0]), int(data.event_ms[-1]), len(data.event_ms), int(data.frauds.sum()))

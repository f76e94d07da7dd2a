"""Training of both models: learned on the training slice, chosen on folds within it, calibrated on a later slice.

The test slice is touched by `judge_scores` alone, after everything is fitted. Frauds are few, so they may weigh more: the weights come from
the payments that are learned from, never from those that judge.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.models.autoencoder import Autoencoder, standardised
from rules.models.boosting import Boosting, Trees
from rules.models.features import FEATURES_VERSION
from rules.models.judging import pr_auc
from rules.models.labelled import Labelled
from rules.models.learning import library
from rules.models.model import Floats
from rules.models.reference import Bins, Reference, reference_of
from rules.models.splitting import Split, folds, split_in_time
from veilocity.errors import SettingsError

__all__ = ["Choice", "Trained", "TrainingPlan", "fraud_weights", "one_thread", "train"]

_LEAST_FRAUDS = 10
_NOTHING = Reference((), Bins((), ()), (), (), 0)


class Choice(NamedTuple):
    """Parameters of the boosted trees."""

    leaves: int
    learning_rate: float
    rounds: int
    fraud_weight: float
    """0 weighs every payment the same, 1 gives frauds and honest payments the same weight in total."""


_CHOICES = (
    Choice(8, 0.1, 100, 0.0),
    Choice(8, 0.1, 100, 0.5),
    Choice(16, 0.1, 100, 0.0),
    Choice(16, 0.1, 100, 0.5),
)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What training depends on besides the data; the same plan and data give the same models."""

    seed: int = 7
    alerts_per_day: float = 10.0
    """The budget: how many payments a day people can look at."""
    choices: tuple[Choice, ...] = _CHOICES
    layers: tuple[int, ...] = (20, 8, 20)
    """Of the autoencoder, between its input and its output."""
    epochs: int = 150


@dataclass(frozen=True, slots=True)
class Trained:
    """Both models, and what was chosen."""

    split: Split
    boosting: Boosting
    autoencoder: Autoencoder
    parameters: dict[str, dict[str, float | str]] = field(default_factory=dict)
    """By name of the model."""


def train(data: Labelled, plan: TrainingPlan) -> Trained:
    """Train both models.

    Guarantee: the same data and plan give the same models, bit for bit, on the same machine with the same libraries.

    Args:
        data: in order of time, over at least two weeks.
        plan: see there.

    Raises:
        SettingsError: there are too few payments or frauds to learn from, or to judge by.
        DependencyError: scikit-learn is not installed.
    """
    split = split_in_time(data.event_ms)
    for rows in split:
        if data.frauds[rows].sum() < _LEAST_FRAUDS or data.frauds[rows].all():
            raise SettingsError(f"each slice of time needs {_LEAST_FRAUDS} fraudulent payments and honest ones: give more weeks or people")
    with one_thread():
        choice, folded = choose(data, split.train, plan)
        boosting = _boosting(data, split, choice, plan)
        autoencoder = _autoencoder(data, split, plan)
    chosen: dict[str, float | str] = {**choice._asdict(), "pr_auc_of_folds": folded}
    network: dict[str, float | str] = {"layers": "-".join(str(size) for size in plan.layers), "epochs": plan.epochs}
    return Trained(split, boosting, autoencoder, {"boosting": chosen, "autoencoder": network})


def fraud_weights(frauds: NDArray[np.bool_], fraud_weight: float) -> Floats:
    """Return what each payment weighs: frauds (honest / frauds) ** `fraud_weight`, honest ones 1.

    >>> fraud_weights(np.array([True, False, False, False, False]), 0.5).tolist()
    [2.0, 1.0, 1.0, 1.0, 1.0]
    """
    ratio = max(1.0, float((~frauds).sum())) / max(1.0, float(frauds.sum()))
    return np.where(frauds, ratio**fraud_weight, 1.0)


def choose(
    data: Labelled, rows: NDArray[np.intp], plan: TrainingPlan, fit: Callable[[Labelled, Choice, int], Any] | None = None
) -> tuple[Choice, float]:
    """Return the choice with the best mean PR-AUC over folds in time, and that figure; of equal ones the first."""
    fit = fit or fit_trees
    best, best_score = plan.choices[0], -1.0
    parts = [one for one in folds(data.event_ms, rows) if data.frauds[one.train].any() and data.frauds[one.judge].any()]
    for choice in plan.choices:
        found = []
        for one in parts:
            trees = trees_of(fit(data.take(one.train), choice, plan.seed))
            found.append(pr_auc(data.frauds[one.judge], trees.raw(data.rows[one.judge])))
        score = float(np.mean(found)) if found else 0.0
        if score > best_score:
            best, best_score = choice, score
    return best, best_score


def fit_trees(data: Labelled, choice: Choice, seed: int) -> Any:
    """Return scikit-learn's boosted trees, fitted on all of these payments with weights of these payments alone."""
    trees = library("sklearn.ensemble").HistGradientBoostingClassifier(
        learning_rate=choice.learning_rate,
        max_iter=choice.rounds,
        max_leaf_nodes=choice.leaves,
        min_samples_leaf=10,
        l2_regularization=1.0,
        early_stopping=False,  # it would hold back payments at random, not in time
        random_state=seed,
    )
    with one_thread():
        return trees.fit(data.rows, data.frauds, sample_weight=fraud_weights(data.frauds, choice.fraud_weight))


def trees_of(classifier: Any) -> Trees:
    """Return the arrays of fitted trees; they are private to scikit-learn, and a test holds the scores equal."""
    nodes = [stage[0].nodes for stage in classifier._predictors]  # noqa: SLF001  # no public access; scikit-learn is pinned for it
    starts = np.cumsum([0, *(len(tree) for tree in nodes)])
    flat = np.concatenate(nodes)
    own = np.arange(len(flat), dtype=np.int64)
    first = np.repeat(starts[:-1], [len(tree) for tree in nodes])
    leaf = flat["is_leaf"].astype(np.bool_)
    return Trees(
        roots=starts[:-1].astype(np.int32),
        feature=np.where(leaf, 0, flat["feature_idx"]).astype(np.int32),
        threshold=np.where(leaf, np.inf, flat["num_threshold"]).astype(np.float64),
        missing_left=leaf | flat["missing_go_to_left"].astype(np.bool_),
        left=np.where(leaf, own, flat["left"] + first).astype(np.int32),
        right=np.where(leaf, own, flat["right"] + first).astype(np.int32),
        value=flat["value"].astype(np.float64),
        depth=int(flat["depth"].max()),
        baseline=float(np.ravel(classifier._baseline_prediction)[0]),  # noqa: SLF001  # as above
    )


def one_thread() -> Any:
    """Return a context in which the libraries use one thread: more would add up in another order from run to run, and gain little."""
    for module in ("sklearn.ensemble", "sklearn.neural_network"):
        library(module)  # only libraries that are loaded can be limited
    return library("threadpoolctl").threadpool_limits(limits=1)


def _boosting(data: Labelled, split: Split, choice: Choice, plan: TrainingPlan) -> Boosting:
    trees = trees_of(fit_trees(data.take(split.train), choice, plan.seed))
    later = data.take(split.calibration)
    raw = trees.raw(later.rows)
    sigmoid = library("sklearn.linear_model").LogisticRegression(C=1e6, random_state=plan.seed).fit(raw[:, np.newaxis], later.frauds)
    slope, intercept = float(sigmoid.coef_[0, 0]), float(sigmoid.intercept_[0])
    if slope <= 0.0:
        raise SettingsError("the trees rank later frauds no better than chance, so they cannot be calibrated: give more data")
    free = Boosting("boosting", "", FEATURES_VERSION, 0.0, _NOTHING, trees, slope, intercept)
    scores = free.score(later.rows)
    reference = reference_of(data.rows[split.train], scores)
    threshold = _budget_threshold(scores, int(plan.alerts_per_day * later.days))
    return Boosting("boosting", "", FEATURES_VERSION, threshold, reference, trees, slope, intercept)


def _budget_threshold(scores: Floats, count: int) -> float:
    """Return the least threshold that flags at most `count` of these scores."""
    ordered = np.sort(scores)[::-1]
    return float(np.nextafter(ordered[count], np.inf)) if count < len(ordered) else float(ordered[-1])


def _autoencoder(data: Labelled, split: Split, plan: TrainingPlan) -> Autoencoder:
    normal = data.rows[split.train][~data.frauds[split.train]]
    known = ~np.isnan(normal)
    counts = np.maximum(1, known.sum(axis=0))
    means = np.where(known, normal, 0.0).sum(axis=0) / counts
    deviations = np.sqrt((np.where(known, normal - means, 0.0) ** 2).sum(axis=0) / counts)
    deviations = np.where(deviations > 0.0, deviations, 1.0)
    wanted = np.nan_to_num(standardised(normal, means, deviations), nan=0.0)
    network = library("sklearn.neural_network").MLPRegressor(
        hidden_layer_sizes=plan.layers, activation="relu", max_iter=plan.epochs, batch_size=128, tol=0.0, random_state=plan.seed
    )
    with warnings.catch_warnings():
        # A fixed number of epochs is the plan, not a failure to converge.
        warnings.simplefilter("ignore", library("sklearn.exceptions").ConvergenceWarning)
        network.fit(wanted, wanted)
    weights, biases = tuple(network.coefs_), tuple(network.intercepts_)
    free = Autoencoder("autoencoder", "", FEATURES_VERSION, 0.0, _NOTHING, means, deviations, weights, biases)
    later = data.take(split.calibration)
    scores = free.score(later.rows)
    reference = reference_of(data.rows[split.train], scores)
    return Autoencoder("autoencoder", "", FEATURES_VERSION, _best_f1(later.frauds, scores), reference, means, deviations, weights, biases)


def _best_f1(frauds: NDArray[np.bool_], scores: Floats) -> float:
    """Return the threshold of the precision-recall curve where F1 is highest."""
    precision, recall, thresholds = library("sklearn.metrics").precision_recall_curve(frauds, scores)
    f1 = 2.0 * precision * recall / np.maximum(1e-12, precision + recall)
    return float(thresholds[int(np.argmax(f1[:-1]))])

"""Training touches nothing of the test slice, weighs only what it learns from, and gives the same bytes again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rules.models import training
from rules.models.archive import to_bytes
from rules.models.judging import confusion, judge_scores, pr_auc, tables, top
from rules.models.labelled import Labelled
from rules.models.making import make
from rules.models.training import Choice, choose, fraud_weights, train
from tests.unit.models_world import QUICK, payments
from veilocity.errors import DependencyError, SettingsError

ROOT = Path(__file__).resolve().parents[2]


def test_the_same_data_and_seed_give_the_same_models() -> None:
    first, second = train(payments(), QUICK), train(payments(), QUICK)
    assert to_bytes(first.boosting) == to_bytes(second.boosting)
    assert to_bytes(first.autoencoder) == to_bytes(second.autoencoder)
    other = train(payments(), replace(QUICK, seed=4))
    assert to_bytes(first.autoencoder) != to_bytes(other.autoencoder)


def test_another_process_makes_the_same_files() -> None:
    program = (
        "import hashlib; from rules.models.archive import to_bytes; from rules.models.training import train;"
        "from tests.unit.models_world import QUICK, payments; found = train(payments(), QUICK);"
        "print(*(hashlib.sha256(to_bytes(one)).hexdigest() for one in (found.boosting, found.autoencoder)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "5", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    here = train(payments(), QUICK)
    assert told.split() == [hashlib.sha256(to_bytes(one)).hexdigest() for one in (here.boosting, here.autoencoder)]


def test_nothing_of_the_test_slice_or_the_gaps_reaches_a_model() -> None:
    data = payments()
    trained = train(data, QUICK)
    used = np.concatenate([trained.split.train, trained.split.calibration])
    unused = np.setdiff1d(np.arange(len(data.rows)), used)
    rows, kinds = data.rows.copy(), data.kinds.copy()
    rows[unused] = 1e6
    kinds[unused] = np.where(kinds[unused] == "", "cash", "")
    changed = Labelled(data.event_ms, rows, kinds, data.subjects, data.written)
    # Labels must remain plausible for the check of each slice, and they do: honest payments became frauds and the other way round.
    again = train(changed, QUICK)
    assert to_bytes(again.boosting) == to_bytes(trained.boosting)
    assert to_bytes(again.autoencoder) == to_bytes(trained.autoencoder)


def test_trees_are_fitted_on_the_training_slice_alone_and_calibrated_on_another() -> None:
    data = payments()
    trained = train(data, QUICK)
    rows, kinds = data.rows.copy(), data.kinds.copy()
    later = trained.split.calibration
    kinds[later] = np.roll(kinds[later], 1)
    # So that calibration still finds a slope above 0, most labels stay.
    kinds[later[: len(later) // 2]] = data.kinds[later[: len(later) // 2]]
    again = train(Labelled(data.event_ms, rows, kinds, data.subjects, data.written), QUICK)
    assert again.boosting.trees.value.tobytes() == trained.boosting.trees.value.tobytes()
    assert again.autoencoder.weights[0].tobytes() == trained.autoencoder.weights[0].tobytes()
    assert again.boosting.slope != trained.boosting.slope


def test_the_autoencoder_learns_from_normal_payments_alone() -> None:
    data = payments()
    trained = train(data, QUICK)
    rows = data.rows.copy()
    frauds = trained.split.train[data.frauds[trained.split.train]]
    rows[frauds] = 99.0
    again = train(Labelled(data.event_ms, rows, data.kinds, data.subjects, data.written), QUICK)
    assert again.autoencoder.means.tobytes() == trained.autoencoder.means.tobytes()
    assert again.autoencoder.weights[0].tobytes() == trained.autoencoder.weights[0].tobytes()


def test_weights_come_from_the_fold_that_is_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    data, seen, weighed = payments(), [], []
    rows = train(data, QUICK).split.train

    def fit(part: Labelled, choice: Choice, seed: int) -> Any:
        seen.append(part)
        return training.fit_trees(part, choice, seed)

    def weights(frauds: np.ndarray, fraud_weight: float) -> np.ndarray:
        weighed.append(frauds)
        return fraud_weights(frauds, fraud_weight)

    monkeypatch.setattr(training, "fraud_weights", weights)
    choose(data, rows, QUICK, fit)
    assert len(seen) == len(weighed) == 3 * len(QUICK.choices)
    last_ms = data.event_ms[rows].max()
    for part, frauds in zip(seen, weighed, strict=True):
        # One weight for each payment of the fold, made of its own labels, and none for what comes later.
        assert np.array_equal(part.frauds, frauds)
        assert part.event_ms.max() < last_ms
        assert len(part.event_ms) < len(rows)


def test_the_threshold_of_boosting_keeps_to_the_budget_where_it_was_set() -> None:
    data = payments()
    trained = train(data, QUICK)
    later = data.take(trained.split.calibration)
    flagged = trained.boosting.score(later.rows) >= trained.boosting.threshold
    assert 0 < flagged.sum() <= QUICK.alerts_per_day * later.days


def test_too_few_frauds_are_said() -> None:
    data = payments()
    kinds = np.where(np.arange(len(data.kinds)) < 1_000, data.kinds, "")
    with pytest.raises(SettingsError, match="give more weeks or people"):
        train(Labelled(data.event_ms, data.rows, kinds, data.subjects, data.written), QUICK)


def test_without_scikit_learn_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(DependencyError, match=r"veilocity\[models\]"):
        pr_auc(np.array([True, False]), np.array([0.5, 0.1]))


def test_scoring_needs_no_scikit_learn() -> None:
    program = "import sys, rules.models.registry, rules.models.scoring; sys.exit(any(name.startswith('sklearn') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_judging_counts_every_payment_once_and_bounds_the_figure() -> None:
    data = payments()
    scores = np.where(data.frauds, 0.8, 0.2) + 0.3 * np.random.default_rng(1).random(len(data.rows))
    quality = judge_scores(data, scores, 0.6, 5.0, 1, calibrated=True)
    assert quality.pr_auc == pytest.approx(1.0)
    assert quality.at_threshold.recall == quality.at_threshold.precision == 1.0
    assert sum(found.of for found in quality.kinds.values()) == quality.frauds
    budget = quality.at_budget
    assert budget.frauds_flagged + budget.honest_flagged == int(5.0 * quality.days)
    assert sum((budget.frauds_flagged, budget.honest_flagged, budget.frauds_missed, budget.honest_passed)) == quality.payments
    assert sum(one.payments for one in quality.reliability) == quality.payments
    noise = judge_scores(data, np.random.default_rng(2).random(len(data.rows)), 2.0, 5.0, 1, calibrated=False)
    assert noise.pr_auc_low <= noise.pr_auc <= noise.pr_auc_high < 0.3
    assert (noise.brier, noise.at_threshold.precision, noise.at_threshold.recall) == (None, 1.0, 0.0)
    assert "PR-AUC" in tables(quality)


def test_a_queue_of_equal_scores_takes_the_earlier() -> None:
    assert confusion(payments(), top(np.zeros(1_500), 3)).alerts_per_day == pytest.approx(3 / payments().days)


def test_a_card_says_what_was_done() -> None:
    from rules.models.card import markdown

    made, written, as_many = make(payments(), QUICK, "Random figures.", 1_764_000_000_000)
    assert [one.card.name for one in made] == ["boosting", "autoencoder"]
    card = made[0].card
    text = markdown(card)
    for said in (
        "Random figures.",
        card.data_sha256,
        card.sha256,
        "usual_place_km_log",
        "scikit-learn",
        "seed 3",
        "written rules",
        "5 alerts a day",
    ):
        assert said in text
    assert card.slices["train"].until_ms < card.slices["calibration"].from_ms < card.slices["test"].from_ms
    assert written.honest_flagged == 0
    assert as_many.alerts_per_day == written.alerts_per_day > 0.0
    assert payments().sha256() == card.data_sha256 != payments(2).sha256()

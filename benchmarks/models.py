"""What learned rules are worth beside the written ones on the same payments, and what vectorised scoring saves.

Run it with `make bench-models`. The payments are those of `veilocity models train` with its defaults, a pure function of the seed; the
models are trained on the first half of four weeks and judged on the last part, which nothing was fitted on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.figures import Figure, write
from rules.models.judging import confusion, tables, top
from rules.models.labelled import Labelled
from rules.models.making import Made, make
from rules.models.model import Floats
from rules.models.splitting import split_in_time
from rules.models.training import TrainingPlan, fit_trees, one_thread
from veilocity.cli.models_data import simulated

__all__ = ["figures"]

_BATCH_ROWS = 500
"""As many as the rules service takes from Kafka at a time."""
_SECONDS = 3.0


def figures(data: Labelled, made: list[Made], plan: TrainingPlan) -> list[Figure]:
    """Return the figures of models that were trained on labelled payments."""
    boosting, autoencoder = made[0].card, made[1].card
    test = data.take(split_in_time(data.event_ms).test)
    written = confusion(test, top(test.written, int(plan.alerts_per_day * test.days)))
    beside = {name: round(value, 3) for name, value in boosting.baselines.items()}
    interval = f"95 % interval {boosting.quality.pr_auc_low:.3f} to {boosting.quality.pr_auc_high:.3f}"
    others = ", ".join(f"{name} {value}" for name, value in beside.items())
    budget = boosting.quality.at_budget
    ratio = boosting.quality.pr_auc / boosting.baselines["written rules"]
    above_chance = autoencoder.quality.pr_auc / autoencoder.baselines["chance"]
    of = f"of {boosting.quality.frauds}"
    rules = f"written rules: recall {written.recall:.3f}, precision {written.precision:.3f} with as many alerts"
    chance = f"chance {autoencoder.baselines['chance']:.3f}; learned from normal payments alone"
    return [
        Figure("models.pr_auc", round(boosting.quality.pr_auc, 4), interval, ">= 0.85", f"PR-AUC of {others}", round(ratio, 3)),
        Figure("models.recall_at_budget", round(budget.recall, 4), of, ">= 0.85", rules, round(budget.recall / written.recall, 3)),
        Figure(
            "models.precision_at_budget", round(budget.precision, 4), f"{budget.alerts_per_day:.1f}/day", "above the written rules", rules
        ),
        Figure("models.brier", round(boosting.quality.brier or 0.0, 5), "mean square", "< 0.02"),
        Figure("models.autoencoder_pr_auc", round(autoencoder.quality.pr_auc, 4), "", ">= 0.25", chance, round(above_chance, 1)),
        *_speeds(data, made, plan),
    ]


def _speeds(data: Labelled, made: list[Made], plan: TrainingPlan) -> list[Figure]:
    train = data.take(split_in_time(data.event_ms).train)
    classifier = fit_trees(train, plan.choices[0], plan.seed)
    found = []
    with one_thread():
        # With more, each row would wait for threads that other programs hold.
        row_by_row = _rate(classifier.predict_proba, data.rows, 1)
    for one in made:
        rate, own = _rate(one.model.score, data.rows, _BATCH_ROWS), _rate(one.model.score, data.rows, 1)
        peer = f"row by row: scikit-learn's predict_proba of boosted trees {row_by_row:,.0f} rows/s, this model {own:,.0f} rows/s"
        found.append(Figure(f"models.{one.card.kind}_rows_per_s", round(rate), "rows/s", ">= 10000", peer, round(rate / row_by_row, 1)))
    return found


def _rate(score: Callable[[Floats], Any], rows: Floats, batch: int) -> float:
    """Return rows per second in batches, over some seconds."""
    score(rows[:batch])
    began, done, at = time.perf_counter(), 0, 0
    while time.perf_counter() - began < _SECONDS:
        part = rows[at : at + batch]
        score(part)
        done += len(part)
        at = at + batch if at + 2 * batch <= len(rows) else 0
    return done / (time.perf_counter() - began)


def main() -> None:
    """Make the payments, train, print the tables, and keep the figures of the default weeks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", type=int, default=4, help="to simulate")
    parser.add_argument("--people", type=int, default=50, help="to simulate")
    parser.add_argument("--seed", type=int, default=7, help="of everything")
    asked = parser.parse_args()
    plan = TrainingPlan(seed=asked.seed)
    data, words = simulated(asked.weeks, asked.people, asked.seed)
    print(f"{words} {len(data.rows):,} payments, {np.mean(data.frauds):.2%} fraudulent.")
    made, written, as_many = make(data, plan, words, time.time_ns() // 1_000_000)
    for one in made:
        print(f"\n{one.card.name} {one.card.sha256[:8]} {one.card.parameters}\n\n{tables(one.card.quality)}\n")
    print(f"Written rules: {written}\nBoosting with as many alerts: {as_many}")
    found = figures(data, made, plan)
    if vars(asked) == {"weeks": 4, "people": 50, "seed": 7}:
        write("models", found, ("scikit-learn", "numpy"))


if __name__ == "__main__":
    main()

"""Labelled payments of random figures, in which some features tell frauds apart a little: quick to train on."""

from __future__ import annotations

import numpy as np

from rules.models.features import FEATURES
from rules.models.labelled import Labelled
from rules.models.training import Choice, TrainingPlan

__all__ = ["QUICK", "payments"]

QUICK = TrainingPlan(seed=3, alerts_per_day=5.0, choices=(Choice(4, 0.1, 15, 0.5), Choice(8, 0.1, 15, 0.0)), layers=(6, 3, 6), epochs=4)


def payments(seed: int = 1, count: int = 1_500, days: int = 25) -> Labelled:
    """Return payments in order of time, one in ten a fraud of one of two kinds."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, len(FEATURES)))
    frauds = rng.random(count) < 0.1
    rows[frauds, 3] += 1.5
    rows[frauds, 7] -= 1.5
    rows[rng.random(rows.shape) < 0.15] = np.nan
    kinds = np.where(frauds, np.where(rng.random(count) < 0.5, "cash", "online"), "")
    start_ms = 1_764_000_000_000
    return Labelled(
        np.sort(rng.integers(start_ms, start_ms + days * 86_400_000, count)),
        rows,
        kinds,
        np.array([f"person-{number}" for number in rng.integers(0, 30, count)]),
        np.where(frauds & (rng.random(count) < 0.3), 1.7, 0.0),
    )

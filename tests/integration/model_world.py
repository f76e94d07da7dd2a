"""Learned rules in a registry of their own; small ones are made by hand, so that a test knows every score."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from rules.models.archive import to_bytes
from rules.models.autoencoder import Autoencoder
from rules.models.boosting import Boosting, Trees
from rules.models.card import Card, Slice
from rules.models.features import FEATURES, FEATURES_VERSION
from rules.models.judging import Confusion, Quality
from rules.models.reference import reference_of
from rules.models.registry import Registry

__all__ = ["publish", "stump"]

_NOBODY = Confusion(0, 0, 0, 0, 0.0)
_QUALITY = Quality(
    payments=1,
    frauds=0,
    days=0.0,
    pr_auc=0.0,
    pr_auc_low=0.0,
    pr_auc_high=0.0,
    roc_auc=0.0,
    at_threshold=_NOBODY,
    at_budget=_NOBODY,
    kinds={},
)


def stump(feature: str, above: float, slope: float = 1.0, name: str = "boosting") -> Boosting:
    """Return a model that scores two in e^2 where a figure is above a value, or unknown, less elsewhere."""
    rows = np.random.default_rng(5).normal(size=(500, len(FEATURES)))
    leaf = np.array([0.0, -2.0, 2.0])
    index = FEATURES.index(feature)
    trees = Trees(
        np.array([0], np.int32),
        np.array([index, 0, 0], np.int32),
        np.array([above, np.inf, np.inf]),
        np.array([False, True, True]),
        np.array([1, 1, 2], np.int32),
        np.array([2, 1, 2], np.int32),
        leaf,
        1,
        0.0,
    )
    return Boosting(name, "", FEATURES_VERSION, 0.5, reference_of(rows, rows[:, 0]), trees, slope, 0.0)


def publish(folder: Path, model: Boosting | Autoencoder) -> str:
    """Store a model and put it in force; return its version."""
    data, registry = to_bytes(model), Registry(folder)
    span = Slice(0, 1, 1, 0)
    card = Card(
        name=model.name,
        kind=model.kind,
        sha256=hashlib.sha256(data).hexdigest(),
        created_ms=0,
        data="of a test",
        data_sha256="",
        seed=0,
        features_version=FEATURES_VERSION,
        features=FEATURES,
        slices={"train": span, "calibration": span, "test": span},
        parameters={},
        threshold=model.threshold,
        alerts_per_day=1.0,
        quality=_QUALITY,
        baselines={},
        libraries={},
        limits=(),
        intended_use="Tests.",
    )
    version = registry.add(data, card)
    registry.promote(model.name, version, 0)
    return version

"""Gradient boosted trees as plain arrays: all rows walk down all trees at once.

The trees are trained by scikit-learn (`rules.models.training`); here they only score, so a service that scores needs no scikit-learn. The
sum over the trees is taken in their order, as scikit-learn takes it: raw scores are equal to its own to the last bit. The probability is a
sigmoid of the raw score, fitted on later payments than the trees (J. Platt, "Probabilistic outputs for support vector machines", 1999):
it keeps the order of the scores and needs few frauds, where isotonic regression needs about a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.models.model import Floats
from rules.models.reference import Reference

__all__ = ["Boosting", "Trees"]

_CELLS = 500_000
"""Rows times trees that walk at once: a few megabytes, which stay in the processor's cache."""
_MOST_LOG_ODDS = 700.0
"""Beyond it the exponential overflows."""


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """All trees' nodes one after the other; a leaf points at itself on both sides.

    A row goes left where its feature is at most the threshold, or is unknown and `missing_left` says so.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Floats
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: Floats
    """What a leaf adds to the raw score."""
    depth: int
    """Steps from a root to the deepest leaf."""
    baseline: float
    """Raw score before the first tree."""

    def raw(self, rows: Floats) -> Floats:
        """Return the raw score of each row, the log-odds before calibration: float64[n] of float64[n, d]."""
        step = max(1, _CELLS // max(1, len(self.roots)))
        parts = [self._walk(rows[at : at + step]) for at in range(0, len(rows), step)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _walk(self, rows: Floats) -> Floats:
        at = np.repeat(self.roots[np.newaxis, :], len(rows), axis=0)
        first_cell = (np.arange(len(rows)) * rows.shape[1])[:, np.newaxis]
        cells = np.ascontiguousarray(rows).ravel()
        for _ in range(self.depth):
            values = cells.take(first_cell + self.feature.take(at))
            goes_left = values <= self.threshold.take(at)
            goes_left |= np.isnan(values) & self.missing_left.take(at)
            at = np.where(goes_left, self.left.take(at), self.right.take(at))
        terms = np.empty((len(rows), len(self.roots) + 1))
        terms[:, 0] = self.baseline
        terms[:, 1:] = self.value.take(at)
        # Added up one after the other: numpy's own sum takes pairs, and rounds otherwise.
        sums: Floats = np.add.accumulate(terms, axis=1)[:, -1]
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class Boosting:
    """Boosted trees with calibrated probabilities; a `Model`.

    >>> import numpy as np
    >>> from rules.models.reference import Bins
    >>> stump = Trees(np.array([0], np.int32), np.array([0, 0, 0], np.int32), np.array([5.0, np.inf, np.inf]), np.array([True, True, True]),
    ...     np.array([1, 1, 2], np.int32), np.array([2, 1, 2], np.int32), np.array([0.0, -2.0, 2.0]), 1, 0.0)
    >>> about = Reference((), Bins((), ()), (), (), 0)
    >>> Boosting("boosting", "", 1, 0.5, about, stump, 1.0, 0.0).score(np.array([[3.0], [9.0], [np.nan]])).round(2).tolist()
    [0.12, 0.88, 0.12]
    """

    name: str
    version: str
    features_version: int
    threshold: float
    reference: Reference
    trees: Trees
    slope: float
    intercept: float

    @property
    def kind(self) -> str:
        """`boosting`."""
        return "boosting"

    def score(self, rows: Floats) -> Floats:
        """Return the calibrated probability of fraud of each row, 0..1; see `Model.score`."""
        odds = np.clip(self.slope * self.trees.raw(rows) + self.intercept, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)
        chance: Floats = 1.0 / (1.0 + np.exp(-odds))
        return chance

"""Whether payments still look like those that a model was trained on: the population stability index. Pure.

    PSI = sum over bins of (p - q) ln(p / q)

with p the shares of recent rows and q those of training. It is the sum of both Kullback-Leibler divergences, 0 for equal shares. As half a
count is added to every bin, an empty one does not make it infinite. By custom less than 0.1 is no drift and more than 0.25 is much. Without
any drift it is about (bins - 1) / n for n recent rows, so few rows are not judged.

Source: N. Siddiqi, "Credit Risk Scorecards", Wiley 2006; B. Yurdakul, "Statistical properties of the population stability index", 2018.
"""

from __future__ import annotations

import math

import numpy as np

from rules.models.features import FEATURES
from rules.models.model import Floats
from rules.models.reference import Bins, Reference, counts_in

__all__ = ["LEAST_ROWS", "SCORE", "Window", "drift", "stability"]

LEAST_ROWS = 200
"""Of ten bins the index is then about 0.05 by chance alone."""
SCORE = "score"
"""Named beside the features."""


class Window:
    """The newest values, as many as fit; rows of one width."""

    def __init__(self, size: int, width: int) -> None:
        """Start empty.

        Args:
            size: rows to keep.
            width: of a row.
        """
        self._rows = np.full((size, width), np.nan)
        self._next = 0
        self._count = 0

    def add(self, rows: Floats) -> None:
        """Keep rows, shape (n, width), in place of the oldest."""
        size = len(self._rows)
        newest = rows[-size:]
        places = (self._next + np.arange(len(newest))) % size
        self._rows[places] = newest
        self._next = (self._next + len(newest)) % size
        self._count = min(size, self._count + len(newest))

    @property
    def rows(self) -> Floats:
        """What is kept, in no particular order; shape (n, width)."""
        return self._rows[: self._count]


def stability(bins: Bins, values: Floats) -> float:
    """Return the population stability index of some values.

    >>> stability(Bins((1.0,), (0.5, 0.5, 0.0)), np.array([0.0, 2.0] * 500)) < 0.001
    True
    >>> stability(Bins((1.0,), (0.5, 0.5, 0.0)), np.array([2.0] * 1000)) > 0.25
    True
    """
    counts = counts_in(bins.edges, values) + 0.5
    expected = np.asarray(bins.shares) * len(values) + 0.5
    now, then = counts / counts.sum(), expected / expected.sum()
    return math.fsum(((now - then) * np.log(now / then)).tolist())


def drift(reference: Reference, rows: Floats, scores: Floats) -> dict[str, float]:
    """Return the index of every feature and, as `score`, of the scores; nothing for fewer than `LEAST_ROWS` rows.

    Args:
        reference: that the model carries.
        rows: recent ones, shape (n, len(FEATURES)).
        scores: of this model, recent ones.
    """
    found: dict[str, float] = {}
    if len(rows) >= LEAST_ROWS:
        found = {name: stability(bins, rows[:, index]) for index, (name, bins) in enumerate(zip(FEATURES, reference.features, strict=True))}
    if len(scores) >= LEAST_ROWS:
        found[SCORE] = stability(reference.score, scores)
    return found

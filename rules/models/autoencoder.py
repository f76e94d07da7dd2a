"""An autoencoder as plain arrays: it learned to rebuild normal payments through a narrow layer, and what it rebuilds badly is unusual.

Trained by scikit-learn's `MLPRegressor` (`rules.models.training`); here it only scores. Rows are standardised with the means and deviations
of the normal training payments, an unknown feature stands at its mean and takes no part in the error. The theory:
N. Japkowicz et al., "A novelty detection approach to classification", IJCAI 1995.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rules.models.model import Floats
from rules.models.reference import Reference

__all__ = ["REACH", "Autoencoder", "standardised"]

REACH = 6.0
"""Standard deviations at which a feature is cut, so that one wild value does not drown the others."""


def standardised(rows: Floats, means: Floats, deviations: Floats) -> Floats:
    """Return float64[n, d] in standard deviations from the means, cut at `REACH`; NaN stays NaN."""
    scaled: Floats = np.clip((rows - means) / deviations, -REACH, REACH)
    return scaled


@dataclass(frozen=True, slots=True, eq=False)
class Autoencoder:
    """A narrow network that rebuilds its input; a `Model` whose score is the mean squared error of that.

    >>> import numpy as np
    >>> from rules.models.reference import Bins
    >>> about = Reference((), Bins((), ()), (), (), 0)
    >>> weights = (np.array([[1.0]]), np.array([[1.0]]))
    >>> model = Autoencoder("autoencoder", "", 1, 2.0, about, np.array([50.0]), np.array([10.0]), weights, (np.zeros(1), np.zeros(1)))
    >>> model.score(np.array([[60.0], [20.0], [np.nan]])).tolist()
    [0.0, 9.0, 0.0]
    """

    name: str
    version: str
    features_version: int
    threshold: float
    reference: Reference
    means: Floats
    """float64[d], of the normal payments of training; 0 where a feature was never known."""
    deviations: Floats
    """Standard deviations likewise; 1 where a feature never changed."""
    weights: tuple[Floats, ...]
    """Of each layer float64[inputs, outputs]."""
    biases: tuple[Floats, ...]

    @property
    def kind(self) -> str:
        """`autoencoder`."""
        return "autoencoder"

    def score(self, rows: Floats) -> Floats:
        """Return the mean squared error of reconstruction of each row over its known features; see `Model.score`."""
        squares = self.squared_errors(rows)
        known = np.isfinite(squares)
        total = _in_order(np.where(known, squares, 0.0))
        error: Floats = total / np.maximum(1, known.sum(axis=1))
        return error

    def squared_errors(self, rows: Floats) -> Floats:
        """Return what each feature adds to the error, squared standard deviations: float64[n, d], NaN where it is unknown."""
        wanted = standardised(rows, self.means, self.deviations)
        layer = np.where(np.isnan(wanted), 0.0, wanted)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            layer = _through(layer, weight, bias)
            if number < len(self.weights) - 1:
                layer = np.maximum(layer, 0.0)
        squares: Floats = (wanted - layer) ** 2
        return squares


def _through(rows: Floats, weight: Floats, bias: Floats) -> Floats:
    """Multiply a layer, one input after the other: a matrix product rounds otherwise for another number of rows."""
    sums = np.repeat(bias[np.newaxis, :], len(rows), axis=0)
    for number, weights in enumerate(weight):
        sums += rows[:, number, np.newaxis] * weights
    return sums


def _in_order(rows: Floats) -> Floats:
    sums: Floats = np.add.accumulate(rows, axis=1)[:, -1]
    return sums

"""What a learned rule is to whoever scores with it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rules.models.reference import Reference

__all__ = ["Floats", "Model"]

Floats = NDArray[np.float64]


class Model(Protocol):
    """A learned rule in one version: it flags a payment whose score is at least `threshold`."""

    @property
    def name(self) -> str:
        """Of the model, the same in all its versions."""

    @property
    def version(self) -> str:
        """As the registry calls it; empty for a model that is not stored."""

    @property
    def kind(self) -> str:
        """`boosting` or `autoencoder`."""

    @property
    def threshold(self) -> float:
        """The least score that flags."""

    @property
    def features_version(self) -> int:
        """`rules.models.features.FEATURES_VERSION` of the rows that it was trained on: rows of another must not be scored."""

    @property
    def reference(self) -> Reference:
        """What the training rows and the scores of later ones were like."""

    def score(self, rows: Floats) -> Floats:
        """Return one score per row: a probability (boosting), or a mean squared error of reconstruction (autoencoder).

        Guarantee: the score of a row depends on nothing but that row, to the last bit, whatever batch it comes in.

        Args:
            rows: float64[n, d], NaN where a feature is unknown.
        """

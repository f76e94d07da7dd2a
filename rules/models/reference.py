"""What the rows of training looked like, as a model carries it: bins for drift, centre and spread for explanations.

A model carries it as its attribute `reference`, made by `reference_of` from the rows and scores of its training slice. It is plain figures,
so it is stored as JSON beside the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from rules.models.features import FEATURES

__all__ = ["BINS", "Bins", "Reference", "bins_of", "counts_in", "reference_of"]

BINS = 10
"""Deciles: usual for the population stability index, and enough for a few thousand rows."""


class Bins(msgspec.Struct, frozen=True):
    """A distribution, coarsely."""

    edges: tuple[float, ...]
    """Inner edges in ascending order, each once; a value equal to an edge lies below it."""
    shares: tuple[float, ...]
    """Of the values in each bin, from the lowest; the last is that of unknown values (NaN). One more than edges, plus one."""


class Reference(msgspec.Struct, frozen=True):
    """The rows that a model was trained on, and its scores of them."""

    features: tuple[Bins, ...]
    """One per feature, in the order of `FEATURES`."""
    score: Bins
    means: tuple[float, ...]
    """Of the known values of each feature; 0 where none was known."""
    deviations: tuple[float, ...]
    """Standard deviations likewise; 1 where the feature never changes."""
    rows: int


def counts_in(edges: Sequence[float], values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return how many values lie in each bin; the last are the unknown ones.

    >>> counts_in((1.0, 2.0), np.array([0.5, 1.0, 1.5, 9.0, np.nan])).tolist()
    [2, 1, 1, 1]
    """
    known = values[~np.isnan(values)]
    places = np.searchsorted(np.asarray(edges, dtype=np.float64), known, side="left")
    return np.append(np.bincount(places, minlength=len(edges) + 1), len(values) - len(known)).astype(np.int64)


def bins_of(values: npt.NDArray[np.float64]) -> Bins:
    """Return the deciles of some values with their shares; equal deciles are one edge.

    >>> bins_of(np.array([0.0, 0.0, 0.0, 1.0])).shares
    (0.75, 0.25, 0.0)
    """
    known = values[~np.isnan(values)]
    edges: tuple[float, ...] = ()
    if len(known):
        quantiles = np.quantile(known, np.arange(1, BINS) / BINS, method="lower")
        edges = tuple(float(edge) for edge in np.unique(quantiles) if edge < known.max())
    counts = counts_in(edges, values)
    return Bins(edges, tuple(float(count) / max(1, len(values)) for count in counts))


def reference_of(rows: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]) -> Reference:
    """Return what a model carries of its training.

    Args:
        rows: shape (n, len(FEATURES)).
        scores: of the model on these rows, shape (n,).
    """
    columns = [rows[:, index] for index in range(len(FEATURES))]
    known = [column[~np.isnan(column)] for column in columns]
    means = tuple(float(column.mean()) if len(column) else 0.0 for column in known)
    deviations = tuple(float(column.std()) if len(column) and column.std() > 0.0 else 1.0 for column in known)
    return Reference(tuple(map(bins_of, columns)), bins_of(scores), means, deviations, len(rows))

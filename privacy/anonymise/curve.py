"""Every k at once: how much is lost at each, and the class of every row for any of them.

Classes of at least k' people are valid for every k below k', and loss grows with about the square root of k: the table is solved at
anchors about a quarter apart, and each k takes the best of the anchors at or above it. So the loss never falls as k grows (the running
minimum from the right), and every figure belongs to classes that exist. Where k is small, nearly all values are anchors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from privacy.anonymise.encoding import Encoded, encode
from privacy.anonymise.hierarchies import Hierarchy
from privacy.anonymise.proof import to_frame
from veilocity.errors import SettingsError, UnsafePolicyError

__all__ = ["LossCurve", "anchors_of", "loss_curve"]

STEP = 1.25
"""Ratio of neighbouring anchors: loss differs by about a tenth between them, and a whole curve takes two dozen of them."""


class _Anchor(NamedTuple):
    k: int
    loss: float
    labels: NDArray[np.int64]


class LossCurve:
    """Loss by k, and the classes behind it."""

    def __init__(self, ks: tuple[int, ...], anchors: tuple[_Anchor, ...], table: Encoded) -> None:
        """Choose for every k the best anchor at or above it."""
        self.ks = ks
        self._table = table
        self._best = {k: min((anchor for anchor in anchors if anchor.k >= k), key=lambda anchor: (anchor.loss, anchor.k)) for k in ks}

    @property
    def loss(self) -> dict[int, float]:
        """Loss of each k, 0 exact to 1 everything hidden; it never falls as k grows."""
        return {k: self._best[k].loss for k in self.ks}

    def labels(self, k: int) -> NDArray[np.int64]:
        """Return the class of each row of the table in its own order, -1 where the row would be suppressed; shape (rows,).

        They show how a table would fall apart; a table that may be released comes from `anonymise` alone, which proves it.

        Raises:
            SettingsError: this k is not on the curve.
        """
        if k not in self._best:
            raise SettingsError(f"the curve has no k = {k}: ask for it when the curve is made")
        labels = np.empty(len(self._table.order), dtype=np.int64)
        labels[self._table.order] = self._best[k].labels
        return labels


def anchors_of(ks: Iterable[int]) -> tuple[int, ...]:
    """Return the values of k at which the table is solved: enough to serve all, the largest among them.

    >>> anchors_of(range(2, 21))
    (2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 20)
    """
    wanted = sorted(set(ks), reverse=True)
    anchors = wanted[:1]
    # From above: who skips values must serve them by the next larger anchor.
    for k, below in pairwise([*wanted, 0]):
        if anchors[-1] > STEP * below and k < anchors[-1]:
            anchors.append(k)
    return tuple(reversed(anchors))


def loss_curve(
    table: pd.DataFrame | pa.Table,
    quasi: Mapping[str, Hierarchy],
    ks: Iterable[int] = range(2, 201),
    *,
    person: str | None = None,
    seed: int = 1,
) -> LossCurve:
    """Return the loss at every k, at most about an eighth above what `anonymise` reaches for that k alone.

    Args:
        table: a data frame or an Arrow table; it is not changed.
        quasi: the columns an outsider may know, each with its hierarchy.
        ks: the values of k, each at least 2.
        person: column that names people; without it every row is a person. Rows without a name count as one person here.
        seed: of the search.

    Raises:
        SettingsError: a column is absent, or holds a value that its hierarchy refuses.
        UnsafePolicyError: a k promises nothing.

    >>> people = pd.DataFrame({"city": ["Lyon", "Nice", "Bonn", "Kiel", "Lyon"]})
    >>> city = Hierarchy.from_mapping({"Lyon": ["FR"], "Nice": ["FR"], "Bonn": ["DE"], "Kiel": ["DE"]})
    >>> curve = loss_curve(people, {"city": city}, (2, 3, 6))
    >>> {k: round(loss, 2) for k, loss in curve.loss.items()}
    {2: 0.33, 3: 0.6, 6: 1.0}
    """
    wanted = tuple(sorted(set(ks)))
    if not wanted or wanted[0] < 2:
        raise UnsafePolicyError("every k must be at least 2: a class of one person hides nobody")
    frame = to_frame(table)
    if not quasi or any(name not in frame.columns for name in [*quasi, *([person] if person is not None else [])]):
        raise SettingsError("every quasi-identifier, and the column of people, must be in the table: mend the names")
    encoded = encode(frame, quasi, person, None, ())
    return LossCurve(wanted, _solved(encoded, wanted, seed), encoded)


def _solved(table: Encoded, ks: tuple[int, ...], seed: int) -> tuple[_Anchor, ...]:
    if not len(table.order):
        return tuple(_Anchor(k, 0.0, np.zeros(0, dtype=np.int64)) for k in ks)
    from privacy.anonymise.solve import Goal, Solver  # noqa: PLC0415  # brings numba, which takes a second, and compiles

    solver = Solver(table, "quick", seed)
    solved = ((k, solver.solve(Goal(k))) for k in anchors_of(ks))
    return tuple(_Anchor(k, found.loss, found.labels) for k, found in solved)

"""Random counts that an analyst might ask, and how wrong a released table answers them.

    count(*) where q1 in R1 and ... and qd in Rd and sensitive = s

Each query is drawn around a row of the table, so that there is something to count. It asks for d = 3 quasi-identifiers (all, where there
are fewer); of each for a run of neighbouring values of the table, in the order of the hierarchy, in which the row's value lies and which is
long enough that about a twentieth of evenly spread rows are caught; and for the row's sensitive value, where a column is sensitive. The
released table answers as whoever has nothing else must: the rows of a class lie evenly over all values that its printed ones stand for. So
the answer is

    sum over classes E of |{r in E : sensitive(r) = s}| * product over i of |R_i and values under printed(E, q_i)| / |values under it|

and its error |answer - truth| / max(truth, a thousandth of all rows). The median of all queries is told: half of them are answered better.
Suppressed rows are missing from every answer.

Promises: the queries hang on the rows, their number and the seed, not on how classes are numbered; every k is asked the same ones.

Source: the evenness of rows in a class: LeFevre, DeWitt & Ramakrishnan, "Mondrian multidimensional k-anonymity", ICDE 2006; random counts:
Xiao & Tao, "Anatomy: simple and effective privacy preservation", VLDB 2006; the least denominator: Xiao, Wang & Gehrke, "Differential
privacy via wavelet transforms", IEEE TKDE 23(8), 2011.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.anonymise.encoding import Encoded
from privacy.anonymise.hierarchies import Tree

__all__ = ["Workload", "workload"]

_COLUMNS = 3
_SELECTIVITY = 0.05
_FLOOR = 0.001

Floats = NDArray[np.float64]


class _Query(NamedTuple):
    columns: tuple[int, ...]
    """Places of the quasi-identifiers that it asks for."""
    shares: tuple[Floats, ...]
    """For each of them, by node: share of the values under the node that the query asks for."""
    value: int
    """The sensitive value."""
    truth: int


class Workload:
    """Queries with their true answers."""

    def __init__(self, queries: tuple[_Query, ...], sensitive: NDArray[np.int64]) -> None:
        """Keep the queries; `workload` makes them."""
        self._queries = queries
        self._sensitive = sensitive

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self._queries)

    def error(self, labels: NDArray[np.int64], nodes: NDArray[np.int32]) -> float:
        """Return the median relative error of the answers.

        Args:
            labels: (N,) class of each row, -1 for a suppressed one.
            nodes: (A, C) what each class prints, as in `privacy.curves.shapes.Shapes`.
        """
        if not self._queries:
            return 0.0
        floor = max(1.0, _FLOOR * len(labels))
        asked = {query.value for query in self._queries}
        inside = labels >= 0
        counts = {
            value: np.bincount(labels[inside & (self._sensitive == value)], minlength=nodes.shape[1]).astype(float) for value in asked
        }
        errors = []
        for query in self._queries:
            rows = counts[query.value]
            for column, shares in zip(query.columns, query.shares, strict=True):
                rows = rows * shares[nodes[column]]
            # In order of size, so that the numbers of classes do not change the last bit.
            answer = float(np.sort(rows).cumsum()[-1]) if len(rows) else 0.0
            errors.append(abs(answer - query.truth) / max(float(query.truth), floor))
        return float(np.median(errors))


def workload(table: Encoded, queries: int, rng: np.random.Generator) -> Workload:
    """Draw queries and answer them from the rows themselves.

    Args:
        table: N rows; where no column is sensitive, all have the same value.
        queries: how many.
        rng: of the draws.
    """
    return Workload(tuple(_drawn(table, rng) for _ in range(queries)), table.sensitive)


def _drawn(table: Encoded, rng: np.random.Generator) -> _Query:
    count = min(_COLUMNS, len(table.trees))
    columns = np.sort(rng.choice(len(table.trees), count, replace=False)).tolist()
    row = int(rng.integers(len(table.order)))
    value = int(table.sensitive[row])
    matching = table.sensitive == value
    shares = []
    for column in columns:
        leaves = table.leaves[column]
        wanted = np.zeros(len(table.trees[column].leaves), dtype=np.bool_)
        wanted[_run(leaves, int(leaves[row]), _SELECTIVITY ** (1.0 / count), rng)] = True
        matching &= wanted[leaves]
        shares.append(_shares(table.trees[column], wanted))
    return _Query(tuple(columns), tuple(shares), value, int(matching.sum()))


def _run(leaves: NDArray[np.int32], known: int, share: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return neighbouring leaves that occur, the known one among them."""
    present = np.unique(leaves)
    length = max(1, round(share * len(present)))
    place = int(np.searchsorted(present, known))
    first = int(rng.integers(max(0, place - length + 1), min(place, len(present) - length) + 1))
    return present[first : first + length]


def _shares(tree: Tree, wanted: NDArray[np.bool_]) -> Floats:
    below = np.zeros(len(tree.labels))
    found = np.zeros(len(tree.labels))
    for level in tree.node:
        below += np.bincount(level, minlength=len(below))
        found += np.bincount(level, weights=wanted, minlength=len(below))
    shares: Floats = found / below
    return shares

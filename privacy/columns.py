"""The rows of a window as numbers: one code per node of a tree, so that equal codes at a level mean the same generalised value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from privacy.table import Coded, RowTable

__all__ = ["Columns", "Indexes"]

Indexes = NDArray[np.int64]
_DENSE = 8
"""A table of so many cells per row is cheaper than sorting the rows."""
_BLOCK_CELLS = 4_000_000
"""Most comparisons in one block of `common_levels`."""


class Columns:
    """People and quasi-identifiers of rows, as codes from 0."""

    def __init__(self, people: Indexes, nodes: list[list[Indexes]]) -> None:
        """Hold columns.

        Args:
            people: one code per row.
            nodes: per quasi-identifier and level one code per row.
        """
        self.people = people
        self.nodes = nodes
        self.widths = [[int(column.max()) + 1 for column in levels] for levels in nodes]
        """Codes of each level."""
        self._people_count = int(people.max()) + 1

    @classmethod
    def of(cls, table: RowTable, paths: Sequence[Callable[[str], tuple[str, ...]]]) -> Columns:
        """Return the columns of at least one row of an ordered table."""
        people = table.people.renumbered().codes.astype(np.int64)
        return cls(people, [_node_codes(column, path) for column, path in zip(table.quasi, paths, strict=True)])

    def people_among(self, rows: Indexes) -> int:
        """Return how many people these rows are of."""
        return int(np.count_nonzero(np.bincount(self.people[rows], minlength=self._people_count)))

    def people_by(self, keys: Indexes, span: int, rows: Indexes) -> Indexes:
        """Return how many people each of `span` cells holds, by the rows' cells."""
        visits = np.sort(keys * self._people_count + self.people[rows])
        first = np.ones(len(visits), dtype=bool)
        np.not_equal(visits[1:], visits[:-1], out=first[1:])
        return np.bincount(visits[first] // self._people_count, minlength=span)

    def keys(self, levels: Sequence[int], rows: Indexes) -> tuple[Indexes, int]:
        """Return the cell of each row by a level vector, and how many numbers cells have."""
        keys = np.zeros(len(rows), dtype=np.int64)
        span = 1
        for place, level in enumerate(levels):
            width = self.widths[place][level]
            if width > 1:
                keys = keys * width + self.nodes[place][level][rows]
                span *= width
            if span > _DENSE * len(rows) + 1024:
                distinct, keys = np.unique(keys, return_inverse=True)
                span = len(distinct)
        return keys, span

    def tightened(self, labels: Indexes, classes: int, floor: Sequence[int]) -> tuple[Indexes, Indexes]:
        """Return per class the lowest level of each quasi-identifier at which all its rows are alike, and one row of it."""
        order, borders = _sorted_by(labels, classes)
        levels = np.empty((classes, len(self.nodes)), dtype=np.int64)
        for place, columns in enumerate(self.nodes):
            lowest = np.zeros(classes, dtype=np.int64)
            for level in range(len(columns) - 1):
                ordered = columns[level][order]
                # Once alike, alike all the way up: the number of levels that differ is the first that does not.
                lowest += np.minimum.reduceat(ordered, borders) != np.maximum.reduceat(ordered, borders)
            levels[:, place] = np.maximum(lowest, floor[place])
        return levels, order[borders]

    def common_levels(self, rows: Indexes, witnesses: Indexes) -> Iterator[tuple[int, Indexes]]:
        """Give each row with, per witness and quasi-identifier, the level at which the two are first alike."""
        block = max(1, _BLOCK_CELLS // max(1, len(witnesses) * len(self.nodes)))
        for start in range(0, len(rows), block):
            some = rows[start : start + block]
            common = np.zeros((len(some), len(witnesses), len(self.nodes)), dtype=np.int64)
            for place, columns in enumerate(self.nodes):
                for column in columns[:-1]:
                    common[:, :, place] += column[some][:, None] != column[witnesses][None, :]
            yield from zip(some.tolist(), common, strict=True)


def _sorted_by(labels: Indexes, classes: int) -> tuple[Indexes, Indexes]:
    """Return the rows that have a class, class by class, and where each class begins."""
    taken = np.flatnonzero(labels >= 0)
    order = taken[np.argsort(labels[taken], kind="stable")]
    sizes = np.bincount(labels[taken], minlength=classes)
    return order, np.cumsum(sizes) - sizes


def _node_codes(column: Coded, path: Callable[[str], tuple[str, ...]]) -> list[Indexes]:
    """Return per level one code per row."""
    exact = column.renumbered()
    above = zip(*(path(value) for value in exact.values.tolist()), strict=True)
    return [Coded.of(level).codes.astype(np.int64)[exact.codes] for level in above]

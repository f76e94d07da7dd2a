"""How the values of a sensitive column are spread over the classes: what every measure of attribute disclosure begins with.

Promises: counts are whole numbers, so the measures that are made of them depend on no order; only pairs of class and value that occur are
kept, so a table with many classes and many values fits into memory. A missing value is a category of its own.

Weights: rows, as an outsider counts them in a released table; or, where a column names the person, votes: each person counts once per class
and value, so that one busy person cannot make a class look mixed or even. Rows that name nobody are one person together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.measure.classes import Classes, combined, group
from privacy.measure.tables import Codes, Column, Table, column_of
from veilocity.errors import SettingsError

__all__ = ["Spread", "spread", "spread_of"]


class Spread(NamedTuple):
    """Counts of j pairs of class and value, sorted by class, then by value."""

    values: Codes
    """Value of each pair: a code below m."""
    counts: Codes
    """Weight of each pair, at least 1."""
    starts: Codes
    """First pair of each class."""
    totals: Codes
    """Weight of each class."""
    table: Codes
    """Weight of each of the m values in all classes together."""
    column: Column
    """The sensitive column itself; code m - 1 is what is missing, where something is."""

    @property
    def distinct(self) -> Codes:
        """Distinct values of each class."""
        return np.diff(np.append(self.starts, len(self.values)))

    @property
    def owners(self) -> Codes:
        """Class of each pair."""
        return np.repeat(np.arange(len(self.starts)), self.distinct)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of each pair in its class: q."""
        return self.counts / self.totals[self.owners]

    @property
    def table_shares(self) -> NDArray[np.float64]:
        """Share of each pair's value in the whole table: p."""
        return self.table[self.values] / int(self.table.sum())

    def recoded(self, codes: Codes) -> Spread:
        """Return the spread of coarser values.

        Args:
            codes: for each of the m values the code of its group, dense from 0 on.
        """
        size = int(codes.max()) + 1
        groups = np.zeros(size, dtype=np.int64)
        np.add.at(groups, codes, self.table)
        keys = self.owners * size + codes[self.values]
        order = np.argsort(keys, kind="stable")
        return _of_pairs(keys[order], self.counts[order], size, groups, self.column)


def spread(table: Table, quasi: str | Sequence[str], sensitive: str, person: str | None = None) -> Spread:
    """Return how a sensitive column is spread over the classes.

    Args:
        table: n rows.
        quasi: names of the quasi-identifiers.
        sensitive: name of the sensitive column.
        person: name of the column that says whose row it is: each person counts once per class and value.

    Raises:
        SettingsError: a column is not there or has two roles, or the table is empty.

    >>> found = spread(pd.DataFrame({"zip": [1, 1, 2], "illness": ["flu", "cold", "flu"]}), "zip", "illness")
    >>> found.distinct.tolist(), found.table.tolist()
    ([2, 1], [2, 1])
    """
    classes = group(table, quasi, person)
    if sensitive == person or sensitive in ([quasi] if isinstance(quasi, str) else quasi):
        raise SettingsError(f"column '{sensitive}' has two roles: a sensitive column is neither a quasi-identifier nor the person")
    return spread_of(classes, column_of(table, sensitive), by_person=person is not None)


def spread_of(classes: Classes, column: Column, *, by_person: bool = False) -> Spread:
    """Return how a column is spread over these classes, in rows or in votes of people."""
    values = column.whole
    size = len(column.values) + int(column.has_missing)
    keys = classes.labels * size + values
    if by_person and classes.person is not None:
        # The first row of each person, class and value votes.
        keys = keys[~pd.Series(combined([keys, classes.person + 1], len(keys))).duplicated().to_numpy()]
    keys.sort()
    return _of_pairs(keys, np.ones(len(keys), dtype=np.int64), size, np.bincount(keys % size, minlength=size), column)


def _of_pairs(keys: Codes, weights: Codes, size: int, table: Codes, column: Column) -> Spread:
    """Return the spread of sorted keys (class x size + value), equal ones added."""
    firsts = np.flatnonzero(np.diff(keys, prepend=-1))
    counts, pairs = np.add.reduceat(weights, firsts), keys[firsts]
    starts = np.flatnonzero(np.diff(pairs // size, prepend=-1))
    totals: Any = np.add.reduceat(counts, starts)
    return Spread(pairs % size, counts, starts, totals, table, column)

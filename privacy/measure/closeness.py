"""t-closeness: how far what a class says of a sensitive value is from what the whole table says.

Formula: t = max over classes of the earth mover's distance between the class's distribution q and the table's p, with a ground distance
from 0 to 1 between two values:

    equal         1 between any two values; the distance is the total variation, (sum of |q - p|) / 2
    ordered       |i - j| / (m - 1) between the i-th and j-th of m values in order; the distance is (sum over i of |Q_i - P_i|) / (m - 1)
    hierarchical  level of the lowest common ancestor / height; the distance is the mean over the levels below the root of the total
                  variation of the nodes of that level

The last line is Li's formula in another form: a tree in which all leaves are `height` steps below the root gives the distance of two leaves
as a path of edges of length 1 / (2 height), and on a tree the earth mover moves over each edge just the difference of the two sides.

Promises: sums are made of whole numbers and divided once, so the order of rows changes not one bit. A missing value is 1 away from all
others: in `ordered` the missing share stays what it is as far as it can and the rest moves in proportion, which is exact where nothing is
missing and else an upper bound, so t is never under-stated; in `hierarchical` it is a leaf directly below the root.

Source: Li, Li & Venkatasubramanian, "t-closeness: privacy beyond k-anonymity and l-diversity", ICDE 2007.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.measure.spread import Spread, spread
from privacy.measure.tables import Codes, Table
from veilocity.errors import SettingsError

__all__ = ["Distance", "Paths", "closeness_of", "distance_name", "t_closeness"]

Paths: TypeAlias = Mapping[Any, Sequence[str]]
"""A hierarchy: for each value its path from itself to the root, all equally long."""
Distance: TypeAlias = Literal["auto", "equal", "ordered"] | Paths
"""The ground distance: `auto` is `ordered` for numbers and times and `equal` for all else; a hierarchy is the third."""
_EXACT = 2**62


def t_closeness(table: Table, quasi: str | Sequence[str], sensitive: str, person: str | None = None, distance: Distance = "auto") -> float:
    """Return t: the largest distance of a class's distribution from the table's, 0 to 1.

    Args:
        table: n rows.
        quasi: names of the quasi-identifiers.
        sensitive: name of the sensitive column.
        person: name of the column that says whose row it is: each person has one vote per class and value.
        distance: ground distance between two values.

    Raises:
        SettingsError: `ordered` for values that have no order, a hierarchy without a value, or as in `spread`.

    >>> table = pd.DataFrame({"zip": [1, 1, 1, 2, 2, 2, 3, 3, 3], "salary": [3, 4, 5, 6, 11, 8, 7, 9, 10]})
    >>> round(t_closeness(table, "zip", "salary"), 4), round(t_closeness(table, "zip", "salary", distance="equal"), 4)
    (0.375, 0.6667)
    """
    return closeness_of(spread(table, quasi, sensitive, person), distance)


def distance_name(found: Spread, distance: Distance) -> str:
    """Return what `auto` means for this column, else the name of the distance."""
    if not isinstance(distance, str):
        return "hierarchical"
    return distance if distance != "auto" else "ordered" if _is_ordered(found.column.values) else "equal"


def closeness_of(found: Spread, distance: Distance = "auto") -> float:
    """Return t."""
    if not isinstance(distance, str):
        return _hierarchical(found, distance)
    name = distance_name(found, distance)
    if name == "equal":
        return float(_total_variation(found).max())
    if name == "ordered":
        return float(_ordered(found).max())
    raise SettingsError("a distance is 'auto', 'equal', 'ordered' or a hierarchy")


def _is_ordered(values: pd.Index[Any]) -> bool:
    kind = values.dtype
    if pd.api.types.is_bool_dtype(kind):
        return False
    ordered_category = isinstance(kind, pd.CategoricalDtype) and bool(kind.ordered)
    return ordered_category or pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind)


def _exact(largest: int, *numbers: Codes) -> list[Any]:
    """Return the numbers as they are where their products fit into 64 bits, else as floating point."""
    return [number if largest < _EXACT else number.astype(np.float64) for number in numbers]


def _total_variation(found: Spread) -> NDArray[np.float64]:
    """Return for each class half the sum of |q - p|, as the sum of what q is above p: only values that the class has can be."""
    whole = int(found.table.sum())
    counts, totals, table = _exact(whole * int(found.totals.max()), found.counts, found.totals, found.table)
    above = np.maximum(counts * whole - table[found.values] * totals[found.owners], 0)
    distances: NDArray[np.float64] = np.add.reduceat(above, found.starts) / (totals * float(whole))
    return distances


def _hierarchical(found: Spread, paths: Paths) -> float:
    rows: list[Sequence[str]] = []
    for value in found.column.values:
        path = paths.get(value, paths.get(str(value)))
        if path is None:
            raise SettingsError("the hierarchy of the sensitive column lacks a value of the table: add its line")
        rows.append(path)
    height = len(rows[0]) - 1 if rows else 1
    if height < 1 or any(len(path) != height + 1 for path in rows):
        raise SettingsError("the paths of the sensitive column's hierarchy are not equally long, or have no level above the values")
    if len({path[-1] for path in rows}) > 1:
        raise SettingsError("the hierarchy of the sensitive column has two roots: end every line with the same value, such as *")
    total = np.zeros(len(found.starts))
    for level in range(height):
        # From the level upwards: a label may stand at two places of the tree.
        nodes = [tuple(path[level:]) for path in rows] + [()] * (len(found.table) - len(rows))
        total += _total_variation(found.recoded(pd.factorize(_objects(nodes))[0].astype(np.int64)))
    return float(total.max() / height)


def _objects(items: Sequence[object]) -> NDArray[np.object_]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _ordered(found: Spread) -> NDArray[np.float64]:
    try:
        order = found.column.values.argsort()
    except TypeError as cause:
        raise SettingsError("the values of the sensitive column have no order: take the distance 'equal'") from cause
    values = len(order)
    ranks = np.empty(values, dtype=np.int64)
    ranks[order] = np.arange(values)
    if len(found.table) == values:
        return _line(found.recoded(ranks))
    return _line_with_missing(found, ranks)


def _line(found: Spread) -> NDArray[np.float64]:
    """Return for each class (sum over i of |Q_i - P_i|) / (m - 1); codes are ranks.

    Between two values that a class has, Q stands still while P grows, so one place parts the sum into two that are known beforehand.
    """
    size, whole = len(found.table), int(found.table.sum())
    if size == 1:
        return np.zeros(len(found.starts))
    owners, largest = found.owners, int(found.totals.max())
    running = np.cumsum(found.counts)
    running -= (running - found.counts)[found.starts][owners]
    below = np.cumsum(found.table)
    sums = np.concatenate([[0], np.cumsum(below)])
    totals, below, sums, running = _exact(size * whole * largest, found.totals, below, sums, running)
    firsts = found.values
    ends = np.append(firsts[1:], size)
    ends[np.append(found.starts[1:], len(firsts)) - 1] = size
    own = totals[owners]
    # Where P_i x own reaches Q x whole, first at the least P_i not below their quotient.
    crossings = np.clip(np.searchsorted(below, -(-running * whole // own)), firsts, ends)
    lower = running * whole * (crossings - firsts) - (sums[crossings] - sums[firsts]) * own
    upper = (sums[ends] - sums[crossings]) * own - running * whole * (ends - crossings)
    moved = np.add.reduceat(lower + upper, found.starts) + sums[firsts[found.starts]] * totals
    distances: NDArray[np.float64] = moved / (totals * float(whole) * (size - 1))
    return distances


def _line_with_missing(found: Spread, ranks: Codes) -> NDArray[np.float64]:
    """Return an upper bound of each class's distance where the last code is what is missing, 1 away from every number."""
    missing = found.values == len(ranks)
    gone = np.add.reduceat(np.where(missing, found.counts, 0), found.starts) / found.totals
    table_gone = int(found.table[-1]) / int(found.table.sum())
    distances = np.abs(gone - table_gone)
    known = np.flatnonzero(gone < 1.0)
    if len(known) and len(ranks):
        kept = found._replace(values=found.values[~missing], counts=found.counts[~missing], table=found.table[:-1])
        labels = found.owners[~missing]
        starts = np.flatnonzero(np.diff(labels, prepend=-1))
        kept = kept._replace(starts=starts, totals=np.add.reduceat(kept.counts, starts))
        distances[known] += np.minimum(1.0 - gone[known], 1.0 - table_gone) * _line(kept.recoded(ranks))
    return distances

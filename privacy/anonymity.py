"""Anonymous classes of one window, by local recoding, counted in distinct people.

Problem: give every payment generalised quasi-identifiers (`privacy.hierarchies`) so that every printed combination covers payments of at
least k distinct people with at least l distinct sensitive values, distributed as over the whole window up to a distance of t; and hide as
little as possible. Loss of a payment is the mean over quasi-identifiers of level / height (Sweeney's precision, turned round): 0 exact,
1 everything hidden; a suppressed payment loses 1.

Algorithm: there are at most 192 level vectors (one level per quasi-identifier), of which those that print the same as a cheaper one are
left out. Take them from the cheapest to the dearest that the limits allow; apply each to the payments that are left, and take every cell
that is safe as a class. So each payment is generalised as little as its neighbourhood allows, where full-domain generalisation hides all
payments as much as the loneliest needs. Then every class is tightened to the lowest common ancestors of its members, each payment still
left joins the class in which all together lose least, if that stays safe, within the limits and below the loss of suppressing it, and
equal classes become one. The answer does not depend on the order of the rows.

References: Samarati and Sweeney (1998); LeFevre, DeWitt and Ramakrishnan, "Mondrian multidimensional k-anonymity", ICDE 2006, for local
recoding; Cao et al., "CASTLE", IEEE TDSC 8 (2011), for counting individuals instead of records; Machanavajjhala et al., "l-diversity",
ACM TKDD 1 (2007), distinct form; Li, Li and Venkatasubramanian, "t-closeness", ICDE 2007, equal distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from privacy.columns import Columns, Indexes
from privacy.hierarchies import HEIGHTS, PATHS, TIME, QuasiIdentifiers
from privacy.table import Row, RowTable

__all__ = ["Classes", "Limits", "Row", "anonymise", "levels_of", "loss_of", "losses_of", "sensitive_counts"]

Levels = tuple[int, ...]
_UNIT = 6
"""Losses are added in sixths, so that sums are exact: a multiple of every height."""
_WEIGHTS = tuple(_UNIT // height for height in HEIGHTS)
_FULL = _UNIT * len(HEIGHTS)
"""The loss of hiding everything, in these units."""
_CLOSENESS_STEPS = 10_000
_PLACES = range(len(HEIGHTS))


class Limits(msgspec.Struct, frozen=True):
    """What a class must keep."""

    k: int
    """Fewest distinct people."""
    l: int = 1  # noqa: E741  # the name of the parameter everywhere
    """Fewest distinct sensitive values."""
    t: float = 1.0
    """Largest distance of the distribution of sensitive values from that of the window."""
    loss: float = 1.0
    """Largest loss of a class: rows that would lose more are left."""


class Classes(NamedTuple):
    """Which rows are printed alike, and how."""

    labels: Indexes
    """(n,): class of each row, -1 for those that are left."""
    printed: list[QuasiIdentifiers]
    """Of each class, sorted."""


def sensitive_counts(table: RowTable) -> dict[str, int]:
    """Return how often each sensitive value occurs, sorted by value."""
    column = table.sensitive
    counts = zip(column.values.tolist(), np.bincount(column.codes, minlength=len(column.values)).tolist(), strict=True)
    return dict(sorted((value, count) for value, count in counts if count))


def anonymise(table: RowTable, limits: Limits, time_level: int = 0, whole: Mapping[str, int] | None = None) -> Classes:
    """Return safe classes.

    Every row is in exactly one class or left. The result is proposed, not proven: `privacy.releases` verifies it.

    Args:
        table: of one window, or of a part of one; ordered.
        limits: what a class must keep.
        time_level: lowest level at which times may be printed.
        whole: how often each sensitive value occurs in the whole window; by default in `table`.

    >>> quasi = QuasiIdentifiers("872830828ffffff", "2026-11-22T14", "EUR 20-50", "groceries")
    >>> table = RowTable.of([Row(f"t{n}", f"person-{n % 3}", quasi, "clear") for n in range(6)])
    >>> anonymise(table, Limits(k=3)).printed == [quasi], anonymise(table, Limits(k=4)).labels.tolist()
    (True, [-1, -1, -1, -1, -1, -1])
    """
    if not table.count:
        return Classes(np.zeros(0, dtype=np.int64), [])
    search = _Search(table, limits, time_level, whole or sensitive_counts(table))
    search.sweep()
    search.join()
    return search.result(table)


def levels_of(printed: QuasiIdentifiers, exact: QuasiIdentifiers) -> Levels:
    """Return how many steps up from `exact` each printed value stands.

    Raises:
        ValueError: a printed value does not cover the exact one.
    """
    return tuple(path(value).index(shown) for path, value, shown in zip(PATHS, exact, printed, strict=True))


def loss_of(printed: QuasiIdentifiers, exact: QuasiIdentifiers) -> float:
    """Return the mean over quasi-identifiers of level / height: 0 exact, 1 everything hidden.

    >>> exact = QuasiIdentifiers("none", "2026-11-22T14", "EUR 20-50", "groceries")
    >>> loss_of(exact._replace(hour="*", category="[everyday]"), exact)
    0.375
    """
    return _units(printed, exact) / _FULL


def losses_of(table: RowTable, classes: Classes) -> list[float]:
    """Return the mean loss of the rows of each class."""
    count = len(classes.printed)
    taken = classes.labels >= 0
    labels = classes.labels[taken]
    lost = np.zeros(count, dtype=np.int64)
    for place, column in enumerate(table.quasi):
        width = len(column.values)
        pairs, rows = np.unique(labels * width + column.codes[taken], return_counts=True)
        texts = column.values[pairs % width].tolist()
        owners = pairs // width
        steps = [_step(place, exact, classes.printed[owner][place]) for owner, exact in zip(owners.tolist(), texts, strict=True)]
        np.add.at(lost, owners, rows * np.array(steps, dtype=np.int64))
    sizes = np.bincount(labels, minlength=count)
    return [units / _FULL / size for units, size in zip(lost.tolist(), sizes.tolist(), strict=True)]


def _units(printed: QuasiIdentifiers, exact: QuasiIdentifiers) -> int:
    return 0 if printed == exact else sum(map(_step, _PLACES, exact, printed))


@lru_cache(maxsize=100_000)
def _step(place: int, exact: str, shown: str) -> int:
    return _WEIGHTS[place] * PATHS[place](exact).index(shown)


class _Search:
    """The state of one search: a class number per row, -1 for none."""

    def __init__(self, table: RowTable, limits: Limits, time_level: int, whole: Mapping[str, int]) -> None:
        self._columns = Columns.of(table, PATHS)
        self._limits = limits
        self._floor = tuple(time_level if place == TIME else 0 for place in range(len(HEIGHTS)))
        number = {value: index for index, value in enumerate(whole)}
        sensitive = table.sensitive.renumbered()
        self._sensitive = np.array([number[value] for value in sensitive.values.tolist()], dtype=np.int64)[sensitive.codes]
        self._whole = np.array(list(whole.values()), dtype=np.int64)
        # In whole steps, so that both sides of the comparison are integers.
        self._closeness = int(limits.t * _CLOSENESS_STEPS + 1e-6)
        self._allowed = limits.loss * _FULL + 1e-9
        self.labels = np.full(table.count, -1, dtype=np.int64)
        self._classes = 0

    def sweep(self) -> None:
        """Take every safe cell as a class, level vector by level vector, the cheapest first."""
        left = np.arange(len(self.labels))
        for levels in self._vectors():
            # People who are left only ever get fewer: with less than k of them no cell can hold k.
            if self._columns.people_among(left) < self._limits.k:
                return
            keys, span = self._columns.keys(levels, left)
            classes = self._safe_cells(keys, span, left)
            if len(classes):
                number = np.full(span, -1, dtype=np.int64)
                number[classes] = np.arange(self._classes, self._classes + len(classes))
                found = number[keys]
                self.labels[left] = found
                self._classes += len(classes)
                left = left[found < 0]

    def _vectors(self) -> list[Levels]:
        spans = []
        for place, (height, floor) in enumerate(zip(HEIGHTS, self._floor, strict=True)):
            # A level that joins nothing which the one below kept apart only hides more.
            apart = self._columns.widths[place]
            spans.append([level for level in range(floor, height + 1) if level == floor or apart[level] < apart[level - 1]])
        vectors = [levels for levels in product(*spans) if self._lost(levels) <= self._allowed]
        # Of equally dear ones first those that hide one thing most and so leave the others whole: three hundredths less loss, measured.
        return sorted(vectors, key=lambda levels: (self._lost(levels), -max(levels), levels))

    @staticmethod
    def _lost(levels: Levels) -> int:
        return sum(weight * level for weight, level in zip(_WEIGHTS, levels, strict=True))

    def _safe_cells(self, keys: Indexes, span: int, left: Indexes) -> Indexes:
        """Return the cells that keep k, l and t."""
        rows_of = np.bincount(keys, minlength=span)
        # Only a cell of k rows can hold k people, and sorting is what costs.
        full = rows_of[keys] >= self._limits.k
        keys, left = keys[full], left[full]
        people_of = self._columns.people_by(keys, span, left)
        safe: Indexes = np.flatnonzero(people_of >= self._limits.k)
        if len(safe) and (self._limits.l > 1 or self._closeness < _CLOSENESS_STEPS):
            values = len(self._whole)
            counts = np.bincount(keys * values + self._sensitive[left], minlength=span * values).reshape(span, values)[safe]
            safe = safe[self._fair(counts)]
        return safe

    def _fair(self, counts: Indexes) -> NDArray[np.bool_]:
        """Say of each row of counts per sensitive value whether it keeps l and t; total variation, in integers."""
        sizes = counts.sum(axis=1)
        total = int(self._whole.sum())
        distance = np.abs(counts * total - self._whole[None, :] * sizes[:, None]).sum(axis=1)
        near = distance * _CLOSENESS_STEPS <= self._closeness * (2 * total * sizes)
        fair: NDArray[np.bool_] = near & ((counts > 0).sum(axis=1) >= self._limits.l)
        return fair

    def join(self) -> None:
        """Put each row that is left into the class where all lose least, if that keeps the limits."""
        left = np.flatnonzero(self.labels < 0)
        if not self._classes or not len(left):
            return
        levels, witnesses = self._columns.tightened(self.labels, self._classes, self._floor)
        taken = self.labels >= 0
        sizes = np.bincount(self.labels[taken], minlength=self._classes)
        values = len(self._whole)
        counts = np.bincount(self.labels[taken] * values + self._sensitive[taken], minlength=self._classes * values)
        counts = counts.reshape(self._classes, values)
        weights = np.array(_WEIGHTS)
        lost = levels @ weights
        for row, common in self._columns.common_levels(left, witnesses):
            raised = np.maximum(levels, common)
            after = raised @ weights
            cost = sizes * (after - lost) + after
            cost[(after > self._allowed) | (cost >= _FULL)] = _FULL
            while cost[best := int(np.argmin(cost))] < _FULL:
                more = counts[best].copy()
                more[self._sensitive[row]] += 1
                if self._fair(more[None, :])[0]:
                    levels[best], lost[best], counts[best] = raised[best], after[best], more
                    sizes[best] += 1
                    self.labels[row] = best
                    break
                cost[best] = _FULL

    def result(self, table: RowTable) -> Classes:
        """Return the classes sorted by what they print, those printed alike as one."""
        if not self._classes:
            return Classes(self.labels, [])
        levels, witnesses = self._columns.tightened(self.labels, self._classes, self._floor)
        shown = []
        for place, (path, column) in enumerate(zip(PATHS, table.quasi, strict=True)):
            exact = column.values[column.codes[witnesses]].tolist()
            shown.append([path(value)[level] for value, level in zip(exact, levels[:, place].tolist(), strict=True)])
        found = list(map(QuasiIdentifiers, *shown))
        printed = sorted(set(found))
        rank = {one: index for index, one in enumerate(printed)}
        # The last element is what -1 finds: rows that are left stay left.
        merged = np.array([*(rank[one] for one in found), -1], dtype=np.int64)
        return Classes(merged[self.labels], printed)

"""k-anonymous classes of one window, by local recoding, counted in distinct people.

Problem: give every payment generalised quasi-identifiers (`privacy.hierarchies`) so that every printed combination covers payments of at
least k distinct people, and hide as little as possible. Loss of a payment is the mean over quasi-identifiers of level / height (Sweeney's
precision, turned round): 0 exact, 1 everything hidden; a suppressed payment loses 1.

Algorithm: there are 96 level vectors (one level per quasi-identifier). Take them from the cheapest to the dearest; apply each to the
payments that are left, and take every cell of at least k people as a class. So each payment is generalised as little as its neighbourhood
allows, where full-domain generalisation hides all payments as much as the loneliest needs. Then every class is tightened to the lowest
common ancestors of its members, each payment still left joins the class in which all together lose least, if that loses less than
suppressing it, and equal classes become one. O(96 n log n); the answer does not depend on the order of the rows.

References: Samarati and Sweeney (1998); LeFevre, DeWitt and Ramakrishnan, "Mondrian multidimensional k-anonymity", ICDE 2006, for local
recoding; Cao et al., "CASTLE", IEEE TDSC 8 (2011), for counting individuals instead of records.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import msgspec
import numpy as np
from numpy.typing import NDArray

from privacy.hierarchies import HEIGHTS, PATHS, QuasiIdentifiers

__all__ = ["AnonymousClass", "Row", "anonymise", "levels_of", "loss_of", "mean_loss"]

Levels = tuple[int, ...]
Indexes = NDArray[np.int64]
_VECTORS: tuple[Levels, ...] = tuple(
    sorted(
        product(*(range(height + 1) for height in HEIGHTS)),
        key=lambda levels: (sum(level / height for level, height in zip(levels, HEIGHTS, strict=True)), levels),
    )
)


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One masked payment as the anonymiser sees it."""

    id: str
    subject: str
    quasi: QuasiIdentifiers
    flagged: bool


class AnonymousClass(msgspec.Struct, frozen=True):
    """Payments that are printed alike."""

    printed: QuasiIdentifiers
    rows: tuple[Row, ...]
    """Sorted by id."""


def anonymise(rows: Sequence[Row], k: int) -> tuple[list[AnonymousClass], list[Row]]:
    """Return classes of at least k distinct subjects, and the rows that must be suppressed.

    Every row is in exactly one class or suppressed. The result is proposed, not proven: `privacy.releases` verifies it.

    >>> quasi = QuasiIdentifiers("872830828ffffff", "2026-11-22T14", "EUR 20-50", "groceries")
    >>> rows = [Row(f"t{n}", f"person-{n % 3}", quasi, flagged=False) for n in range(6)]
    >>> [(one.printed == quasi, len(one.rows)) for one in anonymise(rows, k=3)[0]], len(anonymise(rows, k=4)[1])
    ([(True, 6)], 6)
    """
    ordered = sorted(rows, key=lambda row: row.id)
    if not ordered:
        return [], []
    table = _Table(ordered)
    left = np.arange(len(ordered))
    drafts: list[_Draft] = []
    for levels in _VECTORS:
        # People who are left only ever get fewer: with less than k of them no cell can hold k.
        if len(np.unique(table.people[left])) < k:
            break
        cells = table.cells(levels, left, k)
        drafts.extend(table.tightened(members) for members in cells)
        left = np.setdiff1d(left, np.concatenate(cells), assume_unique=True) if cells else left
    suppressed = table.joined(drafts, left)
    merged: dict[QuasiIdentifiers, list[int]] = {}
    for draft in drafts:
        merged.setdefault(table.printed(draft), []).extend(draft.members)
    classes = [AnonymousClass(printed, tuple(ordered[index] for index in sorted(merged[printed]))) for printed in sorted(merged)]
    return classes, [ordered[index] for index in suppressed]


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
    return sum(level / height for level, height in zip(levels_of(printed, exact), HEIGHTS, strict=True)) / len(HEIGHTS)


def mean_loss(classes: Sequence[AnonymousClass], suppressed: int) -> float:
    """Return the mean loss per payment, suppressed ones counting 1; 0 when there is none."""
    losses = [loss_of(one.printed, row.quasi) for one in classes for row in one.rows]
    total = len(losses) + suppressed
    return (sum(losses) + suppressed) / total if total else 0.0


class _Draft(msgspec.Struct):
    """A class in the making: which rows, and how many steps up each quasi-identifier is printed."""

    members: list[int]
    levels: Levels


class _Table:
    """The rows as numbers: one code per node of a tree, so that equal codes at a level mean the same generalised value."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self.people = _numbered([row.subject for row in rows])
        self._codes = [_node_codes([row.quasi[place] for row in rows], place) for place in range(len(PATHS))]

    def cells(self, levels: Levels, left: Indexes, k: int) -> list[Indexes]:
        """Return the rows of each cell of this level vector that holds at least k people."""
        keys = np.zeros(len(left), dtype=np.int64)
        for codes, level in zip(self._codes, levels, strict=True):
            column = codes[level]
            keys = keys * (int(column.max()) + 1) + column[left]
        _, cell_of = np.unique(keys, return_inverse=True)
        width = int(self.people.max()) + 1
        visits = np.unique(cell_of * width + self.people[left])
        people_of_cell = np.bincount(visits // width)
        order = np.argsort(cell_of, kind="stable")
        borders = np.cumsum(np.bincount(cell_of))[:-1]
        split = np.split(left[order], borders)
        return [split[cell] for cell in np.flatnonzero(people_of_cell >= k)]

    def tightened(self, members: Indexes) -> _Draft:
        """Return the class of these rows, each quasi-identifier printed as its lowest common ancestor."""
        levels = tuple(next(level for level, column in enumerate(codes) if _uniform(column[members])) for codes in self._codes)
        return _Draft(members.tolist(), levels)

    def joined(self, drafts: list[_Draft], left: Indexes) -> list[int]:
        """Put each row that is left into the class where all lose least; return the rows that are better suppressed."""
        if not drafts:
            return [int(row) for row in left]
        witnesses = np.array([draft.members[0] for draft in drafts])
        sizes = np.array([len(draft.members) for draft in drafts])
        levels = np.array([draft.levels for draft in drafts])
        suppressed = []
        for row in left.tolist():
            raised = np.maximum(levels, self._common_levels(row, witnesses))
            loss = (raised / HEIGHTS).mean(axis=1)
            cost = sizes * (loss - (levels / HEIGHTS).mean(axis=1)) + loss
            best = int(np.argmin(cost))
            if cost[best] >= 1.0:
                suppressed.append(row)
                continue
            levels[best] = raised[best]
            sizes[best] += 1
            drafts[best].members.append(row)
            drafts[best].levels = tuple(levels[best].tolist())
        return suppressed

    def _common_levels(self, row: int, witnesses: Indexes) -> Indexes:
        """Return for each witness the level per quasi-identifier at which it first equals `row`."""
        columns = []
        for codes in self._codes:
            differs = [column[witnesses] != column[row] for column in codes]
            # Once equal, equal all the way up: the number of levels that differ is the first that does not.
            columns.append(np.sum(differs, axis=0))
        return np.stack(columns, axis=1)

    def printed(self, draft: _Draft) -> QuasiIdentifiers:
        """Return what all rows of the class are printed as."""
        exact = self._rows[draft.members[0]].quasi
        return QuasiIdentifiers(*(path(value)[level] for path, value, level in zip(PATHS, exact, draft.levels, strict=True)))


def _numbered(values: Sequence[str]) -> Indexes:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)


def _node_codes(values: Sequence[str], place: int) -> list[Indexes]:
    """Return per level one code per row."""
    paths = {value: PATHS[place](value) for value in set(values)}
    return [_numbered([paths[value][level] for value in values]) for level in range(HEIGHTS[place] + 1)]


def _uniform(codes: Indexes) -> bool:
    return bool((codes == codes[0]).all())

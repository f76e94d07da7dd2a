"""Kernels of the search: cells become classes, a cell that lacks rows borrows them from classes with more than k, theta rises.

Shapes and units as in `privacy.anonymise.sweep`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.anonymise.compiled import compiled, inner
from privacy.anonymise.sweep import UNIT, Cells, Field, Front, Space, below, clear, climb, enter, new_cells, place, slot_of

__all__ = ["Draft", "Pace", "search"]

Ints = NDArray[np.int64]


class Pace(NamedTuple):
    """How finely theta rises and how long a level vector is improved."""

    step: int
    """Added to theta, in 2^-32 of a row's loss."""
    share: float
    """Share of theta added besides."""
    patience: float
    """Cells are opened when they save more than this share of what the next step of theta would save if it covered all rows."""
    starts: int
    """Level vectors from which is climbed, the best so far included."""
    evaluations: int
    """Most evaluations for one opening."""


class Draft(NamedTuple):
    """Who is in which class."""

    labels: Ints
    """(N,): class of each row, -1 for none."""
    sizes: Ints
    costs: Ints
    """(classes,): what a row of the class costs, as its cell was."""
    made: Ints
    """(1,): classes so far."""


class Loans(NamedTuple):
    """Rows that a lacking cell might borrow, as one linked list per slot."""

    heads: Ints
    rows: Ints
    deltas: Ints
    nexts: Ints


@inner
def offers(space: Space, cells: Cells, k: int, levels: Ints, draft: Draft, loans: Loans) -> None:
    """Find for every lacking cell the rows inside it whose classes can spare one."""
    for index in range(cells.extent[0]):
        loans.heads[cells.used[index]] = -1
    # A row is not a person: without knowing who else a class holds none can be lent.
    if len(space.people) > 0:
        return
    count = 0
    for one in range(len(space.weights)):
        first = space.starts[one]
        if draft.labels[first] < 0:
            continue
        key = 0
        for a in range(len(levels)):
            key += space.hashes[a, levels[a], space.values[a, one]]
        slot = slot_of(cells, key)
        if slot < 0 or cells.table[slot, 2] >= k:
            continue
        for row in range(first, space.starts[one + 1]):
            owner = draft.labels[row]
            if draft.sizes[owner] > k:
                loans.rows[count] = row
                loans.deltas[count] = cells.table[slot, 3] - draft.costs[owner]
                loans.nexts[count] = loans.heads[slot]
                loans.heads[slot] = count
                count += 1


@inner
def borrow(cells: Cells, slot: int, k: int, theta: int, draft: Draft, loans: Loans) -> bool:
    """Fill one lacking cell with its cheapest offers if that saves anything against theta; the borrowed rows get the next class."""
    count = 0
    at = loans.heads[slot]
    while at >= 0:
        count += 1
        at = loans.nexts[at]
    need = k - cells.table[slot, 2]
    if count < need:
        return False
    listed = np.empty(count, dtype=np.int64)
    deltas = np.empty(count, dtype=np.int64)
    at = loans.heads[slot]
    for index in range(count):
        listed[index] = loans.rows[at]
        deltas[index] = loans.deltas[at]
        at = loans.nexts[at]
    saved = cells.rows[slot] * (theta - cells.table[slot, 3])
    lent = np.empty(need, dtype=np.int64)
    taken = 0
    for index in np.argsort(deltas, kind="mergesort"):
        owner = draft.labels[listed[index]]
        if taken < need and draft.sizes[owner] > k:
            draft.sizes[owner] -= 1
            saved -= deltas[index]
            lent[taken] = listed[index]
            taken += 1
    if taken < need or saved <= 0:
        for index in range(taken):
            draft.sizes[draft.labels[lent[index]]] += 1
        return False
    for index in range(taken):
        draft.labels[lent[index]] = draft.made[0]
    return True


@inner
def open_cells(field: Field, k: int, levels: Ints, draft: Draft, loans: Loans) -> None:
    """Make classes of the cells of a level vector and keep what is left."""
    space, front, cells = field.space, field.front, field.cells
    n, theta = field.now[0], field.now[1]
    place(field, levels)
    clear(cells, n)
    clear(field.seen, n)
    for at in range(n):
        front.picked[at] = -1
        if front.costs[at] < theta:
            front.picked[at] = enter(space, cells, field.seen, front.ids[at], front.hashes[at], front.costs[at])
    offers(space, cells, k, levels, draft, loans)
    # From here on `heads` says which class a slot became.
    for index in range(cells.extent[0]):
        slot = cells.used[index]
        if cells.table[slot, 2] < k and not borrow(cells, slot, k, theta, draft, loans):
            loans.heads[slot] = -1
            continue
        loans.heads[slot] = draft.made[0]
        draft.sizes[draft.made[0]] = max(k, cells.table[slot, 2])
        draft.costs[draft.made[0]] = cells.table[slot, 3]
        draft.made[0] += 1
    left = 0
    for at in range(n):
        one = front.ids[at]
        if front.picked[at] >= 0 and loans.heads[front.picked[at]] >= 0:
            draft.labels[space.starts[one] : space.starts[one + 1]] = loans.heads[front.picked[at]]
        else:
            front.ids[left] = one
            left += 1
    field.now[0] = left


@inner
def from_above(field: Field, k: int, levels: Ints, state: NDArray[np.uint64], lost: bool) -> None:
    """Take the widest vector, or where nothing else saves anything the one that would save most if any loss were accepted."""
    levels[:] = field.space.heights
    if lost:
        theta = field.now[1]
        field.now[1] = UNIT + 1
        field.now[2] += 4 * len(levels) * len(levels)
        climb(field, k, levels, state)
        field.now[1] = theta


@inner
def best_vector(field: Field, k: int, best: Ints, state: NDArray[np.uint64], pace: Pace, enough: float) -> int:
    """Climb from the best vector so far, from neighbours of it and from random ones; leave the best in `best` and return its gain."""
    field.now[2] = pace.evaluations
    found = 0
    levels = best.copy()
    for start in range(pace.starts):
        # Few lonely rows share nothing but wide values: from random vectors no step would lead there.
        if start == 1 and field.now[1] * 4 > UNIT:
            from_above(field, k, levels, state, found == 0)
        elif start > 0:
            for a in range(len(levels)):
                levels[a] = best[a]
                if start * 2 > pace.starts or below(state, 3) == 0:
                    levels[a] = below(state, field.space.heights[a] + 1)
        other = climb(field, k, levels, state)
        if other > found or start == 0:
            found = other
            best[:] = levels
        # Far from enough: better vectors are looked for when theta has risen.
        if 0 < found and found * 4 < enough:
            break
    return found


@inner
def new_field(space: Space) -> Field:
    """Return the tables of a search in which nothing is assigned."""
    n = len(space.weights)
    slots = 64
    while slots < 2 * n:
        slots *= 2
    ids = np.arange(n)
    front = Front(ids, ids.copy(), ids.copy(), ids.copy(), ids.copy())
    seen = new_cells(slots if len(space.people) > 0 else 64)
    return Field(space, front, new_cells(slots), seen, np.array([n, UNIT // 100, 0]))


@compiled
def search(space: Space, k: int, pace: Pace, state: NDArray[np.uint64], draft: Draft) -> int:
    """Assign rows to classes of at least k people while that loses less than suppressing them; return how many openings it took."""
    rows = np.zeros(len(draft.labels), dtype=np.int64)
    field = new_field(space)
    loans = Loans(np.zeros(len(field.cells.rows), dtype=np.int64), rows, rows.copy(), rows.copy())
    best = np.zeros(len(space.heights), dtype=np.int64)
    left = len(rows)
    openings = 0
    while left >= k:
        theta = field.now[1]
        step = pace.step + np.int64(pace.share * theta)
        enough = 0.0 if theta > UNIT else pace.patience * left * step
        saved = best_vector(field, k, best, state, pace, enough)
        if saved > enough:
            open_cells(field, k, best, draft, loans)
            openings += 1
            left = space.weights[field.front.ids[: field.now[0]]].sum()
        elif theta > UNIT:
            break
        else:
            field.now[1] = min(theta + step, UNIT + 1)
    return openings

"""Kernels of the search: level vectors applied to what is left, the accepted loss swept from cheap to dear, lacking cells lent rows.

A level vector names one hierarchy level per quasi-identifier. Applied to the combinations that are left it makes cells; every cell of at
least k rows that loses less than the accepted loss theta may become a class. All costs are whole numbers of 2^-32 of a row's loss, so sums
are exact in any order and the same input gives the same classes on every machine.

Shapes: A quasi-identifiers, L levels, V values, M combinations, N rows. `values` (A, M); `hashes` and `costs` (A, L, V).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.anonymise.compiled import compiled, inner

__all__ = ["UNIT", "Cells", "Field", "Front", "Space", "add", "below", "clear", "climb", "enter", "new_cells", "place", "slot_of"]

UNIT = 1 << 32
"""The loss of a row of which nothing is left."""

Ints = NDArray[np.int64]


class Space(NamedTuple):
    """The combinations and their trees."""

    values: NDArray[np.int32]
    """(A, M): leaf of each combination."""
    weights: Ints
    """(M,): rows of each combination."""
    starts: Ints
    """(M + 1,): rows of combination i are starts[i] to starts[i + 1]."""
    hashes: Ints
    """(A, L, V): random number of the node above each leaf; sums of them wrap around."""
    costs: Ints
    """(A, L, V): what that node costs a row."""
    heights: Ints
    """(A,): steps to the root."""
    people: Ints
    """(M,): random number of the person of each combination; empty where every row is a person of its own."""


class Cells(NamedTuple):
    """Open addressing by the sum of hashes; a slot is taken when its stamp is the current one."""

    table: Ints
    """(slots, 4): stamp, key, people, cost of a row. Side by side, as they are read together."""
    rows: Ints
    """(slots,): rows."""
    used: Ints
    """(slots,): the slots that are taken."""
    extent: Ints
    """(3,): how many slots are taken, slots in use - 1, the current stamp."""


class Front(NamedTuple):
    """Combinations that are left to assign, each array of shape (M,): as many places are in use as `Field.now` says."""

    ids: Ints
    hashes: Ints
    costs: Ints
    picked: Ints
    trial: Ints


class Field(NamedTuple):
    """Everything a search works on."""

    space: Space
    front: Front
    cells: Cells
    seen: Cells
    """Persons seen in a cell."""
    now: Ints
    """(3,): combinations that are left, theta, evaluations that are left."""


@compiled
def new_cells(slots: int) -> Cells:
    """Return an empty table."""
    return Cells(
        np.zeros((slots, 4), dtype=np.int64), np.zeros(slots, dtype=np.int64), np.zeros(slots, dtype=np.int64), np.zeros(3, dtype=np.int64)
    )


@inner
def clear(cells: Cells, expected: int) -> None:
    """Forget all cells, and use no more of the table than so many keys need."""
    slots = 64
    while slots < 2 * expected:
        slots *= 2
    cells.extent[0] = 0
    cells.extent[1] = slots - 1
    cells.extent[2] += 1


@inner
def slot_of(cells: Cells, key: int) -> int:
    """Return the slot of a key, or -1 - the free slot where it would go."""
    mask = int(cells.extent[1])
    place = key & mask
    while cells.table[place, 0] == cells.extent[2]:
        if cells.table[place, 1] == key:
            return place
        place = (place + 1) & mask
    return -1 - place


@inner
def add(cells: Cells, key: int, people: int, rows: int, cost: int) -> int:
    """Count people and rows in a cell and return its slot."""
    slot = slot_of(cells, key)
    if slot >= 0:
        cells.table[slot, 2] += people
        cells.rows[slot] += rows
        return slot
    slot = -1 - slot
    cells.table[slot, 0] = cells.extent[2]
    cells.table[slot, 1] = key
    cells.table[slot, 2] = people
    cells.table[slot, 3] = cost
    cells.rows[slot] = rows
    cells.used[cells.extent[0]] = slot
    cells.extent[0] += 1
    return slot


@inner
def enter(space: Space, cells: Cells, seen: Cells, one: int, key: int, cost: int) -> int:
    """Count a combination in its cell, its person only once per cell, and return the slot."""
    rows = space.weights[one]
    if len(space.people) == 0:
        return add(cells, key, rows, rows, cost)
    pair = key * 0x5851F42D4C957F2D + space.people[one]
    new = slot_of(seen, pair) < 0
    if new:
        add(seen, pair, 1, 1, 0)
    return add(cells, key, 1 if new else 0, rows, cost)


@inner
def place(field: Field, levels: Ints) -> None:
    """Compute hash and cost of every combination that is left under a level vector."""
    space, front, n = field.space, field.front, field.now[0]
    front.hashes[:n] = 0
    front.costs[:n] = 0
    for a in range(len(levels)):
        hashes = space.hashes[a, levels[a]]
        costs = space.costs[a, levels[a]]
        values = space.values[a]
        for at in range(n):
            value = values[front.ids[at]]
            front.hashes[at] += hashes[value]
            front.costs[at] += costs[value]


@inner
def gain(field: Field, k: int, best: int, move: Ints, levels: Ints) -> int:
    """Return what opening the cells of a neighbour of `levels` would save against theta, 0 where it cannot exceed `best`.

    A move is an attribute and its level, twice; the second attribute is -1 where only one changes.
    """
    space, front, cells, seen = field.space, field.front, field.cells, field.seen
    n, theta = field.now[0], field.now[1]
    a, b = move[0], max(move[2], 0)
    pair = move[2] >= 0
    # What the changed columns add, per value: a neighbour costs one or two look-ups per combination, not one per attribute.
    values, others = space.values[a], space.values[b]
    hashes = space.hashes[a, move[1]] - space.hashes[a, levels[a]]
    costs = space.costs[a, move[1]] - space.costs[a, levels[a]]
    more_hashes = space.hashes[b, move[3]] - space.hashes[b, levels[b]]
    more_costs = space.costs[b, move[3]] - space.costs[b, levels[b]]
    bound = 0
    count = 0
    for at in range(n):
        one = front.ids[at]
        cost = front.costs[at] + costs[values[one]]
        if pair:
            cost += more_costs[others[one]]
        if cost < theta:
            bound += space.weights[one] * (theta - cost)
            front.trial[count] = cost
            front.picked[count] = at
            count += 1
    if bound <= best:
        return 0
    clear(cells, count)
    crowd = len(space.people) > 0
    if crowd:
        clear(seen, count)
    for pick in range(count):
        at = front.picked[pick]
        one = front.ids[at]
        key = front.hashes[at] + hashes[values[one]]
        if pair:
            key += more_hashes[others[one]]
        if crowd:
            enter(space, cells, seen, one, key, front.trial[pick])
        else:
            add(cells, key, space.weights[one], space.weights[one], front.trial[pick])
    total = 0
    for index in range(cells.extent[0]):
        slot = cells.used[index]
        if cells.table[slot, 2] >= k:
            total += cells.rows[slot] * (theta - cells.table[slot, 3])
    return total


@inner
def below(state: NDArray[np.uint64], bound: int) -> int:
    """Return a number from 0 up to bound by splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return int(np.int64(z % np.uint64(bound)))


@inner
def propose(space: Space, levels: Ints, index: int, turn: int, move: Ints) -> bool:
    """Fill in the index-th neighbour: first one attribute a step, then a pair in opposite directions; False where it leaves the trees."""
    count = len(levels)
    move[2] = -1
    if index < 2 * count:
        a = (index // 2 + turn) % count
        move[0] = a
        move[1] = levels[a] + (1 if index % 2 else -1)
        return bool(0 <= move[1] <= space.heights[a])
    pair = index - 2 * count
    a, b = pair // count, pair % count
    move[0], move[1], move[2], move[3] = a, levels[a] + 1, b, levels[b] - 1
    return bool(a != b and move[1] <= space.heights[a] and move[3] >= 0)


@inner
def climb(field: Field, k: int, levels: Ints, state: NDArray[np.uint64]) -> int:
    """Improve a level vector by single steps and pairs until none helps or no evaluations are left; return its gain."""
    move = np.zeros(4, dtype=np.int64)
    count = len(levels)
    neighbours = 2 * count + count * count
    turn = below(state, count)
    best = 0
    # Below 0 stands for the vector itself, after which its neighbours are tried.
    index, tried = -1, 0
    place(field, levels)
    while tried < neighbours and field.now[2] > 0:
        itself = index < 0
        if itself:
            move[0], move[1], move[2] = 0, levels[0], -1
        if itself or propose(field.space, levels, index, turn, move):
            field.now[2] -= 1
            found = gain(field, k, best, move, levels)
            if found > best:
                best = found
                tried = -1
                levels[move[0]] = move[1]
                if move[2] >= 0:
                    levels[move[2]] = move[3]
                    index = -1
                place(field, levels)
        tried += 1
        index = (index + 1) % neighbours
    return best

"""Kernels that give classes the diversity and closeness they lack, by the cheapest donors or the cheapest merge.

Shapes and units as in `privacy.anonymise.finish`; S sensitive values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.anonymise.compiled import compiled, inner
from privacy.anonymise.finish import Classes, meet, widened
from privacy.anonymise.sweep import UNIT, Space

__all__ = ["Need", "Stock", "faults", "repair"]

Ints = NDArray[np.int64]


class Need(NamedTuple):
    """What a class must fulfil."""

    k: int
    l: int  # noqa: E741  # the field's own name for it
    t: float
    ordered: bool
    """Distance between sensitive values: their order, or equal."""
    lending: bool
    """Classes may lend rows: every row is a person of its own."""
    shares: NDArray[np.float64]
    """(S,): distribution of the sensitive value in the whole table."""


class Stock(NamedTuple):
    """Who is in which class, and what classes can give."""

    space: Space
    labels: Ints
    """(N,): class of each row, -1 for none."""
    sensitive: Ints
    """(N,): sensitive value of each row."""
    owners: Ints
    """(N,): combination of each row."""
    classes: Classes
    counts: Ints
    """(C, S): rows of each class per sensitive value."""
    able: NDArray[np.bool_]
    """(C, S): sensitive values of which a class can spare a row."""


@inner
def distance(counts: Ints, need: Need) -> float:
    """Return the earth mover's distance of counts from the whole table."""
    rows = max(1, counts.sum())
    total = 0.0
    carried = 0.0
    for value in range(len(counts)):
        difference = counts[value] / rows - need.shares[value]
        carried += difference
        total += abs(carried) if need.ordered else abs(difference)
    return total / max(1, len(counts) - 1) if need.ordered else total / 2


@inner
def fault(counts: Ints, need: Need) -> float:
    """Return how far counts are from what is needed: 0 when they fulfil it."""
    different = 0
    for value in range(len(counts)):
        different += counts[value] > 0
    missing = max(0, need.l - different)
    beyond = distance(counts, need) - need.t
    # A distance of exactly t is allowed; the proof allows ten times this rounding error.
    return missing + (beyond if beyond > 1e-13 else 0.0)


@inner
def refresh(stock: Stock, label: int, need: Need) -> None:
    """Note which sensitive values a class can spare: it keeps k rows and lacks nothing without one of them."""
    counts = stock.counts[label]
    lends = need.lending and stock.classes.rows[label] > need.k and fault(counts, need) == 0
    for value in range(len(counts)):
        stock.able[label, value] = False
        if lends and counts[value] > 0:
            counts[value] -= 1
            stock.able[label, value] = fault(counts, need) == 0
            counts[value] += 1


@compiled
def faults(classes: Classes, counts: Ints, need: Need) -> NDArray[np.bool_]:
    """Return which classes lack something, shape (C,)."""
    found = np.zeros(len(counts), dtype=np.bool_)
    for label in range(len(counts)):
        found[label] = classes.rows[label] > 0 and fault(counts[label], need) > 0
    return found


@inner
def hand_over(stock: Stock, row: int, label: int, need: Need) -> None:
    """Let a row change its class: counts follow, what is printed does not."""
    value, giver = stock.sensitive[row], stock.labels[row]
    stock.counts[giver, value] -= 1
    stock.classes.rows[giver] -= 1
    stock.counts[label, value] += 1
    stock.classes.rows[label] += 1
    stock.labels[row] = label
    refresh(stock, giver, need)


@inner
def cheapest_row(stock: Stock, wanted: NDArray[np.bool_], levels: Ints, sample: int, rows: int) -> tuple[int, int]:
    """Return the row that widens a class of so many rows least, and its price; -1 when nobody can give one of the wanted values."""
    space, classes = stock.space, stock.classes
    before = 0
    for a in range(len(levels)):
        before += space.costs[a, levels[a], space.values[a, sample]]
    best, chosen = UNIT * (rows + 1), -1
    dearest = classes.costs.max()
    for one in range(len(space.weights)):
        cost = before
        known = False
        for row in range(space.starts[one], space.starts[one + 1]):
            label = stock.labels[row]
            if label < 0 or not wanted[stock.sensitive[row]] or not stock.able[label, stock.sensitive[row]]:
                continue
            if not known:
                # Dearer than this, not even the dearest lender's saving makes up for it.
                cost = widened(space, levels, sample, one, before, (best + rows * before + dearest) // (rows + 1))
                known = True
            price = (rows + 1) * cost - rows * before - classes.costs[label]
            if price < best:
                best, chosen = price, row
    return chosen, best


@inner
def helpful(counts: Ints, need: Need) -> NDArray[np.bool_]:
    """Return which sensitive values bring a class nearer to what it needs, shape (S,)."""
    wanted = np.zeros(len(counts), dtype=np.bool_)
    now = fault(counts, need)
    for value in range(len(counts)):
        counts[value] += 1
        wanted[value] = fault(counts, need) < now
        counts[value] -= 1
    return wanted


@inner
def borrow_until_sound(stock: Stock, label: int, limit: int, need: Need) -> bool:
    """Borrow the cheapest helpful rows for a class; where that is impossible, or dearer than `limit`, give all back."""
    counts = stock.counts[label]
    levels, sample = stock.classes.levels[label].copy(), stock.classes.samples[label]
    taken = np.empty(stock.classes.rows[label] + 1, dtype=np.int64)
    givers = np.empty(len(taken), dtype=np.int64)
    count, price = 0, 0
    while fault(counts, need) > 0 and count < len(taken) and price < limit:
        row, cost = cheapest_row(stock, helpful(counts, need), levels, sample, stock.classes.rows[label])
        if row < 0:
            break
        taken[count], givers[count] = row, stock.labels[row]
        hand_over(stock, row, label, need)
        count += 1
        price += cost
        for a in range(len(levels)):
            levels[a] = meet(stock.space, a, levels[a], stock.owners[row], sample)
    if fault(counts, need) == 0 and price < limit:
        widen(stock, label, levels)
        return True
    for index in range(count):
        hand_over(stock, taken[index], givers[index], need)
        refresh(stock, givers[index], need)
    return False


@inner
def widen(stock: Stock, label: int, levels: Ints) -> None:
    """Let a class print other levels."""
    stock.classes.levels[label] = levels
    cost = 0
    for a in range(len(levels)):
        cost += stock.space.costs[a, levels[a], stock.space.values[a, stock.classes.samples[label]]]
    stock.classes.costs[label] = cost


@inner
def cheapest_merge(stock: Stock, label: int, need: Need) -> tuple[int, int]:
    """Return the class with which this one is sound at the lowest price, and the price; -1 when there is none."""
    space, classes, counts = stock.space, stock.classes, stock.counts
    best, chosen = 1 << 62, -1
    for other in range(len(classes.rows)):
        if other == label or classes.rows[other] == 0:
            continue
        cost = 0
        for a in range(len(space.heights)):
            level = max(classes.levels[other, a], classes.levels[label, a])
            level = meet(space, a, level, classes.samples[other], classes.samples[label])
            cost += space.costs[a, level, space.values[a, classes.samples[label]]]
        rows = classes.rows[other] + classes.rows[label]
        price = rows * cost - classes.rows[other] * classes.costs[other] - classes.rows[label] * classes.costs[label]
        if price < best and fault(counts[other] + counts[label], need) == 0:
            best, chosen = price, other
    return chosen, best


@inner
def merge(stock: Stock, label: int, other: int, need: Need) -> None:
    """Let all rows of another class join a class."""
    levels = stock.classes.levels[label].copy()
    for a in range(len(levels)):
        level = max(levels[a], stock.classes.levels[other, a])
        levels[a] = meet(stock.space, a, level, stock.classes.samples[other], stock.classes.samples[label])
    for row in range(len(stock.labels)):
        if stock.labels[row] == other:
            hand_over(stock, row, label, need)
    widen(stock, label, levels)


@compiled
def repair(stock: Stock, need: Need) -> None:
    """Mend every class that lacks something where it can be mended; the others stay as they are."""
    for label in range(len(stock.counts)):
        refresh(stock, label, need)
    for label in range(len(stock.counts)):
        if stock.classes.rows[label] == 0 or fault(stock.counts[label], need) == 0:
            continue
        other, price = cheapest_merge(stock, label, need)
        mended = need.lending and borrow_until_sound(stock, label, price, need)
        if not mended and other >= 0:
            merge(stock, label, other, need)
        refresh(stock, label, need)

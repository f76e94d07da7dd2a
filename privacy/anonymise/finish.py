"""Kernels after the search: classes shrink to what their rows have in common, the last rows join them.

Moving rows afterwards out of classes with more than k, to wherever they would lose less, was measured and left out: after a sweep with
loans it saves less than a thousandth of the loss.

Shapes and units as in `privacy.anonymise.sweep`; C classes. Two leaves share a node when the node's random numbers are equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.anonymise.compiled import compiled, inner
from privacy.anonymise.sweep import UNIT, Space

__all__ = ["Classes", "join_rest", "meet", "tighten", "widened"]

Ints = NDArray[np.int64]


class Classes(NamedTuple):
    """What is printed for each class."""

    levels: Ints
    """(C, A): level of each quasi-identifier."""
    samples: Ints
    """(C,): a combination of the class."""
    rows: Ints
    """(C,): rows of the class."""
    costs: Ints
    """(C,): what a row of it costs."""


@inner
def meet(space: Space, a: int, level: int, one: int, other: int) -> int:
    """Return the lowest level, not below `level`, at which two combinations share the node of attribute a."""
    values = space.values[a]
    while space.hashes[a, level, values[one]] != space.hashes[a, level, values[other]]:
        level += 1
    return level


@compiled
def tighten(space: Space, labels: Ints, count: int) -> Classes:
    """Return the lowest common ancestors of the rows of each class."""
    attributes = len(space.heights)
    levels = np.zeros((count, attributes), dtype=np.int64)
    samples = np.full(count, -1, dtype=np.int64)
    rows = np.zeros(count, dtype=np.int64)
    costs = np.zeros(count, dtype=np.int64)
    for one in range(len(space.weights)):
        for row in range(space.starts[one], space.starts[one + 1]):
            label = labels[row]
            if label < 0:
                continue
            rows[label] += 1
            if samples[label] < 0:
                samples[label] = one
            if samples[label] != one:
                for a in range(attributes):
                    levels[label, a] = meet(space, a, levels[label, a], one, samples[label])
    for label in range(count):
        for a in range(attributes):
            if samples[label] >= 0:
                costs[label] += space.costs[a, levels[label, a], space.values[a, samples[label]]]
    return Classes(levels, samples, rows, costs)


@inner
def widened(space: Space, levels: Ints, sample: int, one: int, cost: int, limit: int) -> int:
    """Return what a row of a class, that costs `cost`, would cost if a combination joined it; something above `limit` if that much."""
    for a in range(len(levels)):
        values = space.values[a]
        level = levels[a]
        if space.hashes[a, level, values[one]] != space.hashes[a, level, values[sample]]:
            cost += space.costs[a, meet(space, a, level, one, sample), values[sample]] - space.costs[a, level, values[sample]]
            if cost > limit:
                return cost
    return cost


@compiled
def join_rest(space: Space, labels: Ints, classes: Classes) -> None:
    """Let every combination that is in no class join the class in which all together lose least, if that beats suppressing it."""
    for one in range(len(space.weights)):
        first, end = space.starts[one], space.starts[one + 1]
        if labels[first] >= 0:
            continue
        best, chosen = (end - first) * UNIT, -1
        for label in range(len(classes.rows)):
            if classes.rows[label] == 0:
                continue
            before = classes.rows[label] * classes.costs[label]
            rows = classes.rows[label] + end - first
            cost = widened(space, classes.levels[label], classes.samples[label], one, classes.costs[label], (best + before) // rows)
            added = rows * cost - before
            if added < best:
                best, chosen = added, label
        if chosen < 0:
            continue
        labels[first:end] = chosen
        sample = classes.samples[chosen]
        classes.costs[chosen] = widened(space, classes.levels[chosen], sample, one, classes.costs[chosen], 2 * UNIT)
        for a in range(len(space.heights)):
            classes.levels[chosen, a] = meet(space, a, classes.levels[chosen, a], one, sample)
        classes.rows[chosen] += end - first

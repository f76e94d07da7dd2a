"""The search as a whole: from combinations to a class per row, with the diversity and closeness that were asked for.

Nothing here is trusted: `privacy.anonymise.proof` proves what is released from the rows alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.anonymise import finish, opening, repair, sweep
from privacy.anonymise.encoding import Encoded

__all__ = ["Goal", "Solution", "Solver"]

Ints = NDArray[np.int64]
Effort = Literal["quick", "fast", "fine"]

_PACES = {
    "quick": opening.Pace(step=sweep.UNIT // 500, share=0.2, patience=0.1, starts=2, evaluations=60),
    "fast": opening.Pace(step=sweep.UNIT // 1000, share=0.1, patience=0.1, starts=3, evaluations=100),
    "fine": opening.Pace(step=sweep.UNIT // 500, share=0.01, patience=0.1, starts=5, evaluations=400),
}


class Goal(NamedTuple):
    """What every class must fulfil."""

    k: int
    l: int = 1  # noqa: E741  # the field's own name for it
    t: float = 1.0
    ordered: bool = False
    """Whether the sensitive values have an order, by which their distance is measured."""


class Solution(NamedTuple):
    """Who is in which class, and what each class prints."""

    labels: Ints
    """(N,): class of each row in canonical order, -1 for suppressed."""
    levels: Ints
    """(C, A): printed level of each quasi-identifier."""
    loss: float
    """Mean over all cells of the table, suppressed rows counting 1."""


class Solver:
    """One table, prepared once for any number of goals."""

    def __init__(self, table: Encoded, effort: Effort, seed: int) -> None:
        """Number the nodes at random.

        Args:
            table: the table.
            effort: `fast`; for a few per cent less loss at several times the time `fine`; the other way round `quick`.
            seed: of the random numbers; equal seeds give equal classes.
        """
        self._table = table
        self._effort = effort
        self._seed = seed
        random = np.random.Generator(np.random.Philox(seed))
        count = len(table.trees)
        shape = (count, max(tree.height for tree in table.trees) + 1, max(len(tree.leaves) for tree in table.trees))
        hashes, costs = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for at, tree in enumerate(table.trees):
            part = np.s_[at, : tree.height + 1, : len(tree.leaves)]
            hashes[part] = random.integers(-(2**63), 2**63, size=len(tree.labels), dtype=np.int64)[tree.node]
            costs[part] = np.floor(sweep.UNIT * tree.loss / count).astype(np.int64)
        starts = table.starts
        self._owners = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        self._space = sweep.Space(
            values=np.ascontiguousarray(table.leaves[:, starts[:-1]]),
            weights=np.diff(starts),
            starts=starts,
            hashes=hashes,
            costs=costs,
            heights=np.array([tree.height for tree in table.trees]),
            people=random.integers(-(2**63), 2**63, size=int(table.people.max(initial=0)) + 1, dtype=np.int64)[table.people],
        )

    def solve(self, goal: Goal) -> Solution:
        """Return classes that fulfil the goal, as far as the search knows."""
        labels = self._partition(goal.k)
        if goal.l > 1 or goal.t < 1:
            labels = self._repaired(labels, goal)
        labels, classes = self._settled(labels)
        return Solution(labels, classes.levels, self.loss(labels, classes.levels))

    def loss(self, labels: Ints, levels: Ints) -> float:
        """Return the mean loss of the table, computed anew from its rows."""
        inside = labels >= 0
        total = float((~inside).sum())
        for at, tree in enumerate(self._table.trees):
            total += float(tree.loss[levels[labels[inside], at], self._table.leaves[at, inside]].sum()) / len(self._table.trees)
        return total / len(labels) if len(labels) else 0.0

    def _partition(self, k: int) -> Ints:
        rows = len(self._owners)
        draft = opening.Draft(np.full(rows, -1), np.zeros(rows + 1, np.int64), np.zeros(rows + 1, np.int64), np.zeros(1, np.int64))
        opening.search(self._space, k, _PACES[self._effort], np.array([self._seed], dtype=np.uint64), draft)
        labels, classes = self._settled(draft.labels)
        finish.join_rest(self._space, labels, classes)
        return labels

    def _settled(self, labels: Ints) -> tuple[Ints, finish.Classes]:
        """Shrink every class, make one of those that print the same, and number them anew."""
        classes = finish.tighten(self._space, labels, int(labels.max(initial=-1)) + 1)
        attributes = np.arange(len(self._table.trees))
        printed = self._space.hashes[attributes, classes.levels, self._space.values[:, classes.samples].T]
        printed[classes.rows == 0] = 0
        inside = labels >= 0
        merged = np.full(len(labels), -1)
        if inside.any():
            _, number = np.unique(printed, axis=0, return_inverse=True)
            _, merged[inside] = np.unique(number.ravel()[labels[inside]], return_inverse=True)
        return merged, finish.tighten(self._space, merged, int(merged.max(initial=-1)) + 1)

    def _repaired(self, labels: Ints, goal: Goal) -> Ints:
        while (labels >= 0).any():
            labels, classes = self._settled(labels)
            inside = labels >= 0
            present, codes = np.unique(self._table.sensitive[inside], return_inverse=True)
            sensitive = np.zeros(len(labels), dtype=np.int64)
            sensitive[inside] = codes
            shares = np.bincount(codes) / len(codes)
            need = repair.Need(goal.k, goal.l, float(goal.t), goal.ordered, len(self._space.people) == 0, shares)
            counts = np.bincount(labels[inside] * len(present) + codes, minlength=len(classes.rows) * len(present))
            counts = counts.reshape(len(classes.rows), len(present))
            able = np.zeros(counts.shape, dtype=np.bool_)
            repair.repair(repair.Stock(self._space, labels, sensitive, self._owners, classes, counts, able), need)
            faulty = repair.faults(classes, counts, need)
            if not faulty.any():
                break
            # What nothing mends is suppressed, which changes the whole table's distribution: look again.
            labels[inside & faulty[labels]] = -1
        return labels

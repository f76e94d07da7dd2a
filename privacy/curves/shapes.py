"""What a division of rows into classes prints, and whom that covers.

Shapes: N rows in canonical order (`privacy.anonymise.encoding.Encoded`), A quasi-identifiers, C classes.

Promises: a class prints the lowest common ancestors of its rows, nothing wider; whom it covers is counted over all rows of the table, also
those that are suppressed or printed in another class, exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.anonymise.encoding import Encoded

__all__ = ["Cover", "Shapes", "shapes_of"]

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

_ROOM = 4_000_000
"""Bytes that are worked on together: they stay near the processor."""


class Shapes(NamedTuple):
    """What the classes print."""

    nodes: NDArray[np.int32]
    """(A, C): node of the hierarchy of each quasi-identifier, as `Tree.node` numbers them."""
    losses: NDArray[np.float64]
    """(C,): loss of a row of the class."""


def shapes_of(table: Encoded, labels: Ints) -> Shapes:
    """Return what classes print.

    Args:
        table: the rows.
        labels: (N,) class of each row, dense from 0 on, -1 for a suppressed one.
    """
    inside = np.flatnonzero(labels >= 0)
    by_class = inside[np.argsort(labels[inside], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[by_class], prepend=-1))
    nodes = np.empty((len(table.trees), len(starts)), dtype=np.int32)
    losses = np.zeros(len(starts))
    for place, tree in enumerate(table.trees):
        leaves = table.leaves[place, by_class]
        waiting = np.ones(len(starts), dtype=np.bool_)
        for node, loss in zip(tree.node, tree.loss, strict=True):
            if not waiting.any():
                break
            found = node[leaves]
            alike = waiting & (np.minimum.reduceat(found, starts) == np.maximum.reduceat(found, starts))
            nodes[place, alike] = found[starts[alike]]
            losses[alike] += loss[leaves[starts[alike]]] / len(table.trees)
            waiting &= ~alike
    return Shapes(nodes, losses)


class Cover:
    """Counts the people of a whole table whose true values lie under what a class prints.

    Each node of each hierarchy keeps a bit for every row; a class covers the rows whose bits are set in all of its nodes. Time is about
    A * C * N / 64 steps, memory A * nodes * N / 8 bytes.
    """

    def __init__(self, table: Encoded, person: Ints | None) -> None:
        """Set the bits.

        Args:
            table: N rows.
            person: (N,) codes of people, -1 where nobody is named; None where each row is a person.
        """
        counted = np.arange(len(table.order)) if person is None else np.argsort(person, kind="stable")
        self._words = -(-len(counted) // 64)
        self._count = len(counted)
        # First row of each person: people of several rows are counted once, rows that name nobody (they come first) not at all.
        codes = counted if person is None else person[counted]
        self._firsts = np.flatnonzero(np.diff(codes, prepend=-1))
        self._bits = tuple(
            self._packed(tree.node, len(tree.labels), leaves[counted]) for tree, leaves in zip(table.trees, table.leaves, strict=True)
        )

    def _packed(self, node: NDArray[np.int32], size: int, leaves: NDArray[np.int32]) -> Words:
        packed = np.zeros((size, self._words * 8), dtype=np.uint8)
        for level in node:
            for number in np.unique(level):
                found = np.packbits((level == number)[leaves], bitorder="little")
                packed[number, : len(found)] = found
        return packed.view(np.uint64)

    def people(self, nodes: NDArray[np.int32]) -> Ints:
        """Return for each class the people whom it covers, at least 1; shape (C,).

        Args:
            nodes: (A, C), as in `Shapes`.
        """
        count = nodes.shape[1]
        people = np.ones(count, dtype=np.int64)
        if not self._count:
            return people
        several = len(self._firsts) < self._count
        step = max(1, _ROOM // (self._words * (64 if several else 8)))
        for begin in range(0, count, step):
            part = nodes[:, begin : begin + step]
            bits = self._bits[0][part[0]]
            for own, numbers in zip(self._bits[1:], part[1:], strict=True):
                bits &= own[numbers]
            people[begin : begin + step] = np.maximum(
                self._owners(bits) if several else np.bitwise_count(bits).sum(axis=1, dtype=np.int64), 1
            )
        return people

    def _owners(self, bits: Words) -> Ints:
        rows = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little", count=self._count)
        owners: Ints = np.maximum.reduceat(rows, self._firsts, axis=1).sum(axis=1, dtype=np.int64)
        return owners

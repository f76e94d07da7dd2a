"""What the sketches of graphs share: edges as hashes, the triangles of a sample, and an interval around an estimate of them.

A node is kept as its 64-bit hash under the sketch's seed, an edge as the hashes of its ends, the smaller one first: so every node takes
eight bytes however long its name, and an edge is one edge in both directions. Two nodes in 2^64 are mistaken for one another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np

from sketches.contract import Bounds, require_confidence
from sketches.hashing import Column, Item, as_items, hash_column, hash_item, mix64
from veilocity.errors import SketchMismatchError

__all__ = ["BYTES_PER_EDGE", "Edge", "Edges", "Ends", "Neighbours", "all_ends", "chebyshev", "edge_hash", "ends_of", "refuse_size"]

Edge: TypeAlias = "tuple[Item, Item]"
Edges: TypeAlias = "Column | Iterable[Edge]"
"""Many edges: any iterable of pairs, or an array of numbers with two columns."""
Ends = tuple[int, int]
BYTES_PER_EDGE = 32
_SMALLEST, _LARGEST = 6, 2**24


class Neighbours:
    """The sampled edges, by their ends."""

    __slots__ = ("_of",)

    def __init__(self, edges: Iterable[Ends] = ()) -> None:
        self._of: dict[int, set[int]] = {}
        for edge in edges:
            self.add(edge)

    def __contains__(self, edge: Ends) -> bool:
        return edge[1] in self._of.get(edge[0], ())

    def add(self, edge: Ends) -> None:
        """Take an edge in."""
        for near, far in (edge, edge[::-1]):
            self._of.setdefault(near, set()).add(far)

    def remove(self, edge: Ends) -> None:
        """Take an edge out that is in."""
        for near, far in (edge, edge[::-1]):
            self._of[near].discard(far)
            if not self._of[near]:
                del self._of[near]

    def closed_by(self, edge: Ends) -> int:
        """Return the number of triangles that an edge has or would have."""
        nearer, farther = self._of.get(edge[0]), self._of.get(edge[1])
        return len(nearer & farther) if nearer and farther else 0

    def at(self, node: int) -> int:
        """Return the number of triangles at a node."""
        around = self._of.get(node, set())
        return sum(len(around & self._of[other]) for other in around) // 2

    def triangles(self, edges: Iterable[Ends]) -> tuple[int, int]:
        """Return the number of triangles, and of pairs of them that share an edge; `edges` are all the edges."""
        counts = [self.closed_by(edge) for edge in edges]
        return sum(counts) // 3, sum(count * (count - 1) // 2 for count in counts)


def refuse_size(memory_edges: int) -> None:
    """Refuse a sample that is too small for its variance, or too large for a machine.

    Raises:
        SketchMismatchError: not 6 to 16,777,216 edges.
    """
    if not _SMALLEST <= memory_edges <= _LARGEST:
        raise SketchMismatchError("a sample that finds triangles has 6 to 16777216 edges: give memory_edges in between")


def ends_of(edge: Any, seed: int) -> Ends:
    """Return the hashes of an edge's nodes, the smaller one first.

    Raises:
        SketchMismatchError: no pair, or a node without a stable hash.

    >>> ends_of(("ann", "bob"), seed=1) == ends_of(("bob", "ann"), seed=1)
    True
    """
    if not isinstance(edge, tuple | list | np.ndarray) or len(edge) != 2:
        raise SketchMismatchError("an edge is a pair of nodes: hand in tuples of two")
    one, two = hash_item(edge[0], seed), hash_item(edge[1], seed)
    return (one, two) if one < two else (two, one)


def all_ends(column: Edges, seed: int) -> Iterator[Ends]:
    """Yield what `ends_of` returns for each edge; an array of numbers with two columns is hashed at once."""
    edges: Any = as_items(column)  # type: ignore[arg-type]  # its items come back as they are, whatever they are
    if isinstance(edges, np.ndarray) and edges.ndim == 2 and edges.shape[1] == 2:
        hashes = hash_column(edges.ravel(), seed).reshape(-1, 2)
        yield from zip(hashes.min(axis=1).tolist(), hashes.max(axis=1).tolist(), strict=True)
        return
    yield from (ends_of(edge, seed) for edge in edges)


def edge_hash(edge: Ends) -> int:
    """Return the 64-bit hash of an edge."""
    return mix64(edge[0] ^ mix64(edge[1] ^ 0x9E3779B97F4A7C15))


def chebyshev(estimate: float, alone: float, paired: float, confidence: float) -> Bounds:
    """Return all T with |T - estimate| <= sqrt((alone T + paired) / (1 - confidence)): the roots of a square equation."""
    require_confidence(confidence)
    risk = 1.0 - confidence
    middle = estimate + alone / (2.0 * risk)
    reach = math.sqrt(max(0.0, middle * middle - estimate * estimate + paired / risk))
    return Bounds(max(0.0, middle - reach), middle + reach)

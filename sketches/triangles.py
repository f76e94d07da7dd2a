"""Triangles of a graph from the edges with the smallest hashes: repeated edges are harmless, and merging is exact.

Theory: the hash of an edge is as good as a uniform number, the same one whenever the edge comes. The sketch keeps the M + 1 edges with the
smallest hashes; the largest of these is the threshold p (as a share of all hashes), the M below it are the sample. Given the other edges'
hashes, a triangle is in the sample exactly when its three hashes are below p, so

    T  =  (triangles of the sample) / p^3

Guarantee: unbiased over the choice of the seed, and exact up to M edges. With T triangles, of which r pairs share an edge,

    Var  =  T (E[p^-3] - 1) + 2 r (E[p^-1] - 1)

because pairs of triangles that share no edge cancel out exactly. `bounds` is Chebyshev's interval: all T whose estimate is within
sqrt(Var(T) / (1 - confidence)), with r and the expectations estimated from the sample; it supposes nothing of the distribution's
shape. The sketch depends on the set of edges alone: any order, split, merge tree and repetition gives the same bytes. At the same
memory `sketches.triest` varies less: it counts a triangle when two of its edges are in the sample. Memory: 32 bytes an edge.

References: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007 (why the threshold may be taken as given); Tsourakakis,
Kang, Miller and Faloutsos, "DOULION: counting triangles in massive graphs with a coin", KDD 2009 (the scaling).
"""

from __future__ import annotations

import heapq
from typing import Any, ClassVar, Self

import msgspec

from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.edges import BYTES_PER_EDGE, Edge, Edges, Ends, Neighbours, all_ends, chebyshev, edge_hash, ends_of, refuse_size
from sketches.hashing import HASH_NAME, Item, hash_item

__all__ = ["MergeableTriangles"]

_ALL_HASHES = 2.0**64


class _Parameters(Parameters, frozen=True, kw_only=True):
    memory_edges: int
    seed: int


class MergeableTriangles(Sketch):
    """Triangles of the set of edges seen, from those with the smallest hashes.

    >>> from itertools import combinations
    >>> ring = MergeableTriangles(memory_edges=1000, seed=1)
    >>> ring.update_batch(list(combinations(["ann", "bob", "cid", "dan"], 2)))
    >>> ring.update(("bob", "ann"))  # known
    >>> ring.estimate(), ring.local("ann"), ring.edges()
    (4.0, 3.0, 6.0)
    """

    __slots__ = ("_heap", "_kept")

    kind: ClassVar[bytes] = b"MTRI"
    repeats: ClassVar[Repeats] = Repeats.HARMLESS
    hash_name: ClassVar[str] = HASH_NAME
    parameter_type: ClassVar[type[Parameters]] = _Parameters

    parameters: _Parameters

    def __init__(self, *, memory_edges: int, seed: int = 0) -> None:
        """Start with no edge.

        Args:
            memory_edges: edges kept, 6 to 16,777,216.
            seed: of the hashes; sketches merge only if they share it.
        """
        refuse_size(memory_edges)
        super().__init__(_Parameters(memory_edges=memory_edges, seed=seed))
        self._kept: dict[int, Ends] = {}
        # The largest hash on top, so that the next to leave is at hand: heapq is a min-heap, hence the negation.
        self._heap: list[int] = []

    @property
    def _full(self) -> bool:
        # One more than asked for: the last one is the threshold, and the sketch is exact while there is none.
        return len(self._heap) > self.parameters.memory_edges

    def update(self, item: Edge) -> None:
        """Take one edge; a loop is left out.

        Raises:
            SketchMismatchError: not a pair of nodes.
        """
        self._take(ends_of(item, self.parameters.seed))

    def update_batch(self, column: Edges) -> None:
        """Take many edges."""
        for ends in all_ends(column, self.parameters.seed):
            self._take(ends)

    def _take(self, edge: Ends) -> None:
        if edge[0] != edge[1]:
            self._offer(edge_hash(edge), edge)

    def _offer(self, key: int, edge: Ends) -> None:
        if key in self._kept or (self._full and key > -self._heap[0]):
            return
        self._kept[key] = edge
        if self._full:
            del self._kept[-heapq.heapreplace(self._heap, -key)]
        else:
            heapq.heappush(self._heap, -key)

    def _sample(self) -> tuple[float, list[Ends]]:
        """Return the chance of an edge to be kept, and the edges below the threshold."""
        if not self._full:
            return 1.0, list(self._kept.values())
        threshold = -self._heap[0]
        return (threshold + 1) / _ALL_HASHES, [edge for key, edge in self._kept.items() if key != threshold]

    def estimate(self) -> float:
        """Return the estimated number of triangles."""
        share, edges = self._sample()
        return Neighbours(edges).triangles(edges)[0] / share**3

    def local(self, node: Item) -> float:
        """Return the estimated number of triangles at one node."""
        share, edges = self._sample()
        return Neighbours(edges).at(hash_item(node, self.parameters.seed)) / share**3

    def edges(self) -> float:
        """Return the estimated number of distinct edges; its standard error is about 1 / sqrt(memory_edges) of it."""
        share, edges = self._sample()
        return len(edges) / share

    def bounds(self, *, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the number of triangles, by Chebyshev; exact while every edge is kept."""
        share, edges = self._sample()
        triangles, pairs = Neighbours(edges).triangles(edges)
        return chebyshev(triangles / share**3, share**-3 - 1.0, 2.0 * pairs / share**5 * (1.0 / share - 1.0), confidence)

    def _join(self, other: Self) -> None:
        for key, edge in other._kept.items():
            self._offer(key, edge)

    def _content(self) -> object:
        return [self._kept[key] for key in sorted(self._kept)]

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        sketch = cls(memory_edges=parameters.memory_edges, seed=parameters.seed)
        edges = msgspec.msgpack.decode(content, type=list[Ends])
        if len(edges) > parameters.memory_edges + 1:
            raise ValueError("more edges than memory")
        for edge in edges:
            sketch._take(edge)
        return sketch

    @property
    def memory_bytes(self) -> int:
        """Bytes of the edges and of their hashes."""
        return BYTES_PER_EDGE * len(self._kept) + 24

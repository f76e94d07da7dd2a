"""TRIEST: the triangles of a graph whose edges arrive as a stream, in all and at one node, from a uniform sample of M edges.

Theory: a reservoir keeps a uniform sample of M of the t edges seen. `base` scales the triangles of the sample by the chance that all their
edges are in it. `improved` adds, for every edge that arrives, the triangles that it closes with two sampled edges, before it decides
whether to keep it, and takes nothing back:

    base       xi * (triangles of the sample),                   xi  = max(1, t (t - 1) (t - 2) / (M (M - 1) (M - 2)))
    improved   sum over edges of eta * (triangles it closes),    eta = max(1, (t - 1) (t - 2) / (M (M - 1))), t when the edge arrives

Guarantee: on a stream without repeated edges both are unbiased, and exact while t <= M. With T triangles, of which r pairs share an edge,

    Var <= T (xi - 1) + 2 r (xi (M - 3) (M - 4) / ((t - 3) (t - 4)) - 1)     base
    Var <= T (eta - 1) + 2 r (t - 1 - M) / M                                 improved

and `bounds` is Chebyshev's interval: all T whose estimate is within sqrt(Var(T) / (1 - confidence)). It knows r only from the sample, so
its confidence is as good as that estimate of r; in exchange it supposes nothing of the shape of the distribution.

What is exact and what is not. An edge that the sample holds is left out, and so are loops; an edge that comes again after it left the
sample is taken for a new one. A merge supposes that the two streams share no edge. While one of the two holds all its edges these simply
stream in, as if they came last; otherwise the merge draws the uniform sample of both streams together, and `improved` starts anew from the
base estimate of that sample: unbiased, but from there on with base's variance. Where edges repeat, or parts must give the same bytes as the
whole, take `sketches.triangles`. Memory: 32 bytes an edge.

Reference: De Stefani, Epasto, Riondato and Upfal, "TRIEST: counting local and global triangles in fully-dynamic streams with fixed memory
size", KDD 2016.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec

from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.edges import BYTES_PER_EDGE, Edge, Edges, Ends, Neighbours, all_ends, chebyshev, edge_hash, ends_of, refuse_size
from sketches.hashing import HASH_NAME, Item, hash_item, mix64

__all__ = ["Triest"]

_STEP, _SIDE = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03


class _Parameters(Parameters, frozen=True, kw_only=True):
    memory_edges: int
    improved: bool
    seed: int


class _Saved(msgspec.Struct, array_like=True):
    seen: int
    counted: float
    joined: bool
    edges: list[Ends]


class Triest(Sketch):
    """Triangles from a reservoir of edges; `improved` varies far less than base at the same memory.

    >>> from itertools import combinations
    >>> ring = Triest(memory_edges=1000, seed=1)
    >>> ring.update_batch(list(combinations(["ann", "bob", "cid", "dan"], 2)))
    >>> ring.estimate(), ring.local("ann"), ring.bounds()
    (4.0, 3.0, Bounds(low=4.0, high=4.0))
    """

    __slots__ = ("_counted", "_edges", "_joined", "_near", "_seen")

    kind: ClassVar[bytes] = b"TRST"
    repeats: ClassVar[Repeats] = Repeats.COUNTED
    hash_name: ClassVar[str] = HASH_NAME
    parameter_type: ClassVar[type[Parameters]] = _Parameters

    parameters: _Parameters

    def __init__(self, *, memory_edges: int, improved: bool = True, seed: int = 0) -> None:
        """Start with no edge.

        Args:
            memory_edges: edges kept, 6 to 16,777,216.
            improved: count at arrival (the paper's TRIEST-IMPR), or only what the sample holds (TRIEST-BASE).
            seed: of the draws; sketches merge only if they share it.
        """
        refuse_size(memory_edges)
        super().__init__(_Parameters(memory_edges=memory_edges, improved=improved, seed=seed))
        self._seen = 0
        # Base counts the sample's triangles, improved the estimate itself.
        self._counted = 0.0
        self._joined = False
        self._edges: list[Ends] = []
        self._near = Neighbours()

    def update(self, item: Edge) -> None:
        """Take one edge; a loop, or an edge that the sample holds, is left out.

        Raises:
            SketchMismatchError: not a pair of nodes.
        """
        self._take(ends_of(item, self.parameters.seed))

    def update_batch(self, column: Edges) -> None:
        """Take many edges in order."""
        for ends in all_ends(column, self.parameters.seed):
            self._take(ends)

    def _take(self, edge: Ends) -> None:
        if edge[0] == edge[1] or edge in self._near:
            return
        size = self.parameters.memory_edges
        if self.parameters.improved:
            closed = self._near.closed_by(edge)
            if closed:
                self._counted += closed * max(1.0, self._seen * (self._seen - 1) / (size * (size - 1)))
        self._seen += 1
        # The edge is part of the draw: parts of a stream share seed and positions, and must not draw alike.
        place = len(self._edges) if self._seen <= size else _draw(edge_hash(edge) ^ hash_item(self._seen, self.parameters.seed), self._seen)
        if place < size:
            self._keep(edge, place)

    def _keep(self, edge: Ends, place: int) -> None:
        if place >= len(self._edges):
            self._edges.append(edge)
        else:
            left, self._edges[place] = self._edges[place], edge
            self._near.remove(left)
            if not self.parameters.improved:
                self._counted -= self._near.closed_by(left)
        if not self.parameters.improved:
            self._counted += self._near.closed_by(edge)
        self._near.add(edge)

    @property
    def _scale(self) -> float:
        """One over the chance that three edges are all in the sample."""
        seen, size = self._seen, self.parameters.memory_edges
        return max(1.0, seen * (seen - 1) * (seen - 2) / (size * (size - 1) * (size - 2)))

    def estimate(self) -> float:
        """Return the estimated number of triangles."""
        return self._counted if self.parameters.improved else self._counted * self._scale

    def local(self, node: Item) -> float:
        """Return the estimated number of triangles at one node, from the sample.

        It is base's formula in both kinds: improved's own needs a number for every node that was ever in a triangle.
        """
        return self._near.at(hash_item(node, self.parameters.seed)) * self._scale

    def bounds(self, *, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the number of triangles, by Chebyshev with the paper's variance."""
        seen, size, pairs = self._seen, self.parameters.memory_edges, self._near.triangles(self._edges)[1]
        if seen <= size:
            return chebyshev(self.estimate(), 0.0, 0.0, confidence)
        shared = self._scale * (size - 3) * (size - 4) / ((seen - 3) * (seen - 4))
        all_pairs = pairs * self._scale * (seen - 3) * (seen - 4) / ((size - 3) * (size - 4))
        if self.parameters.improved and not self._joined:
            alone = (seen - 1) * (seen - 2) / (size * (size - 1)) - 1.0
            return chebyshev(self.estimate(), alone, 2.0 * all_pairs * (seen - 1 - size) / size, confidence)
        return chebyshev(self.estimate(), self._scale - 1.0, 2.0 * all_pairs * (shared - 1.0), confidence)

    def _join(self, other: Self) -> None:
        size = self.parameters.memory_edges
        if other._seen <= size:
            for edge in other._edges:
                self._take(edge)
        elif self._seen <= size:
            own = self._edges
            self._become(other.clone())
            for edge in own:
                self._take(edge)
        else:
            self._sample_both(other)

    def _become(self, other: Self) -> None:
        self._seen, self._counted, self._joined = other._seen, other._counted, other._joined
        self._edges, self._near = other._edges, other._near

    def _sample_both(self, other: Self) -> None:
        """Draw the sample of both streams from the two samples: each next edge comes from a stream as often as it has edges left."""
        sides, left = [list(self._edges), list(other._edges)], [self._seen, other._seen]
        state = mix64(_digest(self._edges) ^ mix64(_digest(other._edges)) ^ hash_item(left[0], self.parameters.seed))
        chosen: dict[Ends, None] = {}
        while len(chosen) < self.parameters.memory_edges and any(sides):
            state = mix64(state + _STEP & 2**64 - 1)
            side = int(_draw(state, sum(left)) >= left[0])
            if not sides[side]:
                side = 1 - side
            place = _draw(mix64(state ^ _SIDE), len(sides[side]))
            sides[side][place], sides[side][-1] = sides[side][-1], sides[side][place]
            chosen[sides[side].pop()] = None
            left[side] -= 1
        self._edges, self._near = list(chosen), Neighbours(chosen)
        self._seen, self._joined = self._seen + other._seen, True
        triangles = self._near.triangles(self._edges)[0]
        self._counted = triangles * self._scale if self.parameters.improved else float(triangles)

    def _content(self) -> object:
        return [self._seen, self._counted, self._joined, self._edges]

    @classmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        sketch = cls(memory_edges=parameters.memory_edges, improved=parameters.improved, seed=parameters.seed)
        saved = msgspec.msgpack.decode(content, type=_Saved)
        if len(saved.edges) > min(saved.seen, parameters.memory_edges):
            raise ValueError("more edges kept than seen")
        sketch._seen, sketch._counted, sketch._joined = saved.seen, saved.counted, saved.joined
        sketch._edges, sketch._near = saved.edges, Neighbours(saved.edges)
        return sketch

    @property
    def memory_bytes(self) -> int:
        """Bytes of the edges and of their neighbour lists."""
        return BYTES_PER_EDGE * len(self._edges) + 24


def _draw(hashed: int, size: int) -> int:
    """Return a number from 0 to size - 1 from 64 random bits; its bias is below size / 2^64."""
    return hashed * size >> 64


def _digest(edges: list[Ends]) -> int:
    state = 0
    for edge in edges:
        state = mix64(state ^ edge_hash(edge))
    return state

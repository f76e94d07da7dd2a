"""Chapters on triangles: two items are neighbours where one follows the other in the stream.

Guarantee: each chapter is a function of the stream and the seed.

References: De Stefani, Epasto, Riondato and Upfal, KDD 2016; Tsourakakis, Kang, Miller and Faloutsos, KDD 2009.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from sketches.contract import Sketch
from sketches.course.chapter import Chapter
from sketches.course.stream import Stream
from sketches.course.study import Study
from sketches.triangles import MergeableTriangles
from sketches.triest import Triest

__all__ = ["CHAPTERS"]

_PART = "Graphs"
_MOST_EDGES = 8_000
_EDGE_BYTES = 16


def _edges(stream: Stream) -> list[tuple[int, int]]:
    """Return the distinct edges in the order in which they first came."""
    found: dict[tuple[int, int], None] = {}
    for one, two in pairwise(stream.codes.tolist()):
        if one != two:
            found[min(one, two), max(one, two)] = None
            if len(found) == _MOST_EDGES:
                break
    return list(found)


def _triangles(edges: list[tuple[int, int]]) -> Callable[[int], float]:
    """Return the exact number of triangles of the first n edges, as a function of n."""
    near: dict[int, set[int]] = {}
    counts, count = [0], 0
    for one, two in edges:
        around, other = near.setdefault(one, set()), near.setdefault(two, set())
        count += len(around & other)
        around.add(two)
        other.add(one)
        counts.append(count)
    return lambda events: float(counts[events])


def _study(stream: Stream, seed: int, make: Callable[[int, int], Sketch]) -> Study[Sketch]:
    """Return the study of a sketch that `make` builds for a number of edges and a seed."""
    edges = _edges(stream)
    return Study(
        what="triangles",
        axis="triangles",
        unit="edges",
        make=make,
        size=2_000,
        sizes=(500, 1_000, 2_000, 4_000),
        size_name="edges kept",
        items=edges,
        seed=seed,
        truth=_triangles(edges),
        exact_bytes=lambda events: _EDGE_BYTES * events,
        trial=_MOST_EDGES,
    )


def _triest(stream: Stream, seed: int) -> Chapter:
    study = _study(stream, seed, lambda size, run: Triest(memory_edges=size, seed=run))
    return Chapter(
        id="triest",
        part=_PART,
        title="TRIÈST",
        theory="From a uniform sample of M edges, each new edge adds the triangles that it closes with two sampled ones, weighted by one "
        "over the chance that both are in the sample.",
        guarantee="unbiased, exact up to M edges; Var ≤ T (η - 1) + 2 r (t - 1 - M) / M; the bounds are Chebyshev's",
        reference="De Stefani, Epasto, Riondato and Upfal, “TRIÈST”, KDD 2016; MMDS 10.7.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _mergeable(stream: Stream, seed: int) -> Chapter:
    study = _study(stream, seed, lambda size, run: MergeableTriangles(memory_edges=size, seed=run))
    return Chapter(
        id="mergeable-triangles",
        part=_PART,
        title="Mergeable triangles",
        theory="The edges with the smallest hashes are kept, the same ones in every part and repetition of the stream; a triangle is "
        "sampled when its three hashes lie below the threshold p.",
        guarantee="T = (triangles of the sample) / p³ is unbiased; Var = T (E[p⁻³] - 1) + 2 r (E[p⁻¹] - 1)",
        reference="Tsourakakis, Kang, Miller and Faloutsos, “DOULION”, KDD 2009; Cohen and Kaplan, PODC 2007.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


CHAPTERS = (_triest, _mergeable)

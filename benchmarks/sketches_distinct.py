"""How fast distinct items are counted, values ranked and triangles found on one core, each beside its peer in the same run.

The peer of `HyperLogLog` is the `hll_sketch` of Apache DataSketches (2^12 registers too), which takes one item per call from Python; ours
takes the column. Text comes as a list of names, integers as an array (ours) and as a list of Python's integers (the peer). The peer of
`KllQuantiles` takes the same array at once. Times are CPU times of the process, best of five, taken in turns, so that other work on the
machine does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from datasketches import hll_sketch, kll_doubles_sketch

from benchmarks.figures import Figure
from sketches.flajolet_martin import FlajoletMartin
from sketches.hashing import hash_column
from sketches.hyperloglog import HyperLogLog
from sketches.quantiles import KllQuantiles
from sketches.triangles import MergeableTriangles
from sketches.triest import Triest

__all__ = ["figures"]

_ITEMS = 1_000_000
_EDGES = 100_000
_REPEATS = 5


def _rates(*works: Callable[[], int]) -> list[float]:
    """Return the best rate of each of some works in items per second, run in turns."""
    best = [0.0] * len(works)
    for _ in range(_REPEATS):
        for place, work in enumerate(works):
            began = time.process_time()
            count = work()
            best[place] = max(best[place], count / (time.process_time() - began))
    return best


def _peer(items: list[str] | list[int]) -> int:
    update = hll_sketch(12).update
    for item in items:
        update(item)
    return len(items)


def _distinct() -> list[Figure]:
    names = [f"device-{number}" for number in range(_ITEMS)]
    numbers = np.arange(_ITEMS)
    listed: list[int] = numbers.tolist()

    def ours(column: list[str] | np.ndarray) -> int:
        HyperLogLog(precision=12, seed=1).update_batch(column)
        return _ITEMS

    def maps() -> int:
        FlajoletMartin(maps=512, seed=1).update_batch(numbers)
        return _ITEMS

    def hashes() -> int:
        return sum(len(hash_column(names[start : start + 2**16], 1)) for start in range(0, _ITEMS, 2**16))

    text, peer_text, hashed = _rates(lambda: ours(names), lambda: _peer(names), hashes)
    whole, peer_whole, mapped = _rates(lambda: ours(numbers), lambda: _peer(listed), maps)
    ratio = round(min(text / peer_text, whole / peer_whole), 2)
    return [
        Figure("hll.text_per_s", round(text), "items/s", ">= 1.5x datasketches", "hll_sketch.update", round(text / peer_text, 2)),
        Figure("hll.integers_per_s", round(whole), "items/s", ">= 1.5x datasketches", "hll_sketch.update", round(whole / peer_whole, 2)),
        Figure("hll.update_ratio_to_datasketches", ratio, "x", ">= 1.5"),
        Figure("hll.hashing_of_text_per_s", round(hashed), "items/s", "what bounds hll.text_per_s"),
        Figure("flajolet_martin.integers_per_s", round(mapped), "items/s", ">= 10000000"),
    ]


def _quantiles() -> list[Figure]:
    values = np.random.Generator(np.random.Philox(1)).normal(size=_ITEMS)

    def ours() -> int:
        KllQuantiles(k=200, seed=1).update_batch(values)
        return _ITEMS

    def peer() -> int:
        kll_doubles_sketch(200).update(values)
        return _ITEMS

    own, theirs = _rates(ours, peer)
    return [Figure("kll.values_per_s", round(own), "values/s", ">= 5000000", "kll_doubles_sketch.update", round(own / theirs, 2))]


def _triangles() -> list[Figure]:
    nodes = np.random.Generator(np.random.Philox(1)).integers(0, 5_000, size=_EDGES + 1).tolist()
    edges = list(pairwise(nodes))

    def triest() -> int:
        Triest(memory_edges=10_000, seed=1).update_batch(edges)
        return _EDGES

    def mergeable() -> int:
        MergeableTriangles(memory_edges=10_000, seed=1).update_batch(edges)
        return _EDGES

    own, other = _rates(triest, mergeable)
    return [
        Figure("triest.edges_per_s", round(own), "edges/s", ">= 50000"),
        Figure("mergeable_triangles.edges_per_s", round(other), "edges/s", ">= 50000"),
    ]


def figures() -> list[Figure]:
    """Measure everything."""
    return [*_distinct(), *_quantiles(), *_triangles()]

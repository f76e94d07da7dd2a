"""What counting triangles promises, at a stated chance of a false alarm; networkx counts the truth."""

from __future__ import annotations

import functools
from itertools import combinations
from typing import Any

import networkx
import numpy as np
import pytest
from numpy.typing import NDArray

from sketches.triangles import MergeableTriangles
from sketches.triest import Triest

SEEDS, MEMORY = 300, 500
KINDS: dict[str, Any] = {
    "improved": lambda seed: Triest(memory_edges=MEMORY, seed=seed),
    "base": lambda seed: Triest(memory_edges=MEMORY, improved=False, seed=seed),
    "mergeable": lambda seed: MergeableTriangles(memory_edges=MEMORY, seed=seed),
}


@functools.cache
def graph() -> tuple[NDArray[np.int64], int, int, int]:
    """Return the edges of a clustered power-law graph in a mixed order, its triangles, its busiest node and the triangles at it."""
    made = networkx.powerlaw_cluster_graph(250, 6, 0.7, seed=5)
    at = networkx.triangles(made)
    busiest = max(at, key=lambda node: at[node])
    edges = np.array(list(made.edges))
    return edges[np.random.Generator(np.random.Philox(1)).permutation(len(edges))], sum(at.values()) // 3, busiest, at[busiest]


@functools.cache
def runs(kind: str, parts: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return estimates in all and at the busiest node under seeds 0..299, and how many intervals of 80 % hold the truth.

    Two parts are 37 % and 63 % of the edges in the order in which the graph grew, so that most triangles lie within one part and a merge
    that drew as often from one as from the other would be off.
    """
    edges, truth, busiest, _ = graph()
    pieces = [edges]
    if parts == 2:
        grown = edges[np.argsort(edges.max(axis=1), kind="stable")]
        pieces = [grown[: len(edges) * 37 // 100], grown[len(edges) * 37 // 100 :]]
    estimates, local, held = [], [], 0
    for seed in range(SEEDS):
        sketch = KINDS[kind](seed)
        for part in pieces:
            another = KINDS[kind](seed)
            another.update_batch(part)
            sketch.merge(another)
        estimates.append(sketch.estimate())
        local.append(sketch.local(busiest))
        held += truth in sketch.bounds(confidence=0.8)
    return np.array(estimates), np.array(local), held


def deviations(estimates: NDArray[np.float64], truth: float) -> float:
    """Return how many standard errors the mean of the estimates is off."""
    return float(abs(estimates.mean() - truth) / (estimates.std(ddof=1) / np.sqrt(len(estimates))))


def test_the_graph_is_larger_than_the_sample_and_has_many_triangles() -> None:
    """No chance: 1,464 edges against 500 kept."""
    edges, truth, _, at = graph()
    assert len(edges) > 2.5 * MEMORY
    assert truth > 1000
    assert at > 100


@pytest.mark.parametrize(
    ("kind", "parts"), [("improved", 1), ("base", 1), ("mergeable", 1), ("improved", 2), ("base", 2), ("mergeable", 2)]
)
def test_triangles_are_unbiased(kind: str, parts: int) -> None:
    """N = 300 seeds (0..299): the mean of 300 is normal, beyond 5.5 standard errors (t of 299 degrees) with probability 8e-8; 6 cases.

    Two parts hold 541 and 923 edges, more than the sample: their merge draws from two full reservoirs.
    """
    assert deviations(runs(kind, parts)[0], graph()[1]) <= 5.5


@pytest.mark.parametrize("kind", KINDS)
def test_single_estimates_are_within_three_deviations_nearly_always(kind: str) -> None:
    """N = 300 seeds: 99 % and more are within 3 deviations of the truth; over 16 of 300 outside has probability 1e-8 (binomial at 1 %)."""
    estimates, truth = runs(kind)[0], graph()[1]
    assert np.sum(np.abs(estimates - truth) > 3.0 * estimates.std(ddof=1)) <= 16


@pytest.mark.parametrize("kind", KINDS)
def test_triangles_at_a_node_are_unbiased(kind: str) -> None:
    """N = 300 seeds: 5.5 standard errors, 8e-8, for the node with the most triangles."""
    assert deviations(runs(kind)[1], graph()[3]) <= 5.5


@pytest.mark.parametrize(("kind", "parts"), [("improved", 1), ("base", 1), ("mergeable", 1), ("improved", 2), ("base", 2)])
def test_intervals_hold_the_truth(kind: str, parts: int) -> None:
    """N = 300 seeds, 80 %: fewer than 200 hold with probability exp(-300 KL(2/3, 0.8)) = 4e-7 (Chernoff); Chebyshev's hold far more."""
    assert runs(kind, parts)[2] >= 200


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: Triest(memory_edges=14, seed=seed),
        lambda seed: Triest(memory_edges=14, improved=False, seed=seed),
        lambda seed: MergeableTriangles(memory_edges=14, seed=seed),
    ],
    ids=KINDS,
)
def test_a_small_sample_is_unbiased_too(make: Any) -> None:
    """N = 2,000 seeds (0..1999), half of the 28 edges of a complete graph with 56 triangles: 5.5 standard errors, 4e-8.

    One edge too many in a sample of 14 would be 3/14 of the truth, over 10 standard errors.
    """
    edges = list(combinations(range(8), 2))
    found = []
    for seed in range(2000):
        sketch = make(seed)
        sketch.update_batch(edges)
        found.append(sketch.estimate())
    assert deviations(np.array(found), 56.0) <= 5.5


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_say_something(kind: str) -> None:
    """N = 1 seed: an interval of 80 % is narrower than three times the truth; its width varies little, as the sample is large."""
    sketch = KINDS[kind](1)
    sketch.update_batch(graph()[0])
    low, high = sketch.bounds(confidence=0.8)
    assert high - low < 3.0 * graph()[1]


def test_counting_at_arrival_halves_the_deviation() -> None:
    """N = 300 seeds each: the ratio of two variances is F of 299 degrees, its logarithm normal with a deviation of sqrt(4 / 299) = 0.12.

    The ratio is near 1/5 here; 1/2 is 0.9 above it, 7 deviations: 1e-12.
    """
    assert runs("improved")[0].var() <= 0.5 * runs("base")[0].var()

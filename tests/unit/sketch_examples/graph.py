"""Sketches of graphs."""

from __future__ import annotations

from itertools import combinations

from sketches.triangles import MergeableTriangles
from sketches.triest import Triest
from tests.unit.sketch_examples.example import Example

# A complete graph of 70 nodes, 2,415 edges and 54,740 triangles, its edges in an order that mixes them.
COMPLETE = list(combinations([f"person-{number}" for number in range(70)], 2))
EDGES = [COMPLETE[number * 997 % len(COMPLETE)] for number in range(len(COMPLETE))]


def as_good(merged: Triest, whole: Triest) -> bool:
    """Say whether merged parts and the whole both hold the truth in bounds that say something."""
    truth = 70 * 69 * 68 / 6
    merged_bounds, whole_bounds = merged.bounds(confidence=0.99), whole.bounds(confidence=0.99)
    return truth in merged_bounds and truth in whole_bounds and 0.0 < merged.estimate() < 3.0 * truth


EXAMPLES = [
    Example(
        "triest-improved",
        lambda: Triest(memory_edges=400, seed=3),
        lambda: Triest(memory_edges=400, seed=4),
        EDGES,
        as_good,
        most_bytes=400 * 32 + 24,
        is_column=False,
    ),
    Example(
        "triest-base",
        lambda: Triest(memory_edges=400, improved=False, seed=3),
        lambda: Triest(memory_edges=400, improved=True, seed=3),
        EDGES,
        as_good,
        most_bytes=400 * 32 + 24,
        is_column=False,
    ),
    Example(
        "mergeable-triangles",
        lambda: MergeableTriangles(memory_edges=400, seed=3),
        lambda: MergeableTriangles(memory_edges=401, seed=3),
        EDGES,
        most_bytes=401 * 32 + 24,
        is_column=False,
    ),
]

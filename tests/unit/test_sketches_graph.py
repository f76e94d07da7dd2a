from __future__ import annotations

import math
from itertools import combinations, pairwise

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.contract import Bounds
from sketches.triangles import MergeableTriangles
from sketches.triest import Triest
from veilocity.errors import SketchMismatchError, StateError

EDGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=60)
EVERY = [
    lambda size=1000, seed=1: Triest(memory_edges=size, seed=seed),
    lambda size=1000, seed=1: Triest(memory_edges=size, improved=False, seed=seed),
    lambda size=1000, seed=1: MergeableTriangles(memory_edges=size, seed=seed),
]
EACH = pytest.mark.parametrize("make", EVERY, ids=["improved", "base", "mergeable"])


def complete(nodes: int) -> list[tuple[int, int]]:
    edges = list(combinations(range(nodes), 2))
    return [edges[place] for place in np.random.Generator(np.random.Philox(1)).permutation(len(edges))]


@EACH
@given(edges=EDGES)
def test_while_all_edges_are_kept_every_count_is_exact(make, edges: list[tuple[int, int]]) -> None:  # type: ignore[no-untyped-def]  # each of three
    sketch = make()
    sketch.update_batch(edges)
    graph = networkx.Graph([edge for edge in edges if edge[0] != edge[1]])
    at = networkx.triangles(graph)
    truth = sum(at.values()) / 3
    assert sketch.estimate() == truth
    assert sketch.bounds() == Bounds(truth, truth)
    assert all(sketch.local(node) == count for node, count in at.items())
    assert sketch.local("nobody") == 0.0


@EACH
@given(edges=EDGES, cuts=st.lists(st.integers(0, 60), max_size=3))
def test_merging_exact_parts_is_exact(make, edges: list[tuple[int, int]], cuts: list[int]) -> None:  # type: ignore[no-untyped-def]  # each of three
    whole, merged = make(), make()
    whole.update_batch(edges)
    ends = [0, *sorted(cuts), len(edges)]
    for start, end in pairwise(ends):
        part = make()
        part.update_batch(edges[start:end])
        merged.merge(part)
    assert merged.estimate() == whole.estimate()


@EACH
def test_loops_directions_and_repeats_add_nothing_while_the_edge_is_kept(make) -> None:  # type: ignore[no-untyped-def]  # each of three
    sketch = make()
    sketch.update_batch([("a", "b"), ("b", "c"), ("c", "a")])
    before = sketch.to_bytes()
    sketch.update_batch([("a", "a"), ("b", "a"), ("a", "b"), ("a", "c")])
    assert sketch.to_bytes() == before
    assert sketch.estimate() == 1.0


@EACH
def test_kinds_of_nodes_are_apart(make) -> None:  # type: ignore[no-untyped-def]  # each of three
    sketch = make()
    sketch.update_batch([(1, 1.0), (1.0, "1"), ("1", 1), ("1", b"1")])
    assert sketch.estimate() == 1.0
    assert sketch.local(b"1") == 0.0


@EACH
def test_what_is_no_edge_is_refused(make) -> None:  # type: ignore[no-untyped-def]  # each of three
    sketch = make()
    for wrong in ("ab", b"ab", (1,), (1, 2, 3), 7, {1, 2}, None):
        with pytest.raises(SketchMismatchError, match="pair of nodes"):
            sketch.update(wrong)
    with pytest.raises(SketchMismatchError, match="no stable hash"):
        sketch.update((None, 1))
    assert sketch.to_bytes() == make().to_bytes()
    for size in (5, 0, -1, 2**24 + 1):
        with pytest.raises(SketchMismatchError, match="memory_edges"):
            make(size)


@EACH
def test_an_array_of_two_columns_is_its_edges(make) -> None:  # type: ignore[no-untyped-def]  # each of three
    edges = complete(60)
    listed, array, one_by_one = make(200), make(200), make(200)
    listed.update_batch(edges)
    array.update_batch(np.array(edges))
    for edge in edges:
        one_by_one.update(edge)
    assert listed.to_bytes() == array.to_bytes() == one_by_one.to_bytes()


@EACH
def test_no_triangle_seen_is_no_proof_of_none(make) -> None:  # type: ignore[no-untyped-def]  # each of three
    sketch = make(100)
    sketch.update_batch([("hub", number) for number in range(5000)])
    assert sketch.estimate() == 0.0
    low, high = sketch.bounds()
    assert low == 0.0
    assert high > 1.0


@EACH
def test_more_confidence_is_a_wider_interval_around_the_estimate(make) -> None:  # type: ignore[no-untyped-def]  # each of three
    sketch = make(500)
    sketch.update_batch(complete(60))
    narrow, wide = sketch.bounds(confidence=0.5), sketch.bounds(confidence=0.99)
    assert wide.low < narrow.low < sketch.estimate() < narrow.high < wide.high
    for confidence in (0.0, 1.0, 2.0):
        with pytest.raises(SketchMismatchError, match="between 0 and 1"):
            sketch.bounds(confidence=confidence)


@EACH
def test_more_edges_than_memory_are_refused_in_bytes(make, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]  # each of three
    many = make(500)
    many.update_batch(complete(60))
    content, kind = many._content(), type(many)
    few = make(6)
    monkeypatch.setattr(kind, "_content", lambda _: content)
    with pytest.raises(StateError, match="does not decode"):
        kind.from_bytes(few.to_bytes())


def test_base_counts_the_triangles_of_its_sample() -> None:
    sketch = Triest(memory_edges=300, improved=False, seed=4)
    edges = complete(60)
    for start in range(0, len(edges), 150):
        sketch.update_batch(edges[start : start + 150])
        assert sketch._counted == sketch._near.triangles(sketch._edges)[0]
        again = Triest.from_bytes(sketch.to_bytes())
        assert again._near._of == sketch._near._of
    assert len(sketch._edges) == 300
    assert sketch._seen == len(edges)


def test_the_merge_of_two_reservoirs_is_as_large_as_one_and_says_which_formula_it_is_from() -> None:
    edges = complete(60)
    for improved in (True, False):
        parts = [Triest(memory_edges=300, improved=improved, seed=4) for _ in range(2)]
        parts[0].update_batch(edges[:1000])
        parts[1].update_batch(edges[1000:])
        kept = set(parts[0]._edges) | set(parts[1]._edges)
        parts[0].merge(parts[1])
        assert parts[0]._seen == len(edges)
        assert len(set(parts[0]._edges)) == 300
        assert set(parts[0]._edges) <= kept
        raw = parts[0]._near.triangles(parts[0]._edges)[0]
        total = len(edges)
        assert math.isclose(parts[0].estimate(), raw * total * (total - 1) * (total - 2) / (300 * 299 * 298))


def test_a_complete_reservoir_streams_into_a_full_one_from_either_side() -> None:
    edges = complete(60)
    full, rest, behind = (Triest(memory_edges=300, seed=4) for _ in range(3))
    full.update_batch(edges[:1500])
    rest.update_batch(edges[1500:])
    behind.update_batch(edges[1500:])
    whole = Triest(memory_edges=300, seed=4)
    whole.update_batch(edges)
    behind.merge(full)
    full.merge(rest)
    assert full.to_bytes() == whole.to_bytes() == behind.to_bytes()


def test_reservoirs_with_repeats_shrink_rather_than_count_an_edge_twice() -> None:
    sketch = Triest(memory_edges=300, seed=4)
    sketch.update_batch(complete(60))
    sketch.merge(sketch.clone())
    assert len(sketch._edges) == len(set(sketch._edges)) <= 300
    sketch.update_batch([(number, "new") for number in range(2000)])
    assert len(sketch._edges) == 300


def test_parts_with_one_seed_do_not_draw_alike() -> None:
    """Were the draw of an edge its place in the stream alone, two parts would keep the same places."""
    places = []
    for name in ("a", "b"):
        sketch = Triest(memory_edges=100, seed=4)
        stars = [(name, number) for number in range(2000)]
        sketch.update_batch(stars)
        probe = Triest(memory_edges=2000, seed=4)
        probe.update_batch(stars)
        where = {edge: place for place, edge in enumerate(probe._edges)}
        places.append({where[edge] for edge in sketch._edges})
    assert len(places[0] & places[1]) < 30


def test_the_mergeable_sketch_depends_on_the_set_of_edges_only() -> None:
    edges = complete(60)
    forward, backward, merged = (MergeableTriangles(memory_edges=200, seed=4) for _ in range(3))
    forward.update_batch(edges)
    backward.update_batch([(two, one) for one, two in reversed(edges)] + edges[:500])
    for start in range(0, len(edges), 100):
        part = MergeableTriangles(memory_edges=200, seed=4)
        part.update_batch(edges[start : start + 300])
        merged.merge(part)
    assert forward.to_bytes() == backward.to_bytes() == merged.to_bytes()
    assert len(forward._kept) == 201
    assert sorted(forward._kept) == sorted(-key for key in forward._heap)
    assert 0.8 * len(edges) < forward.edges() < 1.2 * len(edges)


def test_the_mergeable_sketch_is_exact_up_to_its_memory_and_estimates_beyond() -> None:
    edges = complete(60)
    sketch = MergeableTriangles(memory_edges=500, seed=4)
    sketch.update_batch(edges[:500])
    low, high = sketch.bounds()
    assert low == high == sketch.estimate()
    assert sketch.edges() == 500.0
    sketch.update(edges[500])
    low, high = sketch.bounds()
    assert low < high

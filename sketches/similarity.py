"""Alike sets: pairs found by MinHash bands and verified by exact Jaccard similarity, and the groups that pairs connect.

Guarantee: every pair that is returned, or that joins a group, was verified on the sets themselves, so nothing rests on an estimate and no
pair is below the similarity. A pair at or above it is compared with probability at least the stated recall of the bands
(`sketches.minhash.solve_bands`), recall(s) = 1 - (1 - s^r)^b, which `measure_recall` measures on planted pairs. Work is bounded: in a
band, a set is compared with at most `most_neighbours` earlier ones of its bucket (`alike`: 32 distinct ones), so n sets cost at most n
times that a band; how many pairs that left out is returned. Groups are connected components: two members may be less alike than the
similarity if a chain joins them. The answer of `alike` depends on the items only, never on their order.

References: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3; Broder, "Identifying and filtering near-duplicate
documents", CPM 2000; Tarjan, "Efficiency of a good but not linear set union algorithm", J. ACM 22 (1975).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from sketches.contract import Bounds
from sketches.hashing import Item
from sketches.intervals import binomial_bounds
from sketches.lsh import candidate_pairs
from sketches.minhash import recall, signatures, solve_bands
from veilocity.errors import SketchMismatchError

__all__ = ["Group", "MeasuredRecall", "Pair", "SimilarPairs", "alike", "clusters", "jaccard", "measure_recall", "similar_pairs"]

_NEIGHBOURS = 32
_PLACES = 128


class Group(msgspec.Struct, frozen=True):
    """Items that are alike."""

    members: tuple[str, ...]
    """Sorted."""
    features: tuple[str, ...]
    """What all members share, sorted."""
    similarity: float
    """Lowest verified Jaccard similarity of a pair that joined the group."""


class Pair(NamedTuple):
    """Two sets that are alike, by their places in the list of sets."""

    first: int
    second: int
    """Larger than `first`."""
    similarity: float
    """Exact Jaccard similarity."""


class SimilarPairs(NamedTuple):
    """What a join found."""

    pairs: list[Pair]
    """Sorted, each once."""
    expected_recall: float
    """Chance with which a pair exactly at the similarity was compared."""
    compared: int
    """Pairs that were verified exactly."""
    left_out: int
    """Pairs of very large buckets that were not looked at, counted once per band; 0 means that the recall holds for all."""


class MeasuredRecall(NamedTuple):
    """How many planted pairs were found."""

    found: int
    planted: int
    similarity: float
    """Exact Jaccard similarity of each planted pair."""
    expected_recall: float
    """Chance with which each of them had to be found."""
    bounds: Bounds
    """Interval of the true recall, with confidence 0.95."""


def jaccard(first: Collection[Item], second: Collection[Item]) -> float:
    """Return the shared share of two sets, at least one of them not empty.

    >>> jaccard(frozenset("abc"), frozenset("bcd"))
    0.5
    """
    left, right = _as_set(first), _as_set(second)
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)


def similar_pairs(
    sets: Sequence[Collection[Item]],
    similarity: float,
    wanted_recall: float = 0.99,
    places: int = _PLACES,
    seed: int = 1,
    most_neighbours: int = 1000,
) -> SimilarPairs:
    """Return the pairs of sets with at least this Jaccard similarity, each verified exactly.

    Args:
        sets: none of them empty; items are equal when Python calls them equal.
        similarity: Jaccard similarity from which two sets are alike, in (0, 1].
        wanted_recall: chance with which a pair exactly at `similarity` must be found.
        places: length of the signatures.
        seed: of the hash.
        most_neighbours: in a bucket of more sets, each is compared with so many others.

    Raises:
        SketchMismatchError: a set is empty, or no cut into bands reaches the recall.

    >>> found = similar_pairs([set("abcdefgh"), set("uvwxyz"), set("abcdefgx")], similarity=0.7)
    >>> found.pairs, round(found.expected_recall, 4), found.left_out
    ([Pair(first=0, second=2, similarity=0.7777777777777778)], 0.9998, 0)
    """
    bands = solve_bands(similarity, places, wanted_recall)
    used = bands.bands * bands.rows
    candidates = candidate_pairs(signatures(sets, used, seed), bands, most_neighbours)
    known = {place: _as_set(sets[place]) for place in np.union1d(candidates.first, candidates.second).tolist()}
    pairs: list[Pair] = []
    for first, second in zip(candidates.first.tolist(), candidates.second.tolist(), strict=True):
        left, right = known[first], known[second]
        shared = len(left & right)
        likeness = shared / (len(left) + len(right) - shared)
        if likeness >= similarity:
            pairs.append(Pair(first, second, likeness))
    return SimilarPairs(pairs, bands.expected_recall, candidates.first.size, candidates.left_out)


def _as_set(items: Collection[Item]) -> frozenset[Item] | set[Item]:
    if isinstance(items, set | frozenset):
        return items
    return frozenset(items.tolist() if isinstance(items, np.ndarray) else items)


def clusters(pairs: Iterable[tuple[int, int, float]]) -> list[tuple[int, ...]]:
    """Return the connected components of pairs, each sorted, the largest first, then by their first member.

    >>> clusters([Pair(0, 1, 0.8), Pair(5, 6, 0.9), Pair(1, 3, 0.75)])
    [(0, 1, 3), (5, 6)]
    """
    known = list(pairs)
    union = _Union(1 + max((max(first, second) for first, second, _ in known), default=-1))
    for first, second, likeness in known:
        union.join(first, second, likeness)
    found = [tuple(component) for component in union.components() if len(component) > 1]
    return sorted(found, key=lambda component: (-len(component), component))


def measure_recall(
    similarity: float, wanted_recall: float = 0.99, places: int = _PLACES, pairs: int = 1000, union: int = 100, seed: int = 1
) -> MeasuredRecall:
    """Plant pairs of sets and count how many `similar_pairs` finds.

    Args:
        similarity: wanted Jaccard similarity.
        wanted_recall: as for `similar_pairs`.
        places: as for `similar_pairs`.
        pairs: how many are planted.
        union: items in both sets of a pair together; the planted similarity is `similarity` rounded up to a multiple of 1 / union.
        seed: of the hash and of the items, which are other ones for each seed.

    Raises:
        SketchMismatchError: no cut into bands reaches the recall, or nothing is planted.

    >>> measured = measure_recall(0.7)
    >>> measured.similarity, measured.planted, measured.found >= 990
    (0.7, 1000, True)
    """
    if pairs < 1 or union < 1:
        raise SketchMismatchError("plant at least one pair of at least one item")
    # A similarity such as 0.7 is a little off in binary: 70 of 100 must not become 71.
    shared = max(1, math.ceil(similarity * union - 1e-9))
    sets: list[range | list[int]] = []
    for number in range(pairs):
        start = (seed % 2**20 << 40) + number * union
        middle = start + shared + (union - shared) // 2
        sets += [range(start, middle), [*range(start, start + shared), *range(middle, start + union)]]
    wanted = {(2 * number, 2 * number + 1) for number in range(pairs)}
    outcome = similar_pairs(sets, shared / union, wanted_recall, places, seed)
    bands = solve_bands(shared / union, places, wanted_recall)
    found = sum((pair.first, pair.second) in wanted for pair in outcome.pairs)
    expected = recall(shared / union, bands.bands, bands.rows)
    return MeasuredRecall(found, pairs, shared / union, expected, binomial_bounds(found, pairs, 0.95))


def alike(items: Mapping[str, frozenset[str]], similarity: float, wanted_recall: float = 0.99) -> list[Group]:
    """Return the groups of two or more items, largest first, then by their first member.

    Args:
        items: feature set of each item's id.
        similarity: Jaccard similarity from which two items are alike, in (0, 1).
        wanted_recall: chance with which a pair exactly at `similarity` must be found.

    Raises:
        SketchMismatchError: a feature set is empty, or no cut into bands reaches the recall.

    >>> shop = {"a": frozenset("uvwxyz"), "b": frozenset("uvwxyz"), "c": frozenset("123456")}
    >>> [(group.members, group.similarity) for group in alike(shop, similarity=0.7)]
    [(('a', 'b'), 1.0)]
    """
    holders: dict[frozenset[str], list[str]] = {}
    for identity in sorted(items):
        holders.setdefault(items[identity], []).append(identity)
    # One signature per distinct set; sorted by content, because the order of a dict is the order of arrival.
    sets = sorted(holders, key=sorted)
    if not sets:
        return []
    bands = solve_bands(similarity, _PLACES, wanted_recall)
    union = _Union(len(sets))
    candidates = candidate_pairs(signatures(sets, _PLACES), bands, _NEIGHBOURS)
    for first, second in zip(candidates.first.tolist(), candidates.second.tolist(), strict=True):
        if union.find(first) != union.find(second):
            likeness = jaccard(sets[first], sets[second])
            if likeness >= similarity:
                union.join(first, second, likeness)
    groups = [_group(component, sets, holders, union) for component in union.components()]
    return sorted((group for group in groups if len(group.members) > 1), key=lambda group: (-len(group.members), group.members))


def _group(component: list[int], sets: list[frozenset[str]], holders: dict[frozenset[str], list[str]], union: _Union) -> Group:
    members = sorted(identity for index in component for identity in holders[sets[index]])
    shared = frozenset.intersection(*(sets[index] for index in component))
    return Group(tuple(members), tuple(sorted(shared)), union.weakest(component[0]))


class _Union:
    """Disjoint sets that remember the weakest link of each."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))
        self._weakest = [1.0] * size

    def find(self, index: int) -> int:
        parent = self._parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(self, first: int, second: int, likeness: float) -> None:
        kept, gone = sorted((self.find(first), self.find(second)))
        self._parent[gone] = kept
        self._weakest[kept] = min(self._weakest[kept], self._weakest[gone], likeness)

    def weakest(self, index: int) -> float:
        return self._weakest[self.find(index)]

    def components(self) -> list[list[int]]:
        gathered: dict[int, list[int]] = {}
        for index in range(len(self._parent)):
            gathered.setdefault(self.find(index), []).append(index)
        return list(gathered.values())

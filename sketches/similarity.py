"""Groups of alike items: found by MinHash bands, verified by exact Jaccard similarity, joined when connected.

Guarantee: every pair that joins a group was verified, so no group rests on an estimate. A pair at or above the similarity is compared with
probability at least the stated recall of the bands (`sketches.minhash.solve_bands`); a band bucket of more than `_NEIGHBOURS` distinct sets
compares each with its `_NEIGHBOURS` predecessors only, so the work is linear. Groups are connected components: two members may be less
alike than the similarity if a chain joins them. The answer depends on the items only, never on their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.minhash import Bands, signatures, solve_bands

__all__ = ["Group", "alike", "jaccard"]

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


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the shared share of two sets, at least one of them not empty.

    >>> jaccard(frozenset("abc"), frozenset("bcd"))
    0.5
    """
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)


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
    for first, second in _candidates(signatures(sets, _PLACES), bands):
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


def _candidates(rows: NDArray[np.uint32], bands: Bands) -> Iterator[tuple[int, int]]:
    for band in range(bands.bands):
        keys = np.ascontiguousarray(rows[:, band * bands.rows : (band + 1) * bands.rows])
        buckets: dict[bytes, list[int]] = {}
        for index in range(len(keys)):
            buckets.setdefault(keys[index].tobytes(), []).append(index)
        for bucket in buckets.values():
            for place, second in enumerate(bucket):
                for first in bucket[max(0, place - _NEIGHBOURS) : place]:
                    yield first, second


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

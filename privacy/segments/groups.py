"""From groups of people to what may be told of them. Pure; the one function that lets a segment out is `averages`.

Guarantee: every number of a segment is an average over all of its people, who are at least k, or their count; averages are rounded to two
significant digits, shares to hundredths. A group of fewer joins the group whose centre is nearest; where all together are fewer than k,
nothing is told of anybody.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.rounding import nearest
from privacy.segments.behaviour import FEATURES, Matrix
from privacy.segments.clusters import Labels
from veilocity.errors import UnsafeReleaseError

__all__ = ["Group", "averages", "grouped"]

_AMOUNT = FEATURES.index("mean_amount")


class Group(NamedTuple):
    """A segment without a name."""

    people: int
    payments_per_day: float
    mean_amount: float
    night_share: float
    distance_km: float
    online_share: float


def grouped(vectors: Matrix, labels: Labels, k: int) -> list[NDArray[np.int64]]:
    """Return the rows of each group after small ones have joined their nearest; none where all together are fewer than k.

    Args:
        vectors: as k-means compared them.
        labels: number of the group of each row.
        k: fewest people.

    >>> [rows.tolist() for rows in grouped(np.array([[0.0], [0.1], [5.0], [5.1], [7.0]]), np.array([0, 0, 1, 1, 2]), 2)]
    [[0, 1], [2, 3, 4]]
    """
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    groups.sort(key=lambda rows: tuple(vectors[rows].mean(axis=0).tolist()))
    while len(groups) > 1 and min(map(len, groups)) < k:
        place = min(range(len(groups)), key=lambda one: len(groups[one]))
        small = groups.pop(place)
        centre = vectors[small].mean(axis=0)
        near = min(range(len(groups)), key=lambda one: float(np.linalg.norm(vectors[groups[one]].mean(axis=0) - centre)))
        groups[near] = np.sort(np.concatenate([groups[near], small]))
    return [rows for rows in groups if len(rows) >= k]


def averages(features: Matrix, groups: list[NDArray[np.int64]], k: int) -> list[Group]:
    """Return what is told of each group, most payments first.

    Args:
        features: columns as `FEATURES`, in their own units.
        groups: rows of each.
        k: fewest people.

    Raises:
        UnsafeReleaseError: a group has fewer, or two share a person.
    """
    told = np.concatenate(groups) if groups else np.array([], dtype=np.int64)
    if k < 2 or any(len(rows) < k for rows in groups) or len(np.unique(told)) != len(told):
        raise UnsafeReleaseError("a segment failed its proof: nothing of this window was released; please report this")
    return sorted((_average(features[rows]) for rows in groups), key=lambda group: (group[1:], group.people), reverse=True)


def _average(features: Matrix) -> Group:
    people = len(features)
    # An exact sum: rows may come in any order.
    means = [math.fsum(column) / people for column in features.T.tolist()]
    # One large spender must not decide what a segment spends.
    means[_AMOUNT] = math.exp(math.fsum(map(math.log, features[:, _AMOUNT].tolist())) / people)
    per_day, amount, night, distance, online = means
    return Group(people, nearest(per_day), nearest(amount), round(night, 2), nearest(distance), round(online, 2))

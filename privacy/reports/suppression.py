"""Which groups of one window may be told beside its total: those of k people, unless what is left over would be fewer than k.

The total minus all told groups is itself a figure, so the people in the groups that are withheld must be none, or k at least. While they
are fewer, the last told group is withheld too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Group", "told"]


class Group(NamedTuple):
    """One group: what is told of it, and of whom."""

    name: str
    figure: int
    people: frozenset[str]


def told(groups: Sequence[Group], k: int, most: int | None = None) -> tuple[list[Group], int]:
    """Return the groups that may be told, in their order, and how many are withheld because of k.

    Args:
        groups: parts of one total without overlap, the most important first.
        k: fewest people behind a figure.
        most: tell no more than this many; what lies beyond is left over, but not counted as withheld.

    >>> five, six, two = (Group(name, n, frozenset(name * 1 + str(i) for i in range(n))) for name, n in (("a", 5), ("b", 6), ("c", 2)))
    >>> [group.name for group in told([six, five, two], 3)[0]], told([six, five, two], 3)[1]
    (['b'], 2)
    >>> [group.name for group in told([six, five], 3)[0]]
    ['b', 'a']
    """
    crowds = [group for group in groups if len(group.people) >= k]
    few = len(groups) - len(crowds)
    shown = crowds if most is None else crowds[:most]
    names = {group.name for group in shown}
    left = frozenset[str]().union(*(group.people for group in groups if group.name not in names))
    while shown and 0 < len(left) < k:
        *shown, last = shown
        left |= last.people
        few += 1
    return shown, few

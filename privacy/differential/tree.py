"""Running totals with noise: the binary mechanism, for as many windows as come.

Publishing every running total by itself would cost a person epsilon in each of them. Instead sums over dyadic ranges of windows get their
noise once, and every total is put together from few of them. The nodes are those of a Fenwick tree: node n covers the windows
n - lowbit(n) + 1 to n, and the total up to n is the sum of the nodes n, n - lowbit(n), ... A tree of h = 2^m windows has each window in at
most m + 1 nodes, and each total in at most m of them (one at the end), so noise of scale b = c (m + 1) / epsilon on each node gives

    privacy    epsilon for the payments of one person in one window, at most c of them, whatever totals are seen
    error      |total - truth| <= min over 0 < s < 1/B of (ln(2 / beta) - sum of ln(1 - s^2 b_i^2)) / s   with probability 1 - beta,
               b_i the scales of the nodes in it, B the largest: O(c / epsilon log(T)^1.5 sqrt(log(1 / beta)))

A person in n windows loses n epsilon by basic composition: charge `budget` with epsilon for every window, as for any other release.

**Longer than planned.** When a tree of h windows is full, its root stays as one summand and a tree of 2 h windows begins. Each window lies
in one tree only, so epsilon stays what it is for ever, and no horizon has to be guessed; log2(T) roots are added to the error.

**Drawn once.** A node is drawn when its last window is added and remembered in the state; totals are sums of remembered nodes, so asking
again draws nothing. Write `to_bytes` before a total is shown. The state is secret: it holds exact sums of the windows that wait for their
node. Who reads it while it runs sees them (no pan-privacy).

References: Dwork, Naor, Pitassi and Rothblum, "Differential privacy under continual observation", STOC 2010; Chan, Shi and Song, "Private
and continual release of statistics", ACM TISSEC 14 (2011); the bound is Chernoff's with the moment generating
function 1 / (1 - s^2 b^2) of the Laplace law, which lies above that of the discrete one.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import msgspec

from privacy.differential.noise import add_laplace, laplace_variance, scale_for
from privacy.differential.saved import from_saved, to_saved
from veilocity.errors import StateError, UnsafePolicyError

__all__ = ["Total", "Tree", "TreePolicy"]

_KIND = b"DPTR"
_MOST_FIRST = 2**20
_TRIED = 200


class TreePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted, and what it may cost.

    Raises:
        UnsafePolicyError: a figure out of its range; the sentence names it.
    """

    name: str
    epsilon: float
    """Of one person's payments in one window."""
    payments_per_person: int
    """c: what one person changes in one window's count at most (`bounding.kept`)."""
    window_ms: int
    """Width of a window."""
    first_windows: int = 64
    """Windows of the first tree: a power of two."""

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not 0.0 < self.epsilon < math.inf or self.payments_per_person < 1 or self.window_ms < 1:
            raise UnsafePolicyError(f"epsilon, payments_per_person and window_ms of `{self.name}` must be positive and finite")
        if not 1 <= self.first_windows <= _MOST_FIRST or self.first_windows & (self.first_windows - 1):
            raise UnsafePolicyError(f"first_windows of `{self.name}` must be a power of two, at most {_MOST_FIRST:,}")


class Total(NamedTuple):
    """A published running total."""

    value: int
    """May be negative, and may be below an earlier one: the noise is not hidden."""
    standard_error: float
    low: int
    high: int


class Tree(msgspec.Struct, frozen=True):
    """Running totals of a series of windows.

    >>> tree = Tree(TreePolicy(name="payments", epsilon=1.0, payments_per_person=4, window_ms=3_600_000), first_start_ms=0)
    >>> for hour in range(100):
    ...     tree = tree.add(hour * 3_600_000, 1_000)
    >>> shown = tree.total(99 * 3_600_000)
    >>> shown == Tree.from_bytes(tree.to_bytes()).total(99 * 3_600_000), shown.standard_error, shown.high - shown.low
    (True, 75.26, 502)
    """

    policy: TreePolicy
    first_start_ms: int
    """Start of the first window."""
    nodes: tuple[int, ...] = ()
    """Noisy sums, one for each window that was added: that of the node which ends with it."""
    waiting: tuple[int, ...] = ()
    """Exact sums that the next nodes of the present tree are made of; level by level, 0 where there is none."""

    def add(self, window_start_ms: int, count: int) -> Tree:
        """Return the tree with the next window; this very tree where the window is in it, so that a replay draws nothing.

        Args:
            window_start_ms: start of the window after the last one; an empty window is added with 0.
            count: payments in the window, at most `payments_per_person` of one person.

        Raises:
            StateError: not the next window.
        """
        index = self._index(window_start_ms)
        if index < len(self.nodes):
            return self
        if index > len(self.nodes):
            raise StateError("a window was left out of the running total: add every window in order, empty ones with 0")
        size, place = _tree_of(index, self.policy.first_windows)
        waiting = self.waiting if place else ()
        level = _lowest_bit(place + 1)
        exact = count + sum(waiting[:level])
        # The new node takes in all below it; what stands above goes on waiting for a larger one.
        waiting = (*(0 for _ in range(level)), exact, *waiting[level + 1 :]) if place + 1 < size else ()
        noisy = add_laplace([exact], _scale(self.policy, size))[0]
        return msgspec.structs.replace(self, nodes=(*self.nodes, noisy), waiting=waiting)

    def total(self, window_start_ms: int, confidence: float = 0.95) -> Total:
        """Return the sum of all windows up to this one, with noise; always the same for the same window.

        Args:
            window_start_ms: a window that was added.
            confidence: of the interval, by itself; for n totals at once ask for 1 - (1 - confidence) / n.

        Raises:
            StateError: the window was not added.
            UnsafePolicyError: the confidence is not between 0 and 1.
        """
        index = self._index(window_start_ms)
        if index >= len(self.nodes):
            raise StateError("this window was not added yet: add it first")
        parts = _parts(index, self.policy.first_windows)
        value = sum(self.nodes[position] for position, _ in parts)
        scales = tuple(_scale(self.policy, size) for _, size in parts)
        radius = math.floor(_chernoff(scales, confidence))
        error = math.sqrt(math.fsum(laplace_variance(scale) for scale in scales))
        return Total(value, round(error, 2), value - radius, value + radius)

    def to_bytes(self) -> bytes:
        """Return the tree as bytes. Secret: exact sums are in it."""
        return to_saved(_KIND, self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Tree:
        """Return the tree that `to_bytes` wrote.

        Raises:
            StateError: damaged, cut, of another kind or newer.
        """
        return from_saved(_KIND, data, cls)

    def _index(self, window_start_ms: int) -> int:
        index, rest = divmod(window_start_ms - self.first_start_ms, self.policy.window_ms)
        if rest or index < 0:
            raise StateError("this is no window of the running total: check width and first window")
        return index


def _tree_of(index: int, first: int) -> tuple[int, int]:
    """Return how many windows the tree of a window has, and the window's place in it: trees have first, 2 first, 4 first, ... windows."""
    size = first * (1 << ((index // first + 1).bit_length() - 1))
    return size, index - (size - first)


def _parts(index: int, first: int) -> list[tuple[int, int]]:
    """Return position and tree size of every node that the total up to a window is made of."""
    size, place = _tree_of(index, first)
    begin = size - first
    parts = []
    end = place + 1
    while end:
        parts.append((begin + end - 1, size))
        end &= end - 1
    while size > first:
        size //= 2
        # The root of an earlier tree ends where the next one begins.
        parts.append((2 * size - first - 1, size))
    return parts


def _scale(policy: TreePolicy, size: int) -> float:
    """Return the scale of a node: a window is in log2(size) + 1 nodes at most."""
    return scale_for(policy.payments_per_person * size.bit_length(), policy.epsilon)


def _lowest_bit(number: int) -> int:
    return (number & -number).bit_length() - 1


@lru_cache(maxsize=256)
def _chernoff(scales: tuple[float, ...], confidence: float) -> float:
    """Return a bound of the sum of independent Laplace noise; every s gives a valid one, the least of many is taken."""
    if not 0.0 < confidence < 1.0:
        raise UnsafePolicyError("a confidence lies between 0 and 1: correct the policy")
    needed = math.log(2.0 / (1.0 - confidence))
    largest = max(scales)

    def bound(part: float) -> float:
        s = part / largest
        return (needed - math.fsum(math.log1p(-((s * scale) ** 2)) for scale in scales)) / s

    return min(bound((step + 0.5) / _TRIED) for step in range(_TRIED))

"""Which of many overlapping windows may tell their count, so that no difference of two of them speaks of fewer than k people.

Sliding windows overlap, and whoever subtracts one from the next learns what happened in the ten seconds by which they differ. So time is
cut into pieces: a piece ends with the first step after which k distinct people are in it. A window tells its count only when it begins and
ends between two pieces. Then every sum and difference of told counts is made of whole pieces, each of k people or more.

A window in which nothing happened tells 0 in any case: that cuts off a part of a piece in which nobody is, and so leaves the rest of the
piece with all of its people.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

__all__ = ["Pieces"]


class Pieces(msgspec.Struct):
    """The pieces so far; steps in which somebody is are added in order of time.

    >>> pieces = Pieces()
    >>> for start, people in ((0, "ab"), (10, "a"), (40, "c"), (50, "def")):
    ...     pieces.add(start, start + 10, people, k=3)
    >>> [time for time in range(0, 70, 10) if pieces.between(time)]
    [0, 50, 60]
    """

    since_ms: int | None = None
    """Where the piece begins that has too few people yet."""
    waiting: set[str] = set()
    """Who is in it."""
    whole: list[tuple[int, int]] = []
    """Pieces of several steps: where they begin and end."""

    def add(self, start_ms: int, end_ms: int, people: Iterable[str], k: int) -> None:
        """Add a step in which somebody is."""
        self.waiting |= set(people)
        if not self.waiting:
            return
        if self.since_ms is None:
            self.since_ms = start_ms
        if len(self.waiting) >= k:
            if self.since_ms < start_ms:
                self.whole.append((self.since_ms, end_ms))
            self.since_ms, self.waiting = None, set()

    def between(self, time_ms: int) -> bool:
        """Say whether a time lies between two pieces."""
        if self.since_ms is not None and time_ms > self.since_ms:
            return False
        return not any(start_ms < time_ms < end_ms for start_ms, end_ms in self.whole)

    def forget(self, before_ms: int) -> None:
        """Let pieces go that end before every time that is still to be asked for."""
        self.whole = [piece for piece in self.whole if piece[1] > before_ms]

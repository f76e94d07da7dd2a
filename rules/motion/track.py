"""A track: a chain of fixes each of which can be reached from the one before."""

from __future__ import annotations

from rules.motion.limits import MotionLimits
from rules.sight import Sight
from rules.travel import gap_m

__all__ = ["TAIL", "Track", "is_reachable"]

TAIL = 4
"""Newest fixes that a track remembers."""


class Track:
    """One chain: how long it is, since when, and its newest fixes."""

    __slots__ = ("count", "first_ns", "number", "tail")

    def __init__(self, number: int, first_ns: int, count: int, tail: list[Sight]) -> None:
        self.number = number
        self.first_ns = first_ns
        self.count = count
        self.tail = tail

    @property
    def last(self) -> Sight:
        """The newest fix."""
        return self.tail[-1]

    @property
    def span_s(self) -> float:
        """Seconds from the first to the newest fix."""
        return (self.tail[-1].event_ns - self.first_ns) / 1e9

    def add(self, sight: Sight) -> None:
        """Go on with one fix."""
        if not self.count:
            self.first_ns = sight.event_ns
        self.tail.append(sight)
        if len(self.tail) > TAIL:
            del self.tail[0]
        self.count += 1

    def begin_anew(self) -> None:
        """Count from the next fix on: those so far were wrong, but where they were may be gone on from."""
        self.count = 0

    def is_weak(self, limits: MotionLimits) -> bool:
        """Say whether the track is too short to be believed against another one."""
        return self.count < limits.high_fixes or self.span_s < limits.high_s

    def copy(self) -> Track:
        """Return an independent copy."""
        return Track(self.number, self.first_ns, self.count, list(self.tail))


def is_reachable(first: Sight, second: Sight, limits: MotionLimits) -> bool:
    """Say whether a person could have gone from one to the other; jumps below the floor are always reachable.

    >>> is_reachable(Sight(0, 515_000_000, 0, 200), Sight(10**12, 65_000_000, 0, 200), MotionLimits())
    False
    """
    gap = gap_m(first, second)
    if gap < limits.jump_m:
        return True
    elapsed_s = abs(second.event_ns - first.event_ns) / 1e9
    return gap <= (elapsed_s + limits.time_slack_s) * limits.speed_limit_kmh / 3.6

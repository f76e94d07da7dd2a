"""Which windows may be released. Pure: event time decides, and no clock.

Windows are disjoint and aligned to 1970 UTC. One is due when the newest payment of every partition is later than its end by the policy's
delay (but for partitions that are idle, as the policy has it), and when the topic still holds all of it: a partition that Kafka has cut
begins somewhere inside a window, which is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["Extent", "closed_ms", "due", "free"]


class Extent(NamedTuple):
    """What one partition of the topic holds."""

    oldest_ms: int
    newest_ms: int
    is_cut: bool
    """Kafka has deleted older records."""


def due(starts_ms: Iterable[int], extents: Mapping[int, Extent], width_ms: int, delay_ms: int, idle_ms: int) -> list[int]:
    """Return the starts of the windows to release, oldest first.

    Args:
        starts_ms: of windows with payments.
        extents: by partition.
        width_ms: of a window.
        delay_ms: how much later than its end payments of another window must be.
        idle_ms: a partition that is so far behind the newest payment has no more to come.

    >>> due([0, 100, 200], {0: Extent(5, 230, False), 1: Extent(40, 225, True)}, 100, 20, 1_000)
    [100]
    """
    whole_from_ms = max((extent.oldest_ms for extent in extents.values() if extent.is_cut), default=0)
    until_ms = closed_ms([extent.newest_ms for extent in extents.values()], delay_ms, idle_ms)
    return sorted(start for start in set(starts_ms) if start + width_ms <= until_ms and start >= whole_from_ms)


def closed_ms(newest_ms: Iterable[int], delay_ms: int, idle_ms: int) -> int:
    """Return until when nothing more is waited for; below 0 where no partition has a payment.

    Args:
        newest_ms: payment of each partition that has one.
        delay_ms: as `due` has it.
        idle_ms: as `due` has it.

    >>> closed_ms([230, 225], 20, 1_000), closed_ms([5_000, 100], 20, 1_000), closed_ms([], 20, 1_000)
    (205, 4980, -20)
    """
    times = list(newest_ms)
    newest = max(times, default=0)
    return min((time for time in times if newest - time < idle_ms), default=0) - delay_ms


def free(starts_ms: Iterable[int], width_ms: int, released: Mapping[int, int]) -> list[int]:
    """Return the starts of windows that share no moment with a released one: those of another width may.

    Args:
        starts_ms: of windows that are due.
        width_ms: of these.
        released: ends of the released windows, by their starts.

    >>> free([0, 100, 200, 300], 100, {100: 200, 250: 300})
    [0, 300]
    """
    return [start for start in starts_ms if not any(start < end and first < start + width_ms for first, end in released.items())]

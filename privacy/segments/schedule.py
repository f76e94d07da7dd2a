"""Which windows may be released. Pure: event time decides, and no clock.

Windows are disjoint and aligned to 1970 UTC. One is due when the newest payment of every partition is later than its end by the policy's
delay (but for partitions that are idle, as the policy has it), and when the topic still holds all of it: a partition that Kafka has cut
begins somewhere inside a window, which is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["Extent", "due"]


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
    newest_ms = max((extent.newest_ms for extent in extents.values()), default=0)
    awake = [extent.newest_ms for extent in extents.values() if newest_ms - extent.newest_ms < idle_ms]
    whole_from_ms = max((extent.oldest_ms for extent in extents.values() if extent.is_cut), default=0)
    closed_ms = min(awake, default=0) - delay_ms
    return sorted(start for start in set(starts_ms) if start + width_ms <= closed_ms and start >= whole_from_ms)

"""Stale last fix: the track fits without its newest fix, so that one was wrong, and the new one is not a jump."""

from __future__ import annotations

from rules.motion.limits import MotionLimits
from rules.motion.track import Track, is_reachable
from rules.sight import Sight

__all__ = ["is_stale"]


def is_stale(track: Track, sight: Sight, limits: MotionLimits) -> bool:
    """Say whether the newest fix of the track is the odd one: the new one is reachable from one of the three before it.

    The one it is reachable from must be older than the newest by `stale_s`: two fixes in a row at the old place are no accident.
    """
    last = track.last
    return any(
        last.event_ns - older.event_ns >= limits.stale_s * 1e9 and is_reachable(older, sight, limits) for older in reversed(track.tail[:-1])
    )

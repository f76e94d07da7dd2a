"""Glitch, returned: the phone is back on a track it had left, so it was never away."""

from __future__ import annotations

from collections.abc import Sequence

from rules.motion.limits import MotionLimits
from rules.motion.track import Track, is_reachable
from rules.sight import Sight
from rules.travel import gap_m

__all__ = ["track_returned_to"]


def track_returned_to(tracks: Sequence[Track], sight: Sight, limits: MotionLimits) -> int | None:
    """Return the index of the older track that the fix goes on with, the newest first; None where it goes on with none.

    Args:
        tracks: of one phone, the current one last.
        sight: a fix that the current track cannot reach.
        limits: thresholds.

    A track goes on when it was left at most `memory_s` ago, the fix is reachable from it, and much nearer (under half) to it than to the
    current one.
    """
    jump = gap_m(tracks[-1].last, sight)
    for index in range(len(tracks) - 2, -1, -1):
        last = tracks[index].last
        fresh = sight.event_ns - last.event_ns <= limits.memory_s * 1e9
        if fresh and gap_m(last, sight) < jump / 2.0 and is_reachable(last, sight, limits):
            return index
    return None

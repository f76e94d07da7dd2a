"""The thresholds by which tracks are read; defaults as measured on real tracks."""

from __future__ import annotations

import msgspec

__all__ = ["MotionLimits"]


class MotionLimits(msgspec.Struct, frozen=True, gc=False):
    """Thresholds of the causes. Distances in metres, times in seconds, speeds in km/h."""

    speed_limit_kmh: float = 1100.0
    """No airliner over ground is faster (1,050 km/h were seen)."""
    time_slack_s: float = 30.0
    jump_m: float = 50_000.0
    """Shorter jumps are noise of the receiver."""
    high_m: float = 100_000.0
    """Shorter ones are never high."""
    stale_s: float = 60.0
    """A fix may be taken for wrong if the track fits without it and it is this much younger than the one before."""
    memory_s: float = 86_400.0
    """How long a track that was left may be returned to."""
    low_fixes: int = 3
    low_s: float = 60.0
    short_fixes: int = 5
    short_s: float = 300.0
    high_fixes: int = 10
    high_s: float = 600.0
    flight_gap_s: float = 600.0
    flight_m: float = 100_000.0
    switches: int = 6
    switch_window_s: float = 21_600.0
    dispute_s: float = 900.0
    pending_s: float = 3_600.0
    """Longest time for which a jump that nothing confirms or refutes puts the phone's word in doubt."""
    two_sources_s: float = 14 * 86_400.0
    clock_hours: int = 14
    clock_m: float = 2_000.0

"""Two sources: a phone that switches between tracks again and again is two phones under one id."""

from __future__ import annotations

from rules.motion.limits import MotionLimits

__all__ = ["recent_switches"]


def recent_switches(switches: list[int], now_ns: int, limits: MotionLimits) -> list[int]:
    """Return the times of the switches within the window, newest last, no more of them than the cause needs.

    >>> recent_switches([0, 10, 20], 25, MotionLimits(switches=2))
    [10, 20]
    """
    return [at_ns for at_ns in switches if now_ns - at_ns <= limits.switch_window_s * 1e9][-limits.switches :]

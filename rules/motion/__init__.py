"""How a phone's track is read: one small file per cause of a jump, and the fold that asks them in order.

A jump between two fixes that nobody can make is mostly not travel: a stale fix, a glitch that returns, two phones under one id, a clock
that is hours off. Each cause is recognised by what surrounds the jump, and only what none of them explains becomes a finding.
"""

from __future__ import annotations

from rules.motion.limits import MotionLimits
from rules.motion.trace import Jump, Trace

__all__ = ["Jump", "MotionLimits", "Trace"]

"""What the engine is told before it starts: thresholds and the bounds of its memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

from veilocity.contracts import RuleParameters
from veilocity.geo import EARTH_RADIUS_M, SPHERE_ERROR
from veilocity.settings import Settings

__all__ = ["EngineParameters"]

_DEGREE_M = EARTH_RADIUS_M * math.pi / 180.0
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class EngineParameters:
    """Thresholds of the rules, and how long and how finely the past is remembered, in nanoseconds of event time."""

    rule: RuleParameters
    history_ns: int
    """How late an event may be and still be placed exactly."""
    slot_ns: int
    """One fix is remembered for each slot of this length, aligned to 1970."""
    neighbour_limit_ns: int
    """Farthest in time a neighbour may be to judge a payment by it."""

    @classmethod
    def from_settings(cls, settings: Settings) -> EngineParameters:
        """Return the parameters that the settings in force ask for."""
        return cls(
            rule=RuleParameters(
                speed_limit_kmh=settings.rules_speed_limit_kmh,
                minimum_distance_m=settings.rules_minimum_distance_m,
                time_slack_s=settings.rules_time_slack_s,
                default_accuracy_m=settings.rules_default_accuracy_m,
                default_place_accuracy_m=settings.rules_default_place_accuracy_m,
            ),
            history_ns=settings.rules_history_s * _NANOSECONDS,
            slot_ns=settings.rules_slot_s * _NANOSECONDS,
            neighbour_limit_ns=settings.rules_neighbour_limit_s * _NANOSECONDS,
        )

    @property
    def near_e7(self) -> int:
        """Sum of the differences in latitude and longitude (1e-7 degrees) up to which no pair can reach the minimum distance.

        Going along the meridian and then along the parallel is never shorter than the great circle, and a degree of a parallel is never
        longer than a degree of the meridian. Wrapping at 180 degrees only makes the sum too large, which is safe.
        """
        return int(self.rule.minimum_distance_m / (_DEGREE_M * (1.0 - SPHERE_ERROR)) * 1e7) - 1

    def horizon_ns(self, newest_ns: int) -> int:
        """Return the start of the history: an event before it is late.

        Whole slots only, so that a slot is never half inside.

        >>> EngineParameters.from_settings(Settings(rules_history_s=60, rules_slot_s=15)).horizon_ns(100_000_000_000)
        30000000000
        """
        return (newest_ns - self.history_ns) // self.slot_ns * self.slot_ns

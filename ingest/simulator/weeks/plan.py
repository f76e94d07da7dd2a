"""The parameters of a set of labelled weeks."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.simulator.plan import CityPlan
from veilocity.errors import SettingsError

__all__ = ["WeekPlan"]


@dataclass(frozen=True, slots=True)
class WeekPlan:
    """What the weeks are like. The same plan gives the same events and labels.

    Raises:
        SettingsError: a parameter is out of range.
    """

    seed: int = 1
    people: int = 50
    days: int = 7
    """Judged days of each person, after the cold start."""
    cold_days: int = 2
    """Days before them, from which a rule may learn."""
    start_ms: int = 1_764_000_000_000
    """2025-11-24T16:00:00Z; each person's first day begins at the next four in the morning of the home city."""
    confusers_per_person_day: float = 2.6
    """Passing confusers to plant; journeys and lasting ones come on top."""
    episodes_per_fraud: float = 10.0
    """Honest confuser episodes for one fraud."""
    duplicate_chance: float = 0.005
    """Chance that an event arrives twice."""

    def __post_init__(self) -> None:
        if self.seed < 0 or self.people < 1 or self.days < 5 or self.cold_days < 2:
            raise SettingsError("labelled weeks need a seed from 0 up, a person, five judged days and two days of cold start")
        if self.confusers_per_person_day < 0.0 or self.episodes_per_fraud <= 0.0 or not 0.0 <= self.duplicate_chance <= 1.0:
            raise SettingsError("confusers per day cannot be negative, episodes per fraud must be positive and a chance lies in 0..1")

    @property
    def city(self) -> CityPlan:
        """The plan that people, merchants and phones are drawn by: phones record every one to five minutes where they lie still."""
        return CityPlan(
            seed=self.seed, people=self.people, moving_step_s=(15.0, 30.0), still_step_s=(60.0, 240.0), asleep_step_s=(240.0, 300.0)
        )

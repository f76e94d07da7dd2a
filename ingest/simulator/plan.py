"""The parameters of a city: everything that decides its bytes, besides the moment it starts."""

from __future__ import annotations

from dataclasses import dataclass

from veilocity.errors import SettingsError

__all__ = ["CityPlan"]

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class CityPlan:
    """What the city is like. The same plan and start give the same bytes.

    A person depends on `seed` and the person's number alone, so a larger city holds the smaller one of the same seed unchanged.
    The honest life of a person is a function of absolute time: two runs that overlap tell the same story.

    Raises:
        SettingsError: a parameter is out of range.
    """

    seed: int = 7
    people: int = 400
    frauds_per_person_day: float = 0.48
    """Frauds of all kinds. Six in seven are impossible trips: with 400 people one in about 540 s, or in 9 s at 60 times the speed."""
    share_teleport: float = 0.5
    share_atm: float = 0.18
    share_simultaneous: float = 0.12
    share_takeover: float = 0.06
    """What the four shares leave of 1 are near misses: fraud that a person could have walked to."""
    share_phone_off: float = 0.4
    """Card frauds for which the victim's phone is off for 8 to 50 minutes, so that evidence spans minutes and not seconds."""
    opening_fraud: bool = True
    """Put one impossible trip into the first seconds, so that a watcher sees one at once."""
    share_metropolis: float = 0.75
    """People who live in the one metropolis; the others live in far cities."""
    share_travellers: float = 0.25
    """Twelve-day cycles of a person that hold a trip by air."""
    moving_step_s: tuple[float, float] = (15.0, 30.0)
    """Time between two fixes of a moving phone."""
    still_step_s: tuple[float, float] = (60.0, 120.0)
    asleep_step_s: tuple[float, float] = (240.0, 480.0)
    push_period_s: tuple[float, float] = (90.0, 120.0)
    """A phone pushes what it has once in such a period, if it has something."""
    gap_chance: float = 0.04
    """Chance that a phone records nothing for 5 to 30 minutes of an hour."""
    offline_chance: float = 0.01
    """Chance that a phone has no network for 5 to 20 minutes of an hour and sends the backlog afterwards."""
    duplicate_chance: float = 0.005
    """Chance that a push is sent twice."""
    large_shop_visits: int = 0
    """Visits a day to the few large online shops; seven in ten of them end with a payment."""
    browse_chance: float = 0.0
    """Chance that such a visit sends browsing events."""

    @classmethod
    def lively(cls, seed: int = 7, people: int = 400) -> CityPlan:
        """Return the city of the demo: so much happens that figures of k people are usual in the reports.

        Besides the ordinary lives there are large shops, and four times the fraud (docs/reports.md says what that gives).

        >>> CityPlan.lively(people=20).people
        20
        """
        return cls(seed=seed, people=people, frauds_per_person_day=2.0, large_shop_visits=12, browse_chance=0.5)

    def __post_init__(self) -> None:
        chances = (
            self.share_phone_off,
            self.share_metropolis,
            self.share_travellers,
            self.gap_chance,
            self.offline_chance,
            self.duplicate_chance,
            self.browse_chance,
            self.share_teleport + self.share_atm + self.share_simultaneous + self.share_takeover,
        )
        if (
            self.people < 1
            or self.seed < 0
            or self.frauds_per_person_day < 0
            or self.large_shop_visits < 0
            or not all(0.0 <= chance <= 1.0 for chance in chances)
        ):
            raise SettingsError("a city needs at least one person, a seed from 0 up, and shares between 0 and 1")
        steps = (self.moving_step_s, self.still_step_s, self.asleep_step_s, self.push_period_s)
        if not all(1.0 <= low <= high <= 1200.0 for low, high in steps):
            raise SettingsError("the steps and periods of a city lie between 1 s and 1,200 s, the lower one first")

    @property
    def fraud_interval_s(self) -> float:
        """Simulated seconds from one fraud to the next, on average; infinite where there is none.

        >>> CityPlan(people=400, frauds_per_person_day=0.4).fraud_interval_s
        540.0
        """
        frauds_a_day = self.frauds_per_person_day * self.people
        return _DAY_S / frauds_a_day if frauds_a_day else float("inf")

    @property
    def events_per_s(self) -> float:
        """Fixes and payments per simulated second to expect over a whole day (within a fifth; a test holds it).

        A day is taken as 8 h asleep, 14.2 h still and 1.8 h moving, with 4.6 payments.

        >>> round(CityPlan(people=400).events_per_s, 1)
        4.4
        """
        asleep, still, moving = (2.0 / (low + high) for low, high in (self.asleep_step_s, self.still_step_s, self.moving_step_s))
        fixes = 8.0 * 3600.0 * asleep + 14.2 * 3600.0 * still + 1.8 * 3600.0 * moving
        return self.people * (fixes + 4.6) / _DAY_S

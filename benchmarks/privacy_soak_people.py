"""Who pays in the privacy soak: people of four cities, with cards that pass Luhn's test and places unlike any other number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veilocity.contracts import CardId, DeviceId, SubjectId, UserId

__all__ = ["BASE_MARKS", "HOUR_MS", "MINUTE_MS", "People", "exact_places", "hour_of_day", "is_exact", "luhn_digit"]

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
_BANK = "4539148800"
"""The first ten digits of every card; the next five are the person, the last is Luhn's."""
BASE_MARKS = ("PERSON-", "DEVICE-", "USER-", "@example.org", _BANK)
_CITIES = ((51.51, -0.12, "GBP"), (48.85, 2.35, "EUR"), (40.71, -74.00, "USD"), (52.52, 13.40, "EUR"))
_HOME_DEG = 0.05
_AROUND_DEG = 0.012
_MARK_DEG = 7.137e-5
"""Added to a place of four decimals: no rounding and no centre of a cell leaves these last four digits of eight."""
_BY_HOUR = np.array([1, 1, 1, 1, 1, 2, 4, 6, 8, 8, 8, 9, 11, 10, 8, 8, 9, 11, 12, 11, 9, 6, 4, 2], dtype=float)
_PASSED = np.concatenate([[0.0], np.cumsum(_BY_HOUR) / _BY_HOUR.sum()])


def luhn_digit(digits: str) -> str:
    """Return the digit that makes a row of digits pass Luhn's test.

    >>> luhn_digit("411111111111111")
    '1'
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 - place % 2)
        total += number - 9 * (number > 9)
    return str(-total % 10)


class People(NamedTuple):
    """Everybody, by number."""

    cities: Sequence[int]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    cards: Sequence[CardId]

    @classmethod
    def drawn(cls, count: int, seed: int) -> People:
        """Draw people and their homes; at most 100,000."""
        dice = np.random.default_rng([seed, 0])
        cities = dice.integers(0, len(_CITIES), count)
        middle = np.array([(lat, lon) for lat, lon, _ in _CITIES])[cities]
        digits = [f"{_BANK}{person:05d}" for person in range(count)]
        return cls(
            cities.tolist(),
            middle[:, 0] + dice.normal(0, _HOME_DEG, count),
            middle[:, 1] + dice.normal(0, _HOME_DEG, count),
            [CardId(one + luhn_digit(one)) for one in digits],
        )

    def subject(self, person: int) -> SubjectId:
        """Return who it is."""
        return SubjectId(f"PERSON-{person:05d}")

    def card(self, person: int) -> CardId:
        """Return the number of the card, 16 digits."""
        return self.cards[person]

    def device(self, person: int) -> DeviceId:
        """Return the phone."""
        return DeviceId(f"DEVICE-{person:05d}")

    def user(self, person: int) -> UserId:
        """Return the address that the person signs in with."""
        return UserId(f"USER-{person:05d}@example.org")

    def currency(self, person: int) -> str:
        """Return what is paid with at home."""
        return _CITIES[self.cities[person]][2]

    def identifiers(self, person: int) -> tuple[str, str, str, str]:
        """Return everything that names a person."""
        return self.subject(person), self.card(person), self.device(person), self.user(person)


def exact_places(people: People, who: NDArray[Any], dice: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places around the homes of some people, marked; degrees, shape (n,) each."""
    found = []
    for home in (people.lat, people.lon):
        near = home[who] + dice.normal(0, _AROUND_DEG, len(who))
        found.append(np.round(np.sign(near) * (np.round(np.abs(near), 4) + _MARK_DEG), 8))
    return found[0], found[1]


def is_exact(degrees: float) -> bool:
    """Say whether a number is a place of this world.

    >>> is_exact(51.50127137), is_exact(-0.12347137), is_exact(51.5012), is_exact(51.50123456)
    (True, True, False, False)
    """
    return abs(degrees) < 180 and f"{degrees:.8f}".endswith("7137") and abs(degrees * 1e8 - round(degrees * 1e8)) < 1e-3


def hour_of_day(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the hour at which a share of the day's events has happened: few at night, most at noon and in the evening; shape (n,).

    >>> hour_of_day(np.array([0.0, 0.5, 1.0])).round(1).tolist()
    [0.0, 14.6, 24.0]
    """
    hours: NDArray[np.float64] = np.interp(share, _PASSED, np.arange(25.0))
    return hours

"""Payers by profile: normal ones who pay up to three times a day, and hackers who pay seven to nine times in a row, and much.

Nobody says how often somebody has paid: that is for the stream to count. People come, pay as often as their profile says, and go, so that
the counts hold at any rate; few of them are there at a time, so that memory stays bounded. Everybody pays in shops near home.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from ingest.produce.sustained import Item, Label, Made
from ingest.simulator.chance import Dice, card_number, generator, hexadecimal, uuid_like
from ingest.simulator.merchants import Market, Merchant
from ingest.simulator.places import CITIES, somewhere

__all__ = ["Profile", "Profiles"]

_DOOR = "/v1/transactions"
_HACKERS_IN_MIXED = 0.1
_KINDS = ("groceries", "restaurant", "clothing", "electronics", "online")


class Profile(StrEnum):
    """Who pays."""

    NORMAL = "normal"
    HACKER = "hacker"
    MIXED = "mixed"
    """Nine payments of normal ones to one of a hacker."""


@dataclass(frozen=True, slots=True)
class _Habit:
    amount: tuple[float, float]
    payments: tuple[int, int]
    present: int
    """People of the kind who are there at a time."""


_HABITS = {Profile.NORMAL: _Habit((1.0, 1000.0), (1, 3), 64), Profile.HACKER: _Habit((950.0, 1500.0), (7, 9), 2)}


@dataclass(slots=True)
class _Payer:
    user: str
    card: str
    device: str
    shops: tuple[Merchant, ...]
    left: int


class Profiles:
    """An endless source of payments of one profile, or of both."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._profile, self._seed = profile, seed
        self._market = Market(seed)
        self._dice = Dice(generator(seed, "profiles", profile.value))
        self._people = 0
        self._present: dict[Profile, list[_Payer]] = {kind: [] for kind in _HABITS}

    def make(self, number: int, at_ms: int) -> Made:
        """Return the payment `number`; to be asked for in order."""
        profile = self._profile
        if profile is Profile.MIXED:
            profile = Profile.HACKER if self._dice.happens(_HACKERS_IN_MIXED) else Profile.NORMAL
        habit, payer = _HABITS[profile], self._payer(profile)
        shop = self._dice.pick(payer.shops)
        # The moment is part of the id: two runs into one system are two sets of payments.
        name = uuid_like(self._seed, "payment", self._profile.value, number, at_ms)
        body = msgspec.json.encode(
            {
                "id": name,
                "card": payer.card,
                "device": payer.device,
                "user": payer.user,
                "authorised_ms": at_ms,
                "amount": f"{self._dice.between(*habit.amount):.2f}",
                "currency": "USD",
                "merchant": shop.id,
                "category": shop.category,
                "channel": shop.channel.value,
                "lat": round(shop.place[0], 6),
                "lon": round(shop.place[1], 6),
                "country": shop.city.country,
                "device_type": "mobile",
            }
        )
        return Made([Item(_DOOR, body)], Label(name, profile.value, at_ms))

    def _payer(self, profile: Profile) -> _Payer:
        """Return somebody of the profile who has a payment left, and count it."""
        present, habit = self._present[profile], _HABITS[profile]
        while len(present) < habit.present:
            present.append(self._arrive(habit))
        index = self._dice.whole(0, len(present) - 1)
        payer = present[index]
        payer.left -= 1
        if payer.left == 0:
            del present[index]
        return payer

    def _arrive(self, habit: _Habit) -> _Payer:
        self._people += 1
        seed, name = self._seed, (self._profile.value, self._people)
        city = self._dice.pick(CITIES)
        home = somewhere(city, self._dice, jobs=False)
        return _Payer(
            user=f"user-{hexadecimal(seed, 'payer', *name)}",
            card=card_number(seed, "payer", *name),
            device=uuid_like(seed, "payer device", *name),
            shops=tuple(self._market.near(city, kind, home, self._dice) for kind in _KINDS),
            left=self._dice.whole(*habit.payments),
        )

"""People: where they live and work, what they carry and what they like. A person depends on the seed and the person's number alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ingest.simulator.chance import Dice, card_number, digest, generator, hexadecimal, uuid_like
from ingest.simulator.merchants import Market, Merchant
from ingest.simulator.places import METROPOLIS, RESIDENTIAL, City, Point, metres_between, somewhere
from ingest.simulator.plan import CityPlan
from veilocity.contracts import DirectoryEntry, IdentifierKind, SubjectId

__all__ = ["HOUR_MS", "Person", "Population", "directory", "identity"]

HOUR_MS = 3_600_000
"""Phones are computed an hour at a time; each person's hours begin at a minute of their own, which spreads the work."""
_HALVES = (8, 9)
"""Of ten neighbours in number, the last two are a couple; the second half also pays with the first one's card."""
_FAVOURITES = ("groceries", "restaurant", "cafe", "clothing", "electronics", "health", "entertainment", "cash", "fuel")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a person is known by, everywhere."""

    subject: SubjectId
    user: str
    device: str
    intruder_device: str
    """The device that signs in as this person if the account is ever taken over."""
    cards: tuple[str, ...]
    """The person's own cards."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person."""

    number: int
    identity: Identity
    wallet: tuple[str, ...]
    """Cards the person pays with, the most used first; for one half of a couple that is the partner's."""
    shares_card: bool
    city: City
    home: Point
    work: Point | None
    drives: bool
    wake_s: float
    """Second of the local day (from midnight) at which the person gets up on a weekday."""
    favourites: dict[str, tuple[Merchant, ...]]
    lunch: tuple[Merchant, ...]
    subscription_day: int
    """The payment day of the month, of thirty."""
    push_period_ms: int
    reports_speed: bool
    """A few phones state -1 for everything about motion."""
    accuracy_factor: float


def identity(plan: CityPlan, number: int) -> Identity:
    """Return what person `number` is known by."""
    seed = plan.seed
    cards = 1 + digest(seed, "cards", number)[0] % 3
    return Identity(
        SubjectId(f"person-{hexadecimal(seed, 'person', number)}"),
        f"user-{hexadecimal(seed, 'user', number)}",
        uuid_like(seed, "device", number),
        uuid_like(seed, "intruder", number),
        tuple(card_number(seed, "card", number, ordinal) for ordinal in range(cards)),
    )


def directory(plan: CityPlan) -> Iterator[DirectoryEntry]:
    """Yield the person behind every device, card and user id of the city.

    A card that a couple shares belongs to the half it was issued to. The device of a possible account takeover is listed too: a bank
    learns of a new device when it signs in.
    """
    for number in range(plan.people):
        known = identity(plan, number)
        yield DirectoryEntry(IdentifierKind.USER, known.user, known.subject)
        yield DirectoryEntry(IdentifierKind.DEVICE, known.device, known.subject)
        yield DirectoryEntry(IdentifierKind.DEVICE, known.intruder_device, known.subject)
        for card in known.cards:
            yield DirectoryEntry(IdentifierKind.CARD, card, known.subject)


class Population:
    """The people of a plan, made when first asked for."""

    def __init__(self, plan: CityPlan, market: Market) -> None:
        self._plan = plan
        self._market = market
        self._people: dict[int, Person] = {}

    def __getitem__(self, number: int) -> Person:
        person = self._people.get(number)
        if person is None:
            person = self._people[number] = self._make(number)
        return person

    def minute(self, number: int) -> int:
        """Return the minute past the hour at which the person's hours begin."""
        return digest(self._plan.seed, "minute", number)[0] % 60

    def in_couple(self, number: int) -> bool:
        """Say whether the person shares a card with the neighbour in number; both halves live under one roof and never fly."""
        return number % 10 in _HALVES

    def _make(self, number: int) -> Person:
        plan, market = self._plan, self._market
        couple = self.in_couple(number)
        # Home and city are drawn from the couple's dice, so that both halves get the same.
        roof = Dice(generator(plan.seed, "roof", number - number % 10 if couple else number))
        city = METROPOLIS if roof.happens(plan.share_metropolis) else roof.pick(RESIDENTIAL)
        home = somewhere(city, roof, jobs=False)
        dice = Dice(generator(plan.seed, "person", number))
        work = somewhere(city, dice, jobs=True) if dice.happens(0.72) else None
        known = identity(plan, number)
        partner = identity(plan, number - 1).cards[:1] if number % 10 == _HALVES[1] else ()
        return Person(
            number=number,
            identity=known,
            wallet=partner + known.cards,
            shares_card=couple,
            city=city,
            home=home,
            work=work if work is None or metres_between(home, work) > 400.0 else None,
            drives=dice.happens(0.4 if city.lines else 0.8),
            wake_s=3600.0 * dice.between(5.8, 8.2),
            favourites={name: tuple(market.near(city, name, home, dice) for _ in range(3)) for name in _FAVOURITES},
            lunch=tuple(market.near(city, name, work or home, dice) for name in ("restaurant", "restaurant", "cafe", "groceries")),
            subscription_day=dice.whole(0, 29),
            push_period_ms=int(1000.0 * dice.between(*plan.push_period_s)),
            reports_speed=not dice.happens(0.1),
            accuracy_factor=dice.between(0.8, 1.5),
        )

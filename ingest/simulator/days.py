"""Days of people: sleep, work, lunch, errands, evenings out and trips by air, with the payments they make on the way.

A local day runs from four in the morning to the next, so that a late evening belongs to the day it began on.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.simulator.chance import Dice, generator
from ingest.simulator.merchants import CATEGORIES, Market, Merchant
from ingest.simulator.people import Person
from ingest.simulator.places import CITIES, City, Point, somewhere
from ingest.simulator.plan import CityPlan
from ingest.simulator.routes import Diary, Mode, Piece

__all__ = ["DAY_S", "Day", "Purchase", "Trip", "Trips", "day_number", "day_start_s", "ordinary", "travel"]

DAY_S = 86_400.0
_DAY_BEGINS_S = 4.0 * 3600.0
_CYCLE_DAYS = 12
"""Trips are drawn per cycle: a trip begins and ends inside one, so a day can be told without the days before it."""
_WEEKDAY_ERRANDS = ("groceries", "restaurant", "cafe", "health", "clothing", "cash", "entertainment", "fuel", "electronics")
_WEEKDAY_WEIGHTS = (9.0, 6.0, 3.0, 2.0, 2.0, 4.0, 2.0, 2.0, 1.0)
_OUTING_WEIGHTS = (6.0, 8.0, 6.0, 1.0, 5.0, 3.0, 5.0, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Purchase:
    """One payment somebody means to make."""

    at_s: float
    merchant: Merchant


@dataclass(frozen=True, slots=True)
class Day:
    """Where somebody is and what is bought."""

    pieces: tuple[Piece, ...]
    purchases: tuple[Purchase, ...]


@dataclass(frozen=True, slots=True)
class Trip:
    """A journey by air, in days of the home city."""

    departure_day: int
    nights: int
    city: City
    hotel: Point
    records_in_air: bool
    name: tuple[str | int, ...]
    """What its chance is drawn by."""


def day_number(city: City, at_s: float) -> int:
    """Return the number of the local day that holds a moment."""
    return int((at_s + city.utc_offset_min * 60.0 - _DAY_BEGINS_S) // DAY_S)


def day_start_s(city: City, day: int) -> float:
    """Return the moment at which a local day begins."""
    return day * DAY_S + _DAY_BEGINS_S - city.utc_offset_min * 60.0


class _Outing:
    """One person out and about in a city: the diary and the purchases, as they grow."""

    def __init__(self, person: Person, market: Market, start_s: float, dice: Dice) -> None:
        self.person, self.market, self.dice = person, market, dice
        self.city, self.bed = person.city, person.home
        self.diary = Diary(start_s, person.home)
        self.purchases: list[Purchase] = []

    def visit(self, merchant: Merchant, stay_min: tuple[float, float] | None = None) -> None:
        """Go to a merchant, stay and pay there."""
        low, high = stay_min or CATEGORIES[merchant.category].stay_min
        self.diary.go(self.city, merchant.place, self.dice, drives=self.person.drives)
        arrived, lasts = self.diary.now_s, 60.0 * self.dice.between(low, high)
        self.purchases.append(Purchase(arrived + lasts * self.dice.between(0.3, 0.95), merchant))
        self.diary.stay(arrived + lasts)

    def errand(self, weights: tuple[float, ...]) -> None:
        """Visit a favourite, or another merchant of the kind near where the person is."""
        kind = self.dice.weighted(_WEEKDAY_ERRANDS, weights)
        known = self.city is self.person.city and self.dice.happens(0.8)
        favourites = self.person.favourites[kind]
        self.visit(self.dice.pick(favourites) if known else self.market.near(self.city, kind, self.diary.place, self.dice))

    def home(self) -> None:
        """Go back to bed's place."""
        self.diary.go(self.city, self.bed, self.dice, drives=self.person.drives)

    def day(self) -> Day:
        """Return what has become of it."""
        return Day(tuple(self.diary.pieces), tuple(self.purchases))

    def at_work(self, work: Point, midnight_s: float) -> None:
        """Go to work, have lunch nearby and stay until the evening."""
        diary, dice = self.diary, self.dice
        if not self.person.drives and dice.happens(0.5):
            self.visit(self.market.near(self.city, "transport", diary.place, dice))
        if dice.happens(0.45):
            self.visit(self.market.near(self.city, "cafe", work, dice))
        diary.go(self.city, work, dice, drives=self.person.drives)
        diary.stay(midnight_s + 3600.0 * dice.between(11.7, 13.0))
        if dice.happens(0.85):
            self.visit(dice.pick(self.person.lunch), (20.0, 50.0))
            diary.go(self.city, work, dice, drives=False)
        diary.stay(midnight_s + 3600.0 * dice.between(16.5, 18.8))


def _ordinary_day(outing: _Outing, day: int) -> None:
    """Continue from bed at the beginning of the local `day` to the beginning of the next, in the same bed."""
    person, city, diary, dice, market = outing.person, outing.city, outing.diary, outing.dice, outing.market
    midnight = day_start_s(city, day) - _DAY_BEGINS_S
    # 1970-01-01 was a Thursday.
    weekend = (day + 3) % 7 >= 5
    works = person.work is not None and not weekend and city is person.city
    wake = midnight + person.wake_s + (3600.0 * dice.between(0.3, 2.2) if not works else 60.0 * dice.between(-15.0, 15.0))
    diary.stay(wake, Mode.ASLEEP)
    diary.stay(wake + 60.0 * dice.between(30.0, 75.0))
    if works and person.work is not None:
        outing.at_work(person.work, midnight)
        for _ in range(dice.weighted((0, 1, 2, 3), (2.0, 4.0, 3.0, 1.0))):
            outing.errand(_WEEKDAY_WEIGHTS)
    else:
        for hour in (dice.between(9.5, 11.5), dice.between(13.0, 15.0), dice.between(18.0, 19.5)):
            if dice.happens(0.75):
                diary.stay(midnight + 3600.0 * hour)
                outing.errand(_OUTING_WEIGHTS)
                if dice.happens(0.5):
                    outing.errand(_OUTING_WEIGHTS)
                outing.home()
    outing.home()
    awake = diary.now_s, max(diary.now_s + 600.0, midnight + 3600.0 * dice.between(22.3, 24.8))
    for _ in range(dice.weighted((0, 1, 2), (3.0, 4.0, 2.0))):
        outing.purchases.append(Purchase(dice.between(*awake), market.online(dice)))
    if day % 30 == person.subscription_day:
        # Charged by a machine at a time of its own, wherever the person is.
        outing.purchases.append(Purchase(midnight + 3600.0 * dice.between(6.0, 9.0), market.online(dice, "subscription")))
    diary.stay(awake[1])
    diary.stay(day_start_s(city, day + 1), Mode.ASLEEP)


class Trips:
    """Who is on a trip when: a function of the person and the day."""

    def __init__(self, plan: CityPlan) -> None:
        self._plan = plan

    def around(self, person: Person, day: int) -> Trip | None:
        """Return the trip of the cycle that holds `day`, whether or not it covers that day."""
        cycle = day // _CYCLE_DAYS
        name = ("trip", person.number, cycle)
        dice = Dice(generator(self._plan.seed, *name))
        if person.shares_card or not dice.happens(self._plan.share_travellers):
            return None
        city = dice.pick([city for city in CITIES if city is not person.city])
        hotel = somewhere(city, dice, jobs=True)
        return Trip(cycle * _CYCLE_DAYS + dice.whole(0, 4), dice.whole(1, 4), city, hotel, dice.happens(0.3), name)


def ordinary(plan: CityPlan, person: Person, day: int, market: Market) -> Day:
    """Return one day at home, in days of the person's city."""
    outing = _Outing(person, market, day_start_s(person.city, day), Dice(generator(plan.seed, "day", person.number, day)))
    _ordinary_day(outing, day)
    return outing.day()


def travel(plan: CityPlan, person: Person, trip: Trip, market: Market) -> Day:
    """Return the whole trip: from the beginning of the departure day at home to the end of the day of the return at home."""
    dice = Dice(generator(plan.seed, *trip.name, "course"))
    start = day_start_s(person.city, trip.departure_day)
    outing = _Outing(person, market, start, dice)
    diary = outing.diary
    diary.stay(start + 3600.0 * dice.between(1.5, 3.0), Mode.ASLEEP)
    diary.stay(start + 3600.0 * dice.between(3.5, 12.0))
    _flight(outing, trip.city, trip.hotel, records=trip.records_in_air)
    day = day_number(trip.city, diary.now_s) + 1
    diary.stay(day_start_s(trip.city, day))
    for stay in range(day, day + trip.nights):
        _ordinary_day(outing, stay)
    diary.stay(diary.now_s + 3600.0 * dice.between(3.0, 4.5), Mode.ASLEEP)
    diary.stay(diary.now_s + 3600.0 * dice.between(0.7, 6.0))
    _flight(outing, person.city, person.home, records=trip.records_in_air)
    diary.stay(day_start_s(person.city, day_number(person.city, diary.now_s) + 1))
    return outing.day()


def _flight(outing: _Outing, to: City, bed: Point, *, records: bool) -> None:
    """Go to the airport, through it, across, and to a bed in the other city."""
    diary, dice, market, start = outing.diary, outing.dice, outing.market, outing.city
    diary.go(start, start.airport, dice, drives=True)
    diary.stay(diary.now_s + 60.0 * dice.between(30.0, 60.0))
    if dice.happens(0.7):
        outing.visit(dice.pick(market.shops(start, "travel")))
    diary.stay(diary.now_s + 60.0 * dice.between(15.0, 40.0))
    diary.fly(to, dice, records=records)
    outing.city, outing.bed = to, bed
    diary.stay(diary.now_s + 60.0 * dice.between(15.0, 50.0))
    if dice.happens(0.4):
        outing.visit(dice.pick(market.shops(to, "travel")), (8.0, 20.0))
    outing.home()

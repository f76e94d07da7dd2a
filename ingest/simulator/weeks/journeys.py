"""Where somebody is for all the days: ordinary days at home, and journeys by air and by fast train with the days away.

Honest people obey physics here: aircraft fly at 780 to 1,050 km/h over ground, trains run at 180 to 300 km/h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ingest.simulator.chance import Dice, generator
from ingest.simulator.days import Purchase, day_number, day_start_s, ordinary
from ingest.simulator.merchants import Market
from ingest.simulator.people import Person
from ingest.simulator.places import METROPOLIS, City, somewhere
from ingest.simulator.routes import Diary, Mode, Piece
from ingest.simulator.weeks.places import cities_within, town
from ingest.simulator.weeks.plan import WeekPlan
from veilocity.geo import great_circle_m, interpolate

__all__ = ["Course", "Habit", "Leg", "course_of"]

_FLIGHT_PIECE_M = 150_000.0
_TRAIN_PIECE_M = 25_000.0
_FAVOURITES = ("groceries", "restaurant", "cafe", "clothing", "electronics", "health", "entertainment", "cash", "fuel")


class Habit(StrEnum):
    """How somebody travels in the week."""

    HOME = "home"
    SHORT_HAUL = "short-haul"
    LONG_HAUL = "long-haul"
    TRAIN = "train"
    HOLIDAY = "holiday"
    HOLIDAY_SILENT = "holiday, phone without roaming"


@dataclass(frozen=True, slots=True)
class Leg:
    """One journey from city to city."""

    confuser: str
    from_s: float
    until_s: float
    start: City
    end: City


@dataclass(slots=True)
class Course:
    """One person's time: pieces without a hole, what is bought, and the journeys in it."""

    person: Person
    from_s: float
    cold_until_s: float
    until_s: float
    pieces: list[Piece] = field(default_factory=list)
    purchases: list[tuple[Purchase, City]] = field(default_factory=list)
    """With the city in which the person is then."""
    legs: list[Leg] = field(default_factory=list)
    away: list[tuple[float, float, City]] = field(default_factory=list)
    """Days spent in another city."""


def course_of(plan: WeekPlan, person: Person, habit: Habit, market: Market) -> Course:
    """Return the person's time under a habit of travelling."""
    city = person.city
    first = day_number(city, plan.start_ms / 1000.0) + 1
    cold, last = first + plan.cold_days, first + plan.cold_days + plan.days
    course = Course(person, day_start_s(city, first), day_start_s(city, cold), day_start_s(city, last))
    dice = Dice(generator(plan.seed, "course", person.number))
    trips = _trips(habit, city, cold, dice)
    day = first
    while day < last:
        trip = trips.get(day)
        if trip is None:
            told = ordinary(plan.city, person, day, market)
            course.pieces += told.pieces
            course.purchases += [(one, city) for one in told.purchases]
            day += 1
        else:
            day = _Trip(plan, course, market, dice, by_rail=habit is Habit.TRAIN).go(day, *trip)
    return course


def _trips(habit: Habit, city: City, cold: int, dice: Dice) -> dict[int, tuple[City, int]]:
    """Return day of departure -> city and full days there."""
    near = cities_within(city, 300_000.0, 1_600_000.0) if city is METROPOLIS else ()
    far = cities_within(city, 3_000_000.0, 2.0e7)
    abroad = near or far
    if habit is Habit.SHORT_HAUL:
        return {
            cold + days: (dice.pick(near) if near and dice.happens(0.6) else town(city, dice.between(350e3, 1500e3), dice), days % 3)
            for days in (0, 2)
        }
    if habit is Habit.TRAIN:
        return {cold + days: (town(city, dice.between(180e3, 600e3), dice), days % 2) for days in (0, 2, 3)}
    if habit is Habit.LONG_HAUL:
        return {cold + dice.whole(0, 1): (dice.pick(far), 1)}
    if habit in (Habit.HOLIDAY, Habit.HOLIDAY_SILENT):
        return {cold + dice.whole(0, 1): (dice.pick(abroad), 3)}
    return {}


class _Trip:
    """One trip in the making."""

    def __init__(self, plan: WeekPlan, course: Course, market: Market, dice: Dice, *, by_rail: bool) -> None:
        self._plan, self._course, self._market, self._dice, self._by_rail = plan, course, market, dice, by_rail
        self._person = course.person
        self._records = dice.happens(0.4)

    def go(self, day: int, to: City, full_days: int) -> int:
        """Tell the trip that begins on `day` and return the first day at home after it."""
        home, dice = self._person.city, self._dice
        diary = Diary(day_start_s(home, day), self._person.home)
        diary.stay(diary.now_s + 3600.0 * dice.between(1.5, 2.5), Mode.ASLEEP)
        hotel = somewhere(to, dice, jobs=True)
        self._leg(diary, home, to)
        diary.go(to, hotel, dice, drives=True)
        arrived = diary.now_s
        if full_days:
            there = day_number(to, diary.now_s) + 1
            diary.stay(day_start_s(to, there))
            guest = self._guest(to, hotel)
            for stay in range(there, there + full_days):
                told = ordinary(self._plan.city, guest, stay, self._market)
                diary.pieces += told.pieces
                diary.now_s = told.pieces[-1][1]
                self._course.purchases += [(one, to) for one in told.purchases]
            diary.stay(diary.now_s + 3600.0 * dice.between(2.5, 5.0), Mode.ASLEEP)
        else:
            diary.stay(diary.now_s + 3600.0 * dice.between(1.5, 3.0))
            self._buy(diary, to, "restaurant")
            diary.stay(diary.now_s + 3600.0 * dice.between(0.5, 1.5))
        self._course.away.append((arrived, diary.now_s, to))
        self._leg(diary, to, home)
        diary.go(home, self._person.home, dice, drives=True)
        back = day_number(home, diary.now_s) + 1
        diary.stay(day_start_s(home, back))
        self._course.pieces += diary.pieces
        return back

    def _guest(self, city: City, hotel: tuple[float, float]) -> Person:
        near = {name: tuple(self._market.near(city, name, hotel, self._dice) for _ in range(3)) for name in _FAVOURITES}
        return replace(self._person, city=city, home=hotel, work=None, favourites=near)

    def _buy(self, diary: Diary, city: City, category: str) -> None:
        shop = self._market.near(city, category, diary.place, self._dice)
        diary.go(city, shop.place, self._dice, drives=True)
        diary.stay(diary.now_s + 60.0 * self._dice.between(2.0, 6.0))
        self._course.purchases.append((Purchase(diary.now_s, shop), city))
        diary.stay(diary.now_s + 60.0 * self._dice.between(0.5, 3.0))

    def _leg(self, diary: Diary, start: City, end: City) -> None:
        dice, by_rail = self._dice, self._by_rail
        begun = diary.now_s
        diary.go(start, start.centre if by_rail else start.airport, dice, drives=True)
        if dice.happens(0.7):
            self._buy(diary, start, "cafe" if by_rail else "travel")
        if by_rail:
            self._ride(diary, end)
        else:
            diary.stay(diary.now_s + 60.0 * dice.between(0.5, 60.0))
            self._fly(diary, end)
        if dice.happens(0.6):
            self._buy(diary, end, "cafe" if by_rail else "travel")
        distance_m = great_circle_m(*start.centre, *end.centre)
        haul = "short-haul flight" if distance_m < 3_000_000.0 else "long-haul flight"
        name = "fast train" if by_rail else f"{haul}, phone {'recording' if self._records else 'off'}"
        self._course.legs.append(Leg(name, begun, diary.now_s, start, end))

    def _fly(self, diary: Diary, to: City) -> None:
        dice = self._dice
        ground, air = (Mode.INDOORS, Mode.AIR) if self._records else (Mode.OFF, Mode.OFF)
        diary.stay(diary.now_s + 60.0 * dice.between(15.0, 35.0), ground)
        _straight(diary, to.airport, dice.between(780.0, 1050.0) / 3.6, _FLIGHT_PIECE_M, lambda _: air)
        diary.stay(diary.now_s + 60.0 * dice.between(5.0, 20.0), ground)

    def _ride(self, diary: Diary, to: City) -> None:
        dice = self._dice
        diary.stay(diary.now_s + 60.0 * dice.between(3.0, 12.0))
        # A tunnel now and then: no fix for some minutes at full speed.
        _straight(
            diary, to.centre, dice.between(180.0, 300.0) / 3.6, _TRAIN_PIECE_M, lambda _: Mode.OFF if dice.happens(0.2) else Mode.RAIL
        )


def _straight(diary: Diary, end: tuple[float, float], speed_mps: float, piece_m: float, mode_of: Callable[[int], Mode]) -> None:
    """Go along the great circle in pieces; longitudes run on past 180 degrees."""
    start = diary.place
    distance_m = great_circle_m(*start, *end)
    count = max(1, int(distance_m / piece_m))
    begun, before = diary.now_s, start
    for number in range(1, count + 1):
        lat, lon = interpolate(*start, *end, number / count) if number < count else end
        lon += 360.0 * round((before[1] - lon) / 360.0)
        until = begun + distance_m / speed_mps * number / count
        diary.pieces.append((diary.now_s, until, *before, lat, lon, mode_of(number)))
        diary.now_s, before = until, (lat, lon)
    diary.place = end

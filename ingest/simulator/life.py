"""One person's honest hour: the fixes of the phone and the payments, from the diary."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.simulator.chance import Dice, generator, hexadecimal
from ingest.simulator.days import Day, Purchase, Trip, Trips, day_number, ordinary, travel
from ingest.simulator.events import Browsing
from ingest.simulator.merchants import Market, amount_text
from ingest.simulator.people import Person, Population
from ingest.simulator.phones import Fixes, observe
from ingest.simulator.plan import CityPlan
from ingest.simulator.routes import Piece
from ingest.simulator.shopping import shopping
from ingest.simulator.wire import payment_body
from veilocity.contracts import Channel

__all__ = ["Hour", "Lives", "Spending"]

_REMEMBERED_DAYS = 3


@dataclass(frozen=True, slots=True)
class Spending:
    """One payment, ready to send, with what the truth needs to know of it."""

    at_ms: int
    sent_ms: int
    place: tuple[float, float, float] | None
    """Stated latitude, longitude and accuracy radius in metres; None where the channel has no place."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Hour:
    """What one person's phone and cards tell of a span of at most an hour."""

    person: Person
    from_ms: int
    until_ms: int
    fixes: Fixes
    payments: tuple[Spending, ...]
    browsing: tuple[Browsing, ...] = ()


class Lives:
    """Everybody's honest life. Days are remembered for as long as they last, so memory is bounded by the number of people."""

    def __init__(self, plan: CityPlan, default_place_accuracy_m: float) -> None:
        self._plan = plan
        self._place_accuracy_m = default_place_accuracy_m
        self.market = Market(plan.seed)
        self.people = Population(plan, self.market)
        self._trips = Trips(plan)
        self._days: dict[int, dict[int, Day]] = {}
        self._courses: dict[int, tuple[Trip, Day]] = {}

    def hour(self, number: int, from_ms: int, until_ms: int, *, begins: bool = False) -> Hour:
        """Return what person `number` does in [from_ms, until_ms); `begins` where the recording starts at `from_ms`."""
        person = self.people[number]
        from_s, until_s = from_ms / 1000.0, until_ms / 1000.0
        pieces: list[Piece] = []
        purchases: list[Purchase] = []
        for day in self._days_of(person, from_s, until_s):
            pieces += [piece for piece in day.pieces if piece[1] > from_s and piece[0] < until_s]
            purchases += [purchase for purchase in day.purchases if from_s <= purchase.at_s < until_s]
        browsing: list[Browsing] = []
        for day_of_shopping in range(day_number(person.city, from_s), day_number(person.city, until_s) + 1):
            shops = shopping(self._plan, person, day_of_shopping, self.market)
            purchases += [purchase for purchase in shops.purchases if from_s <= purchase.at_s < until_s]
            browsing += [event for event in shops.browsing if from_ms <= event.due_ms < until_ms]
        chance = generator(self._plan.seed, "hour", number, from_ms, until_ms)
        fixes = observe(self._plan, person, pieces, from_s, until_s, chance, begins=begins)
        return Hour(person, from_ms, until_ms, fixes, tuple(self._spend(person, purchase) for purchase in purchases), tuple(browsing))

    def travelling(self, number: int, at_ms: int) -> bool:
        """Say whether the person's trip by air covers the day of a moment, or a day beside it."""
        person = self.people[number]
        day = day_number(person.city, at_ms / 1000.0)
        return any(self._course(person, near) is not None for near in (day - 1, day, day + 1))

    def pays(self, number: int, from_ms: int, until_ms: int) -> bool:
        """Say whether the person pays somewhere with a place in [from_ms, until_ms)."""
        from_s, until_s = from_ms / 1000.0, until_ms / 1000.0
        days = self._days_of(self.people[number], from_s, until_s)
        return any(one.merchant.channel.has_place and from_s <= one.at_s < until_s for day in days for one in day.purchases)

    def _days_of(self, person: Person, from_s: float, until_s: float) -> list[Day]:
        first, last = day_number(person.city, from_s), day_number(person.city, until_s)
        remembered = self._days.setdefault(person.number, {})
        found: list[Day] = []
        for number in range(first, last + 1):
            day = remembered.get(number)
            if day is None:
                day = remembered[number] = self._course(person, number) or ordinary(self._plan, person, number, self.market)
                for old in [old for old in remembered if old <= number - _REMEMBERED_DAYS]:
                    del remembered[old]
            # A trip is one story over several days.
            if not found or found[-1] is not day:
                found.append(day)
        return found

    def _course(self, person: Person, day: int) -> Day | None:
        """Return the trip that covers a day of the home city, if one does."""
        trip = self._trips.around(person, day)
        if trip is None or day < trip.departure_day:
            return None
        told = self._courses.get(person.number)
        if told is None or told[0] != trip:
            told = self._courses[person.number] = trip, travel(self._plan, person, trip, self.market)
        course = told[1]
        return course if day <= day_number(person.city, course.pieces[-1][1] - 1.0) else None

    def _spend(self, person: Person, purchase: Purchase) -> Spending:
        at_ms = int(purchase.at_s * 1000.0)
        # Named by person and moment: overlapping runs agree on every payment.
        dice = Dice(generator(self._plan.seed, "payment", person.number, at_ms))
        merchant = purchase.merchant
        placed = merchant.channel.has_place
        by_phone = dice.happens(0.45) if placed else merchant.channel is Channel.ECOMMERCE
        kind = ("tablet" if dice.happens(0.15) else "mobile") if by_phone else "terminal" if placed else "server"
        wallet = person.wallet
        body = payment_body(
            id=hexadecimal(self._plan.seed, "payment", person.number, at_ms, merchant.id),
            card=wallet[0] if dice.happens(0.6) else dice.pick(wallet),
            user=person.identity.user,
            device=person.identity.device if by_phone else None,
            device_type=kind,
            authorised_ms=at_ms,
            amount=amount_text(merchant, dice),
            merchant=merchant,
        )
        accuracy = self._place_accuracy_m if merchant.accuracy_m is None else merchant.accuracy_m
        place = (*merchant.stated, accuracy) if placed else None
        return Spending(at_ms, at_ms + dice.whole(300, 2500), place, body)

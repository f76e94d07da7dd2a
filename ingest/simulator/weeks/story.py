"""One person's week in the making: where the body is, what phones and cards say, and which of it is not so."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec

from ingest.simulator.chance import Dice, hexadecimal
from ingest.simulator.merchants import Market, Merchant, amount_text
from ingest.simulator.people import Person
from ingest.simulator.places import City, Point
from ingest.simulator.routes import Mode
from ingest.simulator.weeks.journeys import Course, Habit, Leg
from ingest.simulator.weeks.labels import Episode, Fraud, fix_id
from ingest.simulator.weeks.plan import WeekPlan
from veilocity.contracts import CardId, Channel, DeviceId, Fix, SubjectId, Transaction, UserId

__all__ = ["Story"]

_NO_CENTS = frozenset({"JPY"})
_CHANNELS = {"cash": Channel.ATM, "online": Channel.ECOMMERCE, "subscription": Channel.RECURRING}


class Story:
    """The week of one person. Confusers and frauds read and change it; what they do is labelled."""

    def __init__(self, plan: WeekPlan, market: Market, course: Course, habit: Habit) -> None:
        self.plan, self.market, self.course, self.habit = plan, market, course, habit
        self.person: Person = course.person
        self.fixes: list[Fix] = []
        """Of the person's own phone, by stated time."""
        self.others: list[Fix] = []
        """Of all other devices."""
        self.payments: list[Transaction] = []
        self.episodes: list[Episode] = []
        self.frauds: list[Fraud] = []
        self.misplaced: set[str] = set()
        self.taken: list[tuple[float, float]] = []
        """Spans in which a passing confuser or a fraud goes on already."""
        self._ends = [piece[1] for piece in course.pieces]
        self._made = 0

    @property
    def subject(self) -> SubjectId:
        """Whose week it is."""
        return self.person.identity.subject

    @property
    def phone(self) -> DeviceId:
        """The person's own phone."""
        return DeviceId(self.person.identity.device)

    @property
    def judged(self) -> tuple[float, float]:
        """Beginning and end of what is judged, with an hour to spare at the end."""
        return self.course.cold_until_s, self.course.until_s - 3600.0

    @property
    def legs(self) -> list[Leg]:
        """Journeys from city to city."""
        return self.course.legs

    @property
    def events(self) -> list[Fix | Transaction]:
        """Everything that is reported of the person, each once."""
        return [*self.fixes, *self.others, *self.payments]

    def where(self, at_s: float) -> Point:
        """Return where the person is at a moment."""
        start, end, lat_1, lon_1, lat_2, lon_2, _ = self.course.pieces[self._piece(at_s)]
        fraction = min(1.0, max(0.0, (at_s - start) / (end - start)))
        lon = lon_1 + fraction * (lon_2 - lon_1)
        return lat_1 + fraction * (lat_2 - lat_1), (lon + 180.0) % 360.0 - 180.0

    def mode(self, at_s: float) -> Mode:
        """Return what the person is doing at a moment."""
        return Mode(self.course.pieces[self._piece(at_s)][6])

    def city(self, at_s: float) -> City:
        """Return the city whose country and prices hold for the person at a moment."""
        return next((city for start, end, city in self.course.away if start <= at_s < end), self.person.city)

    def index(self, at_s: float) -> int:
        """Return the index of the phone's first fix at or after a moment."""
        return bisect_left(self.fixes, int(at_s * 1e9), key=lambda fix: fix.fix_ns)

    def between(self, from_s: float, until_s: float) -> slice:
        """Return the phone's fixes of a span as a slice of `fixes`."""
        return slice(self.index(from_s), bisect_right(self.fixes, int(until_s * 1e9), key=lambda fix: fix.fix_ns))

    def still(self, from_s: float, until_s: float) -> bool:
        """Say whether the person stays in one place throughout."""
        return all(not Mode(piece[6]).moving for piece in self.course.pieces[self._piece(from_s) : self._piece(until_s) + 1])

    def is_free(self, from_s: float, until_s: float, margin_s: float = 900.0) -> bool:
        """Say whether a span is judged and nothing else has been planted in or near it."""
        begin, end = self.judged
        if from_s < begin + 1800.0 or until_s > end:
            return False
        return all(until_s + margin_s < start or from_s - margin_s > stop for start, stop in self.taken)

    def on_a_leg(self, from_s: float, until_s: float, margin_s: float = 0.0) -> bool:
        """Say whether a journey overlaps the span, widened by a margin."""
        return any(leg.from_s - margin_s < until_s and leg.until_s + margin_s > from_s for leg in self.legs)

    def placed(self) -> list[Transaction]:
        """Return the honest payments with a place that say where the person is, in order of time."""
        frauds = {name for fraud in self.frauds for name in fraud.transactions}
        found = [one for one in self.payments if one.channel.has_place and one.id not in self.misplaced and one.id not in frauds]
        return sorted(found, key=lambda one: (one.authorised_ms, one.id))

    def pay(  # who, when, where and how: a payment has no fewer parts
        self,
        at_s: float,
        merchant: Merchant,
        city: City,
        dice: Dice,
        *,
        card: str | None = None,
        category: str | None = None,
        times: float = 1.0,
    ) -> Transaction:
        """Add one payment and return it.

        Args:
            at_s: when it is authorised.
            merchant: whose stated place becomes the payment's.
            city: whose country the acquirer states.
            dice: draws the rest.
            card: by default one of the person's own.
            category: where it is not the merchant's.
            times: thieves buy more at once than customers.
        """
        by_phone = dice.happens(0.3)
        self._made += 1
        identity = self.person.identity
        text, currency = amount_text(merchant, dice, times=times)
        at_ms = int(at_s * 1000.0)
        channel = _CHANNELS.get(merchant.category, Channel.CARD_PRESENT)
        made = Transaction(
            id=hexadecimal(self.plan.seed, "week", self.person.number, self._made, at_ms),
            subject=self.subject,
            authorised_ms=at_ms,
            received_ms=at_ms + dice.whole(300, 2500),
            amount_minor=int(text) if currency in _NO_CENTS else round(float(text) * 100.0),
            currency=currency,
            merchant=merchant.id,
            category=category or merchant.category,
            channel=channel,
            card=CardId(card or dice.pick(identity.cards)),
            device=DeviceId(identity.device) if by_phone else None,
            user=UserId(identity.user),
            device_type="mobile" if by_phone else "terminal" if channel.has_place else "server",
            lat=round(merchant.stated[0], 6),
            lon=round(merchant.stated[1], 6),
            place_accuracy_m=merchant.accuracy_m,
            country=city.country,
        )
        self.payments.append(made)
        return made

    def change(self, old: Transaction, **fields: object) -> Transaction:
        """Replace a payment by one with other fields and return it."""
        new = msgspec.structs.replace(old, **fields)
        self.payments[self.payments.index(old)] = new
        return new

    def rewrite(self, where: slice, fixes: Sequence[Fix]) -> None:
        """Put other fixes in place of some; the phone's fixes stay in order of time."""
        self.fixes[where] = fixes
        self.fixes.sort(key=lambda fix: fix.fix_ns)

    def label(  # one label has no fewer parts
        self, confuser: str, from_s: float, until_s: float, observations: Sequence[Fix | Transaction] = (), *, misplaced: bool = True
    ) -> None:
        """Note a confuser; `misplaced` says that its observations do not tell where the person was."""
        names = tuple(fix_id(one) if isinstance(one, Fix) else one.id for one in observations)
        if misplaced:
            self.misplaced.update(names)
        if until_s >= self.course.cold_until_s:
            self.episodes.append(Episode(confuser, self.subject, int(from_s * 1000.0), int(until_s * 1000.0), names))

    def shop(self, at_s: float, dice: Dice, category: str = "restaurant") -> Merchant:
        """Return a merchant of a kind at the very place where the person is."""
        city = self.city(at_s)
        number = dice.whole(1000, 9999)
        return self.merchant(f"corner-{category}-{number}", category, city, self.where(at_s), round(dice.between(20.0, 200.0)))

    @staticmethod
    def merchant(name: str, category: str, city: City, place: Point, accuracy_m: float | None) -> Merchant:
        """Return a merchant whose stated place is `place`."""
        return Merchant(name, category, city, place, place, accuracy_m)

    def moment(self, dice: Dice, *, by_leg: float = 0.0) -> float:
        """Draw a judged moment, with the given chance one in or shortly after a journey of the person, if there is one."""
        if self.legs and dice.happens(by_leg):
            leg = dice.pick(self.legs)
            return dice.between(leg.from_s, leg.until_s + 1200.0)
        return dice.between(*self.judged)

    def payment_near(self, at_s: float) -> Transaction | None:
        """Return the honest, truthful payment with a place that is nearest in time, within three hours."""
        found = min(self.placed(), key=lambda one: abs(one.authorised_ms - at_s * 1000.0), default=None)
        return found if found is not None and abs(found.authorised_ms - at_s * 1000.0) < 10_800_000.0 else None

    def _piece(self, at_s: float) -> int:
        return min(bisect_right(self._ends, at_s), len(self._ends) - 1)

"""What is learned of a person from payments: places, countries, devices, amounts, and the payments of the last day.

The profile is a fold over the person's payments in event-time order. A flagged payment teaches no habit, or fraud would make itself usual.
Everything is bounded: `MAX_PLACES` places, `MAX_RECENT` payments of one day, and so on; what was used least recently goes first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import msgspec

from rules.sight import Sight
from veilocity.contracts import Transaction
from veilocity.geo import EARTH_RADIUS_M, great_circle_m

__all__ = ["MAX_RECENT", "RECENT_BYTES", "Habit", "KnownPlace", "Profile", "Recent", "name_hash", "recent_of"]

MAX_PLACES = 8
MAX_COUNTRIES = 12
MAX_DEVICES = 6
MAX_HABITS = 8
MAX_RECENT = 96
_DAY_NS = 86_400_000_000_000
_PLACE_M = 25_000.0
_HALF_LIFE_NS = 30 * _DAY_NS
_AMOUNT_MEMORY = 50.0
"""Payments after which an older one counts less than 1/e in the mean of the amounts."""
_RECENT = Struct("<qqII2sB")
RECENT_BYTES = _RECENT.size
_MOST_BYTES = (MAX_RECENT - 1) * RECENT_BYTES
_COUNTRY_AT = 24
_GREATEST = 2**62
_times = Struct("<qq").unpack_from
_E7_PER_M = 1e7 / (EARTH_RADIUS_M * math.pi / 180.0) * 1.000001
"""Of latitude; rounded up."""


class Recent(NamedTuple):
    """One payment of the last day."""

    event_ns: int
    amount_minor: int
    merchant: int
    """Hash of the merchant's name."""
    card: int
    country: bytes
    kind: int


class KnownPlace(NamedTuple):
    """A place where the person pays, by recency and frequency."""

    lat_e7: int
    lon_e7: int
    weight: float
    """Payments, each worth half after 30 days, as of `last_ns`."""
    first_ns: int
    last_ns: int


class Habit(NamedTuple):
    """A card or a merchant whose payments keep contradicting the phone at one place."""

    key: int
    lat_e7: int
    lon_e7: int
    times: int
    first_ns: int
    last_ns: int


def name_hash(name: str) -> int:
    """Return a 32-bit hash that is the same in every process; 0 only for no name.

    >>> name_hash("Corner shop"), name_hash("")
    (3430857495, 0)
    """
    return crc32(name.encode("utf-8", "surrogatepass")) if name else 0


def recent_of(sight: Sight, transaction: Transaction) -> Recent:
    """Return a payment as it is remembered for a day."""
    amount_minor, country, card = transaction.amount_minor, transaction.country, transaction.card
    return Recent(
        sight.event_ns,
        amount_minor if -_GREATEST < amount_minor < _GREATEST else max(-_GREATEST, min(amount_minor, _GREATEST)),
        name_hash(transaction.merchant),
        name_hash(card) if card else 0,
        country.encode("ascii", "replace")[:2].ljust(2) if country else b"  ",
        sight.kind,
    )


class Profile(msgspec.Struct, array_like=True):
    """The habits of one person as of some payment."""

    payments: int = 0
    first_ns: int = 0
    """Time of the first payment ever: cold start is told by event time, never by a clock."""
    places: tuple[KnownPlace, ...] = ()
    countries: tuple[str, ...] = ()
    """Least recent first."""
    devices: tuple[int, ...] = ()
    habits: tuple[Habit, ...] = ()
    amounts: float = 0.0
    """How many payments the mean and the variance stand for."""
    amount_mean: float = 0.0
    amount_variance: float = 0.0
    """Of the natural logarithm of the amount in minor units."""
    recent: bytes = b""
    spent_minor: int = 0
    """Sum of the positive amounts in `recent`."""
    reference: Sight | None = None
    """The newest payment at a place that is believed."""
    candidate: Sight | None = None
    """A payment that contradicted the reference, and might be the first at a new place."""

    def is_settled(self, now_ns: int, payments: int, days: float) -> bool:
        """Say whether enough is known to call something new: so many payments, or so many days of event time."""
        return self.payments >= payments or (self.payments > 0 and now_ns - self.first_ns >= days * _DAY_NS)

    def since(self, start_ns: int) -> Iterator[Recent]:
        """Yield the payments from a time within the last day on, oldest first."""
        for record in _RECENT.iter_unpack(self.recent):
            if record[0] >= start_ns:
                yield Recent._make(record)

    def newest(self) -> Recent | None:
        """Return the newest payment, however long ago it was; None where there never was one."""
        return Recent._make(_RECENT.unpack_from(self.recent, len(self.recent) - RECENT_BYTES)) if self.recent else None

    def reaches(self, most: int, start_ns: int) -> bool:
        """Say whether one more payment is at least so many since a time within the last day: how long ago was the first of them?"""
        at = len(self.recent) - (most - 1) * RECENT_BYTES
        return most < 2 or (at >= 0 and _times(self.recent, at)[0] >= start_ns)

    def recent_countries(self) -> set[tuple[int, int]]:
        """Return the countries of the payments of the last day, each as its two characters; two spaces stand for none."""
        recent = self.recent
        return set(zip(recent[_COUNTRY_AT::RECENT_BYTES], recent[_COUNTRY_AT + 1 :: RECENT_BYTES], strict=True))

    def place_near(self, sight: Sight, within_m: float) -> KnownPlace | None:
        """Return the nearest known place within a distance."""
        nearest, least_m = None, within_m
        # What is farther along the meridian alone, or nearer along meridian and equator, needs no trigonometry.
        most_e7 = within_m * _E7_PER_M
        if len(self.places) == 1:
            only = self.places[0]
            if abs(only.lat_e7 - sight.lat_e7) + abs(only.lon_e7 - sight.lon_e7) <= most_e7 * 0.99:
                return only
        for place in self.places:
            if abs(place.lat_e7 - sight.lat_e7) <= most_e7:
                apart_m = _apart_m(place, sight)
                if apart_m < least_m or (apart_m == least_m and (nearest is None or place < nearest)):
                    nearest, least_m = place, apart_m
        return nearest

    def habit(self, key: int, sight: Sight | None) -> Habit | None:
        """Return what is known of a card or merchant that contradicted the phone before; `sight` asks for the same place."""
        for known in self.habits:
            if known.key == key and (sight is None or _apart_m(known, sight) <= _PLACE_M):
                return known
        return None

    def learn(self, sight: Sight, transaction: Transaction, *, is_usual: bool, contradicts_phone: bool) -> None:
        """Take the next payment.

        Args:
            sight: of the payment.
            transaction: the payment.
            is_usual: it was not flagged, so it tells of habits.
            contradicts_phone: the phone was elsewhere.
        """
        if not self.payments:
            self.first_ns = sight.event_ns
        self.payments += 1
        self._remember(sight, transaction)
        if contradicts_phone and sight.has_place:
            if transaction.card:
                self._count_habit(name_hash(transaction.card), sight, same_place=True)
            self._count_habit(name_hash("merchant " + transaction.merchant), sight, same_place=False)
        if not is_usual:
            return
        if transaction.country and (not self.countries or self.countries[-1] != transaction.country):
            self.countries = (*(one for one in self.countries if one != transaction.country), transaction.country)[-MAX_COUNTRIES:]
        if transaction.device:
            device = name_hash(transaction.device)
            if not self.devices or self.devices[-1] != device:
                self.devices = (*(one for one in self.devices if one != device), device)[-MAX_DEVICES:]
        self._learn_amount(transaction.amount_minor)
        if sight.has_place:
            self._learn_place(sight)

    def _remember(self, sight: Sight, transaction: Transaction) -> None:
        payment = recent_of(sight, transaction)
        amount, record = payment.amount_minor, _RECENT.pack(*payment)
        kept, start_ns = self.recent, payment.event_ns - _DAY_NS
        gone = 0
        if amount > 0:
            self.spent_minor += amount
        while gone < len(kept) and (len(kept) - gone > _MOST_BYTES or _times(kept, gone)[0] < start_ns):
            self.spent_minor -= max(0, _times(kept, gone)[1])
            gone += RECENT_BYTES
        self.recent = kept[gone:] + record if gone else kept + record

    def _count_habit(self, key: int, sight: Sight, *, same_place: bool) -> None:
        known = self.habit(key, sight if same_place else None)
        habit = Habit(key, sight.lat_e7, sight.lon_e7, 1, sight.event_ns, sight.event_ns)
        if known is not None:
            habit = known._replace(times=known.times + 1, last_ns=sight.event_ns)
        self.habits = (*(one for one in self.habits if one is not known), habit)[-MAX_HABITS:]

    def _learn_amount(self, amount_minor: int) -> None:
        value = math.log(max(1, amount_minor))
        if self.amounts < _AMOUNT_MEMORY:
            self.amounts += 1.0
        step = (value - self.amount_mean) / self.amounts
        self.amount_variance = (1.0 - 1.0 / self.amounts) * (self.amount_variance + step * (value - self.amount_mean))
        self.amount_mean += step

    def _learn_place(self, sight: Sight) -> None:
        known = self.place_near(sight, _PLACE_M)
        if known is None:
            place = KnownPlace(sight.lat_e7, sight.lon_e7, 1.0, sight.event_ns, sight.event_ns)
        else:
            weight = 1.0 + _faded(known, sight.event_ns)
            place = KnownPlace(known.lat_e7, known.lon_e7, weight, known.first_ns, sight.event_ns)
        others = [one for one in self.places if one is not known]
        if len(others) >= MAX_PLACES:
            others.remove(min(others, key=lambda one: (_faded(one, sight.event_ns), one)))
        self.places = (*others, place)


def _faded(place: KnownPlace, now_ns: int) -> float:
    return place.weight * float(0.5 ** ((now_ns - place.last_ns) / _HALF_LIFE_NS))


def _apart_m(place: KnownPlace | Habit, sight: Sight) -> float:
    return great_circle_m(place.lat_e7 / 1e7, place.lon_e7 / 1e7, sight.lat_e7 / 1e7, sight.lon_e7 / 1e7)

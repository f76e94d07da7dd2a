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
from veilocity.geo import great_circle_m

__all__ = ["MAX_RECENT", "RECENT_BYTES", "Habit", "KnownPlace", "Profile", "Recent", "name_hash"]

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
_COUNTRY_AT = 24
_times = Struct("<qq").unpack_from


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

    def recent_countries(self) -> set[bytes]:
        """Return the countries of the payments of the last day; two spaces stand for none."""
        recent = self.recent
        return {recent[at : at + 2] for at in range(_COUNTRY_AT, len(recent), RECENT_BYTES)}

    def place_near(self, sight: Sight, within_m: float) -> KnownPlace | None:
        """Return the nearest known place within a distance."""
        found = min(((_apart_m(place, sight), place) for place in self.places), default=None)
        return found[1] if found is not None and found[0] <= within_m else None

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
        country = (transaction.country or "").encode("ascii", "replace")[:2].ljust(2)
        amount = min(max(transaction.amount_minor, -(2**62)), 2**62)
        card = name_hash(transaction.card) if transaction.card else 0
        record = _RECENT.pack(sight.event_ns, amount, name_hash(transaction.merchant), card, country, sight.kind)
        kept, start_ns = self.recent, sight.event_ns - _DAY_NS
        gone = 0
        most = (MAX_RECENT - 1) * RECENT_BYTES
        self.spent_minor += max(0, amount)
        while gone < len(kept) and (len(kept) - gone > most or _times(kept, gone)[0] < start_ns):
            self.spent_minor -= max(0, _times(kept, gone)[1])
            gone += RECENT_BYTES
        self.recent = kept[gone:] + record

    def _count_habit(self, key: int, sight: Sight, *, same_place: bool) -> None:
        known = self.habit(key, sight if same_place else None)
        habit = Habit(key, sight.lat_e7, sight.lon_e7, 1, sight.event_ns, sight.event_ns)
        if known is not None:
            habit = known._replace(times=known.times + 1, last_ns=sight.event_ns)
        self.habits = (*(one for one in self.habits if one is not known), habit)[-MAX_HABITS:]

    def _learn_amount(self, amount_minor: int) -> None:
        value = math.log(max(1, amount_minor))
        self.amounts = min(self.amounts + 1.0, _AMOUNT_MEMORY)
        step = (value - self.amount_mean) / self.amounts
        self.amount_variance = (1.0 - 1.0 / self.amounts) * (self.amount_variance + step * (value - self.amount_mean))
        self.amount_mean += step

    def _learn_place(self, sight: Sight) -> None:
        known = self.place_near(sight, _PLACE_M)
        if known is None:
            place = KnownPlace(sight.lat_e7, sight.lon_e7, 1.0, sight.event_ns, sight.event_ns)
        else:
            place = known._replace(weight=1.0 + _faded(known, sight.event_ns), last_ns=sight.event_ns)
        others = [one for one in self.places if one is not known]
        if len(others) >= MAX_PLACES:
            others.remove(min(others, key=lambda one: (_faded(one, sight.event_ns), one)))
        self.places = (*others, place)


def _faded(place: KnownPlace, now_ns: int) -> float:
    return place.weight * float(0.5 ** ((now_ns - place.last_ns) / _HALF_LIFE_NS))


def _apart_m(place: KnownPlace | Habit, sight: Sight) -> float:
    return great_circle_m(place.lat_e7 / 1e7, place.lon_e7 / 1e7, sight.lat_e7 / 1e7, sight.lon_e7 / 1e7)

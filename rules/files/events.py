"""The events of an inline test, written as a person would tell them, and turned into fixes and payments.

    - fixes: {from: "11:50", every_s: 60, count: 10, place: london}
    - pay: {id: t1, at: "12:00:20", place: london 12 km north}

A moment is a time of day (`12:00`, `12:00:20.5`), with its day where a test lasts for several (`day 3 12:00`; a test begins on day 1), or
seconds since the first midnight. A place is a city of `CITIES`, perhaps with a way from it, or latitude and longitude.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import msgspec

from veilocity.contracts import CardId, Channel, DeviceId, Fix, FixFlag, SubjectId, Transaction
from veilocity.geo import EARTH_RADIUS_M, interpolate

__all__ = ["CITIES", "SUBJECT", "Moment", "Place", "Step", "moment_ns", "place_of"]

CITIES = {
    "london": (51.5074, -0.1278),
    "paris": (48.8566, 2.3522),
    "brussels": (50.8503, 4.3517),
    "berlin": (52.52, 13.405),
    "geneva": (46.2044, 6.1432),
    "madrid": (40.4168, -3.7038),
    "rome": (41.9028, 12.4964),
    "lagos": (6.5244, 3.3792),
    "new_york": (40.7128, -74.006),
    "tokyo": (35.6762, 139.6503),
    "suva": (-18.1248, 178.4501),
    "apia": (-13.8507, -171.7514),
}
"""Places that tests may name."""
SUBJECT = SubjectId("anna")
Moment = str | int | float
Place = str | tuple[float, float]

_START_NS = 1_763_942_400 * 1_000_000_000
"""2025-11-24T00:00Z, a Monday."""
_MOMENT = re.compile(r"(?:day (\d+) )?(\d\d):(\d\d)(?::(\d\d(?:\.\d{1,3})?))?")
_WAY = re.compile(r"(\d+(?:\.\d+)?) km (north|south|east|west)")
_GOLDEN_ANGLE, _GOLDEN_RATIO = math.pi * (3.0 - math.sqrt(5.0)), (math.sqrt(5.0) - 1.0) / 2.0


def moment_ns(moment: Moment) -> int:
    """Return a moment in nanoseconds since 1970.

    Raises:
        ValueError: it is not one; the message shows how it is written.

    >>> moment_ns("day 2 01:00:00.5") - moment_ns("00:00") == 90_000_500_000_000 == moment_ns(90_000.5) - moment_ns(0)
    True
    """
    if not isinstance(moment, str):
        return _START_NS + round(moment * 1000) * 1_000_000
    found = _MOMENT.fullmatch(moment)
    if found is None:
        raise ValueError(f"'{moment}' is no moment: write 12:00, 12:00:20 or day 3 12:00")
    day, hour, minute, second = found.groups(default="0")
    seconds = max(0, int(day) - 1) * 86_400 + int(hour) * 3600 + int(minute) * 60
    return _START_NS + seconds * 1_000_000_000 + round(float(second) * 1000) * 1_000_000


def place_of(place: Place) -> tuple[float, float]:
    """Return latitude and longitude.

    Raises:
        ValueError: a city that is not known, or a way that cannot be read.

    >>> place_of("london 12 km north")
    (51.6153184, -0.1278)
    """
    if not isinstance(place, str):
        return place
    name, *way = re.split(r" (?=\d)", place)
    if name not in CITIES:
        raise ValueError(f"'{name}' is no known place: write one of {', '.join(CITIES)}, or [latitude, longitude]")
    lat, lon = CITIES[name]
    for step in way:
        found = _WAY.fullmatch(step)
        if found is None:
            raise ValueError(f"'{step}' is no way: write 12 km north, south, east or west")
        lat, lon = _moved(lat, lon, float(found[1]) * 1000.0, found[2])
    return lat, lon


def _moved(lat: float, lon: float, distance_m: float, direction: str) -> tuple[float, float]:
    degrees = math.degrees(distance_m / EARTH_RADIUS_M)
    if direction in ("north", "south"):
        return round(lat + math.copysign(degrees, 1 if direction == "north" else -1), 7), lon
    return lat, round(lon + math.copysign(degrees / math.cos(math.radians(lat)), 1 if direction == "east" else -1), 7)


class _Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    arrives: Moment | None = None
    """At the gateway; by default at once."""

    def received_ms(self, event_ns: int) -> int:
        return event_ns // 1_000_000 + 500 if self.arrives is None else moment_ns(self.arrives) // 1_000_000


class _Phone(_Event, frozen=True, kw_only=True):
    place: Place
    accuracy_m: float | None = 20.0
    device: str = "phone"
    speed_kmh: float | None = None
    flags: tuple[FixFlag, ...] = ()

    def fix(self, event_ns: int, place: tuple[float, float]) -> Fix:
        return Fix(
            subject=SUBJECT,
            device=DeviceId(self.device),
            source="inline-test",
            fix_ns=event_ns,
            received_ms=self.received_ms(event_ns),
            lat=place[0],
            lon=place[1],
            accuracy_m=self.accuracy_m,
            speed_mps=None if self.speed_kmh is None else self.speed_kmh / 3.6,
            flags=self.flags,
        )


class _Card(_Event, frozen=True, kw_only=True):
    id: str
    place: Place | None = None
    place_accuracy_m: float | None = None
    channel: Channel = Channel.CARD_PRESENT
    amount_minor: int = 1250
    merchant: str = "Corner shop"
    category: str = "grocery"
    card: str | None = None
    country: str | None = None
    device: str | None = None

    def transaction(self, name: str, number: int, event_ns: int) -> Transaction:
        """Return the payment; `{n}` in a name is its number."""
        lat, lon = (None, None) if self.place is None else place_of(self.place)
        return Transaction(
            id=name,
            subject=SUBJECT,
            authorised_ms=event_ns // 1_000_000,
            received_ms=self.received_ms(event_ns),
            amount_minor=self.amount_minor,
            currency="EUR",
            merchant=self.merchant.replace("{n}", str(number)),
            category=self.category,
            channel=self.channel,
            card=CardId(self.card.replace("{n}", str(number))) if self.card else None,
            device=DeviceId(self.device.replace("{n}", str(number))) if self.device else None,
            lat=lat,
            lon=lon,
            place_accuracy_m=self.place_accuracy_m,
            country=self.country,
        )


class OneFix(_Phone, frozen=True, kw_only=True):
    """A phone's fix."""

    at: Moment

    def events(self) -> Iterator[Fix]:
        """Yield it."""
        yield self.fix(moment_ns(self.at), place_of(self.place))


def _times_ns(start: Moment, every_s: float, count: int) -> list[int]:
    return [moment_ns(start) + round(number * every_s * 1000) * 1_000_000 for number in range(count)]


class ManyFixes(_Phone, frozen=True, kw_only=True, rename={"start": "from"}):
    """Fixes in a row: of a phone that lies somewhere, or with `to` travels there at a steady speed."""

    start: Moment
    every_s: float
    count: int
    to: Place | None = None
    jitter_m: float = 0.0
    """Radius of a cloud of places around the true ones, the same in every run."""

    def events(self) -> Iterator[Fix]:
        """Yield them in order of time."""
        begin = place_of(self.place)
        end = begin if self.to is None else place_of(self.to)
        for number, event_ns in enumerate(_times_ns(self.start, self.every_s, self.count)):
            lat, lon = begin if self.to is None else interpolate(*begin, *end, number / max(1, self.count - 1))
            if self.jitter_m:
                radius_m = self.jitter_m * math.sqrt(number * _GOLDEN_RATIO % 1.0)
                lat, lon = _moved(lat, lon, radius_m * math.sin(number * _GOLDEN_ANGLE), "north")
                lat, lon = _moved(lat, lon, radius_m * math.cos(number * _GOLDEN_ANGLE), "east")
            yield self.fix(event_ns, (lat, lon))


class OnePayment(_Card, frozen=True, kw_only=True):
    """A payment."""

    at: Moment

    def events(self) -> Iterator[Transaction]:
        """Yield it."""
        yield self.transaction(self.id, 1, moment_ns(self.at))


class ManyPayments(_Card, frozen=True, kw_only=True, rename={"start": "from"}):
    """Payments in a row, called id1, id2 ..."""

    start: Moment
    every_s: float
    count: int

    def events(self) -> Iterator[Transaction]:
        """Yield them in order of time."""
        for number, event_ns in enumerate(_times_ns(self.start, self.every_s, self.count), start=1):
            yield self.transaction(f"{self.id}{number}", number, event_ns)


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a test: exactly one of the four."""

    fix: OneFix | None = None
    fixes: ManyFixes | None = None
    pay: OnePayment | None = None
    pays: ManyPayments | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be told, with the place in the file that msgspec adds."""
        told = [one for one in (self.fix, self.fixes, self.pay, self.pays) if one is not None]
        if len(told) != 1:
            raise ValueError("an event is exactly one of fix, fixes, pay, pays")
        for _ in self.events():
            pass

    def events(self) -> Iterator[Fix | Transaction]:
        """Yield the events in the order in which they arrive."""
        for step in (self.fix, self.fixes, self.pay, self.pays):
            if step is not None:
                yield from step.events()

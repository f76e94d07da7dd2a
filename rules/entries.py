"""How an event is remembered: small, exact enough, and equal for equal events.

Places are kept to 1e-7 degrees (1.1 cm) and radii are rounded up to a decimetre, so that the remembered observation is small, and the
evidence in an alert is exactly what was judged.
"""

from __future__ import annotations

import math

import msgspec

from veilocity.contracts import Channel, Fix, FixFlag, Observation, ObservationKind, RuleParameters, Transaction
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.geo import valid_coordinates

__all__ = [
    "ATM",
    "CARD_PRESENT",
    "DOUBTFUL_FIX",
    "FIX",
    "Entry",
    "check_fix",
    "check_time",
    "fix_entry",
    "is_payment",
    "observation",
    "order",
    "payment_entry",
    "rank",
]

FIX = 0
CARD_PRESENT = 1
ATM = 2
DOUBTFUL_FIX = 3
"""A fix whose flags explain any place it claims: remembered, but no evidence of where the person was."""

_KINDS = {FIX: ObservationKind.FIX, CARD_PRESENT: ObservationKind.CARD_PRESENT, ATM: ObservationKind.ATM}
_CHANNELS = {Channel.CARD_PRESENT: CARD_PRESENT, Channel.ATM: ATM}
_DOUBTS = frozenset((FixFlag.MOCK, FixFlag.CACHED))
_EARTH_RADIUS_DM = 200_400_000
"""A radius of half the circumference says `anywhere`; more says the same."""
_FIRST_NS = 946_684_800 * 1_000_000_000
"""2000-01-01: before it no phone and no card feed told the time rightly."""
_LAST_NS = 7_258_118_400 * 1_000_000_000
"""2200-01-01: later times do not fit 64 bits once the arithmetic of the history has been done on them."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One remembered observation of one subject."""

    event_ns: int
    kind: int
    source: int | str
    """Transaction id of a payment; for a fix the index of its device in the subject's list."""
    lat_e7: int
    lon_e7: int
    accuracy_dm: int


def is_payment(entry: Entry) -> bool:
    """Say whether the entry is a payment with a place."""
    return entry.kind in (CARD_PRESENT, ATM)


def check_time(event_ns: int) -> None:
    """Refuse a time that would poison the subject's history.

    Raises:
        InvalidInputError: before 2000 or after 2200 (reason ``invalid_time``).
    """
    if not _FIRST_NS <= event_ns < _LAST_NS:
        raise InvalidInputError(RejectReason.INVALID_TIME, "the event time must lie between 2000 and 2200: check its unit")


def check_fix(fix: Fix) -> None:
    """Refuse a fix that says no place or time on earth.

    Raises:
        InvalidInputError: time or coordinates out of range.
    """
    check_time(fix.fix_ns)
    if not valid_coordinates(fix.lat, fix.lon):
        raise InvalidInputError(RejectReason.INVALID_COORDINATES, "latitude must lie in -90..90 and longitude in -180..180")


def fix_entry(fix: Fix, device: int, parameters: RuleParameters) -> Entry:
    """Return the entry of a fix that passed `check_fix`.

    Args:
        fix: as read from Kafka.
        device: index of its device in the subject's list.
        parameters: for the radius of a fix that states none.
    """
    kind = DOUBTFUL_FIX if fix.flags and not _DOUBTS.isdisjoint(fix.flags) else FIX
    return Entry(fix.fix_ns, kind, device, *_place(fix.lat, fix.lon, fix.accuracy_m, parameters.default_accuracy_m))


def payment_entry(transaction: Transaction, parameters: RuleParameters) -> Entry | None:
    """Return the entry of a payment made at a place, or None when its coordinates are missing or impossible."""
    lat, lon = transaction.lat, transaction.lon
    if lat is None or lon is None or not valid_coordinates(lat, lon):
        return None
    place = _place(lat, lon, transaction.place_accuracy_m, parameters.default_place_accuracy_m)
    return Entry(transaction.authorised_ms * 1_000_000, _CHANNELS[transaction.channel], transaction.id, *place)


def _place(lat: float, lon: float, accuracy_m: float | None, default_m: float) -> tuple[int, int, int]:
    radius_m = accuracy_m if accuracy_m is not None and accuracy_m > 0.0 else default_m
    return round(lat * 1e7), round(lon * 1e7), math.ceil(min(radius_m * 10.0, _EARTH_RADIUS_DM))


def order(entry: Entry) -> tuple[int, str]:
    """Return the key that sorts a history: event time, then a fix before payments, then the transaction id.

    No two entries of one history have the same key: a slot holds one fix, and a transaction id is remembered once.
    """
    return entry.event_ns, entry.source if isinstance(entry.source, str) else ""


def rank(entry: Entry, device: str) -> tuple[bool, int, int, int, int, str]:
    """Return the key by which fixes compete for a slot, best first: trusted, accurate, early, then whatever makes it unique."""
    return entry.kind == DOUBTFUL_FIX, entry.accuracy_dm, entry.event_ns, entry.lat_e7, entry.lon_e7, device


def observation(entry: Entry, devices: list[str]) -> Observation:
    """Return the entry as alerts show it.

    >>> observation(Entry(5, ATM, "t1", 515_000_000, -1_000_000, 10_000), [])
    Observation(kind=<ObservationKind.ATM: 'atm'>, id='t1', event_ns=5, lat=51.5, lon=-0.1, accuracy_m=1000.0)
    """
    name = entry.source if isinstance(entry.source, str) else f"{devices[entry.source]}@{entry.event_ns}"
    return Observation(
        kind=_KINDS[entry.kind],
        id=name,
        event_ns=entry.event_ns,
        lat=entry.lat_e7 / 1e7,
        lon=entry.lon_e7 / 1e7,
        accuracy_m=entry.accuracy_dm / 10.0,
    )

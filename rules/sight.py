"""One observation of one person: a phone's fix, or a payment; as small integers, so that what is judged is exactly what is shown.

Places are kept to 1e-7 degrees (1.1 cm) and radii are rounded up to a decimetre.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from veilocity.contracts import Channel, Fix, FixFlag, Observation, ObservationKind, Transaction
from veilocity.geo import valid_coordinates

__all__ = [
    "ATM",
    "CACHED",
    "CARD_PRESENT",
    "CLOAKED",
    "DOUBTFUL",
    "ECOMMERCE",
    "FIX",
    "LATE_CLOCK",
    "LEAST_DELAY_NS",
    "MOCK",
    "NO_SPEED",
    "NULL_ISLAND_DEGREES",
    "RECURRING",
    "ROUNDED_E7",
    "Sight",
    "flag_bits",
    "is_null_island",
    "is_whole_hours",
    "observation",
    "payment_sight",
    "radius_dm",
    "rounding_dm",
    "sight_of",
    "speed_dms",
]

FIX, CARD_PRESENT, ATM, ECOMMERCE, RECURRING = range(5)
"""Kinds of observation; all after `ATM` have no place."""
_KINDS = (
    ObservationKind.FIX,
    ObservationKind.CARD_PRESENT,
    ObservationKind.ATM,
    ObservationKind.ECOMMERCE,
    ObservationKind.RECURRING,
)
_CHANNELS = {Channel.CARD_PRESENT: CARD_PRESENT, Channel.ATM: ATM, Channel.ECOMMERCE: ECOMMERCE, Channel.RECURRING: RECURRING}

MOCK, CLOAKED, CACHED, LATE_CLOCK = 1, 2, 4, 8
"""The flags of a fix, and `LATE_CLOCK`: it arrived a whole number of hours after its time, so the phone's clock may be that much behind."""
DOUBTFUL = MOCK | CACHED
"""Flags that explain any place a fix claims: it is remembered, but no evidence of where the person was."""
_FLAGS = {FixFlag.MOCK: MOCK, FixFlag.CLOAKED: CLOAKED, FixFlag.CACHED: CACHED}

_FASTEST_MPS = 6000.0
NO_SPEED = 65_535
"""In place of a speed that the phone did not report."""
_FARTHEST_DM = 200_400_000
"""A radius of half the circumference says `anywhere`; more says the same."""
NULL_ISLAND_DEGREES = 0.001
ROUNDED_E7 = 100_000
"""Coordinates that are both whole multiples of 0.01 degrees were rounded, on purpose or by a form."""
_ROUNDED = ((10_000_000, 790_000), (1_000_000, 79_000), (ROUNDED_E7, 7_900))
"""Step of the rounding (1e-7 degrees) and half the diagonal of its square at the equator (decimetres)."""


class Sight(NamedTuple):
    """Where a person was seen, when, how sure, and by what."""

    event_ns: int
    lat_e7: int
    lon_e7: int
    accuracy_dm: int
    speed_dms: int = NO_SPEED
    """As the phone reports it, decimetres a second."""
    flags: int = 0
    kind: int = FIX
    source: str = ""
    """The phone of a fix, the transaction of a payment."""

    @property
    def has_place(self) -> bool:
        """Whether the observation says where the person was."""
        return self.kind <= ATM and self.accuracy_dm >= 0


LEAST_DELAY_NS = 3_400_000_000_000
_HOUR_NS = 3_600_000_000_000
_EXACT_NS = 180_000_000_000


def is_whole_hours(delay_ns: int) -> bool:
    """Say whether a delay is one hour or more, to within three minutes.

    >>> is_whole_hours(7_260_000_000_000), is_whole_hours(5_400_000_000_000), is_whole_hours(90_000_000_000)
    (True, False, False)
    """
    return delay_ns >= LEAST_DELAY_NS and abs((delay_ns + _HOUR_NS // 2) % _HOUR_NS - _HOUR_NS // 2) <= _EXACT_NS


def flag_bits(flags: tuple[FixFlag, ...]) -> int:
    """Return the flags of a fix as bits.

    >>> flag_bits((FixFlag.CLOAKED, FixFlag.CACHED))
    6
    """
    bits = 0
    for flag in flags:
        bits |= _FLAGS[flag]
    return bits


def radius_dm(accuracy_m: float | None, default_m: float) -> int:
    """Return an accuracy radius in decimetres, rounded up; the default where none is stated.

    >>> radius_dm(4.71, 100.0), radius_dm(None, 100.0), radius_dm(-1.0, 100.0)
    (48, 1000, 1000)
    """
    tenths = accuracy_m * 10.0 if accuracy_m is not None and accuracy_m > 0.0 else default_m * 10.0
    return math.ceil(tenths) if tenths < _FARTHEST_DM else _FARTHEST_DM


def speed_dms(speed_mps: float | None) -> int:
    """Return a reported speed in decimetres a second; `NO_SPEED` where none is, or none that could be.

    >>> speed_dms(1.26), speed_dms(None) == speed_dms(-1.0) == NO_SPEED
    (13, True)
    """
    return round(speed_mps * 10.0) if speed_mps is not None and 0.0 <= speed_mps < _FASTEST_MPS else NO_SPEED


def rounding_dm(lat_e7: int, lon_e7: int) -> int:
    """Return how far a place may be from its rounded coordinates, in decimetres; 0 where they were not rounded.

    >>> rounding_dm(515_000_000, -1_000_000), rounding_dm(515_074_001, -1_278_000)
    (79000, 0)
    """
    if lat_e7 % ROUNDED_E7 or lon_e7 % ROUNDED_E7:
        return 0
    for step_e7, spread_dm in _ROUNDED:
        if lat_e7 % step_e7 == 0 and lon_e7 % step_e7 == 0:
            return spread_dm
    return 0


def is_null_island(lat: float, lon: float) -> bool:
    """Say whether the place is where a missing position is written as zeros.

    >>> is_null_island(0.0, -0.0), is_null_island(0.0, 6.7)
    (True, False)
    """
    return abs(lat) < NULL_ISLAND_DEGREES and abs(lon) < NULL_ISLAND_DEGREES


def sight_of(fix: Fix, default_accuracy_m: float) -> Sight:
    """Return a fix whose coordinates are valid as it is judged."""
    lat_e7, lon_e7 = round(fix.lat * 1e7), round(fix.lon * 1e7)
    flags = flag_bits(fix.flags) if fix.flags else 0
    radius, rounding = radius_dm(fix.accuracy_m, default_accuracy_m), rounding_dm(lat_e7, lon_e7)
    if rounding > radius:
        radius, flags = rounding, flags | CLOAKED
    if is_whole_hours(fix.received_ms * 1_000_000 - fix.fix_ns):
        flags |= LATE_CLOCK
    return Sight(fix.fix_ns, lat_e7, lon_e7, radius, speed_dms(fix.speed_mps), flags, FIX, fix.device)


def payment_sight(transaction: Transaction, default_accuracy_m: float) -> Sight:
    """Return a payment as it is judged; `accuracy_dm` is -1 where it has no usable place."""
    kind, lat, lon = _CHANNELS[transaction.channel], transaction.lat, transaction.lon
    event_ns = transaction.authorised_ms * 1_000_000
    if lat is None or lon is None or kind > ATM or not valid_coordinates(lat, lon) or is_null_island(lat, lon):
        return Sight(event_ns, 0, 0, -1, NO_SPEED, 0, kind, transaction.id)
    lat_e7, lon_e7 = round(lat * 1e7), round(lon * 1e7)
    radius, rounding = radius_dm(transaction.place_accuracy_m, default_accuracy_m), rounding_dm(lat_e7, lon_e7)
    return Sight(event_ns, lat_e7, lon_e7, radius if radius > rounding else rounding, NO_SPEED, 0, kind, transaction.id)


def observation(sight: Sight) -> Observation:
    """Return the observation as alerts show it.

    >>> observation(Sight(5, 515_000_000, -1_000_000, 10_000, kind=ATM, source="t1"))
    Observation(kind=<ObservationKind.ATM: 'atm'>, id='t1', event_ns=5, lat=51.5, lon=-0.1, accuracy_m=1000.0)
    """
    place = sight.has_place
    return Observation(
        kind=_KINDS[sight.kind],
        id=f"{sight.source}@{sight.event_ns}" if sight.kind == FIX else sight.source,
        event_ns=sight.event_ns,
        lat=sight.lat_e7 / 1e7 if place else None,
        lon=sight.lon_e7 / 1e7 if place else None,
        accuracy_m=sight.accuracy_dm / 10.0 if place else 0.0,
    )

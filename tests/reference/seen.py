"""What remains of the events: observations, slots, repeats and lateness, worked out anew from docs/rules.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from veilocity.contracts import Channel, Fix, FixFlag, Transaction

__all__ = ["NS", "Given", "Seen", "Settings", "take_in"]

NS = 1_000_000_000
_HOUR_NS = 3600 * NS
_ROUNDED = ((10_000_000, 79_000.0), (1_000_000, 7_900.0), (100_000, 790.0))
_MOVING = ("airline", "taxi", "rail", "ferry", "cruise")


@dataclass(frozen=True)
class Settings:
    """Of the page's table; seconds and metres."""

    history_s: int = 3600
    look_ahead_s: int = 1800
    slot_s: int = 15
    neighbour_s: int = 86_400
    future_s: int = 600


@dataclass(frozen=True)
class Seen:
    """One observation."""

    at_ns: int
    lat: float
    lon: float
    radius_m: float
    name: str
    kind: str = "fix"
    speed_kmh: float | None = None
    flags: frozenset[str] = frozenset()

    @property
    def is_doubtful(self) -> bool:
        """Whether it is evidence of nothing."""
        return bool(self.flags & {"mock", "cached"})


@dataclass
class Given:
    """What the history holds in the end."""

    phones: dict[str, list[Seen]] = field(default_factory=dict)
    """By device, in order of time."""
    began_ns: dict[str, int] = field(default_factory=dict)
    payments: list[tuple[Transaction, Seen | None]] = field(default_factory=list)
    """In order, each with its place if it has one."""
    refused: dict[str, str] = field(default_factory=dict)
    """Reason by payment that never entered the history."""


def take_in(arrivals: Iterable[Fix | Transaction], settings: Settings) -> Given:
    """Return what the history holds after these arrivals."""
    given, newest_ns = Given(), -(2**62)
    fixes: list[Fix] = []
    known: dict[str, Transaction] = {}
    for event in arrivals:
        at_ns = event.fix_ns if isinstance(event, Fix) else event.authorised_ms * 1_000_000
        horizon_ns = (newest_ns - settings.history_s * NS) // (settings.slot_s * NS) * settings.slot_s * NS
        if isinstance(event, Transaction):
            if event.id in known:
                continue
            known[event.id] = event
            if at_ns - event.received_ms * 1_000_000 > settings.future_s * NS:
                given.refused[event.id] = "future_time"
                continue
            if at_ns < horizon_ns:
                given.refused[event.id] = "too_late"
                continue
        elif at_ns < horizon_ns:
            continue
        else:
            fixes.append(event)
        newest_ns = max(newest_ns, at_ns)
    for device in sorted({fix.device for fix in fixes}):
        own = [fix for fix in fixes if fix.device == device]
        given.began_ns[device] = min(fix.fix_ns for fix in own)
        given.phones[device] = _thin(own, settings)
    entered = [one for one in known.values() if one.id not in given.refused]
    entered.sort(key=lambda one: (one.authorised_ms, one.id))
    given.payments = [(one, _payment(one)) for one in entered]
    return given


def _thin(fixes: Sequence[Fix], settings: Settings) -> list[Seen]:
    best: dict[int, tuple[tuple[object, ...], Seen]] = {}
    for fix in fixes:
        seen = _fix(fix)
        speed = 65_535 if seen.speed_kmh is None else seen.speed_kmh
        rank = (seen.is_doubtful, seen.radius_m, seen.at_ns, seen.lat, seen.lon, speed, sorted(seen.flags))
        slot = fix.fix_ns // (settings.slot_s * NS)
        if slot not in best or rank < best[slot][0]:
            best[slot] = rank, seen
    return [seen for _, (_, seen) in sorted(best.items())]


def _fix(fix: Fix) -> Seen:
    lat_e7, lon_e7 = round(fix.lat * 1e7), round(fix.lon * 1e7)
    flags = {flag.value for flag in fix.flags}
    stated = fix.accuracy_m if fix.accuracy_m is not None and fix.accuracy_m > 0 else 100.0
    radius_m, rounded_m = _rounded_up(stated), _rounding_m(lat_e7, lon_e7)
    if rounded_m > radius_m:
        radius_m = rounded_m
        flags.add(FixFlag.CLOAKED.value)
    delay_ns = fix.received_ms * 1_000_000 - fix.fix_ns
    hours = round(delay_ns / _HOUR_NS)
    if hours >= 1 and abs(delay_ns - hours * _HOUR_NS) <= 180 * NS:
        flags.add("late clock")
    speed_kmh = None if fix.speed_mps is None else round(fix.speed_mps * 10.0) * 0.36
    return Seen(fix.fix_ns, lat_e7 / 1e7, lon_e7 / 1e7, radius_m, fix.device, "fix", speed_kmh, frozenset(flags))


def _payment(payment: Transaction) -> Seen | None:
    lat, lon = payment.lat, payment.lon
    if payment.channel not in (Channel.CARD_PRESENT, Channel.ATM) or lat is None or lon is None:
        return None
    if not is_on_earth(lat, lon) or is_zero(lat, lon) or payment.category in _MOVING:
        return None
    lat_e7, lon_e7 = round(lat * 1e7), round(lon * 1e7)
    stated = payment.place_accuracy_m if payment.place_accuracy_m is not None and payment.place_accuracy_m > 0 else 1000.0
    radius_m = max(_rounded_up(stated), _rounding_m(lat_e7, lon_e7))
    return Seen(payment.authorised_ms * 1_000_000, lat_e7 / 1e7, lon_e7 / 1e7, radius_m, payment.id, payment.channel.value)


def is_on_earth(lat: float, lon: float) -> bool:
    """Whether coordinates are possible."""
    return -90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0


def is_zero(lat: float, lon: float) -> bool:
    """Whether coordinates stand for a place that is missing."""
    return abs(lat) < 0.001 and abs(lon) < 0.001


def _rounded_up(metres: float) -> float:
    return math.ceil(metres * 10.0) / 10.0


def _rounding_m(lat_e7: int, lon_e7: int) -> float:
    return next((spread for step, spread in _ROUNDED if lat_e7 % step == 0 and lon_e7 % step == 0), 0.0)

"""The filters of tracking servers as names on the fix: nothing is dropped, and no rule reads them. No clock, no network.

Conditions and names follow Traccar's FilterHandler; docs/phones.md has the table. Some compare a fix with the one before it of the same
phone. As on that server, only a fix that no filter would have dropped becomes `the one before`: after a jump of the receiver it is the
jump that is named, not the way home. What was seen is kept for so many phones and no more; the phone that was silent for longest is
forgotten first.

The memory is this process's own, so a restart or a second gateway names fewer fixes. Decisions and alerts do not depend on it.

Source: github.com/traccar/traccar, FilterHandler.java; traccar.org/filtering.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from veilocity.contracts import DeviceId, Fix, FixFilter, FixFlag
from veilocity.eventtime import NS_PER_S, ns_from_ms
from veilocity.geo import great_circle_m
from veilocity.settings import Settings

__all__ = ["FilterLimits", "Filters"]

_KMH_PER_MPS = 3.6
_NETWORK = "/network"
_T = TypeVar("_T")


class FilterLimits(NamedTuple):
    """From where on each filter names a fix; 0 turns one off."""

    accuracy_m: float = 500.0
    future_s: float = 30.0
    distance_m: float = 10.0
    max_speed_kmh: float = 1100.0
    min_period_s: float = 1.0
    skip_limit_s: float = 3600.0
    """After so long a silence a fix is not called duplicate, static or too near: it says that the phone lives."""

    @classmethod
    def of(cls, settings: Settings) -> FilterLimits:
        """Return those of the settings."""
        return cls(*(getattr(settings, f"ingest_filter_{name}") for name in cls._fields))


class _Last(NamedTuple):
    fix_ns: int
    lat: float
    lon: float
    received_ms: int


class Filters:
    """Names the filters of each fix. Safe to use from several threads.

    >>> from veilocity.contracts import SubjectId
    >>> still = Fix(SubjectId("p"), DeviceId("d"), "owntracks", 1_700_000_000 * NS_PER_S, 1_700_000_000_000, 52.51, 13.41, speed_mps=0.0)
    >>> [fix.filters for fix in Filters(FilterLimits()).name_all([still, still])]
    [(<FixFilter.STATIC: 'static'>,), (<FixFilter.STATIC: 'static'>,)]
    """

    def __init__(self, limits: FilterLimits, devices: int = 100_000) -> None:
        """Begin without memory.

        Args:
            limits: from where on each filter names a fix.
            devices: phones whose last fix is remembered, at most.
        """
        self._limits = limits
        self._devices = devices
        self._last: dict[DeviceId, _Last] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many phones are remembered."""
        return len(self._last)

    def name_all(self, items: Sequence[_T]) -> list[_T | Fix]:
        """Return the items in their order, each fix among them with the names of its filters."""
        with self._lock:
            return [self._named(item) if isinstance(item, Fix) else item for item in items]

    def _named(self, fix: Fix) -> Fix:
        last = self._last.get(fix.device)
        found = (*fix.filters, *self._alone(fix), *(self._compared(fix, last) if last is not None else ()))
        if not found:
            self._remember(fix)
            return fix
        return msgspec.structs.replace(fix, filters=found)

    def _alone(self, fix: Fix) -> Iterator[FixFilter]:
        limits = self._limits
        if fix.lat == 0.0 or fix.lon == 0.0:
            yield FixFilter.ZERO
        if limits.future_s and fix.fix_ns > ns_from_ms(fix.received_ms) + int(limits.future_s * NS_PER_S):
            yield FixFilter.FUTURE
        if limits.accuracy_m and fix.accuracy_m is not None and fix.accuracy_m > limits.accuracy_m:
            yield FixFilter.ACCURACY
        if fix.source.endswith(_NETWORK) or FixFlag.CLOAKED in fix.flags:
            yield FixFilter.APPROXIMATE
        if fix.speed_mps == 0.0 and not self._long_silent(fix, self._last.get(fix.device)):
            yield FixFilter.STATIC

    def _compared(self, fix: Fix, last: _Last) -> Iterator[FixFilter]:
        limits, elapsed_ns = self._limits, fix.fix_ns - last.fix_ns
        silent = self._long_silent(fix, last)
        if elapsed_ns == 0 and not silent:
            yield FixFilter.DUPLICATE
        distance_m = great_circle_m(last.lat, last.lon, fix.lat, fix.lon)
        if distance_m < limits.distance_m and not silent:
            yield FixFilter.DISTANCE
        if limits.max_speed_kmh and self._too_fast(fix, distance_m, elapsed_ns):
            yield FixFilter.MAX_SPEED
        if 0 < elapsed_ns < int(limits.min_period_s * NS_PER_S):
            yield FixFilter.MIN_PERIOD

    def _too_fast(self, fix: Fix, distance_m: float, elapsed_ns: int) -> bool:
        if fix.speed_mps is not None and fix.speed_mps * _KMH_PER_MPS > self._limits.max_speed_kmh:
            return True
        # Messages come in any order: the way back in time is as far.
        return elapsed_ns != 0 and distance_m * _KMH_PER_MPS * NS_PER_S > self._limits.max_speed_kmh * abs(elapsed_ns)

    def _long_silent(self, fix: Fix, last: _Last | None) -> bool:
        limit_s = self._limits.skip_limit_s
        return last is not None and limit_s > 0 and fix.received_ms - last.received_ms > limit_s * 1000

    def _remember(self, fix: Fix) -> None:
        # Taken out first, so that the order of the dictionary is that of the last news.
        self._last.pop(fix.device, None)
        self._last[fix.device] = _Last(fix.fix_ns, fix.lat, fix.lon, fix.received_ms)
        if len(self._last) > self._devices:
            del self._last[next(iter(self._last))]

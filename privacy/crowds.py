"""Figures about people that may be told to machines, because enough people are in each: means of where phones are, counts by country.

A metric has no list of readers: whoever may scrape it sees it. So what is told here is made of masked values (centres of cells, heights in
tens of metres), and of k people at least. One mean can still be taken from the next: who knows that of ten people and that of nine of them
knows the tenth. Therefore a mean is told only where

    at least k people are in it, and since the mean that was told last either nobody, or at least k people, came, went or changed

which keeps neighbours in time from being subtracted. It is no bound for who combines many of them, as differential privacy would be; what
that finds at worst is a cell of somebody without a name, which the stores hold anyway, with a pseudonym beside it (docs/adr/0015).

Everything is forgotten with the process: nothing of it is in the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from privacy.rounding import MINUTE_MS

__all__ = ["MOST_NAMES", "MOST_PEOPLE", "OTHER", "Average", "CrowdedNames", "GuardedMean", "PlaceAverages", "Seen"]

MOST_MINUTES = 16
"""Minutes that may be open: more than a sender's clock may be ahead."""
MOST_PEOPLE = 100_000
"""People remembered of one minute; further ones are left out of its mean."""
MOST_NAMES = 300
"""More than there are countries."""
OTHER = "other"
_OPPOSITE = 1e-6
"""Length of the mean direction below which people are all around the world, and a mean longitude means nothing."""

Vector = tuple[float, ...]


class Seen(NamedTuple):
    """Where somebody's phone was in a minute, masked."""

    person: str
    """Pseudonym."""
    minute_ms: int
    lat: float
    lon: float
    altitude_m: float | None


class Average(NamedTuple):
    """Means of one minute; None where it may not be told, or nobody stated the figure."""

    minute_ms: int
    lat: float | None
    lon: float | None
    altitude_m: float | None


class GuardedMean:
    """Means of one figure after another, each told only where it hides everybody in it.

    >>> mean = GuardedMean(k=2)
    >>> mean.told({"a": (1.0,), "b": (3.0,)})
    (2.0,)
    >>> mean.told({"a": (1.0,), "b": (3.0,), "c": (8.0,)}) is None
    True
    >>> mean.told({"a": (1.0,), "b": (3.0,), "c": (8.0,), "d": (8.0,)})
    (5.0,)
    """

    def __init__(self, k: int) -> None:
        """Begin with nothing told.

        Args:
            k: fewest people.
        """
        self._k = k
        self._last: Mapping[str, Vector] = {}

    def told(self, values: Mapping[str, Vector]) -> Vector | None:
        """Return the mean of each component, or None where it must not be told.

        Args:
            values: of each person; all of one length. Kept until the next mean is told, so not to be changed.
        """
        if len(values) < self._k:
            return None
        changed = sum(self._last.get(person) != value for person, value in values.items())
        changed += sum(person not in values for person in self._last)
        if 0 < changed < self._k:
            return None
        self._last = values
        return tuple(math.fsum(column) / len(values) for column in zip(*values.values(), strict=True))


class PlaceAverages:
    """Mean place and height of everybody seen in a minute, minute by minute of event time.

    A minute is closed once k people were seen two minutes later or more: so no phone whose clock is ahead closes it alone. Within a minute
    the last word of a person counts; what comes for a closed minute is left out. Longitudes are averaged as directions, so that 179 and
    -179 degrees give 180 and not 0.
    """

    def __init__(self, k: int) -> None:
        """Begin with no minute.

        Args:
            k: fewest people.
        """
        self._k = k
        self._places, self._altitudes = GuardedMean(k), GuardedMean(k)
        self._open: dict[int, dict[str, Seen]] = {}
        self._closed_ms = -1
        """The newest minute that is closed."""

    def add(self, seen: Iterable[Seen]) -> list[Average]:
        """Take sightings, and return the minutes that they close, oldest first."""
        for one in seen:
            if one.minute_ms <= self._closed_ms:
                continue
            people = self._open.setdefault(one.minute_ms, {})
            if one.person in people or len(people) < MOST_PEOPLE:
                people[one.person] = one
        crowded = [minute_ms for minute_ms, people in self._open.items() if len(people) >= self._k]
        passed_ms = max(crowded, default=0) - 2 * MINUTE_MS
        due = sorted(self._open)[: max(0, len(self._open) - MOST_MINUTES)]
        due += [minute_ms for minute_ms in sorted(self._open) if minute_ms <= passed_ms and minute_ms not in due]
        return [self._close(minute_ms) for minute_ms in due]

    def _close(self, minute_ms: int) -> Average:
        people = self._open.pop(minute_ms)
        self._closed_ms = max(self._closed_ms, minute_ms)
        place = self._places.told({one.person: _direction(one) for one in people.values()})
        altitude = self._altitudes.told({one.person: (one.altitude_m,) for one in people.values() if one.altitude_m is not None})
        lat, east, north = place or (None, 0.0, 0.0)
        lon = math.degrees(math.atan2(east, north)) if math.hypot(east, north) > _OPPOSITE else None
        return Average(minute_ms, lat, lon, altitude[0] if altitude else None)


def _direction(one: Seen) -> Vector:
    lon = math.radians(one.lon)
    return one.lat, math.sin(lon), math.cos(lon)


class CrowdedNames:
    """Names that are told once k people stand behind them; until then all of them are `other`.

    Memory: k pseudonyms of each name until it is told, and `MOST_NAMES` names.

    >>> names = CrowdedNames(k=2)
    >>> [names.shown(name, person) for name, person in (("FR", "a"), ("FR", "a"), ("FR", "b"), ("LI", "a"))]
    ['other', 'other', 'FR', 'other']
    """

    def __init__(self, k: int) -> None:
        """Begin with no name.

        Args:
            k: fewest people.
        """
        self._k = k
        self._people: dict[str, set[str]] = {}
        self._told: set[str] = set()

    def shown(self, name: str | None, person: str) -> str:
        """Return the name under which something of this person is counted.

        Args:
            name: as the record states it; None where it states none.
            person: pseudonym.
        """
        if name is None:
            return "none"
        if name in self._told:
            return name
        if name not in self._people and len(self._people) + len(self._told) >= MOST_NAMES:
            return OTHER
        people = self._people.setdefault(name, set())
        people.add(person)
        if len(people) < self._k:
            return OTHER
        self._told.add(name)
        del self._people[name]
        return name

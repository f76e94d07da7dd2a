"""Check `exactness`: no place finer than a cell, no time finer than a minute, no amount or score of more digits than promised.

What counts is the value, not the name of its field: two coordinates are found in any list, pair of fields or text, and a time in any number
that is one in milliseconds, microseconds or nanoseconds between 2000 and 2100.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import h3
from bson import ObjectId

from privacy.audit.documents import StoredDocument, last_name
from privacy.audit.examiner import Examiner
from privacy.audit.model import Limits

__all__ = ["ExactnessCheck", "decimals", "is_time", "significant_digits"]

_MINUTE_MS = 60_000
_FIRST_S, _LAST_S = 946_684_800, 4_102_444_800
_WALL_CLOCK = frozenset({"written_ms"})
"""Times of our own clocks: when a document was written, not when somebody did something."""
_NOTIFIER = "notification_"
_NOTIFIER_CLOCK = frozenset({"changed_ms", "due_ms", "ended_ms", "made_ms", "told_ms", "until_ms"})
"""Of the collections of notifications: when our own process did or will do something."""
_STAFF_CLOCK = frozenset(
    {
        ("cases", "opened_ms"),
        ("cases", "updated_ms"),
        ("accounts", "made_ms"),
        ("accounts", "changed_ms"),
        ("sessions", "made_ms"),
        ("sessions", "used_ms"),
        ("login_attempts", "last_ms"),
        ("login_attempts", "kept_until_ms"),
    }
)
"""When our own people decided something, or logged in."""
_REPORT_EDGES = frozenset({("reports", "start_ms"), ("reports", "end_ms"), ("reports_newest", "end_ms"), ("reports_newest", "oldest_ms")})
"""Ends of the windows of reports: a grid that everybody shares, and no time of an event as long as they lie on it."""
_REPORT_STEP_MS = 10_000
_NO_TIME = frozenset({"version"})
"""Minute and batch in one number, so that positions can be compared."""
_TWO_DIGITS = re.compile(r"(?:^|\.)(?:amount|accuracy_m|distance_m\.(?:low|likely|high))$")
_TWO_DECIMALS = re.compile(r"(?:^|\.)(?:score|probability)$")
_LATITUDES = frozenset({"lat", "latitude", "y"})
_LONGITUDES = frozenset({"lon", "lng", "long", "longitude", "x"})
_CELL = re.compile(r"(?<![0-9A-Za-z])8[0-9a-f]{14}(?![0-9A-Za-z])")
_PAIR = re.compile(r"-?[0-9]{1,2}\.[0-9]{4,}\s*[,;/ ]\s*-?[0-9]{1,3}\.[0-9]{4,}|-?[0-9]{1,3}\.[0-9]{4,}\s*[,;/ ]\s*-?[0-9]{1,2}\.[0-9]{4,}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:([0-9]{2})(?:[.,]([0-9]+))?")
_MOST_DECIMALS = 3
_WHOLE, _FINE = 1, 2
_EXEMPT, _TIME, _EDGE, _AMOUNT, _SCORE = "exempt", "time", "edge", "amount", "score"
_SHORTEST = 8
"""Characters: a time, a cell and two coordinates are longer."""
_CENTRE_DIGITS = 5


class ExactnessCheck(Examiner):
    """Looks at places, times and figures."""

    name = "exactness"

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._finest = limits.cell_resolution
        self._places = 0
        self._times = 0

    def see(self, document: StoredDocument) -> None:
        """Look at every place, time and figure."""
        parts = document.parts
        judged: set[int] = set()
        for path, found in parts.objects:
            self._see_object(document, path, found, judged)
        for path, numbers in parts.lists:
            if id(numbers) not in judged and _look_like_coordinates(*numbers[:2]):
                self.faults.add(document.fault(path, "is a list that looks like coordinates of more than three decimals"))
        faults = [(path, _fault_of_text(text, self._finest)) for path, text in parts.texts if len(text) >= _SHORTEST]
        ours = _NOTIFIER_CLOCK if document.collection.startswith(_NOTIFIER) else frozenset()
        faults += [(path, self._fault_of_number(document.collection, path, number)) for path, number in parts.numbers if path not in ours]
        faults += [(path, _fault_of_other(value)) for path, value in parts.others]
        for path, reason in faults:
            if reason:
                self.faults.add(document.fault(path, reason))

    def close(self) -> bool:
        """Tell how much was looked at."""
        self.figures = {"places": self._places, "times": self._times}
        return False

    def _see_object(self, document: StoredDocument, path: str, found: dict[str, Any], judged: set[int]) -> None:
        for name, below in found.items():
            if isinstance(below, dict) and below.get("type") == "Point" and "coordinates" in below:
                judged.update((id(below), id(below["coordinates"])))
                self._places += 1
                reason = self._fault_of_point(found.get("cell"), below["coordinates"])
                if reason:
                    self.faults.add(document.fault(f"{path}.{name}" if path else name, reason))
        if found.get("type") == "Point" and "coordinates" in found and id(found) not in judged:
            judged.add(id(found["coordinates"]))
            self.faults.add(document.fault(path, "is a point without the cell whose centre it is"))
        latitudes = [below for name, below in found.items() if str(name).lower() in _LATITUDES]
        longitudes = [below for name, below in found.items() if str(name).lower() in _LONGITUDES] if latitudes else []
        pairs = [(lat, lon) for lat in latitudes for lon in longitudes if _look_like_coordinates(lat, lon)]
        if pairs == [(found.get("lat"), found.get("lon"))] and not self._fault_of_point(found.get("cell"), [*pairs[0][::-1]]):
            self._places += 1
        elif pairs:
            self.faults.add(document.fault(path, "has two fields that look like coordinates of more than three decimals"))

    def _fault_of_point(self, cell: object, coordinates: object) -> str:
        if not isinstance(cell, str) or not h3.is_valid_cell(cell):
            return "is a point beside which there is no cell"
        if h3.get_resolution(cell) > self._finest:
            return ""  # the cell itself is at fault, and named by its own field
        if list(coordinates) != _centre(cell) if isinstance(coordinates, list | tuple) else True:
            return "is not the centre of the cell beside it"
        return ""

    def _fault_of_number(self, collection: str, path: str, value: float) -> str:
        what, kind = _kind_of(collection, path), is_time(value)
        if what == _EDGE:
            self._times += 1
            return "is no end of a window" if value % _REPORT_STEP_MS else ""
        if what == _TIME or kind:
            self._times += 1
            if what != _EXEMPT and (value % _MINUTE_MS or kind == _FINE):
                return "is a time finer than a minute"
        elif what == _AMOUNT and significant_digits(value) > 2:
            return "has more than two significant digits"
        elif what == _SCORE and decimals(value) > 2:
            return "has more than two decimals"
        return ""


@lru_cache(maxsize=10_000)
def _kind_of(collection: str, path: str) -> str:
    name = last_name(path)
    if name in _WALL_CLOCK or name in _NO_TIME or (collection, path) in _STAFF_CLOCK:
        return _EXEMPT
    if (collection, path) in _REPORT_EDGES:
        return _EDGE
    if name.endswith("_ms"):
        return _TIME
    return _AMOUNT if _TWO_DIGITS.search(path) else _SCORE if _TWO_DECIMALS.search(path) else ""


def _fault_of_other(value: object) -> str:
    if isinstance(value, ObjectId):
        return "is an id that tells the second and the order of its making"
    if isinstance(value, datetime) and (value.second or value.microsecond):
        return "is a time finer than a minute"
    return ""


def is_time(value: float) -> int:
    """Return 1 for what could be a time in ms, 2 for a fraction of seconds, microseconds or nanoseconds, 0 for anything else.

    Whole seconds are left alone: counts grow as large.

    >>> is_time(1_690_598_222_123), is_time(1_690_598_222.123), is_time(1_690_598_222_123_456_789), is_time(1_690_598_222), is_time(7)
    (1, 2, 2, 0, 0)
    """
    if value < _FIRST_S:
        return 0
    if _FIRST_S * 1000 <= value < _LAST_S * 1000:
        return _WHOLE
    if _FIRST_S <= value < _LAST_S:
        return _FINE if value % 1 else 0
    return _FINE if any(_FIRST_S * unit <= value < _LAST_S * unit for unit in (10**6, 10**9)) else 0


@lru_cache(maxsize=100_000)
def significant_digits(value: float) -> int:
    """Return how many digits a number has between its first and last that are not zero.

    >>> significant_digits(1200.0), significant_digits(0.071), significant_digits(1234), significant_digits(0)
    (2, 2, 4, 1)
    """
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


@lru_cache(maxsize=100_000)
def decimals(value: float) -> int:
    """Return how many digits a number has after the point.

    >>> decimals(0.25), decimals(3.0), decimals(1e-05)
    (2, 0, 5)
    """
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _look_like_coordinates(one: object, other: object) -> bool:
    if not isinstance(one, float) or not isinstance(other, float):
        return False
    if min(abs(one), abs(other)) > 90.0 or max(abs(one), abs(other)) > 180.0:
        return False
    return min(decimals(one), decimals(other)) > _MOST_DECIMALS


@lru_cache(maxsize=100_000)
def _centre(cell: str) -> list[float]:
    lat, lon = h3.cell_to_latlng(cell)
    return [round(lon, _CENTRE_DIGITS), round(lat, _CENTRE_DIGITS)]


@lru_cache(maxsize=100_000)
def _fault_of_text(text: str, finest: int) -> str:
    if any(h3.is_valid_cell(found) and h3.get_resolution(found) > finest for found in _CELL.findall(text)):
        return "holds a cell finer than the policy allows"
    if _PAIR.search(text):
        return "holds what looks like coordinates of more than three decimals"
    if any(int(seconds) or int(fraction or 0) for seconds, fraction in _MOMENT.findall(text)):
        return "holds a time finer than a minute"
    return ""

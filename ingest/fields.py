"""Reading single fields of items that strangers sent: one value in, one clean value or one reason out.

Every function takes the decoded JSON value as it came and raises `InvalidInputError` with the reason code and a sentence that names the
field, never its value. None and blank text mean "not stated" throughout, because spreadsheets and phones write both.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from veilocity.contracts import CardId, DeviceId, Reject, SubjectId, UserId
from veilocity.errors import InvalidInputError, RejectError, RejectReason
from veilocity.eventtime import EARLIEST_NS, NS_PER_S, ms_from_ns, ns_from_iso, ns_from_ms
from veilocity.geo import valid_coordinates

__all__ = [
    "Arrival",
    "Resolver",
    "check_time",
    "identifier",
    "number",
    "place",
    "reject",
    "required_identifier",
    "stated_ms",
    "text",
    "whole_number",
]

LONGEST_TEXT = 256
"""Characters of an identifier or a name: longer ones are a mistake, and would make records of unbounded size."""
LONGEST_PAYLOAD = 4096
"""Characters of a refused item that are kept."""
_DAMAGED = re.compile(
    r"""
      \d+(?:[.,]\d*[eE]\+?|[eE]\+)\d+   # 4.5E+15: a spreadsheet cut the last digits away
    | \d+[.,]0+                         # 4539148803436467.0: the number went through a float
    """,
    re.VERBOSE,
)
_LARGEST_MS = 2**62
_WHOLE = re.compile(r"-?\d{1,30}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a request came, and how far ahead of that its events may lie. The shell reads the clock; the pure parts get this."""

    received_ms: int
    future_limit_s: float

    @property
    def latest_ns(self) -> int:
        """The last nanosecond an event may carry."""
        return ns_from_ms(self.received_ms) + int(self.future_limit_s * NS_PER_S)


class Resolver(Protocol):
    """Says who an event belongs to."""

    def subject(self, *, card: CardId | None = None, user: UserId | None = None, device: DeviceId | None = None) -> SubjectId:
        """Return the subject of an event that carries these identifiers; at least one is given."""


def identifier(value: object, name: str) -> str | None:
    """Return an identifier as text, or None when it is not stated.

    Raises:
        InvalidInputError: ``damaged_identifier`` for an exponent or a float, because several people would become one;
            ``invalid_field`` for anything else that is no identifier.

    >>> identifier(" c-17 ", "card"), identifier(4539148803436467, "card"), identifier("", "card")
    ('c-17', '4539148803436467', None)
    >>> identifier("4.5E+15", "card")
    Traceback (most recent call last):
    veilocity.errors.InvalidInputError: damaged_identifier: card went through a spreadsheet or a float: send it as text, all digits
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    elif isinstance(value, float | Decimal):
        raise _damaged(name)
    if not isinstance(value, str):
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"{name} must be text")
    cleaned = value.strip()
    if not cleaned:
        return None
    if len(cleaned) > LONGEST_TEXT or not cleaned.isprintable():
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"{name} must be at most {LONGEST_TEXT} printable characters")
    # Nearly every identifier ends the check at its first characters.
    if cleaned[0].isdigit() and _DAMAGED.fullmatch(cleaned):
        raise _damaged(name)
    return cleaned


def _damaged(name: str) -> InvalidInputError:
    detail = f"{name} went through a spreadsheet or a float: send it as text, all digits"
    return InvalidInputError(RejectReason.DAMAGED_IDENTIFIER, detail)


def required_identifier(value: object, name: str) -> str:
    """Return an identifier that must be there.

    Raises:
        InvalidInputError: as `identifier`, or ``missing_field``.
    """
    found = identifier(value, name)
    if found is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, f"{name} is missing")
    return found


def text(value: object, name: str) -> str | None:
    """Return a short text, or None when it is not stated.

    Raises:
        InvalidInputError: ``invalid_field``.

    >>> text("  Café ", "merchant")
    'Café'
    """
    if value is None or value == "":
        cleaned = ""
    elif isinstance(value, str):
        cleaned = value.strip()
    else:
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"{name} must be text")
    if len(cleaned) > LONGEST_TEXT or not cleaned.isprintable():
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"{name} must be at most {LONGEST_TEXT} printable characters")
    return cleaned or None


def number(value: object, name: str) -> float | None:
    """Return a finite number, also from text ("12.5"), or None when it is not stated.

    Raises:
        InvalidInputError: ``invalid_field``.

    >>> number("583", "altitude"), number(0, "altitude"), number("", "altitude")
    (583.0, 0.0, None)
    """
    if type(value) is float and math.isfinite(value):
        return value
    if value is None:
        return None
    if type(value) is Decimal and value.is_finite():
        found = float(value)
        if math.isfinite(found):
            return found
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        # Python reads 1_000 as a thousand; nobody who sends it means that.
        if "_" in value:
            value = "?"
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            found = math.nan
        if math.isfinite(found):
            return found
    raise InvalidInputError(RejectReason.INVALID_FIELD, f"{name} must be a finite number")


def whole_number(value: object) -> int | None:
    """Return an exact integer, also from text, or None for everything else: a float is refused because it may have been rounded.

    >>> whole_number("1690598222123456789"), whole_number(1.5e18), whole_number(True)
    (1690598222123456789, None, None)
    """
    if type(value) is int:
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return None


def place(lat: object, lon: object) -> tuple[float, float] | None:
    """Return latitude and longitude in degrees, or None when neither is stated.

    Raises:
        InvalidInputError: ``invalid_coordinates`` for one without the other, values out of range, or exactly (0, 0): receivers without a
            fix report that point, and nobody pays in the Gulf of Guinea.
    """
    try:
        latitude, longitude = number(lat, "latitude"), number(lon, "longitude")
    except InvalidInputError as cause:
        raise InvalidInputError(RejectReason.INVALID_COORDINATES, cause.detail) from cause
    if latitude is None and longitude is None:
        return None
    if latitude is None or longitude is None:
        raise InvalidInputError(RejectReason.INVALID_COORDINATES, "latitude and longitude go together: one of the two is missing")
    if not valid_coordinates(latitude, longitude):
        detail = "latitude must be within -90..90 and longitude within -180..180 degrees: are they swapped?"
        raise InvalidInputError(RejectReason.INVALID_COORDINATES, detail)
    if latitude == 0.0 and longitude == 0.0:
        raise InvalidInputError(RejectReason.INVALID_COORDINATES, "exactly (0, 0) is what a receiver without a fix reports")
    return latitude, longitude


def check_time(time_ns: int, arrival: Arrival) -> None:
    """Return if an event may have happened at `time_ns`.

    Raises:
        InvalidInputError: ``invalid_time`` before 2000, ``future_time`` further ahead of the arrival than clocks may differ.
    """
    if time_ns < EARLIEST_NS:
        raise InvalidInputError(RejectReason.INVALID_TIME, "the time lies before 2000: check its unit")
    if time_ns > arrival.latest_ns:
        detail = f"the time lies more than {arrival.future_limit_s:g} s in the future: check the sender's clock"
        raise InvalidInputError(RejectReason.FUTURE_TIME, detail)


def reject(cause: RejectError, item: object, source: str, arrival: Arrival) -> Reject:
    """Return the record of a refused item, its payload cut to 4,096 characters."""
    return Reject(
        reason=cause.reason,
        detail=cause.detail,
        source=source,
        received_ms=arrival.received_ms,
        payload=_shown(item)[:LONGEST_PAYLOAD],
    )


def _shown(item: object) -> str:
    if isinstance(item, bytes):
        # At most four bytes make a character: no need to decode megabytes to keep a page of them.
        return item[: 4 * LONGEST_PAYLOAD].decode("utf-8", "replace")
    try:
        return json.dumps(item, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        # ValueError: Python refuses to print integers of more than 4,300 digits.
        return "(an item that cannot be shown as JSON)"


def stated_ms(item: dict[str, Any], name: str) -> int:
    """Return a time that an item states once: as text under `<name>_at`, or as integer milliseconds since 1970 UTC under `<name>_ms`.

    Raises:
        InvalidInputError: ``missing_field`` or ``invalid_time``.

    >>> stated_ms({"event_at": "1970-01-01T00:00:01Z"}, "event"), stated_ms({"event_ms": 1000}, "event")
    (1000, 1000)
    """
    as_text, as_ms = item.get(f"{name}_at"), item.get(f"{name}_ms")
    if as_text is None and as_ms is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, f"{name}_at or {name}_ms is missing")
    if as_text is not None and as_ms is not None:
        raise InvalidInputError(RejectReason.INVALID_TIME, f"state {name}_at or {name}_ms, not both")
    if as_text is not None:
        if not isinstance(as_text, str):
            raise InvalidInputError(RejectReason.INVALID_TIME, f"{name}_at must be text such as 2025-06-14T21:17:02.5Z")
        return ms_from_ns(ns_from_iso(as_text))
    time_ms = whole_number(as_ms)
    if time_ms is None or abs(time_ms) > _LARGEST_MS:
        raise InvalidInputError(RejectReason.INVALID_TIME, f"{name}_ms must be integer milliseconds since 1970 UTC")
    return time_ms

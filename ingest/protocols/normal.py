"""The normal form of phone protocols, and how each item of a request ends: accepted, rejected with a reason, or ignored. Pure.

An adapter names the fields (`Reading`) as they came; here they become a `Fix` by the same rules whatever the app: coordinates in range,
times as integer nanoseconds, unknown what is negative or blank, rounded coordinates flagged, the person from the directory.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from ingest.fields import Arrival, Resolver, check_time, identifier, number, place, reject
from ingest.outcome import Outcome, bounded, refuse_body
from ingest.sensor_logger import cloaking_m
from veilocity.contracts import DeviceId, Fix, FixFilter, FixFlag, UserId
from veilocity.errors import InvalidInputError, RejectError, RejectReason
from veilocity.eventtime import NS_PER_S, ns_from_iso, ns_from_ms

__all__ = [
    "Reading",
    "Request",
    "basic_user",
    "decode_json",
    "fix_of",
    "form_fields",
    "judge",
    "ns_from_any",
    "ns_from_seconds",
    "refused",
    "reported",
]

MPS_PER_KNOT = 1852.0 / 3600.0
MPS_PER_KMH = 1.0 / 3.6
_SECONDS = re.compile(r"(\d{1,11})(?:\.(\d{1,9})0*)?", re.ASCII)
_FIRST_MS = 2**31
"""As Traccar's server reads it: smaller whole numbers are seconds, others milliseconds."""
_LARGEST_INTEGER = 2**63
_MOST_FIELDS = 200
_TOKEN = "token"  # noqa: S105  # the name of a field

# Decimal keeps the digits of times; what is no number for Python either is refused item by item.
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Request(NamedTuple):
    """What an adapter sees of one HTTP request or MQTT message."""

    body: bytes = b""
    query: Mapping[str, str] = {}
    """Fields of the address, without the token."""
    headers: Mapping[str, str] = {}
    """By their names in lower case."""
    topic: str = ""
    """Of an MQTT message, else empty."""
    retained: bool = False
    """Whether an MQTT broker had kept the message."""


class Reading(NamedTuple):
    """One place as an app states it: fields as they came, but for the time and for what is m/s already."""

    device: str
    source: str
    fix_ns: int
    lat: object
    lon: object
    accuracy_m: object = None
    speed_mps: float | None = None
    bearing_deg: object = None
    altitude_m: object = None
    user: str | None = None
    session: str | None = None
    flags: tuple[FixFlag, ...] = ()
    filters: tuple[FixFilter, ...] = ()


def decode_json(body: bytes) -> Any:
    """Return a JSON document, its fractions as exact decimals.

    Raises:
        InvalidInputError: ``malformed``.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError, ArithmeticError) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the body is not JSON") from cause


def form_fields(body: bytes) -> dict[str, str]:
    """Return the fields of a form or of an address's query, the last of each name, without the token.

    Raises:
        InvalidInputError: ``malformed``.

    >>> form_fields(b"id=7&lat=52.5&lat=52.6&token=s3cret")
    {'id': '7', 'lat': '52.6'}
    """
    try:
        fields = dict(parse_qsl(body.decode("utf-8").strip(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the body is no form in UTF-8") from cause
    fields.pop(_TOKEN, None)
    return fields


def basic_user(headers: Mapping[str, str]) -> str:
    """Return the user name of HTTP Basic, or nothing. It names the phone where the app has no other field for it.

    >>> basic_user({"authorization": "Basic amFuZTpzM2NyZXQ="})
    'jane'
    """
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def ns_from_seconds(value: object) -> int:
    """Return Unix seconds, whole or with up to nine decimals, as exact nanoseconds.

    Raises:
        InvalidInputError: ``invalid_time``.

    >>> ns_from_seconds(1700000000), ns_from_seconds("1700000000.25")
    (1700000000000000000, 1700000000250000000)
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_INTEGER:
        value = str(value)
    match = _SECONDS.fullmatch(str(value).strip()) if isinstance(value, str | Decimal) else None
    if match is None:
        raise InvalidInputError(RejectReason.INVALID_TIME, "the time must be seconds since 1970 UTC")
    return int(match[1]) * NS_PER_S + int((match[2] or "").ljust(9, "0"))


def ns_from_any(value: object) -> int:
    """Return a time that may be seconds, milliseconds (from 2**31 on) or ISO 8601; without an offset it is UTC.

    Raises:
        InvalidInputError: ``invalid_time``.

    >>> ns_from_any("1377177267") == ns_from_any("1377177267000") == ns_from_any("2013-08-22 13:14:27")
    True
    """
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) and _printable(value) else ""
    if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) >= _FIRST_MS:
        return ns_from_ms(int(text))
    if isinstance(value, str) and "-" in value:
        return ns_from_iso(value, assume_utc=True)
    return ns_from_seconds(value)


def _printable(value: str | int) -> bool:
    return isinstance(value, str) or abs(value) < _LARGEST_INTEGER


def reported(value: object, name: str, factor: float = 1.0) -> float | None:
    """Return a speed times `factor`; None when it is not stated or negative.

    Raises:
        InvalidInputError: ``invalid_field``.

    >>> reported("36", "vel", MPS_PER_KMH), reported(-1, "speed"), reported("", "speed")
    (10.0, None, None)
    """
    found = number(value, name)
    return found * factor if found is not None and found >= 0.0 else None


def fix_of(reading: Reading, arrival: Arrival, resolver: Resolver) -> Fix:
    """Return the fix of a reading.

    Raises:
        InvalidInputError: why it is none.
    """
    check_time(reading.fix_ns, arrival)
    where = place(reading.lat, reading.lon)
    if where is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "latitude and longitude are missing")
    lat, lon = where
    accuracy_m = _positive(reading.accuracy_m)
    flags, cloak_m = reading.flags, cloaking_m(lat, lon)
    if cloak_m is not None:
        accuracy_m, flags = (accuracy_m or 0.0) + cloak_m, (*flags, FixFlag.CLOAKED)
    bearing_deg = number(reading.bearing_deg, "bearing")
    device, user = DeviceId(reading.device), identifier(reading.user, "user")
    return Fix(
        subject=resolver.subject(user=None if user is None else UserId(user), device=device),
        device=device,
        source=reading.source,
        fix_ns=reading.fix_ns,
        received_ms=arrival.received_ms,
        lat=lat,
        lon=lon,
        accuracy_m=accuracy_m,
        speed_mps=reading.speed_mps,
        bearing_deg=bearing_deg if bearing_deg is not None and 0.0 <= bearing_deg <= 360.0 else None,
        altitude_m=number(reading.altitude_m, "altitude"),
        flags=flags,
        session=reading.session,
        filters=reading.filters,
    )


def _positive(value: object) -> float | None:
    found = number(value, "accuracy")
    return found if found is not None and found > 0.0 else None


def judge(
    items: Iterable[object], read: Callable[[Any], Reading | None], source: str, arrival: Arrival, resolver: Resolver, body: bytes
) -> Outcome:
    """Return what became of each item: a reading is accepted, None is ignored, an error is a reject of that item alone."""
    outcome = Outcome()
    for item in items:
        try:
            reading = read(item)
            if reading is None:
                outcome.ignored += 1
            else:
                outcome.accepted.append(fix_of(reading, arrival, resolver))
        except RejectError as cause:
            outcome.rejects.append(reject(cause, item, source, arrival))
    return bounded(outcome, body, source, arrival)


def refused(cause: RejectError, request: Request, source: str, arrival: Arrival) -> Outcome:
    """Return the outcome of a request that cannot be read as a whole."""
    shown = request.body or msgspec.json.encode(dict(request.query))
    return refuse_body(cause, shown, source, arrival)

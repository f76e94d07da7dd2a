"""The push protocol of the Sensor Logger phone app: one request body in, fixes and rejects out. Pure.

A push is ``{messageId, sessionId, deviceId, userId?, payload: [{name, time, values: {...}}, ...]}``; older versions put the values beside
name and time. ``time`` is integer nanoseconds since 1970 UTC, above 2**53, so it is never read as a float. Only location readings become
fixes; everything else the app can stream is counted and ignored.

The promise: every reading is accepted, rejected or ignored, a bad one costs nothing but itself, and the order of readings is irrelevant.

Source: github.com/tszheichoi/awesome-sensor-logger, PUSHING.md and UNITS.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ingest.fields import Arrival, Resolver, check_time, identifier, number, place, reject, required_identifier, whole_number
from ingest.outcome import Outcome, bounded, refuse_body
from veilocity.contracts import DeviceId, Fix, FixFlag, SubjectId, UserId
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import NS_PER_S

__all__ = ["SOURCE", "cloaking_m", "parse"]

SOURCE = "sensor-logger"
_SOURCES = {
    "location": SOURCE,
    "locationgps": f"{SOURCE}/gps",
    "locationnetwork": f"{SOURCE}/network",
    "watchlocation": f"{SOURCE}/watch",
}
_CACHED_AFTER_S = 10
"""A fix this much older than every motion reading of its push was not taken for this push. Live fixes come within a few seconds;
cached ones were seen 18, 27 and 108 s before the recording began."""
_METRES_PER_DEGREE = 111_320.0
_LARGEST_SEQUENCE = 2**63 - 1

# The hook keeps 1e400 from making the whole body unreadable: it becomes infinity, and its own item is refused.
_decoder = msgspec.json.Decoder(float_hook=float)


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    """What all readings of a push share."""

    device: DeviceId
    subject: SubjectId
    session: str | None
    sequence: int | None
    others_began_ns: int | None
    """Time of the earliest reading of another sensor."""


def parse(body: bytes, arrival: Arrival, resolver: Resolver) -> Outcome:
    """Return what became of every reading of one push.

    Args:
        body: the request body.
        arrival: when it came.
        resolver: says whose phone it is.

    Guarantee: ``len(payload) = accepted + rejects + ignored``; a body that is no push at all is one reject. Nothing is raised.
    """
    try:
        push = _push(body)
        readings = push["payload"]
        if any(_name(reading) == "test" for reading in readings):
            # The app's test button: it only wants to see a 200, and a place in it would be made up.
            return Outcome(ignored=len(readings))
        if not readings:
            return Outcome()
        envelope = _envelope(push, readings, resolver)
    except InvalidInputError as cause:
        return refuse_body(cause, body, SOURCE, arrival)
    outcome = Outcome()
    for reading in readings:
        try:
            fix = _fix(reading, envelope, arrival)
        except InvalidInputError as cause:
            outcome.rejects.append(reject(cause, reading, SOURCE, arrival))
            continue
        if fix is None:
            outcome.ignored += 1
        else:
            outcome.accepted.append(fix)
    return bounded(outcome, body, SOURCE, arrival)


def _push(body: bytes) -> dict[str, Any]:
    try:
        push = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the body is not JSON") from cause
    if not isinstance(push, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "the body must be one JSON object with a payload")
    if "payload" not in push:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "payload is missing")
    if not isinstance(push["payload"], list):
        raise InvalidInputError(RejectReason.MALFORMED, "payload must be a list of readings")
    return push


def _envelope(push: dict[str, Any], readings: list[Any], resolver: Resolver) -> _Envelope:
    device = DeviceId(required_identifier(push.get("deviceId"), "deviceId"))
    user = identifier(push.get("userId"), "userId")
    session = push.get("sessionId")
    sequence = whole_number(push.get("messageId"))
    return _Envelope(
        device=device,
        subject=resolver.subject(user=None if user is None else UserId(user), device=device),
        # Both only help to follow a recording: a fix is as good without them.
        session=identifier(session, "sessionId") if isinstance(session, str) else None,
        sequence=sequence if sequence is not None and 0 <= sequence <= _LARGEST_SEQUENCE else None,
        others_began_ns=min(_times_of_others(readings), default=None),
    )


def _times_of_others(readings: list[Any]) -> Iterator[int]:
    for reading in readings:
        name = _name(reading)
        if name is not None and name not in _SOURCES:
            time_ns = whole_number(reading.get("time"))
            if time_ns is not None:
                yield time_ns


def _name(reading: object) -> str | None:
    """Return a reading's name without case, spaces and signs: `LocationGps`, `location_gps` and `location gps` are one."""
    if not isinstance(reading, dict):
        return None
    name = reading.get("name")
    if not isinstance(name, str):
        return None
    if name == "location":
        return name
    return "".join(character for character in name.lower() if character.isalnum())


def _fix(reading: Any, envelope: _Envelope, arrival: Arrival) -> Fix | None:
    name = _name(reading)
    if name is None:
        raise InvalidInputError(RejectReason.MALFORMED, "a reading must be an object with a name")
    source = _SOURCES.get(name)
    if source is None:
        return None
    values = reading.get("values", reading)
    if not isinstance(values, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "the values of a location must be an object")
    fix_ns = whole_number(reading.get("time"))
    if fix_ns is None:
        raise InvalidInputError(RejectReason.INVALID_TIME, "time must be integer nanoseconds since 1970 UTC")
    check_time(fix_ns, arrival)
    where = place(values.get("latitude"), values.get("longitude"))
    if where is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "latitude and longitude are missing: does the app's cloaking drop them?")
    lat, lon = where
    # `accuracy` beside name and time is not metres but an Android grade of 0 to 3.
    accuracy_m = _positive(values.get("horizontalAccuracy"), "horizontalAccuracy")
    cloak_m = cloaking_m(lat, lon)
    if cloak_m is not None:
        accuracy_m = (accuracy_m or 0.0) + cloak_m
    return Fix(
        subject=envelope.subject,
        device=envelope.device,
        source=source,
        fix_ns=fix_ns,
        received_ms=arrival.received_ms,
        lat=lat,
        lon=lon,
        accuracy_m=accuracy_m,
        speed_mps=_not_negative(values.get("speed"), "speed"),
        bearing_deg=_bearing(values.get("bearing", values.get("course"))),
        altitude_m=number(values.get("ellipsoidalAltitude", values.get("altitude")), "altitude"),
        flags=_flags(reading, values, envelope, fix_ns, cloaked=cloak_m is not None),
        session=envelope.session,
        sequence=envelope.sequence,
    )


def _positive(value: object, name: str) -> float | None:
    found = number(value, name)
    return found if found is not None and found > 0.0 else None


def _not_negative(value: object, name: str) -> float | None:
    found = number(value, name)
    return found if found is not None and found >= 0.0 else None


def _bearing(value: object) -> float | None:
    found = number(value, "bearing")
    return found if found is not None and 0.0 <= found <= 360.0 else None


def _flags(reading: dict[str, Any], values: dict[str, Any], envelope: _Envelope, fix_ns: int, *, cloaked: bool) -> tuple[FixFlag, ...]:
    flags = []
    if any(values.get(key) in (True, "true", "1") for key in ("mock", "mocked", "isMock", "isMocked")):
        flags.append(FixFlag.MOCK)
    if cloaked:
        flags.append(FixFlag.CLOAKED)
    began_ns = envelope.others_began_ns
    if began_ns is not None and fix_ns < began_ns - _CACHED_AFTER_S * NS_PER_S:
        flags.append(FixFlag.CACHED)
    elif _elapsed_s(values.get("seconds_elapsed", reading.get("seconds_elapsed"))) < 0.0:
        flags.append(FixFlag.CACHED)
    return tuple(flags)


def _elapsed_s(value: object) -> float:
    return number(value, "seconds_elapsed") or 0.0


def cloaking_m(lat: float, lon: float) -> float | None:
    """Return how many metres rounded coordinates may be off, or None for coordinates that were not rounded.

    The app can round both to 0.001 or to 0.1 degrees without saying so. A step of s degrees moves the place by at most s degrees in each
    direction, and by half of it when it rounds to the nearest; the answer is s in metres of latitude. That six digits end in three zeros
    by chance, in both, happens once in a million.

    >>> cloaking_m(40.182190879527845, -75.08315780740286) is None
    True
    >>> cloaking_m(40.182, -75.083), cloaking_m(40.2, -75.1)
    (111.32, 11132.0)
    """
    for decimals in (1, 3):
        # An app that multiplies by its step leaves 40.182000000000002.
        if abs(round(lat, decimals) - lat) < 1e-9 and abs(round(lon, decimals) - lon) < 1e-9:
            return _METRES_PER_DEGREE / 10**decimals
    return None

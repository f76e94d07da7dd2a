"""GPSLogger for Android, custom URL: one place a request, under names that its user chose. Pure.

The app fills a template such as ``?lat=%LAT&longitude=%LON&time=%TIME&s=%SPD`` (its default) in the address, in a form, or in a JSON
body. The usual spellings of each name are read, ``%ALL``'s among them; the speed is m/s (``spd_kph``: km/h), the time ISO 8601 or Unix
seconds. Blank is unknown: the app writes a blank speed where the receiver states none. The phone is ``aid``, ``ser``, ``device`` or
``id``, else the user of HTTP Basic.

Source: github.com/mendhak/gpslogger, CustomUrlManager.java and its page "Log to custom URL"; gpslogger#1137.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.fields import Arrival, Resolver, identifier
from ingest.outcome import Outcome
from ingest.protocols.normal import (
    MPS_PER_KMH,
    Reading,
    Request,
    basic_user,
    decode_json,
    form_fields,
    judge,
    ns_from_any,
    refused,
    reported,
)
from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["SOURCE", "parse"]

SOURCE = "gpslogger"
_PROVIDERS = {"gps": "gps", "network": "network", "passive": "passive", "fused": "fused"}
_DEVICE = ("aid", "androidid", "ser", "serial", "device", "deviceid", "device_id", "id")
_LAT = ("lat", "latitude")
_LON = ("lon", "longitude", "lng", "long")
_TIME = ("timestamp", "time", "timestamp_ms")
_SPEED = ("spd", "s", "speed")
_SPEED_KMH = ("spd_kph", "speed_kph", "speed_kmh")
_ACCURACY = ("acc", "accuracy")
_BEARING = ("dir", "direction", "bearing", "course")
_ALTITUDE = ("alt", "altitude", "elevation")
_PROVIDER = ("prov", "provider")


def parse(request: Request, arrival: Arrival, resolver: Resolver) -> Outcome:
    """Return what became of one place, or of a list of JSON places.

    Guarantee: ``places = accepted + rejects + ignored``. Nothing is raised.
    """
    try:
        if request.body.lstrip()[:1] in (b"{", b"["):
            found = decode_json(request.body)
            items = found if isinstance(found, list) else [found]
        else:
            items = [{**form_fields(request.body), **request.query}]
            if not items[0]:
                raise InvalidInputError(RejectReason.MALFORMED, "the request states nothing: put %ALL into the custom URL")
    except InvalidInputError as cause:
        return refused(cause, request, SOURCE, arrival)
    return judge(items, lambda item: _reading(item, request), SOURCE, arrival, resolver, request.body)


def _reading(item: Any, request: Request) -> Reading:
    if not isinstance(item, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "a place must be a JSON object")
    fields = {name.lower(): value for name, value in item.items()}
    time = _first(fields, _TIME)
    if time is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "time is missing: put %TIME or %TIMESTAMP into the custom URL")
    speed_mps = reported(_first(fields, _SPEED), "speed")
    if speed_mps is None:
        speed_mps = reported(_first(fields, _SPEED_KMH), "speed", MPS_PER_KMH)
    provider = _first(fields, _PROVIDER)
    known = _PROVIDERS.get(provider.lower()) if isinstance(provider, str) else None
    return Reading(
        device=_device(fields, request),
        source=SOURCE if known is None else f"{SOURCE}/{known}",
        fix_ns=ns_from_any(time),
        lat=_first(fields, _LAT),
        lon=_first(fields, _LON),
        accuracy_m=_first(fields, _ACCURACY),
        speed_mps=speed_mps,
        bearing_deg=_first(fields, _BEARING),
        altitude_m=_first(fields, _ALTITUDE),
    )


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the first value that is stated under one of the names."""
    for name in names:
        value = fields.get(name)
        if value is not None and value != "":
            return value
    return None


def _device(fields: Mapping[str, Any], request: Request) -> str:
    found = identifier(_first(fields, _DEVICE), "device") or identifier(basic_user(request.headers), "user")
    if found is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "nothing names the phone: add aid=%AID to the custom URL")
    return found

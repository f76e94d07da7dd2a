"""Traccar's client and OsmAnd's live tracking: one place a request, as query, as form, or as the client's JSON. Pure.

Query and form: ``id`` or ``deviceid``; ``lat`` and ``lon`` or ``location=lat,lon``; ``timestamp`` in seconds, milliseconds or as text
(without an offset: UTC; without any: the arrival); ``speed`` in knots, as Traccar's server reads it. OsmAnd writes m/s into the same
place: its address says so by ``speed_unit=mps`` (or ``kmh``). ``valid=0`` and ``valid=false`` become a filter's name. A request of cells
or Wi-Fi alone has no place and is ignored. JSON: ``{"device_id", "location": {"timestamp", "coords": {...}}}`` with m/s, -1 for unknown;
``mock`` becomes a flag.

Source: github.com/traccar/traccar, OsmAndProtocolDecoder.java and its test; traccar.org/osmand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.fields import Arrival, Resolver, required_identifier
from ingest.outcome import Outcome
from ingest.protocols.normal import (
    MPS_PER_KMH,
    MPS_PER_KNOT,
    Reading,
    Request,
    decode_json,
    form_fields,
    judge,
    ns_from_any,
    refused,
    reported,
)
from veilocity.contracts import FixFilter, FixFlag
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import ns_from_ms

__all__ = ["SOURCE", "parse"]

SOURCE = "traccar"
_MPS = {"knots": MPS_PER_KNOT, "kmh": MPS_PER_KMH, "mps": 1.0}
_NETWORK = ("cell", "wifi")


def parse(request: Request, arrival: Arrival, resolver: Resolver) -> Outcome:
    """Return what became of one place, or of a list of JSON places.

    Guarantee: ``places = accepted + rejects + ignored``; a request that names no device is one reject. Nothing is raised.
    """
    try:
        if request.body.lstrip()[:1] in (b"{", b"["):
            found = decode_json(request.body)
            items = found if isinstance(found, list) else [found]
            return judge(items, _of_json, SOURCE, arrival, resolver, request.body)
        fields = {**form_fields(request.body), **request.query}
        required_identifier(fields.get("id", fields.get("deviceid")), "id")
    except InvalidInputError as cause:
        return refused(cause, request, SOURCE, arrival)
    return judge([fields], lambda item: _of_fields(item, arrival), SOURCE, arrival, resolver, request.body)


def _of_fields(fields: Mapping[str, str], arrival: Arrival) -> Reading | None:
    lat, lon = _place(fields)
    if lat is None and lon is None and any(name in fields for name in _NETWORK):
        return None
    unit = fields.get("speed_unit", "knots")
    if unit not in _MPS:
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"speed_unit must be one of {', '.join(_MPS)}")
    stated = fields.get("timestamp")
    return Reading(
        device=required_identifier(fields.get("id", fields.get("deviceid")), "id"),
        source=SOURCE,
        fix_ns=ns_from_any(stated) if stated else ns_from_ms(arrival.received_ms),
        lat=lat,
        lon=lon,
        accuracy_m=fields.get("accuracy"),
        speed_mps=reported(fields.get("speed"), "speed", _MPS[unit]),
        bearing_deg=fields.get("bearing", fields.get("heading")),
        altitude_m=fields.get("altitude"),
        flags=(FixFlag.MOCK,) if _says_yes(fields.get("mock")) else (),
        filters=() if _says_yes(fields.get("valid", "true")) else (FixFilter.INVALID,),
    )


def _place(fields: Mapping[str, str]) -> tuple[str | None, str | None]:
    both = fields.get("location")
    if both is None:
        return fields.get("lat"), fields.get("lon")
    lat, comma, lon = both.partition(",")
    if not comma:
        raise InvalidInputError(RejectReason.INVALID_COORDINATES, "location must be latitude,longitude")
    return lat, lon


def _says_yes(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in ("1", "true"))


def _of_json(item: Any) -> Reading | None:
    location = item.get("location") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(location, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "a place must be a JSON object with device_id and location")
    device = required_identifier(item.get("device_id"), "device_id")
    coords = location.get("coords")
    if not isinstance(coords, dict):
        raise InvalidInputError(RejectReason.MISSING_FIELD, "coords is missing")
    if location.get("timestamp") is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "timestamp is missing")
    return Reading(
        device=device,
        source=SOURCE,
        fix_ns=ns_from_any(location["timestamp"]),
        lat=coords.get("latitude"),
        lon=coords.get("longitude"),
        accuracy_m=coords.get("accuracy"),
        speed_mps=reported(coords.get("speed"), "speed"),
        bearing_deg=coords.get("heading"),
        altitude_m=coords.get("ellipsoidal_altitude", coords.get("altitude")),
        flags=(FixFlag.MOCK,) if _says_yes(location.get("mock")) else (),
    )

"""Overland for iOS and Android: batches of GeoJSON features, coordinates in the order longitude, latitude. Pure.

``{"locations": [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]}, "properties": {"timestamp", ...}}]}``.
Speeds are m/s; what is negative is unknown. Summaries of trips and notes of the app without a place are counted and ignored. ``current``
and ``trip`` beside ``locations`` repeat what comes in a later batch. The phone is ``device_id``, else ``unique_id``, else ``?device=`` of
the address, else the user of HTTP Basic. The app sends a batch again until it reads ``{"result": "ok"}``.

Source: github.com/aaronpk/Overland-iOS, README.md, API; Overland-iOS#61 for trips.
"""

from __future__ import annotations

from typing import Any

from ingest.fields import Arrival, Resolver, identifier
from ingest.outcome import Outcome
from ingest.protocols.normal import Reading, Request, basic_user, decode_json, judge, refused, reported
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import ns_from_iso

__all__ = ["SOURCE", "parse"]

SOURCE = "overland"


def parse(request: Request, arrival: Arrival, resolver: Resolver) -> Outcome:
    """Return what became of every feature of one batch.

    Guarantee: ``locations = accepted + rejects + ignored``; a body that is no batch is one reject. Nothing is raised.
    """
    try:
        batch = decode_json(request.body)
        if not isinstance(batch, dict):
            raise InvalidInputError(RejectReason.MALFORMED, "the body must be one JSON object with locations")
        if "locations" not in batch:
            raise InvalidInputError(RejectReason.MISSING_FIELD, "locations is missing")
        if not isinstance(batch["locations"], list):
            raise InvalidInputError(RejectReason.MALFORMED, "locations must be a list of features")
    except InvalidInputError as cause:
        return refused(cause, request, SOURCE, arrival)
    return judge(batch["locations"], lambda item: _reading(item, request), SOURCE, arrival, resolver, request.body)


def _reading(item: Any, request: Request) -> Reading | None:
    properties = item.get("properties") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(properties, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "a location must be a GeoJSON feature with properties")
    if properties.get("type", "location") != "location":
        return None
    point = _point(item.get("geometry"))
    if point is None:
        if "action" in properties:
            return None
        raise InvalidInputError(RejectReason.MISSING_FIELD, "a location needs a point with longitude and latitude")
    return Reading(
        device=_device(properties, request),
        source=SOURCE,
        fix_ns=_time_ns(properties),
        lat=point[1],
        lon=point[0],
        accuracy_m=properties.get("horizontal_accuracy"),
        speed_mps=reported(properties.get("speed"), "speed"),
        bearing_deg=properties.get("course"),
        altitude_m=properties.get("altitude"),
    )


def _point(geometry: Any) -> list[Any] | None:
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    return coordinates if isinstance(coordinates, list) and len(coordinates) in (2, 3) else None


def _time_ns(properties: dict[str, Any]) -> int:
    stated = properties.get("timestamp")
    if stated is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "timestamp is missing")
    if not isinstance(stated, str):
        raise InvalidInputError(RejectReason.INVALID_TIME, "timestamp must be text such as 2015-10-01T08:00:00-0700")
    return ns_from_iso(stated)


def _device(properties: dict[str, Any], request: Request) -> str:
    for stated in (properties.get("device_id"), properties.get("unique_id"), request.query.get("device")):
        found = identifier(stated, "device_id")
        if found is not None:
            return found
    user = identifier(basic_user(request.headers), "user")
    if user is not None:
        return user
    raise InvalidInputError(RejectReason.MISSING_FIELD, "device_id is missing: set it in the app, or add ?device= to the address")

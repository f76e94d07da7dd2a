"""OwnTracks, over HTTP and MQTT: one JSON object a message; only ``_type: location`` is a place. Pure.

``tst`` is the time of the fix in Unix seconds, ``vel`` is km/h, ``acc`` metres; the app leaves out what is zero. A message without a
body, and every other type, needs no record: the app only wants to see that it arrived. A phone is ``user/device``, by what the operator
wrote into the address (headers ``X-Limit-U`` and ``X-Limit-D``, or ``?u=&d=``), else by the topic, else by the user of HTTP Basic and
``tid``. Over MQTT the broker's topic alone counts, since the broker checks who writes there.

``t: p`` is a ping: it repeats the last known place under the present time, so it is flagged as cached.

Source: github.com/owntracks/booklet, docs/tech/json.md and http.md; owntracks/ios#197, owntracks/android#1928.
"""

from __future__ import annotations

from typing import Any

from ingest.fields import Arrival, Resolver, required_identifier
from ingest.outcome import Outcome
from ingest.protocols.normal import MPS_PER_KMH, Reading, Request, basic_user, decode_json, judge, ns_from_seconds, refused, reported
from veilocity.contracts import FixFilter, FixFlag
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import NS_PER_S

__all__ = ["SOURCE", "parse"]

SOURCE = "owntracks"
_OUTDATED_S = 600
_TOPIC_PARTS = 3


def parse(request: Request, arrival: Arrival, resolver: Resolver) -> Outcome:
    """Return what became of one message; the app's queue may also arrive as a list of messages.

    Guarantee: ``messages = accepted + rejects + ignored``. Nothing is raised.
    """
    if not request.body.strip():
        return Outcome()
    try:
        found = decode_json(request.body)
        if not isinstance(found, dict | list):
            raise InvalidInputError(RejectReason.MALFORMED, "the body must be one JSON object with a _type")
    except InvalidInputError as cause:
        return refused(cause, request, SOURCE, arrival)
    items = found if isinstance(found, list) else [found]
    return judge(items, lambda item: _reading(item, request), SOURCE, arrival, resolver, request.body)


def _reading(item: Any, request: Request) -> Reading | None:
    if not isinstance(item, dict) or not isinstance(item.get("_type"), str):
        raise InvalidInputError(RejectReason.MALFORMED, "a message must be a JSON object with a _type")
    if item["_type"] != "location":
        return None
    user, device = _names(item, request)
    if "tst" not in item:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "tst is missing")
    fix_ns = ns_from_seconds(item["tst"])
    return Reading(
        device=f"{user}/{device}",
        source=SOURCE,
        fix_ns=fix_ns,
        lat=item.get("lat"),
        lon=item.get("lon"),
        accuracy_m=item.get("acc"),
        speed_mps=reported(item.get("vel"), "vel", MPS_PER_KMH),
        bearing_deg=item.get("cog"),
        altitude_m=item.get("alt"),
        user=user,
        flags=(FixFlag.CACHED,) if item.get("t") == "p" else (),
        filters=_filters(item, fix_ns),
    )


def _filters(item: dict[str, Any], fix_ns: int) -> tuple[FixFilter, ...]:
    if "created_at" not in item:
        return ()
    try:
        made_ns = ns_from_seconds(item["created_at"])
    except InvalidInputError:
        # Nothing else depends on it.
        return ()
    return (FixFilter.OUTDATED,) if made_ns - fix_ns > _OUTDATED_S * NS_PER_S else ()


def _names(item: dict[str, Any], request: Request) -> tuple[str, str]:
    """Return user and device.

    Raises:
        InvalidInputError: ``missing_field``: nothing says whose message it is; ``invalid_field``: a slash in a name.
    """
    if request.topic:
        return _of_topic(request.topic)
    headers, query = request.headers, request.query
    user = headers.get("x-limit-u") or query.get("u")
    device = headers.get("x-limit-d") or query.get("d")
    if not user and not device and isinstance(item.get("topic"), str):
        return _of_topic(item["topic"])
    user, device = user or basic_user(headers), device or item.get("tid")
    return _name(user, "the user (X-Limit-U, ?u= or HTTP Basic)"), _name(device, "the device (X-Limit-D, ?d= or tid)")


def _of_topic(topic: str) -> tuple[str, str]:
    parts = topic.split("/")
    if len(parts) < _TOPIC_PARTS:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "the topic must be owntracks/USER/DEVICE")
    return _name(parts[1], "the user in the topic"), _name(parts[2], "the device in the topic")


def _name(value: object, what: str) -> str:
    found = required_identifier(value, what)
    if "/" in found:
        # `a/b` and `c` would be the same phone as `a` and `b/c`.
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"{what} must hold no slash")
    return found

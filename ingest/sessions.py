"""Browsing events as JSON: one or many in, session events and rejects out. Pure.

A body is one object, a list of objects, ``{"sessions": [...]}``, or newline-delimited JSON, one object a line. The promise is that of
payments: every event is accepted or rejected, and a bad one, or a bad line, costs nothing but itself.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.fields import Arrival, Resolver, check_time, identifier, reject, required_identifier, stated_ms, text
from ingest.outcome import Outcome, bounded, refuse_body
from ingest.transactions import items_of
from veilocity.contracts import CardId, DeviceId, SessionEvent, SessionEventType, UserId
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import ns_from_ms

__all__ = ["SOURCE", "parse"]

SOURCE = "sessions"
_TYPES = {kind.value: kind for kind in SessionEventType}


class _BadLine(msgspec.Struct):
    """A line of newline-delimited JSON that is none."""

    line: bytes


def parse(body: bytes, arrival: Arrival, resolver: Resolver) -> Outcome:
    """Return what became of every event of one request.

    Args:
        body: the request body.
        arrival: when it came.
        resolver: says who it was.

    Guarantee: ``events = accepted + rejects``; a body that is no list of events is one reject. Nothing is raised.
    """
    try:
        items = _items(body)
    except InvalidInputError as cause:
        return refuse_body(cause, body, SOURCE, arrival)
    outcome = Outcome()
    for item in items:
        try:
            outcome.accepted.append(_event(item, arrival, resolver))
        except InvalidInputError as cause:
            outcome.rejects.append(reject(cause, item.line if isinstance(item, _BadLine) else item, SOURCE, arrival))
    return bounded(outcome, body, SOURCE, arrival)


def _items(body: bytes) -> list[Any]:
    try:
        return items_of(body, SOURCE)
    except InvalidInputError:
        lines = [line for line in body.splitlines() if line.strip()]
        if len(lines) <= 1:
            raise
    items = [_line(line) for line in lines]
    if all(isinstance(item, _BadLine) for item in items):
        raise InvalidInputError(RejectReason.MALFORMED, "the body is neither JSON nor lines of JSON")
    return items


def _line(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return _BadLine(line)


def _event(item: Any, arrival: Arrival, resolver: Resolver) -> SessionEvent:
    if not isinstance(item, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "a browsing event must be a JSON object")
    session = required_identifier(item.get("session"), "session")
    user, device, card = (identifier(item.get(name), name) for name in ("user", "device", "card"))
    if user is None and device is None and card is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "a browsing event needs a user, a device or a card")
    event_ms = stated_ms(item, "event")
    check_time(ns_from_ms(event_ms), arrival)
    known_user = None if user is None else UserId(user)
    known_device = None if device is None else DeviceId(device)
    return SessionEvent(
        session=session,
        subject=resolver.subject(card=None if card is None else CardId(card), user=known_user, device=known_device),
        type=_type(item.get("type")),
        event_ms=event_ms,
        received_ms=arrival.received_ms,
        user=known_user,
        device=known_device,
        traffic_source=text(item.get("traffic_source"), "traffic_source"),
        device_type=text(item.get("device_type"), "device_type"),
    )


def _type(value: object) -> SessionEventType:
    if value is None or value == "":
        raise InvalidInputError(RejectReason.MISSING_FIELD, "type is missing")
    kind = _TYPES.get(value) if isinstance(value, str) else None
    if kind is None:
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"type must be one of {', '.join(_TYPES)}")
    return kind

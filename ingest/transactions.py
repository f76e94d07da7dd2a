"""Payments as JSON: one or many in, transactions and rejects out. Pure.

The normal form is described field by field in docs/http-api.md. A body is one object, a list of objects, or ``{"transactions": [...]}``.

The promise: every payment is accepted or rejected, a bad one costs nothing but itself, amounts are exact, and order is irrelevant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from ingest.fields import Arrival, Resolver, check_time, identifier, number, place, reject, required_identifier, stated_ms, text
from ingest.money import currency_code, minor_units
from ingest.outcome import Outcome, bounded, refuse_body
from veilocity.contracts import CardId, Channel, DeviceId, Transaction, UserId
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import ns_from_ms

__all__ = ["SOURCE", "items_of", "judge", "parse", "transaction_of"]

SOURCE = "transactions"
_CHANNELS = {channel.value: channel for channel in Channel}
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)

# Decimal keeps an amount as it was written: 107.23 never becomes 107.230000000000004.
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def parse(body: bytes, arrival: Arrival, resolver: Resolver) -> Outcome:
    """Return what became of every payment of one request.

    Args:
        body: the request body.
        arrival: when it came.
        resolver: says who paid.

    Guarantee: ``payments = accepted + rejects``; a body that is no list of payments is one reject. Nothing is raised.
    """
    try:
        items = items_of(body, "transactions")
    except InvalidInputError as cause:
        return refuse_body(cause, body, SOURCE, arrival)
    return bounded(judge(items, arrival, resolver), body, SOURCE, arrival)


def judge(items: Iterable[Any], arrival: Arrival, resolver: Resolver, source: str = SOURCE) -> Outcome:
    """Return what became of every payment.

    Args:
        items: payments in the normal form, decoded from whatever they came in.
        arrival: when they came.
        resolver: says who paid.
        source: written into rejects.
    """
    outcome = Outcome()
    for item in items:
        try:
            outcome.accepted.append(transaction_of(item, arrival, resolver))
        except InvalidInputError as cause:
            outcome.rejects.append(reject(cause, item, source, arrival))
    return outcome


def items_of(body: bytes, wrapper: str) -> list[Any]:
    """Return the items of a body that is one object, a list, or an object with a list under `wrapper`.

    Raises:
        InvalidInputError: ``malformed``.

    >>> items_of(b'{"id": "t1"}', "transactions"), items_of(b'{"transactions": []}', "transactions")
    ([{'id': 't1'}], [])
    """
    try:
        decoded = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the body is not JSON") from cause
    if isinstance(decoded, dict) and wrapper in decoded:
        decoded = decoded[wrapper]
    elif isinstance(decoded, dict):
        decoded = [decoded]
    if not isinstance(decoded, list):
        raise InvalidInputError(RejectReason.MALFORMED, f"the body must be an object, a list, or an object with a list of {wrapper}")
    return decoded


def transaction_of(item: Any, arrival: Arrival, resolver: Resolver) -> Transaction:
    """Return one payment in the normal form as a transaction.

    Raises:
        InvalidInputError: why it is none; the sentence names the field first.
    """
    if not isinstance(item, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "a payment must be a JSON object")
    payment_id = required_identifier(item.get("id"), "id")
    card, device, user = _payer(item)
    authorised_ms = stated_ms(item, "authorised")
    check_time(ns_from_ms(authorised_ms), arrival)
    currency = currency_code(item.get("currency"))
    where = place(item.get("lat"), item.get("lon"))
    return Transaction(
        id=payment_id,
        subject=resolver.subject(card=card, user=user, device=device),
        authorised_ms=authorised_ms,
        received_ms=arrival.received_ms,
        amount_minor=minor_units(item.get("amount"), currency),
        currency=currency,
        merchant=_required_text(item, "merchant"),
        category=_required_text(item, "category"),
        channel=_channel(item.get("channel")),
        card=card,
        device=device,
        user=user,
        device_type=text(item.get("device_type"), "device_type"),
        lat=where[0] if where else None,
        lon=where[1] if where else None,
        place_accuracy_m=_accuracy_m(item),
        country=_country(item),
    )


def _payer(item: dict[str, Any]) -> tuple[CardId | None, DeviceId | None, UserId | None]:
    card, device, user = (identifier(item.get(name), name) for name in ("card", "device", "user"))
    if card is None and device is None and user is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "a payment needs a card, a device or a user")
    return (
        None if card is None else CardId(card),
        None if device is None else DeviceId(device),
        None if user is None else UserId(user),
    )


def _required_text(item: dict[str, Any], name: str) -> str:
    found = text(item.get(name), name)
    if found is None:
        raise InvalidInputError(RejectReason.MISSING_FIELD, f"{name} is missing")
    return found


def _channel(value: object) -> Channel:
    if value is None or value == "":
        raise InvalidInputError(RejectReason.MISSING_FIELD, "channel is missing")
    channel = _CHANNELS.get(value) if isinstance(value, str) else None
    if channel is None:
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"channel must be one of {', '.join(_CHANNELS)}")
    return channel


def _accuracy_m(item: dict[str, Any]) -> float | None:
    accuracy_m = number(item.get("place_accuracy_m"), "place_accuracy_m")
    if accuracy_m is not None and accuracy_m <= 0.0:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "place_accuracy_m must be positive")
    return accuracy_m


def _country(item: dict[str, Any]) -> str | None:
    country = text(item.get("country"), "country")
    if country is not None and not _COUNTRY.fullmatch(country):
        raise InvalidInputError(RejectReason.INVALID_FIELD, "country must be two capital letters (ISO 3166-1 alpha-2), such as FR")
    return country

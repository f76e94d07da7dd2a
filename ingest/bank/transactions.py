"""The bank's payments, read as they are into the normal form. Pure.

Keys, with their spaces: ``Transaction ID, User ID, Device ID, Name, Timestamp, Amount, Card Number, Merchant ID, Merchant,
Merchant_category, Location Latitude, Location Longitude, Transaction Type, Transaction_device``. Coordinates are text, ``Timestamp`` is a
local ISO time, ``Name`` is read by nobody and kept nowhere.
"""

from __future__ import annotations

from typing import Any

from ingest.bank.hiding import hide_all
from ingest.bank.localtime import ns_from_local
from ingest.bank.profile import Bank
from ingest.fields import Arrival, Resolver, reject, text
from ingest.outcome import Outcome, bounded, refuse_body
from ingest.transactions import items_of, transaction_of
from veilocity.contracts import Channel
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import ms_from_ns

__all__ = ["BANK_TRANSACTIONS", "KEYS", "parse"]

BANK_TRANSACTIONS = "bank-transactions"
KEYS = {
    "id": "Transaction ID",
    "user": "User ID",
    "device": "Device ID",
    "card": "Card Number",
    "amount": "Amount",
    "merchant": "Merchant",
    "category": "Merchant_category",
    "lat": "Location Latitude",
    "lon": "Location Longitude",
    "device_type": "Transaction_device",
}
"""Field of the normal form to key of the bank; time, channel and merchant need more than a name."""


def parse(body: bytes, arrival: Arrival, resolver: Resolver, bank: Bank) -> Outcome:
    """Return what became of every payment of one request: one message, a list of them, or an object with a list under `transactions`.

    Guarantee: ``payments = accepted + rejects``; a body that is no list of payments is one reject. Nothing is raised, and no reject holds a
    name or a card's whole number.
    """
    try:
        items = items_of(body, "transactions")
    except InvalidInputError as cause:
        return hide_all(refuse_body(cause, body, BANK_TRANSACTIONS, arrival))
    outcome = Outcome()
    for item in items:
        try:
            outcome.accepted.append(transaction_of(_normal(item, bank), arrival, resolver))
        except InvalidInputError as cause:
            outcome.rejects.append(reject(_in_words_of_the_bank(cause), item, BANK_TRANSACTIONS, arrival))
    return hide_all(bounded(outcome, body, BANK_TRANSACTIONS, arrival))


def _normal(item: Any, bank: Bank) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "a payment must be a JSON object")
    found: dict[str, Any] = {name: item.get(key) for name, key in KEYS.items()}
    if not text(found["merchant"], "Merchant"):
        found["merchant"] = item.get("Merchant ID")
    placed = not _blank(found["lat"]) and not _blank(found["lon"]) and not _blank(found["device"])
    return {
        **found,
        "authorised_ms": ms_from_ns(_time_ns(item.get("Timestamp"), bank)),
        "currency": bank.currency,
        "channel": _channel(item.get("Transaction Type"), bank.placed if placed else Channel.ECOMMERCE).value,
    }


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _time_ns(value: object, bank: Bank) -> int:
    if _blank(value):
        raise InvalidInputError(RejectReason.MISSING_FIELD, "Timestamp is missing")
    if not isinstance(value, str):
        raise InvalidInputError(RejectReason.INVALID_TIME, "Timestamp must be text such as 2024-04-20T13:05:01")
    return ns_from_local(value, bank.zone)


def _channel(value: object, online: Channel) -> Channel:
    if _blank(value):
        raise InvalidInputError(RejectReason.MISSING_FIELD, "Transaction Type is missing")
    if not isinstance(value, str) or value.strip().lower() != "online":
        raise InvalidInputError(RejectReason.INVALID_FIELD, "Transaction Type must be online, as the bank has no other")
    return online


def _in_words_of_the_bank(cause: InvalidInputError) -> InvalidInputError:
    """Return the error with the bank's name of a field where the normal form's stands."""
    name, _, rest = cause.detail.partition(" ")
    return InvalidInputError(cause.reason, f"{KEYS[name]} {rest}") if name in KEYS else cause

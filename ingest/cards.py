"""Card files with Sparkov's columns as payments in the gateway's normal form. Pure, but for reading the file.

Columns are found by their header: ``trans_date_trans_time, cc_num, merchant, category, amt, merch_lat, merch_long, trans_num``; others are
left alone. A category that ends in ``_net`` was paid online and has no place. ``unix_time`` is not used: in the public file it is 2,557
days behind.

Source: github.com/namebrandon/Sparkov_Data_Generation.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from veilocity.contracts import Channel
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import ms_from_ns, ns_from_iso

__all__ = ["is_card_file", "payment", "read_cards"]

_REQUIRED = ("trans_date_trans_time", "cc_num", "merchant", "category", "amt", "trans_num")
_ONLINE = "_net"
_CURRENCY = "USD"


def is_card_file(path: Path) -> bool:
    """Say whether the first line of a text file has the columns of a card file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return all(column in header for column in _REQUIRED)


def read_cards(path: Path) -> list[dict[str, Any]]:
    """Return the payments of a card file in its order, ready for ``POST /v1/transactions``.

    Raises:
        InvalidInputError: ``malformed``, when the file cannot be read or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in _REQUIRED if column not in (reader.fieldnames or ())]
            if missing:
                raise InvalidInputError(RejectReason.MALFORMED, f"the card file lacks the columns {', '.join(missing)}")
            return [payment(row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the card file cannot be read: is it CSV in UTF-8?") from cause


def payment(row: dict[str, str]) -> dict[str, Any]:
    """Return one row as a payment; what is wrong with it is for the gateway to say.

    >>> payment({"trans_date_trans_time": "2019-01-01 00:00:18", "cc_num": "2703186189652095", "merchant": "Rippin", "category": "misc_net",
    ...     "amt": "4.97", "merch_lat": "36.0", "merch_long": "-82.0", "trans_num": "t1"})["channel"]
    'e-commerce'
    """
    online = (row["category"] or "").endswith(_ONLINE)
    found: dict[str, Any] = {
        "id": row["trans_num"],
        "card": row["cc_num"],
        **_time(row["trans_date_trans_time"] or ""),
        "amount": row["amt"],
        "currency": _CURRENCY,
        "merchant": row["merchant"],
        "category": row["category"],
        "channel": (Channel.ECOMMERCE if online else Channel.CARD_PRESENT).value,
    }
    if not online:
        found["lat"], found["lon"] = row.get("merch_lat"), row.get("merch_long")
    return found


def _time(text: str) -> dict[str, int | str]:
    """Return the local time of the file, read as UTC, because the file states no zone."""
    try:
        return {"authorised_ms": ms_from_ns(ns_from_iso(text, assume_utc=True))}
    except InvalidInputError:
        return {"authorised_at": text}

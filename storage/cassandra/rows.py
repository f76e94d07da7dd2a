"""One masked payment as a row: its columns, its timestamp and how long it lives. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from storage.documents import MaskedTransaction
from veilocity.eventtime import window_start_ms

__all__ = ["COLUMNS", "LONGEST_TTL_S", "row", "timestamp_us", "ttl_s"]

COLUMNS = {
    "id": "text PRIMARY KEY",
    "seq": "bigint",
    "revision": "int",
    "subject": "text",
    "card": "text",
    "device": "text",
    "user": "text",
    "device_type": "text",
    "minute": "timestamp",
    "amount": "double",
    "currency": "text",
    "amount_band": "text",
    "merchant": "text",
    "category": "text",
    "channel": "text",
    "country": "text",
    "cell": "text",
    "cell_lat": "double",
    "cell_lon": "double",
    "verdict": "text",
    "score": "double",
    # Frozen: of an open list every repetition with the same timestamp would add its elements once more.
    "reasons": "frozen<list<text>>",
    "alert": "text",
    "severity": "text",
    "place_seen_before": "boolean",
}
"""The columns of a payment and their types, in the order of `row`."""
_AMENDED = frozenset(("alert", "severity"))
"""What a later answer may take back."""
LONGEST_TTL_S = 20 * 365 * 86_400
"""Cassandra takes no longer one."""
_DAY_MS = 86_400_000


def row(payment: MaskedTransaction, unset: object = None) -> tuple[Any, ...]:
    """Return the values of `COLUMNS`.

    Args:
        payment: the newest version.
        unset: stands for None where no version before can have had a value. Written as null it would leave a tombstone, a third of all
            cells, and a table of tombstones is slow to read.
    """
    place = payment.place
    values = (
        payment.id,
        payment.seq,
        payment.revision,
        payment.subject,
        payment.card,
        payment.device,
        payment.user,
        payment.device_type,
        datetime.fromtimestamp(payment.minute_ms / 1000, tz=UTC),
        payment.amount,
        payment.currency,
        payment.amount_band,
        payment.merchant,
        payment.category,
        payment.channel.value,
        payment.country,
        place.cell if place else None,
        place.lat if place else None,
        place.lon if place else None,
        payment.verdict.value,
        payment.score,
        list(payment.reasons),
        payment.alert,
        payment.severity.value if payment.severity else None,
        payment.place_seen_before,
    )
    may_replace = _AMENDED if payment.revision > 1 else frozenset[str]()
    return tuple(unset if value is None and name not in may_replace else value for name, value in zip(COLUMNS, values, strict=True))


def timestamp_us(seq: int) -> int:
    """Return Cassandra's timestamp of what a micro-batch wrote: of two versions the one of the later batch stays, however they arrive.

    >>> timestamp_us(0), timestamp_us(41)
    (1, 42)
    """
    return seq + 1


def ttl_s(minute_ms: int, keep_days: int, now_ms: int) -> int | None:
    """Return the seconds that a row has to live, 0 for ever, None where its time is over.

    A day ends for all its payments at once and as it does in the other stores, so a row that is written again ends when it would have.

    Args:
        minute_ms: of the payment.
        keep_days: days that payments are kept, 0 for ever.
        now_ms: the wall clock.

    >>> ttl_s(0, 0, 10**15), ttl_s(5_000, 1, 86_400_000), ttl_s(5_000, 1, 2 * 86_400_000)
    (0, 86400, None)
    """
    if not keep_days:
        return 0
    left_s = (window_start_ms(minute_ms, _DAY_MS) + (keep_days + 1) * _DAY_MS - now_ms) // 1000
    return min(left_s, LONGEST_TTL_S) if left_s > 0 else None

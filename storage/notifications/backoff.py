"""When a message that failed is tried again: ever more slowly, never before the receiver asked for, and not for ever."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import msgspec

__all__ = ["LONGEST_RETRY_AFTER_MS", "Patience", "next_attempt_ms", "retry_after_ms"]

LONGEST_RETRY_AFTER_MS = 86_400_000
"""What a receiver asks for beyond a day is cut: it must not be able to switch itself off without anybody seeing it."""
_MOST_DOUBLINGS = 40


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a message is tried; milliseconds."""

    first_ms: int = 5_000
    longest_ms: int = 3_600_000
    give_up_ms: int = 259_200_000
    """From the making of a message to the end of its attempts: three days, as Standard Webhooks advises."""


def next_attempt_ms(
    patience: Patience, attempts: int, made_ms: int, now_ms: int, share: float, retry_after_ms: int | None = None
) -> int | None:
    """Return the time of the next attempt, or None when it is time to give up.

    The wait lies between half of a bound and all of it; the bound doubles with each attempt up to `longest_ms`. Where the receiver asked
    for more, that holds, up to a day.

    Args:
        patience: the bounds.
        attempts: how many have failed, at least 1.
        made_ms: when the message was made.
        now_ms: when the last attempt failed.
        share: 0..1, from a random generator, so that messages that failed together do not come back together.
        retry_after_ms: what the receiver asked for.

    >>> patience = Patience(first_ms=1_000, longest_ms=60_000, give_up_ms=120_000)
    >>> [next_attempt_ms(patience, attempts, 0, 10_000, 1.0) for attempts in (1, 2, 3, 20)]
    [11000, 12000, 14000, 70000]
    >>> next_attempt_ms(patience, 1, 0, 10_000, 0.0, retry_after_ms=30_000), next_attempt_ms(patience, 20, 0, 90_000, 1.0)
    (40000, None)
    """
    bound_ms = min(patience.longest_ms, patience.first_ms * 2 ** min(attempts - 1, _MOST_DOUBLINGS))
    wait_ms = int(bound_ms * (0.5 + 0.5 * share))
    if retry_after_ms is not None:
        wait_ms = max(wait_ms, min(retry_after_ms, LONGEST_RETRY_AFTER_MS))
    due_ms = now_ms + wait_ms
    return None if due_ms > made_ms + patience.give_up_ms else due_ms


def retry_after_ms(header: str | None, now_ms: int) -> int | None:
    """Return the milliseconds that a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds or a date), None where it says nothing.

    >>> retry_after_ms("120", 0), retry_after_ms("Thu, 01 Jan 1970 00:01:00 GMT", 20_000), retry_after_ms("soon", 0)
    (120000, 40000, None)
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:10]) * 1_000, LONGEST_RETRY_AFTER_MS)
    try:
        asked = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if asked.tzinfo is None:
        return None
    return max(0, min(int(asked.timestamp() * 1_000) - now_ms, LONGEST_RETRY_AFTER_MS))

"""Event time: integers, UTC, and never a float.

A phone's nanosecond time has 19 digits; a float keeps 15 to 17. So every conversion here is integer arithmetic, and a text that cannot be
converted exactly to nanoseconds is refused rather than rounded.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from veilocity.errors import InvalidInputError, RejectReason

__all__ = [
    "EARLIEST_NS",
    "NS_PER_MS",
    "NS_PER_S",
    "format_ms",
    "ms_from_ns",
    "ns_from_iso",
    "ns_from_ms",
    "window_start_ms",
]

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
EARLIEST_NS = 946_684_800 * NS_PER_S
"""2000-01-01: no phone of ours is older, and a unit slip (seconds read as milliseconds) always lands before it."""

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?\s*(Z|z|[+-]\d{2}:?[0-5]\d)?",
)


def ms_from_ns(time_ns: int) -> int:
    """Return the millisecond that holds `time_ns`, rounding down.

    >>> ms_from_ns(1_690_598_222_123_999_999)
    1690598222123
    """
    return time_ns // NS_PER_MS


def ns_from_ms(time_ms: int) -> int:
    """Return the first nanosecond of `time_ms`.

    >>> ns_from_ms(1_690_598_222_123)
    1690598222123000000
    """
    return time_ms * NS_PER_MS


def ns_from_iso(text: str, *, assume_utc: bool = False) -> int:
    """Read an ISO 8601 / RFC 3339 time as integer nanoseconds since 1970 UTC, exactly.

    Args:
        text: for example ``2025-06-14T21:17:02.123456789Z`` or ``2025-06-14 21:17:02+02:00``.
        assume_utc: read a time without an offset as UTC; otherwise it is refused, because local times cannot be compared.

    Raises:
        InvalidInputError: not a time, or no offset (reason ``invalid_time``).

    >>> ns_from_iso("1970-01-01T00:00:01.000000001Z")
    1000000001
    >>> ns_from_iso("2025-06-14 21:17:02+00:00") == ns_from_iso("2025-06-14T23:17:02+0200")
    True
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(RejectReason.INVALID_TIME, "a time must look like 2025-06-14T21:17:02.5Z")
    *calendar, fraction, offset = match.groups()
    if offset is None and not assume_utc:
        raise InvalidInputError(RejectReason.INVALID_TIME, "a time needs its offset from UTC, such as Z or +02:00")
    try:
        moment = datetime(*(int(part) for part in calendar), tzinfo=_zone(offset))  # type: ignore[arg-type, misc]  # six ints
        # toordinal keeps this in integers: datetime.timestamp() is a float and loses the last digits.
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError) as cause:
        raise InvalidInputError(RejectReason.INVALID_TIME, "a part of the time is out of range") from cause
    days = utc.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    seconds = days * 86_400 + utc.hour * 3_600 + utc.minute * 60 + utc.second
    return seconds * NS_PER_S + int((fraction or "").ljust(9, "0"))


def _zone(offset: str | None) -> timezone:
    if offset is None or offset in "Zz":
        return UTC
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def format_ms(time_ms: int) -> str:
    """Return RFC 3339 text in UTC with milliseconds.

    >>> format_ms(1_690_598_222_007)
    '2023-07-29T02:37:02.007Z'
    """
    whole, fraction = divmod(time_ms, 1_000)
    return f"{datetime.fromtimestamp(whole, tz=UTC):%Y-%m-%dT%H:%M:%S}.{fraction:03d}Z"


def window_start_ms(time_ms: int, width_ms: int) -> int:
    """Return the start of the tumbling window of `width_ms` (aligned to 1970 UTC) that holds `time_ms`.

    >>> window_start_ms(7_199_999, 3_600_000)
    3600000
    """
    return time_ms - time_ms % width_ms

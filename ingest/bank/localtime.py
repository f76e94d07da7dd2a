"""Local times of senders who state no offset, read in a zone that somebody else stated. Pure but for Python's table of zones."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import NS_PER_S, ns_from_iso

__all__ = ["ns_from_local", "zone_named"]

_OFFSET = re.compile(r"(?:[Zz]|[+-]\d{2}:?\d{2})\s*")
_TIME_DIGITS = 19
"""Length of `2024-04-20T13:05:01`: an offset comes after it, so the hyphens of the date are none."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # a wall clock without a zone is what this file is about


def zone_named(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name such as America/Los_Angeles; None for the empty name.

    Raises:
        InvalidInputError: ``invalid_field``, when no such zone is known.

    >>> zone_named("Europe/Vienna"), zone_named("")
    (zoneinfo.ZoneInfo(key='Europe/Vienna'), None)
    """
    if not name:
        return None
    try:
        return ZoneInfo(name)
    # A name may be a folder of the table, or no file name at all.
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "the zone must be an IANA name such as America/Los_Angeles") from cause


def ns_from_local(text: str, zone: ZoneInfo | None) -> int:
    """Read a time, by its own offset if it states one, else as the wall clock of `zone`, as nanoseconds since 1970 UTC.

    When clocks are set back an hour is there twice: the first of both is taken. When they are set forward an hour is missing: a time in it
    is read by the offset that held before, as a clock shows it that nobody has set yet. So the same text always gives the same moment.

    Raises:
        InvalidInputError: ``invalid_time``: not a time, or neither an offset nor a zone.

    Source: PEP 495 (both answers are those of ``fold=0``).

    >>> vienna = ZoneInfo("Europe/Vienna")
    >>> ns_from_local("2024-07-01 14:00:00", vienna) == ns_from_local("2024-07-01T12:00:00Z", vienna)
    True
    >>> twice = ns_from_local("2024-10-27 02:30:00", vienna) == ns_from_local("2024-10-27T00:30:00Z", None)
    >>> never = ns_from_local("2024-03-31 02:30:00", vienna) == ns_from_local("2024-03-31T01:30:00Z", None)
    >>> twice, never
    (True, True)
    """
    if _OFFSET.search(text.strip(), _TIME_DIGITS):
        return ns_from_iso(text)
    wall_ns = ns_from_iso(text, assume_utc=True)
    if zone is None:
        detail = "the time states no offset and no zone is stated: set VEILOCITY_BANK_ZONE, or add ?zone=America/Los_Angeles or the like"
        raise InvalidInputError(RejectReason.INVALID_TIME, detail)
    try:
        wall = (_EPOCH + timedelta(seconds=wall_ns // NS_PER_S)).replace(tzinfo=zone, fold=0)
        offset = wall.utcoffset() or timedelta()
    except (OverflowError, ValueError) as cause:
        raise InvalidInputError(RejectReason.INVALID_TIME, "a part of the time is out of range") from cause
    return wall_ns - (offset.days * 86_400 + offset.seconds) * NS_PER_S

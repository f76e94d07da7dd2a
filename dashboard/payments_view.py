"""Which payments a page of payments is of: a filter, and a stretch of time that moves with the events or stands still. Pure.

The text is that of the address, so that a link shows the same view to whoever opens it: `last=6h` moves, `since` and `until` stand still.
"""

from __future__ import annotations

from typing import Self

import msgspec

from storage.filters import Filter
from storage.read_panels import STEP_MS, check_panels
from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["SPANS", "View"]

_HOUR_MS = 3_600_000
SPANS = {"1h": _HOUR_MS, "6h": 6 * _HOUR_MS, "24h": 24 * _HOUR_MS, "7d": 7 * 24 * _HOUR_MS}
"""Stretches that move with the events, in milliseconds by their name."""
_USUAL = "24h"


class View(msgspec.Struct, frozen=True):
    """What is wanted. Without `last` the filter has both of its times."""

    last: str | None
    """One of `SPANS`; None where the filter stands still."""
    which: Filter

    @classmethod
    def from_query(cls, query: str) -> Self:
        """Return the view that an address says; by default the last day of all payments.

        Raises:
            InvalidInputError: it cannot be read or counted; the sentence says why.

        >>> View.from_query("last=6h&channel=atm").to_query()
        'last=6h&channel=atm'
        >>> View.from_query("since=0").to_query()
        'since=0&until=86400000'
        >>> View.from_query("").to_query()
        'last=24h'
        """
        parts = [part for part in query.split("&") if part]
        told = [part.removeprefix("last=") for part in parts if part.startswith("last=")]
        which = Filter.from_query("&".join(part for part in parts if not part.startswith("last=")))
        fixed = which.since_ms is not None or which.until_ms is not None
        _demand(len(told) + fixed <= 1, "a stretch of time is either `last`, or `since` and `until`")
        _demand(all(one in SPANS for one in told), f"`last` is one of {', '.join(SPANS)}")
        if fixed:
            which = _whole(which)
        check_panels(which)
        return cls(None if fixed else (told or [_USUAL])[0], which)

    def to_query(self) -> str:
        """Return the text for a link; equal views have equal texts."""
        return "&".join(part for part in (f"last={self.last}" if self.last else "", self.which.to_query()) if part)

    def bounded(self, event_ms: int) -> Filter:
        """Return the filter with both of its times.

        Args:
            event_ms: of the latest event; a view that moves ends with the ten minutes that hold it, so that only the last is unfinished.

        >>> bounded = View.from_query("last=1h").bounded(7_500_000)
        >>> bounded.since_ms, bounded.until_ms
        (4200000, 7800000)
        """
        if self.last is None:
            return self.which
        until_ms = (event_ms // STEP_MS + 1) * STEP_MS
        return msgspec.structs.replace(self.which, since_ms=max(0, until_ms - SPANS[self.last]), until_ms=until_ms)


def _whole(which: Filter) -> Filter:
    day_ms = SPANS["24h"]
    since_ms = max(0, (which.until_ms or 0) - day_ms) if which.since_ms is None else which.since_ms
    return msgspec.structs.replace(which, since_ms=since_ms, until_ms=since_ms + day_ms if which.until_ms is None else which.until_ms)


def _demand(holds: bool, sentence: str) -> None:
    if not holds:
        raise InvalidInputError(RejectReason.INVALID_FIELD, sentence)

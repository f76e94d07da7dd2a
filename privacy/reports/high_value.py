"""How many people had a flagged payment of a high amount: distinct people, counted exactly, in windows that do not overlap."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from privacy.reports.events import Payment, Widths
from privacy.reports.suppression import Group, told
from storage.reports import ReportBand, ReportDocument

__all__ = ["HighValue", "Thresholds", "read_thresholds"]

Thresholds = Mapping[str, int]
"""Currency, or `*` for all others, to the least high amount in minor units."""
_OTHERS = "*"


def read_thresholds(text: str) -> dict[str, int]:
    """Return what the setting says.

    >>> read_thresholds("EUR=50000,*=60000")
    {'EUR': 50000, '*': 60000}
    """
    return {currency: int(amount) for currency, _, amount in (part.partition("=") for part in text.split(","))}


class HighValue(msgspec.Struct):
    """What is open; changed in place. A window is told when any payment lies in it."""

    windows: dict[int, dict[str, str]] = {}
    """Start of a window to the people in it, and the first of the bands each was seen with."""

    def add(self, payment: Payment, widths: Widths, thresholds: Thresholds) -> None:
        """Take a payment that is not late."""
        people = self.windows.setdefault(payment.event_ms - payment.event_ms % widths.high_value_ms, {})
        least = thresholds.get(payment.currency, thresholds.get(_OTHERS))
        if payment.verdict == "flagged" and least is not None and payment.amount_minor >= least:
            people[payment.person] = min(payment.band, people.get(payment.person, payment.band))

    def close(self, watermark_ms: int, widths: Widths, k: int) -> list[ReportDocument]:
        """Return the windows that end at or before the watermark, oldest first."""
        due = sorted(start_ms for start_ms in self.windows if start_ms + widths.high_value_ms <= watermark_ms)
        return [_window(start_ms, start_ms + widths.high_value_ms, self.windows.pop(start_ms), k) for start_ms in due]


def _window(start_ms: int, end_ms: int, people: Mapping[str, str], k: int) -> ReportDocument:
    identity = f"high_value:{start_ms}"
    if 0 < len(people) < k:
        return ReportDocument(identity, "high_value", start_ms, end_ms, None, suppressed=1)
    members: dict[str, set[str]] = {}
    for person, band in people.items():
        members.setdefault(band, set()).add(person)
    groups = [
        Group(band, len(members[band]), frozenset(members[band])) for band in sorted(members, key=lambda one: (-len(members[one]), one))
    ]
    shown, few = told(groups, k)
    bands = tuple(ReportBand(group.name, group.figure) for group in sorted(shown))
    return ReportDocument(identity, "high_value", start_ms, end_ms, len(people), suppressed=few, bands=bands)

"""Payments of 24 hours, every hour, and how many people made few, several or many of them.

Bands of people are rounded to a multiple of k: from one hour to the next single people move from band to band, and the difference of two
exact counts would tell of each. The total obeys the pieces of `privacy.reports.pieces`, with an hour as its step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet

import msgspec

from privacy.reports.events import Payment
from privacy.reports.pieces import Pieces
from storage.reports import ReportBand, ReportDocument

__all__ = ["DAY_MS", "HOUR_MS", "DayCounts"]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_BANDS = (("0-3", 0, 3), ("4-6", 4, 6), ("7+", 7, None))


class DayCounts(msgspec.Struct):
    """What is open; changed in place."""

    closed_ms: int = 0
    hours: dict[int, dict[str, int]] = {}
    """Start of an hour to the payments of each person."""
    pieces: Pieces = msgspec.field(default_factory=Pieces)
    changed: set[int] = set()
    """Hours that were changed since this was last emptied."""

    def add(self, payment: Payment) -> None:
        """Take a payment that is not late."""
        start_ms = payment.event_ms - payment.event_ms % HOUR_MS
        people = self.hours.setdefault(start_ms, {})
        people[payment.person] = people.get(payment.person, 0) + 1
        self.changed.add(start_ms)

    def close(self, watermark_ms: int, k: int, customers: AbstractSet[str] = frozenset()) -> list[ReportDocument]:
        """Return the windows that end at or before the watermark, oldest first.

        Args:
            watermark_ms: up to where nothing can come any more.
            k: fewest people behind a figure.
            customers: people who are known; those without a payment are in the first band.
        """
        until_ms = watermark_ms - watermark_ms % HOUR_MS
        ends = {start + hours * HOUR_MS for start in self.hours for hours in range(1, 25)}
        documents, added_ms = [], self.closed_ms
        for end_ms in sorted(end for end in ends if self.closed_ms < end <= until_ms):
            for start_ms in sorted(start for start in self.hours if added_ms <= start < end_ms):
                self.pieces.add(start_ms, start_ms + HOUR_MS, self.hours[start_ms], k)
            added_ms = end_ms
            documents.append(self._window(end_ms - DAY_MS, end_ms, k, customers))
        if until_ms > self.closed_ms:
            self.closed_ms = until_ms
            self.hours = {start: people for start, people in self.hours.items() if start + DAY_MS > until_ms}
            self.changed &= set(self.hours)
            self.pieces.forget(until_ms - DAY_MS)
        return documents

    def _window(self, start_ms: int, end_ms: int, k: int, customers: AbstractSet[str]) -> ReportDocument:
        payments: Counter[str] = Counter()
        for hour_ms, people in self.hours.items():
            if start_ms <= hour_ms < end_ms:
                payments.update(people)
        may_be_told = self.pieces.between(start_ms) and self.pieces.between(end_ms)
        bands, few = _bands(payments, k, customers)
        return ReportDocument(
            f"day_counts:{start_ms}",
            "day_counts",
            start_ms,
            end_ms,
            payments.total() if may_be_told else None,
            suppressed=few + (not may_be_told),
            bands=bands,
        )


def _bands(payments: Counter[str], k: int, customers: AbstractSet[str]) -> tuple[tuple[ReportBand, ...], int]:
    silent = len(customers - payments.keys())
    sizes = [
        (band, sum(1 for count in payments.values() if count >= low and (high is None or count <= high)) + (silent if not low else 0))
        for band, low, high in _BANDS
    ]
    shown = tuple(ReportBand(band, (size + k // 2) // k * k) for band, size in sizes if size >= k)
    return shown, sum(1 for _, size in sizes if 0 < size < k)

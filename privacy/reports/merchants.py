"""The 20 merchants with most payments that were not flagged, every thirty seconds; equal counts by amount, then by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from privacy.reports.events import UNKNOWN, Payment, Widths
from privacy.reports.suppression import Group, told
from storage.reports import ReportDocument, ReportRow

__all__ = ["MOST_ROWS", "Described", "Merchants"]

MOST_ROWS = 20
Described = Mapping[str, tuple[str, str]]
"""Merchant to name and category, from the file of merchants."""


class Merchants(msgspec.Struct):
    """What is open; changed in place."""

    closed_ms: int = 0
    windows: dict[int, list[Payment]] = {}
    """Start of a window to its payments."""

    def add(self, payment: Payment, widths: Widths) -> None:
        """Take a payment that is not late."""
        # A payment online has no place to judge by; it is a sale all the same.
        if payment.verdict != "flagged":
            self.windows.setdefault(payment.event_ms - payment.event_ms % widths.merchants_ms, []).append(payment)

    def close(self, watermark_ms: int, widths: Widths, k: int, described: Described) -> list[ReportDocument]:
        """Return the windows that end at or before the watermark, oldest first."""
        due = sorted(start_ms for start_ms in self.windows if start_ms + widths.merchants_ms <= watermark_ms)
        return [_window(start_ms, start_ms + widths.merchants_ms, self.windows.pop(start_ms), k, described) for start_ms in due]


def _window(start_ms: int, end_ms: int, payments: Sequence[Payment], k: int, described: Described) -> ReportDocument:
    identity = f"merchants:{start_ms}"
    if len({payment.person for payment in payments}) < k:
        return ReportDocument(identity, "merchants", start_ms, end_ms, None, suppressed=1)
    by_merchant: dict[str, list[Payment]] = {}
    for payment in payments:
        by_merchant.setdefault(payment.merchant, []).append(payment)
    ranked = sorted(by_merchant, key=lambda name: (-len(by_merchant[name]), -sum(one.amount_minor for one in by_merchant[name]), name))
    groups = [Group(name, len(by_merchant[name]), frozenset(one.person for one in by_merchant[name])) for name in ranked]
    shown, few = told(groups, k, MOST_ROWS)
    rows = tuple(_row(rank, group, by_merchant[group.name], k, described) for rank, group in enumerate(shown, start=1))
    return ReportDocument(identity, "merchants", start_ms, end_ms, len(payments), suppressed=few, rows=rows)


def _row(rank: int, group: Group, payments: Sequence[Payment], k: int, described: Described) -> ReportRow:
    categories = sorted({payment.category for payment in payments})
    name, category = described.get(group.name, (group.name, categories[0] if categories else UNKNOWN))
    return ReportRow(rank, group.name, name, category, group.figure, _amounts(payments, k))


def _amounts(payments: Sequence[Payment], k: int) -> dict[str, int]:
    """Return sums by currency, those of fewer than k people left out: the amount of one person is a record, no figure."""
    people: dict[str, set[str]] = {}
    sums: dict[str, int] = {}
    for payment in payments:
        people.setdefault(payment.currency, set()).add(payment.person)
        sums[payment.currency] = sums.get(payment.currency, 0) + payment.amount_minor
    return {currency: sums[currency] for currency in sorted(sums) if len(people[currency]) >= k}

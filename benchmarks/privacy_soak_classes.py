"""Released classes held against the input: of some windows, who really paid what a class prints.

The auditor counts the members that a class carries; whoever made the members up would pass. Here the payments of a window are drawn once
more, and each of its classes must fit at least as many of them, by at least as many people, as it says. What is printed is read by its
meaning and not by the stage's code. A class may fit more: late payments, and those of classes that are printed more widely.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import h3
import numpy as np

from benchmarks.privacy_soak_people import HOUR_MS, MINUTE_MS
from benchmarks.privacy_soak_world import Block, Plan
from veilocity.contracts import Transaction

__all__ = ["MOST_WINDOWS", "Fitting", "fits", "payments_of", "too_small"]

MOST_WINDOWS = 8
_LATEST_MS = 5 * HOUR_MS
_FINEST = 7
_GROUPS = {
    "[everyday]": {"groceries"},
    "[going-out]": {"cafe", "restaurant"},
    "[shopping]": {"online", "clothing"},
    "[travel]": {"fuel"},
}
Printed = dict[str, Any]
"""A release as a store has it."""


class Fitting(NamedTuple):
    """What was held against the input."""

    classes: int
    too_small: int


def payments_of(plan: Plan, blocks: int, start_ms: int, end_ms: int) -> list[Transaction]:
    """Return the payments of a stretch of event time, late ones included, drawn anew."""
    firsts = plan.event_ms(np.minimum(np.arange(blocks + 1) * plan.block_events, plan.events - 1))
    found = []
    for number in range(blocks):
        if firsts[number] < end_ms + _LATEST_MS and firsts[number + 1] >= start_ms:
            rows = (decision.transaction for decision in Block(plan, number).decisions().values())
            found += [row for row in rows if start_ms <= row.authorised_ms // MINUTE_MS * MINUTE_MS < end_ms]
    return found


def fits(payment: Transaction, printed: Printed) -> bool:
    """Say whether a payment is one of those that a class prints, its cell apart.

    >>> row = Transaction("1", "p", 1_790_730_000_000, 0, 2_500, "EUR", "shop", "cafe", "card-present")
    >>> shown = {"hour": "2026-09-30T00/06", "amount_band": "EUR 20-50", "category": "[going-out]"}
    >>> fits(row, shown), fits(row, {**shown, "amount_band": "EUR 10-20"}), fits(row, {**shown, "hour": "2026-09-30T06"})
    (True, False, False)
    """
    return (
        _has_amount(payment, printed["amount_band"])
        and printed["category"] in ("*", payment.category, *(name for name, group in _GROUPS.items() if payment.category in group))
        and _at(payment, printed["hour"])
    )


def too_small(plan: Plan, blocks: int, releases: Sequence[Printed], most_windows: int = MOST_WINDOWS) -> Fitting:
    """Return how many classes of some windows, spread over all, were held against the input, and how many say more than it holds.

    Args:
        plan: what was simulated.
        blocks: that were written.
        releases: of one store.
        most_windows: so many.
    """
    by_window: dict[tuple[int, int], list[Printed]] = defaultdict(list)
    for release in releases:
        by_window[release["window_start_ms"], release["window_end_ms"]].append(release)
    windows = sorted(by_window)
    chosen = [windows[round(at)] for at in np.linspace(0, len(windows) - 1, min(most_windows, len(windows)))] if windows else []
    wrong = 0
    for window in chosen:
        by_cell = _by_cell(payments_of(plan, blocks, *window))
        for release in by_window[window]:
            inside = [row for row in by_cell[release["cell"]] if fits(row, release)]
            people = len({row.subject for row in inside})
            wrong += people < max(release["people"], release["k"]) or len(inside) < release["payments"]
    return Fitting(sum(len(by_window[window]) for window in chosen), wrong)


def _by_cell(payments: Iterable[Transaction]) -> defaultdict[str, list[Transaction]]:
    """Return payments by every cell that may be printed of them."""
    found: defaultdict[str, list[Transaction]] = defaultdict(list)
    for row in payments:
        found["*"].append(row)
        if row.lat is None or row.lon is None:
            found["none"].append(row)
            continue
        # Of the finest cell, not of the place: H3's cells do not nest exactly.
        cell = h3.latlng_to_cell(row.lat, row.lon, _FINEST)
        for resolution in (_FINEST, 5, 3):
            found[h3.cell_to_parent(cell, resolution)].append(row)
    return found


def _has_amount(payment: Transaction, band: str) -> bool:
    if band == "*":
        return True
    currency, _, span = band.partition(" ")
    if currency != payment.currency or span == "*":
        return currency == payment.currency
    low, high = (int(bound) * 100 for bound in span.split("-"))
    return low <= payment.amount_minor < high


def _at(payment: Transaction, printed: str) -> bool:
    moment = datetime.fromtimestamp(payment.authorised_ms / 1000, tz=UTC)
    day, _, hours = printed.partition("T")
    first, _, end = hours.partition("/")
    return day in ("*", f"{moment:%Y-%m-%d}") and (not hours or int(first) <= moment.hour < int(end or int(first) + 1))

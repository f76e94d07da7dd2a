"""Browsing sessions joined with payments: two streams, each bounded by its watermark.

A pair of an event e and a payment p of one person joins when  e <= p <= e + bound.  A session of a window has bought when one of its events
in the window joins. So a window is told when both streams have passed its end plus the bound, and a payment is kept until no event to come
can join it.
"""

from __future__ import annotations

from bisect import bisect_left

import msgspec

from privacy.reports.events import Payment, Visit, Widths
from storage.reports import ReportBand, ReportDocument
from veilocity.contracts import SessionEventType

__all__ = ["Sessions"]

_LEVELS = {kind.value: f"L{kind.level}" for kind in SessionEventType}


class Sessions(msgspec.Struct):
    """What is open; changed in place."""

    windows: dict[int, set[Visit]] = {}
    """Start of a window to its events."""
    payments: list[tuple[int, str]] = []
    """Time and person."""

    def add_payment(self, payment: Payment) -> None:
        """Take a payment that is not late."""
        self.payments.append((payment.event_ms, payment.person))

    def add_visit(self, visit: Visit, widths: Widths) -> None:
        """Take an event that is not late; one that was sent twice counts once."""
        self.windows.setdefault(visit.event_ms - visit.event_ms % widths.sessions_ms, set()).add(visit)

    def close(self, watermark_ms: int | None, visits_ms: int | None, widths: Widths, k: int) -> list[ReportDocument]:
        """Return the windows that both streams have passed, oldest first.

        Args:
            watermark_ms: of both streams together; None while one has no time.
            visits_ms: of the events alone: none before it can come any more.
            widths: of the windows, and the bound.
            k: fewest people behind a figure.
        """
        documents = []
        if watermark_ms is not None:
            due = sorted(start for start in self.windows if start + widths.sessions_ms + widths.join_ms <= watermark_ms)
            times: dict[str, list[int]] = {}
            for event_ms, person in sorted(self.payments) if due else ():
                times.setdefault(person, []).append(event_ms)
            documents = [_window(start, start + widths.sessions_ms, self.windows.pop(start), times, widths.join_ms, k) for start in due]
        if visits_ms is not None:
            # No event to come lies before `visits_ms`, and those that are here lie in windows that are open.
            oldest_ms = min([visits_ms, *self.windows])
            self.payments = [payment for payment in self.payments if payment[0] >= oldest_ms]
        return documents


def _window(start_ms: int, end_ms: int, visits: set[Visit], times: dict[str, list[int]], join_ms: int, k: int) -> ReportDocument:
    identity = f"sessions:{start_ms}"
    sessions = {(visit.session, visit.person) for visit in visits}
    if len({person for _, person in sessions}) < k:
        return ReportDocument(identity, "sessions", start_ms, end_ms, None, suppressed=1)
    bought = {(visit.session, visit.person) for visit in visits if _joins(visit, times, join_ms)}
    bands, few = _bought(sessions, bought, k)
    for level in ("L1", "L2", "L3"):
        events = [visit for visit in visits if _LEVELS.get(visit.type) == level]
        if len({visit.person for visit in events}) >= k:
            bands.append(ReportBand(level, len(events)))
        elif events:
            few += 1
    return ReportDocument(identity, "sessions", start_ms, end_ms, len(sessions), suppressed=few, bands=tuple(bands))


def _joins(visit: Visit, times: dict[str, list[int]], join_ms: int) -> bool:
    payments = times.get(visit.person, [])
    place = bisect_left(payments, visit.event_ms)
    return place < len(payments) and payments[place] <= visit.event_ms + join_ms


def _bought(sessions: set[tuple[str, str]], bought: set[tuple[str, str]], k: int) -> tuple[list[ReportBand], int]:
    """Return how many sessions bought, unless few people did, or few did not: the rest of the sessions is a figure too."""
    people = {person for _, person in bought}
    others = {person for _, person in sessions - bought}
    if (not people or len(people) >= k) and (not others or len(others) >= k):
        return [ReportBand("bought", len(bought))], 0
    return [], 1

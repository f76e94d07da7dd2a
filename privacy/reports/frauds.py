"""Potential frauds: flagged payments of two minutes, every ten seconds; where windows do not overlap also by cell and band."""

from __future__ import annotations

from collections.abc import Iterable

import h3
import msgspec

from privacy.reports.events import Payment, Widths
from privacy.reports.pieces import Pieces
from privacy.reports.suppression import Group, told
from storage.reports import ReportBand, ReportCell, ReportDocument

__all__ = ["Frauds", "groups_of"]


class Frauds(msgspec.Struct):
    """What is open; changed in place. A window is told when any payment, flagged or not, lies in it."""

    closed_ms: int = 0
    steps: dict[int, int] = {}
    """Start of a step to its payments."""
    flagged: list[Payment] = []
    pieces: Pieces = msgspec.field(default_factory=Pieces)

    def add(self, payment: Payment, widths: Widths) -> None:
        """Take a payment that is not late."""
        start_ms = payment.event_ms - payment.event_ms % widths.step_ms
        self.steps[start_ms] = self.steps.get(start_ms, 0) + 1
        if payment.verdict == "flagged":
            self.flagged.append(payment)

    def close(self, watermark_ms: int, widths: Widths, k: int) -> list[ReportDocument]:
        """Return the windows that end at or before the watermark, oldest first."""
        until_ms = watermark_ms - watermark_ms % widths.step_ms
        if until_ms <= self.closed_ms:
            return []
        ends = {
            end_ms
            for start_ms in self.steps
            for end_ms in range(start_ms + widths.step_ms, start_ms + widths.frauds_ms + 1, widths.step_ms)
            if self.closed_ms < end_ms <= until_ms
        }
        by_step: dict[int, list[Payment]] = {}
        for payment in self.flagged:
            by_step.setdefault(payment.event_ms - payment.event_ms % widths.step_ms, []).append(payment)
        documents, fresh = [], sorted(start for start in by_step if self.closed_ms <= start < until_ms)
        for end_ms in sorted(ends):
            while fresh and fresh[0] < end_ms:
                self._add_step(fresh.pop(0), by_step, widths, k)
            documents.append(self._window(end_ms - widths.frauds_ms, end_ms, by_step, widths, k))
        self.closed_ms = until_ms
        self.steps = {start: count for start, count in self.steps.items() if start + widths.frauds_ms > until_ms}
        oldest_ms = until_ms - widths.frauds_ms
        self.flagged = [payment for payment in self.flagged if payment.event_ms >= oldest_ms]
        self.pieces.forget(oldest_ms)
        return documents

    def _add_step(self, start_ms: int, by_step: dict[int, list[Payment]], widths: Widths, k: int) -> None:
        self.pieces.add(start_ms, start_ms + widths.step_ms, {payment.person for payment in by_step[start_ms]}, k)

    def _window(self, start_ms: int, end_ms: int, by_step: dict[int, list[Payment]], widths: Widths, k: int) -> ReportDocument:
        inside = [payment for step in range(start_ms, end_ms, widths.step_ms) for payment in by_step.get(step, ())]
        may_be_told = not inside or (self.pieces.between(start_ms) and self.pieces.between(end_ms))
        identity = f"frauds:{start_ms}"
        if not may_be_told:
            return ReportDocument(identity, "frauds", start_ms, end_ms, None, suppressed=1)
        if start_ms % widths.frauds_ms:
            return ReportDocument(identity, "frauds", start_ms, end_ms, len(inside))
        cells, few_cells = told(groups_of((payment.cell, payment.person) for payment in inside), k)
        bands, few_bands = told(groups_of((payment.band, payment.person) for payment in inside), k)
        return ReportDocument(
            identity,
            "frauds",
            start_ms,
            end_ms,
            len(inside),
            suppressed=few_cells + few_bands,
            cells=tuple(_cell(group) for group in cells if group.name),
            bands=tuple(ReportBand(group.name, group.figure) for group in sorted(bands)),
        )


def groups_of(pairs: Iterable[tuple[str, str]]) -> list[Group]:
    """Return the groups of (name, person) pairs, the largest first, equal ones by name."""
    counts: dict[str, int] = {}
    people: dict[str, set[str]] = {}
    for name, person in pairs:
        counts[name] = counts.get(name, 0) + 1
        people.setdefault(name, set()).add(person)
    return [Group(name, counts[name], frozenset(people[name])) for name in sorted(counts, key=lambda one: (-counts[one], one))]


def _cell(group: Group) -> ReportCell:
    lat, lon = h3.cell_to_latlng(group.name)
    return ReportCell(group.name, round(lat, 5), round(lon, 5), group.figure)

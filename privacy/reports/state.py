"""One micro-batch, pure: events and the state before in, documents and the state after out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from privacy.reports.clock import Clock, Late, Mark
from privacy.reports.day_counts import DayCounts
from privacy.reports.events import DECISIONS, SESSIONS, Payment, Visit, Widths
from privacy.reports.frauds import Frauds
from privacy.reports.high_value import HighValue
from privacy.reports.merchants import Described, Merchants
from privacy.reports.sessions import Sessions
from privacy.reports.taking import Taken
from storage.reports import REPORT_NAMES, ReportDocument

__all__ = ["ReportState", "ReportTerms", "absorb"]


class ReportTerms(msgspec.Struct, frozen=True):
    """What every window of one run obeys; a state of other terms is refused."""

    k: int
    widths: Widths
    high_value: dict[str, int]
    cell_resolution: int
    key_check: str
    """Of the key ring: with another key people would be counted twice."""


class ReportState(msgspec.Struct):
    """Everything that is open, and how far the streams have come."""

    clock: Clock = msgspec.field(default_factory=Clock)
    late: Late = msgspec.field(default_factory=Late)
    frauds: Frauds = msgspec.field(default_factory=Frauds)
    merchants: Merchants = msgspec.field(default_factory=Merchants)
    high_value: HighValue = msgspec.field(default_factory=HighValue)
    day_counts: DayCounts = msgspec.field(default_factory=DayCounts)
    sessions: Sessions = msgspec.field(default_factory=Sessions)

    @property
    def waits(self) -> bool:
        """Whether any window is open."""
        return bool(
            self.frauds.steps or self.merchants.windows or self.high_value.windows or self.day_counts.hours or self.sessions.windows
        )


def absorb(
    state: ReportState,
    found: Taken,
    positions: Mapping[str, int],
    marks: Sequence[Mark],
    terms: ReportTerms,
    described: Described,
    customers: AbstractSet[str],
) -> list[ReportDocument]:
    """Take a micro-batch into the state and return the windows that it closed: by report, oldest first.

    Args:
        state: is changed.
        found: what was read.
        positions: where the micro-batch ends, for every partition of both topics.
        marks: all that are known.
        terms: of the reports.
        described: names and categories of merchants.
        customers: hashes of the people whom the file of customers names.
    """
    widths = terms.widths
    for partition in sorted(positions):
        records = found.records.get(partition, [])
        times = [(offset, event.event_ms) for offset, event in records]
        levels = state.clock.passed(partition, times, positions[partition], marks, widths.delay_ms)
        source = partition.partition("/")[0]
        state.late.add(source, [level for level in levels if level is not None], widths.step_ms)
        for (_, event), level in zip(records, levels, strict=True):
            if level is None:
                _add(state, event, terms)
    return _closed(state, positions, terms, described, customers)


def _add(state: ReportState, event: Payment | Visit, terms: ReportTerms) -> None:
    if isinstance(event, Visit):
        state.sessions.add_visit(event, terms.widths)
        return
    state.frauds.add(event, terms.widths)
    state.merchants.add(event, terms.widths)
    state.high_value.add(event, terms.widths, terms.high_value)
    state.day_counts.add(event)
    state.sessions.add_payment(event)


def _closed(
    state: ReportState, positions: Mapping[str, int], terms: ReportTerms, described: Described, customers: AbstractSet[str]
) -> list[ReportDocument]:
    widths, k = terms.widths, terms.k
    of_decisions = state.clock.watermark_ms([one for one in positions if one.startswith(DECISIONS)], widths.delay_ms)
    of_visits = state.clock.watermark_ms([one for one in positions if one.startswith(SESSIONS)], widths.delay_ms)
    both = None if of_decisions is None or of_visits is None else min(of_decisions, of_visits)
    documents = state.sessions.close(both, of_visits, widths, k)
    if of_decisions is not None:
        documents += state.frauds.close(of_decisions, widths, k)
        documents += state.merchants.close(of_decisions, widths, k, described)
        documents += state.high_value.close(of_decisions, widths, k)
        documents += state.day_counts.close(of_decisions, k, customers)
    told = [msgspec.structs.replace(one, late=_late(state.late, one)) for one in documents]
    if both is not None:
        # No window to come ends before this: those of sessions wait for the bound of the join besides.
        state.late.fold(both - widths.join_ms - widths.step_ms)
    return sorted(told, key=lambda one: (REPORT_NAMES.index(one.report), one.end_ms))


def _late(late: Late, document: ReportDocument) -> int:
    sources = (DECISIONS, SESSIONS) if document.report == "sessions" else (DECISIONS,)
    return sum(late.before(source, document.end_ms) for source in sources)

"""What the page of reports shows, read when somebody looks and at most every two seconds: the reports' newest windows, and the segments.

A window does not change once it is written, so the long report (merchants) is read whole once; from then on only what came since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from dashboard.desk import Desk, wall_clock_ms
from dashboard.reports_picture import (
    FRAUDS_READ,
    SALES_SHOWN,
    CellsPicture,
    FraudsPicture,
    LeftOut,
    SalesPicture,
    WindowPicture,
    left_out,
    picture_cells,
    picture_frauds,
    picture_sales,
    picture_window,
)
from storage.reports import REPORT_NAMES, ReportDocument, ReportName
from storage.segments import SegmentsDocument

__all__ = ["ReportsDesk", "ReportsSource", "ReportsState", "SegmentsSource"]

_READ_EVERY_S = 2.0
_LONGEST_STEP_S = 30.0
"""Of a report: before this nothing new can be expected, so silence is counted from there."""
_LATENESS_MS = 120_000
"""So long the reports wait for late rows."""


class ReportsSource(Protocol):
    """Who holds the reports: `storage.reports.ReportReader`, or a test's own."""

    def newest(self, report: ReportName, limit: int) -> Sequence[ReportDocument]:
        """Return the newest windows of a report."""
        ...

    def since(self, report: ReportName, end_ms: int) -> Sequence[ReportDocument]:
        """Return the windows of a report that end after a time, oldest first."""
        ...


class SegmentsSource(Protocol):
    """Who holds the segments: `storage.segments.SegmentReader`, or a test's own."""

    def newest(self) -> SegmentsDocument | None:
        """Return the newest segments."""
        ...


class ReportsState(msgspec.Struct, frozen=True):
    """One answer: everything that the page shows."""

    store: str
    """`up`, `down`, or `unknown` before the first answer."""
    now_ms: int
    stale_s: float
    loaded: bool
    written_ms: int = 0
    """When the newest window was seen first, by the dashboard's clock."""
    event_ms: int = 0
    """End of the newest window, by the clock of the events."""
    frauds: FraudsPicture | None = None
    cells: CellsPicture | None = None
    sales: SalesPicture | None = None
    high_value: WindowPicture | None = None
    day: WindowPicture | None = None
    sessions: WindowPicture | None = None
    left_out: tuple[LeftOut, ...] = ()
    segments: SegmentsDocument | None = None


class _Read(msgspec.Struct, frozen=True):
    merchants: tuple[ReportDocument, ...]
    """Windows, newest first."""
    picture: ReportsState


class ReportsDesk:
    """Answers at once from what was read last. Safe with threads."""

    def __init__(
        self,
        connect: Callable[[], ReportsSource],
        connect_segments: Callable[[], SegmentsSource],
        *,
        stale_s: float = 15.0,
        read_every_s: float = _READ_EVERY_S,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """Nothing is connected before somebody looks.

        Args:
            connect: makes the source of the reports.
            connect_segments: makes the source of the segments.
            stale_s: silence beyond the longest step of a report after which the page says that what it shows is old.
            read_every_s: pause between two questions to the store.
            clock_ms: a clock.
        """
        self._connect = connect
        self._connect_segments = connect_segments
        self._stale_s = stale_s + _LONGEST_STEP_S
        self._clock_ms = clock_ms
        self._sources: tuple[ReportsSource, SegmentsSource] | None = None
        self._desk: Desk[_Read] = Desk(self._ask, read_every_s=read_every_s, clock_ms=clock_ms, page="reports")

    def state(self) -> ReportsState:
        """Return what the page shows now."""
        store, read = self._desk.look()
        picture = read.picture if read is not None else self._picture(loaded=False)
        # The clock after the question: it may have taken a while.
        return msgspec.structs.replace(picture, store=store, now_ms=self._clock_ms())

    def _picture(self, *, loaded: bool) -> ReportsState:
        return ReportsState(store="up", now_ms=0, stale_s=self._stale_s, loaded=loaded)

    def _ask(self, before: _Read | None) -> _Read:
        if self._sources is None:
            self._sources = self._connect(), self._connect_segments()
        reports, segments = self._sources
        windows = {name: tuple(reports.newest(name, FRAUDS_READ if name == "frauds" else 1)) for name in REPORT_NAMES}
        merchants = _merchants(reports, windows["merchants"], before.merchants if before is not None else ())
        event_ms = max((found[0].end_ms for found in windows.values() if found), default=0)
        picture = msgspec.structs.replace(
            self._picture(loaded=True),
            written_ms=self._seen_ms(before, event_ms),
            event_ms=event_ms,
            frauds=picture_frauds(windows["frauds"]),
            cells=picture_cells(windows["frauds"]),
            sales=picture_sales(merchants),
            high_value=picture_window(windows["high_value"]),
            day=picture_window(windows["day_counts"]),
            sessions=picture_window(windows["sessions"]),
            left_out=left_out(windows.values()),
            segments=segments.newest(),
        )
        return _Read(merchants, picture)

    def _seen_ms(self, before: _Read | None, event_ms: int) -> int:
        if not event_ms:
            return 0
        if before is not None and before.picture.event_ms == event_ms:
            return before.picture.written_ms
        now_ms = self._clock_ms()
        # Who looks for the first time cannot know when the window came: not before its time was over and late rows were waited for.
        return min(now_ms, event_ms + _LATENESS_MS) if before is None else now_ms


def _merchants(source: ReportsSource, newest: tuple[ReportDocument, ...], before: tuple[ReportDocument, ...]) -> tuple[ReportDocument, ...]:
    if not newest or not before:
        return tuple(source.newest("merchants", SALES_SHOWN))
    if newest == before[:1]:
        return before
    newer = tuple(reversed(source.since("merchants", before[0].end_ms)))
    # Nothing newer, yet another newest: the store began anew.
    return (*newer, *before)[:SALES_SHOWN] if newer else tuple(source.newest("merchants", SALES_SHOWN))

"""What the page of reports could be told, made up: windows of every report as the store holds them, segments, and nothing at all."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboard.reports_desk import SegmentsSource
from storage.reports import ReportBand, ReportCell, ReportDocument, ReportName, ReportRow
from storage.segments import Segment, SegmentsDocument
from veilocity.errors import StoreUnavailableError

SECOND_MS = 1_000
DAY_MS = 86_400_000
SHOPS = ("Corner Shop", "Noodle Bar", "Filling Station", "Two Sleeves", "Bytes & Bits", "Green Grocer", "Night Kiosk", "Paper Lane")
KINDS = ("groceries", "restaurant", "fuel", "clothes", "electronics", "groceries", "groceries", "books")
PLACES = (
    ("87195da49ffffff", 51.513, -0.103),
    ("87195da4dffffff", 51.531, -0.087),
    ("871fb4662ffffff", 48.857, 2.352),
    ("871f1d489ffffff", 52.519, 13.401),
)


def fraud_window(end_ms: int, count: int | None, cells: Sequence[int] = (), *, late: int = 0) -> ReportDocument:
    """Return a window of two minutes; `cells` are the counts of the first places."""
    shown = tuple(ReportCell(*place, found) for place, found in zip(PLACES, cells, strict=False))
    suppressed = 1 if count is None else 2 if cells else 0
    return _window("frauds", end_ms, 120, count=count, cells=shown, suppressed=suppressed, late=late)


def merchants_window(end_ms: int, draw: random.Random, merchants: int = 24) -> ReportDocument:
    """Return the first twenty merchants of half a minute, the early ones more often at the top."""
    sold = sorted(((int(draw.expovariate(1 / (merchants - number))) + 1, number) for number in range(merchants)), reverse=True)[:20]
    rows = tuple(
        ReportRow(
            rank=rank,
            id=f"merchant{number:02d}",
            name=f"{SHOPS[number % 8]} {1 + number // 8}",
            category=KINDS[number % 8],
            count=count,
            amounts={"GBP": 1_150 * count + number, **({"EUR": 900 * (count // 2)} if number % 3 == 0 and count > 1 else {})},
        )
        for rank, (count, number) in enumerate(sold, start=1)
    )
    return _window("merchants", end_ms, 30, count=sum(count for count, _ in sold), rows=rows, late=3)


def day_of_reports(end_ms: int, seed: int = 23, *, windows: int = 40) -> list[ReportDocument]:
    """Return the documents of a good day.

    Args:
        end_ms: end of the newest window of frauds, a multiple of ten seconds.
        seed: of what is drawn.
        windows: of merchants.
    """
    draw = random.Random(seed)  # noqa: S311  # a made-up day
    frauds = []
    for step in range(26):
        count = None if step == 9 else 24 + draw.randrange(9)
        cells = () if count is None else (5 + draw.randrange(5), 6, 7, 5)
        frauds.append(fraud_window(end_ms - step * 10 * SECOND_MS, count, cells, late=14 - step // 4))
    half = end_ms // (30 * SECOND_MS) * 30 * SECOND_MS
    merchants = [merchants_window(half - step * 30 * SECOND_MS, draw) for step in range(windows)]
    people = (ReportBand("0-3", 812), ReportBand("4-6", 240), ReportBand("7+", 61))
    levels = (ReportBand("bought", 131), ReportBand("L1", 402), ReportBand("L2", 1_377), ReportBand("L3", 4_120))
    others = [
        _window("high_value", end_ms, 120, count=31, bands=(ReportBand("30-39", 14), ReportBand("unknown", 9)), suppressed=1, late=14),
        _window("day_counts", end_ms, 86_400, count=3_904, bands=people, late=2),
        _window("sessions", end_ms, 600, count=655, bands=levels, suppressed=1, late=5),
    ]
    return [*frauds, *merchants, *others]


def segmentation(start_ms: int) -> SegmentsDocument:
    """Return four segments of a week."""
    rows = (
        Segment("A", 512, 1.4, 11.8, 0.03, 2.1, 0.12, "few small payments near home"),
        Segment("B", 231, 4.9, 18.5, 0.11, 6.4, 0.31, "many small payments about town"),
        Segment("C", 88, 0.8, 96.0, 0.05, 41.0, 0.22, "few large payments far from home"),
        Segment("D", 140, 2.6, 34.2, 0.38, 3.2, 0.87, "online, often by night"),
    )
    return SegmentsDocument(start_ms, start_ms + 7 * DAY_MS, 982, 11, 20, rows)


def _window(report: ReportName, end_ms: int, seconds: int, **fields: Any) -> ReportDocument:
    start_ms = end_ms - seconds * SECOND_MS
    return ReportDocument(f"{report}:{start_ms}", report, start_ms, end_ms, **fields)


@dataclass
class SegmentsWorld:
    """A store of segments."""

    segmentation: SegmentsDocument | None = None

    def newest(self) -> SegmentsDocument | None:
        return self.segmentation


@dataclass
class ReportsWorld:
    """A store of reports. `down` makes it silent."""

    documents: list[ReportDocument] = field(default_factory=list)
    segments: SegmentsSource = field(default_factory=SegmentsWorld)
    down: bool = False
    questions: list[tuple[str, str]] = field(default_factory=list)

    def newest(self, report: ReportName, limit: int) -> list[ReportDocument]:
        self._answer("newest", report)
        return self._windows(report)[::-1][:limit]

    def since(self, report: ReportName, end_ms: int) -> list[ReportDocument]:
        self._answer("since", report)
        return [one for one in self._windows(report) if one.end_ms > end_ms]

    def _answer(self, question: str, report: str) -> None:
        self.questions.append((question, report))
        if self.down:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")

    def _windows(self, report: str) -> list[ReportDocument]:
        return sorted((one for one in self.documents if one.report == report), key=lambda one: one.end_ms)


def reports_day(now_ms: int) -> ReportsWorld:
    """Return a good day whose newest window came just now."""
    end_ms = (now_ms - 120 * SECOND_MS) // (10 * SECOND_MS) * 10 * SECOND_MS
    return ReportsWorld(day_of_reports(end_ms), SegmentsWorld(segmentation(end_ms // DAY_MS * DAY_MS - 8 * DAY_MS)))

"""What the page of reports draws: windows in the order of time, sums over merchants, what was left out. Pure.

Windows of frauds overlap (two minutes, every ten seconds), so they are never added up: one bar is one window. Windows of merchants follow
each other, so their sums run: the line of merchant m after window w is

    sales(m, w) = sum of what m sold in the windows up to w in which it was among the first twenty

which is all that the reports tell: at most what m really sold, and exactly that for who is always among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise

import msgspec

from storage.reports import ReportBand, ReportCell, ReportDocument, ReportRow
from veilocity.currencies import minor_digits

__all__ = [
    "FRAUDS_READ",
    "FRAUDS_SHOWN",
    "SALES_SHOWN",
    "CellsPicture",
    "FraudsPicture",
    "LeftOut",
    "Line",
    "Measure",
    "SalesPicture",
    "WindowCount",
    "WindowPicture",
    "left_out",
    "picture_cells",
    "picture_frauds",
    "picture_sales",
    "picture_window",
]

FRAUDS_SHOWN = 20
FRAUDS_READ = 60
"""So many windows are looked through for one that tells cells."""
SALES_SHOWN = 120
_LINES = 20
_CURRENCIES = 3
_PAYMENTS = "payments"


class WindowCount(msgspec.Struct, frozen=True):
    """One bar."""

    start_ms: int
    end_ms: int
    """Exclusive."""
    count: int | None
    """None where it is withheld."""


class FraudsPicture(msgspec.Struct, frozen=True):
    """Potential frauds by window, oldest first."""

    step_ms: int
    """From one window's end to the next one's."""
    windows: tuple[WindowCount, ...]


class CellsPicture(msgspec.Struct, frozen=True):
    """Where potential frauds were: the released cells of one window, the fullest first."""

    start_ms: int
    end_ms: int
    suppressed: int
    """Figures of the window that are withheld."""
    cells: tuple[ReportCell, ...]


class Line(msgspec.Struct, frozen=True):
    """What one merchant sold so far, after each window."""

    id: str
    name: str
    category: str
    values: tuple[float, ...]


class Measure(msgspec.Struct, frozen=True):
    """The merchants that sold most, by payments or in one currency; money of two currencies is never added."""

    name: str
    """`payments` or a currency; then values are in major units."""
    lines: tuple[Line, ...]
    """Most first; equals in the order of their ids."""


class SalesPicture(msgspec.Struct, frozen=True):
    """Sales by merchant over time."""

    since_ms: int
    ends_ms: tuple[int, ...]
    """End of each window, oldest first."""
    measures: tuple[Measure, ...]


class WindowPicture(msgspec.Struct, frozen=True):
    """The newest window of a report that is a figure and its parts."""

    start_ms: int
    end_ms: int
    count: int | None
    suppressed: int
    bands: tuple[ReportBand, ...]


class LeftOut(msgspec.Struct, frozen=True):
    """What one report left out."""

    report: str
    end_ms: int
    """Of its newest window."""
    late: int
    """Rows that came too late, since the report began."""
    suppressed: int
    """Groups below the least number of people, in the newest window."""


def picture_frauds(windows: Sequence[ReportDocument]) -> FraudsPicture | None:
    """Return the newest windows as bars, or None where there is none.

    Args:
        windows: of the report `frauds`, in any order.

    >>> one, two = (ReportDocument(f"frauds:{at}", "frauds", at, at + 120_000, count=at // 10_000) for at in (10_000, 20_000))
    >>> found = picture_frauds([two, one])
    >>> found.step_ms, [window.count for window in found.windows]
    (10000, [1, 2])
    """
    ordered = _ordered(windows)[-FRAUDS_SHOWN:]
    if not ordered:
        return None
    gaps = [after.end_ms - before.end_ms for before, after in pairwise(ordered)]
    shown = tuple(WindowCount(one.start_ms, one.end_ms, one.count) for one in ordered)
    return FraudsPicture(min((gap for gap in gaps if gap > 0), default=10_000), shown)


def picture_cells(windows: Sequence[ReportDocument]) -> CellsPicture | None:
    """Return the released cells of one window, or None where there is no window.

    Cells are told only of windows that do not overlap. Of those the newest with a cell is drawn, else the newest of all.

    Args:
        windows: of the report `frauds`, in any order.
    """
    ordered = _ordered(windows)
    if not ordered:
        return None
    whole = [one for one in ordered if one.start_ms % (one.end_ms - one.start_ms) == 0]
    shown = next((one for one in reversed(ordered) if one.cells), (whole or ordered)[-1])
    cells = tuple(sorted(shown.cells, key=lambda cell: (-cell.count, cell.cell)))
    return CellsPicture(shown.start_ms, shown.end_ms, shown.suppressed, cells)


def picture_sales(windows: Sequence[ReportDocument]) -> SalesPicture | None:
    """Return what the merchants sold so far after each window, or None where there is no window.

    Args:
        windows: of the report `merchants`, in any order.

    >>> row = ReportRow(1, "m1", "Corner Shop", "groceries", 3, {"EUR": 1_250})
    >>> one, two = (ReportDocument(f"merchants:{at}", "merchants", at, at + 30_000, 3, rows=(row,)) for at in (0, 30_000))
    >>> [(measure.name, measure.lines[0].values) for measure in picture_sales([one, two]).measures]
    [('payments', (3.0, 6.0)), ('EUR', (12.5, 25.0))]
    """
    ordered = _ordered(windows)[-SALES_SHOWN:]
    if not ordered:
        return None
    uses: dict[str, int] = {}
    for row in _rows(ordered):
        for currency in row.amounts:
            uses[currency] = uses.get(currency, 0) + 1
    currencies = sorted(uses, key=lambda name: (-uses[name], name))[:_CURRENCIES]
    measures = [_measure(_PAYMENTS, ordered, lambda row: row.count, 0)]
    measures += [_money(ordered, currency) for currency in currencies]
    return SalesPicture(ordered[0].start_ms, tuple(one.end_ms for one in ordered), tuple(measures))


def picture_window(windows: Sequence[ReportDocument]) -> WindowPicture | None:
    """Return the newest window, or None where there is none.

    Args:
        windows: of one report, in any order.
    """
    ordered = _ordered(windows)
    if not ordered:
        return None
    newest = ordered[-1]
    return WindowPicture(newest.start_ms, newest.end_ms, newest.count, newest.suppressed, newest.bands)


def left_out(reports: Iterable[Sequence[ReportDocument]]) -> tuple[LeftOut, ...]:
    """Return what each report left out, in the order given; reports without a window are not told.

    Args:
        reports: the windows of each.
    """
    newest = [_ordered(windows)[-1] for windows in reports if windows]
    return tuple(LeftOut(one.report, one.end_ms, one.late, one.suppressed) for one in newest)


def _ordered(windows: Sequence[ReportDocument]) -> list[ReportDocument]:
    return sorted(windows, key=lambda one: one.end_ms)


def _rows(windows: Iterable[ReportDocument]) -> Iterable[ReportRow]:
    return (row for window in windows for row in window.rows)


def _money(windows: Sequence[ReportDocument], currency: str) -> Measure:
    return _measure(currency, windows, lambda row: row.amounts.get(currency, 0), minor_digits(currency))


def _measure(name: str, windows: Sequence[ReportDocument], worth: Callable[[ReportRow], int], digits: int) -> Measure:
    # Whole numbers until the end: a sum of a hundred windows is exact.
    sold: dict[str, list[int]] = {}
    known: dict[str, ReportRow] = {}
    for place, window in enumerate(windows):
        for row in window.rows:
            sold.setdefault(row.id, [0] * len(windows))[place] += worth(row)
            known[row.id] = row
    totals = {identity: sum(each) for identity, each in sold.items()}
    first = sorted((one for one in totals if totals[one]), key=lambda one: (-totals[one], one))[:_LINES]
    scale = 10**digits
    return Measure(name, tuple(_line(known[one], (value / scale for value in accumulate(sold[one]))) for one in first))


def _line(row: ReportRow, values: Iterable[float]) -> Line:
    return Line(row.id, row.name, row.category, tuple(values))

"""What a dashboard is made of, whatever form it takes: panels on a grid of 48 columns, filters, and a span of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage.kibana.charts import Chart
from storage.kibana.maps import LAYERS, MapPanel
from storage.kibana.questions import Question
from storage.kibana.scatter import Scatter
from storage.kibana.searches import SavedSearch
from storage.kinds import Kind

__all__ = ["COLUMNS", "Dashboard", "Filter", "Grid", "Note", "Panel", "Placed"]

COLUMNS = 48


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a panel lies, in columns and rows."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Note:
    """Words on the dashboard itself (Markdown)."""

    name: str
    text: str


Panel = Chart | Scatter | MapPanel | SavedSearch | Note


@dataclass(frozen=True, slots=True)
class Placed:
    """A panel and where it lies."""

    panel: Panel
    grid: Grid


@dataclass(frozen=True, slots=True)
class Filter:
    """A list of values above the panels to filter by."""

    field: str
    title: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard."""

    name: str
    title: str
    description: str
    kind: Kind[Any]
    """Whose fields the filters are."""
    filters: tuple[Filter, ...]
    panels: tuple[Placed, ...]
    time_from: str = "now-24h"
    refresh_ms: int = 60_000

    def questions(self) -> tuple[Question, ...]:
        """Return what its panels ask Elasticsearch."""
        found: list[Question] = []
        for placed in self.panels:
            if isinstance(placed.panel, Chart):
                found.append(Question.of(placed.panel))
            elif isinstance(placed.panel, Scatter):
                found.append(placed.panel.question())
            elif isinstance(placed.panel, MapPanel):
                found += [layer.question() for layer in LAYERS]
        return tuple(found)

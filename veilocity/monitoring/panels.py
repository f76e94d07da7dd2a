"""Grafana dashboards as values: a panel says what it asks and how it is drawn, and the grid, ids and data sources follow from that.

`render` gives the JSON model of Grafana 12 (schema version 41), the same for the same dashboard, always. A test reads it back with the
types that Grafana publishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "ELASTICSEARCH",
    "PROMETHEUS",
    "Dashboard",
    "Panel",
    "Row",
    "Target",
    "bar_chart",
    "bar_gauge",
    "gauge",
    "lines",
    "number",
    "render",
    "table",
]

Json = dict[str, Any]

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
ELASTICSEARCH = {"type": "elasticsearch", "uid": "elasticsearch"}
"""Data sources, as deploy/grafana/provisioning names them."""

_COLUMNS = 24
_SCHEMA_VERSION = 41
_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}


@dataclass(frozen=True, slots=True)
class Target:
    """One question of a panel to Prometheus."""

    expr: str
    legend: str = ""
    """`{{label}}` stands for a label's value."""
    instant: bool = False
    """One value now instead of a line."""
    as_table: bool = False
    """A row for each series, its labels as columns."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel."""

    kind: str
    """Grafana's name of the visualisation."""
    title: str
    targets: tuple[Target, ...] = ()
    description: str = ""
    unit: str = "short"
    width: int = 8
    height: int = 7
    options: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    """Of `fieldConfig`, beside the unit."""
    more: Json = field(default_factory=dict)
    """What the panel has beyond that, such as transformations."""
    questions: tuple[Json, ...] = ()
    """Targets of another data source than Prometheus."""
    source: Mapping[str, str] = field(default_factory=lambda: PROMETHEUS)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, laid from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard."""

    name: str
    """Of its file, and in its address."""
    title: str
    description: str
    rows: tuple[Row, ...]
    refresh: str = "5s"
    since: str = "now-15m"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)


def lines(title: str, unit: str, *targets: Target, **more: Any) -> Panel:
    """Return lines over time."""
    options = {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    custom = {"drawStyle": "line", "fillOpacity": 8, "lineWidth": 1, "showPoints": "never", "spanNulls": False}
    more["defaults"] = {"custom": custom, **more.get("defaults", {})}
    return Panel("timeseries", title, targets, unit=unit, options=options, **more)


def number(title: str, unit: str, expr: str, **more: Any) -> Panel:
    """Return one large number."""
    options = {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": _LAST,
        "textMode": "auto",
    }
    return Panel("stat", title, (Target(expr),), unit=unit, options=options, **{"width": 4, "height": 4, **more})


def gauge(title: str, unit: str, expr: str, low: float, high: float, **more: Any) -> Panel:
    """Return a needle between two ends."""
    options = {"orientation": "auto", "reduceOptions": _LAST, "showThresholdLabels": False, "showThresholdMarkers": True}
    more["defaults"] = {"min": low, "max": high, **more.get("defaults", {})}
    return Panel("gauge", title, (Target(expr),), unit=unit, options=options, **more)


def bar_gauge(title: str, unit: str, target: Target, **more: Any) -> Panel:
    """Return one horizontal bar for each series."""
    options = {"displayMode": "gradient", "orientation": "horizontal", "reduceOptions": _LAST, "showUnfilled": True, "valueMode": "color"}
    return Panel("bargauge", title, (target,), unit=unit, options=options, **more)


def bar_chart(title: str, unit: str, expr: str, label: str, **more: Any) -> Panel:
    """Return one bar for each value of a label."""
    options = {
        "barWidth": 0.9,
        "groupWidth": 0.7,
        "legend": {"calcs": [], "displayMode": "hidden", "placement": "bottom", "showLegend": False},
        "orientation": "horizontal",
        "showValue": "auto",
        "stacking": "none",
        "tooltip": {"mode": "single", "sort": "none"},
        "xField": label,
    }
    return Panel("barchart", title, (Target(expr, instant=True, as_table=True),), unit=unit, options=options, **more)


def table(title: str, columns: Mapping[str, str], *targets: Target, **more: Any) -> Panel:
    """Return a table.

    Args:
        title: above it.
        columns: field to heading, in order; other fields are left out.
        targets: questions to Prometheus.
        more: what else a panel may have.
    """
    shown: list[Json] = [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {name: place for place, name in enumerate(columns)},
                "renameByName": dict(columns),
            },
        },
    ]
    options = {"cellHeight": "sm", "showHeader": True}
    return Panel("table", title, targets, options=options, more={"transformations": shown}, **more)


def render(dashboard: Dashboard) -> Json:
    """Return Grafana's JSON model.

    >>> model = render(Dashboard("a", "A", "", (Row("r", (number("n", "short", "up"), number("m", "short", "up"))),)))
    >>> [(panel["type"], panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in model["panels"]]
    [('row', 0, 0), ('stat', 0, 1), ('stat', 4, 1)]
    """
    return {
        "uid": f"veilocity-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["veilocity"],
        "timezone": "utc",
        "schemaVersion": _SCHEMA_VERSION,
        "refresh": dashboard.refresh,
        "time": {"from": dashboard.since, "to": "now"},
        "editable": False,
        "graphTooltip": 1,
        "panels": _laid_out(dashboard.rows),
    }


def _laid_out(rows: Sequence[Row]) -> list[Json]:
    shown: list[Json] = []
    top = 0
    for row in rows:
        shown.append(
            {
                "id": len(shown) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"x": 0, "y": top, "w": _COLUMNS, "h": 1},
                "panels": [],
            }
        )
        top += 1
        left = tallest = 0
        for panel in row.panels:
            if left + panel.width > _COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            shown.append(_panel(panel, len(shown) + 1, left, top))
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return shown


def _panel(panel: Panel, number_: int, left: int, top: int) -> Json:
    asked = [_target(target, place) for place, target in enumerate(panel.targets)]
    asked += [{"refId": _letter(place), "datasource": dict(panel.source), **one} for place, one in enumerate(panel.questions)]
    model: Json = {
        "id": number_,
        "type": panel.kind,
        "title": panel.title,
        "datasource": dict(panel.source),
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit, **panel.defaults}, "overrides": []},
        "options": panel.options,
        "targets": asked,
        **panel.more,
    }
    if panel.description:
        model["description"] = panel.description
    return model


def _target(target: Target, place: int) -> Json:
    model: Json = {"refId": _letter(place), "datasource": dict(PROMETHEUS), "expr": target.expr}
    if target.legend:
        model["legendFormat"] = target.legend
    if target.instant:
        model |= {"instant": True, "range": False}
    if target.as_table:
        model["format"] = "table"
    return model


def _letter(place: int) -> str:
    return chr(ord("A") + place)

"""A dashboard as the body of Kibana's Dashboards API (`PUT /api/dashboards/ID`, ready for production since 9.5).

Only panels that the API has a schema for: charts, words and filters. It takes no map and no Vega yet (Elastic's list for 9.5), and we give
it no search; what is left out is said in the words on the dashboard, and the import of the NDJSON file has it.
"""

from __future__ import annotations

from storage.kibana.charts import Bucket, Chart, Metric, Times
from storage.kibana.dashboards import DASHBOARDS, Dashboard, Note, Panel
from storage.kibana.data_views import TIME_FIELD, data_view_id
from storage.kibana.lens import x_bucket
from storage.kibana.objects import Json, identity

__all__ = ["api_body", "api_id", "api_name", "bodies"]


def bodies(prefix: str) -> dict[str, Json]:
    """Return the body of every dashboard by its file name."""
    return {api_name(dashboard): api_body(prefix, dashboard) for dashboard in DASHBOARDS}


def api_name(dashboard: Dashboard) -> str:
    """Return the name of the dashboard's file.

    >>> [api_name(dashboard) for dashboard in DASHBOARDS]
    ['payments.dashboard.json', 'investigation.dashboard.json']
    """
    return f"{dashboard.name}.dashboard.json"


def api_id(prefix: str, dashboard: Dashboard) -> str:
    """Return the id to put the body under: another than that of the imported dashboard, so that neither replaces the other."""
    return identity(prefix, "dashboard-api", dashboard.name)


def api_body(prefix: str, dashboard: Dashboard) -> Json:
    """Return the whole state of the dashboard."""
    left_out = [placed.panel.title for placed in dashboard.panels if not isinstance(placed.panel, Chart | Note)]
    panels = []
    for placed in dashboard.panels:
        config = _config(prefix, placed.panel, left_out)
        if config is not None:
            grid = {"x": placed.grid.x, "y": placed.grid.y, "w": placed.grid.w, "h": placed.grid.h}
            kind = "markdown" if isinstance(placed.panel, Note) else "vis"
            panels.append({"type": kind, "grid": grid, "config": config})
    controls = [
        {
            "type": "options_list_control",
            "width": "medium",
            "grow": True,
            "config": {"title": each.title, "data_view_id": data_view_id(prefix, dashboard.kind), "field_name": each.field},
        }
        for each in dashboard.filters
    ]
    return {
        "title": f"{dashboard.title} (API)",
        "description": dashboard.description,
        "time_range": {"from": dashboard.time_from, "to": "now"},
        "refresh_interval": {"pause": False, "value": dashboard.refresh_ms},
        "pinned_panels": controls,
        "panels": panels,
    }


def _config(prefix: str, panel: Panel, left_out: list[str]) -> Json | None:
    if isinstance(panel, Note):
        missing = f" Imported from the NDJSON file only: {', '.join(left_out)}." if left_out else ""
        return {"content": f"{panel.text}{missing}"}
    return _chart(prefix, panel) if isinstance(panel, Chart) else None


def _chart(prefix: str, chart: Chart) -> Json:
    source = {"data_source": {"type": "data_view_reference", "ref_id": data_view_id(prefix, chart.kind)}}
    query = {"query": {"language": "kql", "expression": chart.where.kql()}} if chart.where is not None else {}
    common: Json = {"title": chart.title, "description": chart.note, **query}
    metrics = [_metric(metric) for metric in chart.metrics]
    buckets = [_bucket(chart, bucket) for bucket in chart.buckets]
    if chart.shape == "metric":
        by = {"breakdown_by": buckets[0]} if buckets else {}
        return {**common, **source, "type": "metric", "metrics": [{"type": "primary", **metrics[0]}], **by}
    if chart.shape == "table":
        return {**common, **source, "type": "data_table", "metrics": metrics, "rows": buckets}
    if chart.shape in ("pie", "donut"):
        hole = {"styling": {"donut_hole": "m"}} if chart.shape == "donut" else {}
        return {**common, **source, "type": "pie", "metrics": metrics, "group_by": buckets, **hole}
    along = x_bucket(chart)
    split = [bucket for number, bucket in enumerate(buckets) if number != along]
    layer = {**source, "type": chart.shape, "x": buckets[along], "y": metrics, **({"breakdown_by": split[0]} if split else {})}
    legend = {"visibility": "visible" if split else "hidden", "position": "bottom", "layout": {"type": "list"}}
    return {**common, "type": "xy", "layers": [layer], "legend": legend}


def _metric(metric: Metric) -> Json:
    figure: Json = {"operation": metric.operation, "label": metric.label}
    if metric.field is not None:
        figure["field"] = metric.field
    if metric.decimals is not None:
        figure["format"] = {"type": "number", "decimals": metric.decimals}
    return figure


def _bucket(chart: Chart, bucket: Bucket) -> Json:
    if isinstance(bucket, Times):
        return {"operation": "date_histogram", "field": bucket.field, "label": bucket.label, "suggested_interval": bucket.interval}
    rest = {"other_bucket": {"include_documents_without_field": True}} if bucket.rest else {}
    rank: Json = {"type": "metric", "metric_index": 0, "direction": "desc"}
    if chart.metrics[0].operation != "count":
        # By a field that every document has: not every version counts without one.
        rank = {"type": "custom", "operation": "count", "field": TIME_FIELD, "direction": "desc"}
    return {"operation": "terms", "fields": [bucket.field], "label": bucket.label, "limit": bucket.size, "rank_by": rank, **rest}

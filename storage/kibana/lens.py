"""A chart as Lens state: the least that Kibana 9 needs to draw it, in the shape of its own exports.

Lens rather than Vega wherever Lens can draw it: a reader may click, filter and change it, and the Dashboards API has the same charts.
"""

from __future__ import annotations

from storage.kibana.charts import Bucket, Chart, Metric, Times
from storage.kibana.data_views import layer_reference
from storage.kibana.objects import Json, Reference

__all__ = ["LAYER", "lens_attributes", "lens_references", "x_bucket"]

LAYER = "layer_0"
_RECORDS = "___records___"
"""What Kibana calls the documents themselves."""
_TYPES = {"metric": "lnsMetric", "pie": "lnsPie", "donut": "lnsPie", "table": "lnsDatatable"}


def lens_references(prefix: str, chart: Chart) -> tuple[Reference, ...]:
    """Return what the state refers to: the data view of its only layer."""
    return (layer_reference(prefix, chart.kind, f"indexpattern-datasource-layer-{LAYER}"),)


def lens_attributes(prefix: str, chart: Chart) -> Json:
    """Return the attributes of a Lens object that lies by value in a dashboard."""
    query = chart.where.kql() if chart.where is not None else ""
    return {
        "title": chart.title,
        "description": chart.note,
        "type": "lens",
        "visualizationType": _TYPES.get(chart.shape, "lnsXY"),
        "references": [{"type": each.type, "id": each.id, "name": each.name} for each in lens_references(prefix, chart)],
        "state": {
            "datasourceStates": {"formBased": {"layers": {LAYER: _layer(chart)}}},
            "visualization": _visualization(chart),
            "query": {"language": "kuery", "query": query},
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def _metrics(chart: Chart) -> list[str]:
    return [f"metric_{number}" for number in range(len(chart.metrics))]


def _buckets(chart: Chart) -> list[str]:
    return [f"bucket_{number}" for number in range(len(chart.buckets))]


def _layer(chart: Chart) -> Json:
    columns = {
        **{name: _bucket_column(chart, bucket) for name, bucket in zip(_buckets(chart), chart.buckets, strict=True)},
        **{name: _metric_column(metric) for name, metric in zip(_metrics(chart), chart.metrics, strict=True)},
    }
    return {"columnOrder": list(columns), "columns": columns, "incompleteColumns": {}, "sampling": 1}


def _metric_column(metric: Metric) -> Json:
    column: Json = {
        "label": metric.label,
        "customLabel": True,
        "dataType": "number",
        "operationType": metric.operation,
        "isBucketed": False,
        "scale": "ratio",
        "sourceField": metric.field or _RECORDS,
        "params": {"emptyAsNull": False} if metric.operation in ("count", "unique_count") else {},
    }
    if metric.decimals is not None:
        column["params"]["format"] = {"id": "number", "params": {"decimals": metric.decimals}}
    return column


def _bucket_column(chart: Chart, bucket: Bucket) -> Json:
    common: Json = {"label": bucket.label, "customLabel": True, "isBucketed": True, "sourceField": bucket.field}
    if isinstance(bucket, Times):
        params: Json = {"interval": bucket.interval, "includeEmptyRows": True, "dropPartials": False}
        return {**common, "dataType": "date", "operationType": "date_histogram", "scale": "interval", "params": params}
    params = {
        "size": bucket.size,
        **_most_frequent(chart),
        "orderDirection": "desc",
        "otherBucket": bucket.rest,
        "missingBucket": bucket.rest,
        "parentFormat": {"id": "terms"},
        "include": [],
        "exclude": [],
        "includeIsRegex": False,
        "excludeIsRegex": False,
    }
    return {**common, "dataType": "string", "operationType": "terms", "scale": "ordinal", "params": params}


def _most_frequent(chart: Chart) -> Json:
    """Return how Lens ranks the most frequent values: by the column that counts, or by a count that it does not show."""
    if chart.metrics[0].operation == "count":
        return {"orderBy": {"type": "column", "columnId": "metric_0"}}
    counted = _metric_column(Metric("payments"))
    return {"orderBy": {"type": "custom"}, "orderAgg": counted}


def _visualization(chart: Chart) -> Json:
    metrics, buckets = _metrics(chart), _buckets(chart)
    common = {"layerId": LAYER, "layerType": "data"}
    if chart.shape == "metric":
        by = {"breakdownByAccessor": buckets[0], "maxCols": 3} if buckets else {}
        return {**common, "metricAccessor": metrics[0], "showBar": False, "subtitle": "", **by}
    if chart.shape == "table":
        return {**common, "columns": [{"columnId": name} for name in (*buckets, *metrics)]}
    if chart.shape in ("pie", "donut"):
        layer = {
            **common,
            "primaryGroups": buckets,
            "metrics": metrics,
            "numberDisplay": "percent",
            "categoryDisplay": "default",
            "legendDisplay": "show",
            "nestedLegend": False,
        }
        return {"shape": chart.shape, "layers": [layer]}
    return _xy(chart)


def _xy(chart: Chart) -> Json:
    metrics, buckets = _metrics(chart), _buckets(chart)
    along = x_bucket(chart)
    split = [name for number, name in enumerate(buckets) if number != along]
    layer = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": chart.shape,
        "xAccessor": buckets[along],
        "accessors": metrics,
        **({"splitAccessor": split[0]} if split else {}),
    }
    shown = {"x": True, "yLeft": True, "yRight": True}
    return {
        "preferredSeriesType": chart.shape,
        "layers": [layer],
        "legend": {"isVisible": bool(split), "position": "bottom"},
        "valueLabels": "hide",
        "fittingFunction": "None",
        "yLeftExtent": {"mode": "full"},
        "axisTitlesVisibilitySettings": shown,
        "tickLabelsVisibilitySettings": shown,
        "gridlinesVisibilitySettings": shown,
    }


def x_bucket(chart: Chart) -> int:
    """Return which bucket lies along the axis: that of time, else the outermost."""
    return next((number for number, bucket in enumerate(chart.buckets) if isinstance(bucket, Times)), 0)

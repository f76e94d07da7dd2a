"""The map: payments by square, and for each alert the way from the first observation to the second.

It needs no map service: the squares of the payments are the ground. Places are the centres of cells already, so no layer shows a place more
exactly than the cell; lines between the same two cells are drawn once, as wide as they are many.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from storage.kibana.charts import Where
from storage.kibana.data_views import layer_reference
from storage.kibana.objects import Json, Reference, SavedObject, compact, identity
from storage.kibana.questions import Question, Row, value_at
from storage.kinds import ALERTS, TRANSACTIONS, Kind

__all__ = ["LAYERS", "Layer", "MapPanel", "geotile", "map_object"]

_PRECISION = 6
"""Of the squares that the questions ask for: about 600 km wide at the equator. Kibana chooses its own by zoom."""
_TOOLTIP = ["rule", "severity", "state", "minute_ms", "speed_kmh.low", "sentence", "subject"]
_RED, _AMBER, _YELLOW, _GREY, _BLUE = "#BD271E", "#E7664C", "#D6BF57", "#98A2B3", "#6092C0"


def geotile(lat: float, lon: float, precision: int) -> str:
    """Return the name of the square that holds a place, as Elasticsearch's `geotile_grid` names it (zoom/x/y of Web Mercator).

    >>> geotile(48.85, 2.35, 6)
    '6/32/22'
    """
    tiles = 1 << precision
    sine = math.sin(math.radians(lat))
    x = math.floor((lon + 180) / 360 * tiles)
    y = math.floor((0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)) * tiles)
    return f"{precision}/{min(x, tiles - 1)}/{min(max(y, 0), tiles - 1)}"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: `grid` counts documents by square, `lines` joins two places, `points` draws single documents."""

    name: str
    label: str
    kind: Kind[Any]
    form: str
    places: tuple[str, ...]
    style: Json
    where: Where | None = None
    tooltip: tuple[str, ...] = ()

    def query(self) -> Json:
        """Return the body of a search for the same documents, counted by square of each place.

        For lines Kibana itself names the second place by a script, which the distribution that the tests run on lacks.
        """
        aggregations: Json = {}
        for number, place in reversed(list(enumerate(self.places))):
            inner = {"aggs": aggregations} if aggregations else {}
            grid = {"field": f"{place}.point", "precision": _PRECISION, "size": 10_000}
            aggregations = {f"place_{number}": {"geotile_grid": grid, **inner}}
        filters = [{"exists": {"field": f"{place}.point"}} for place in self.places]
        clauses = [*filters, *([self.where.clause()] if self.where else [])]
        return {"size": 0, "query": {"bool": {"filter": clauses}}, "aggs": aggregations}

    def question(self) -> Question:
        """Return what it asks, and how to know the answer."""

        def read(answer: Json) -> list[Row]:
            return sorted(_read(answer["aggregations"], 0))

        def reckon(documents: Sequence[Json]) -> list[Row]:
            shown = [each for each in documents if self.where is None or self.where.holds(each[self.where.field])]
            tiles = [tuple(_tile(each, place) for place in self.places) for each in shown]
            return sorted((*keys, count) for keys, count in Counter(tiles).items() if None not in keys)

        return Question(f"map: {self.name}", self.kind, self.query(), read, reckon)


def _read(found: Json, depth: int) -> list[Row]:
    rows: list[Row] = []
    for bucket in found[f"place_{depth}"]["buckets"]:
        if f"place_{depth + 1}" in bucket:
            rows += [(bucket["key"], *row) for row in _read(bucket, depth + 1)]
        else:
            rows.append((bucket["key"], bucket["doc_count"]))
    return rows


def _tile(document: Json, place: str) -> str | None:
    point = value_at(document, f"{place}.point")
    return geotile(point["coordinates"][1], point["coordinates"][0], _PRECISION) if point else None


def _static(**values: Any) -> Json:
    return {name: {"type": "STATIC", "options": options} for name, options in values.items()}


def _by_count(name: str, **options: Any) -> Json:
    field = {"name": "doc_count", "origin": "source"}
    return {name: {"type": "DYNAMIC", "options": {"field": field, "fieldMetaOptions": {"isEnabled": True, "sigma": 3}, **options}}}


def _by_severity() -> Json:
    stops = [("__DEFAULT__", _GREY), ("high", _RED), ("medium", _AMBER), ("low", _YELLOW)]
    palette = [{"stop": None if stop == "__DEFAULT__" else stop, "color": colour} for stop, colour in stops]
    options = {
        "type": "CATEGORICAL",
        "field": {"name": "severity", "origin": "source"},
        "fieldMetaOptions": {"isEnabled": True, "sigma": 3},
        "useCustomColorPalette": True,
        "customColorPalette": palette,
        "colorCategory": "palette_0",
    }
    return {"fillColor": {"type": "DYNAMIC", "options": options}}


_STANDING = Where("state", ("retracted",), negated=True)
_TIPS = tuple(_TOOLTIP)
LAYERS: tuple[Layer, ...] = (
    Layer(
        "payments",
        "Payments by square",
        TRANSACTIONS,
        "grid",
        ("place",),
        {
            **_by_count("fillColor", type="ORDINAL", color="Blues", colorCategory="palette_0"),
            **_static(lineColor={"color": _BLUE}, lineWidth={"size": 0}),
        },
    ),
    Layer(
        "travel",
        "From the first observation to the second",
        ALERTS,
        "lines",
        ("first.place", "second.place"),
        {**_static(lineColor={"color": _RED}), **_by_count("lineWidth", minSize=1, maxSize=8)},
        _STANDING,
    ),
    Layer(
        "first",
        "First observation",
        ALERTS,
        "points",
        ("first.place",),
        _static(fillColor={"color": "#FFFFFF"}, lineColor={"color": _RED}, lineWidth={"size": 2}, iconSize={"size": 6}),
        _STANDING,
        _TIPS,
    ),
    Layer(
        "second",
        "Second observation, by severity",
        ALERTS,
        "points",
        ("second.place",),
        {**_by_severity(), **_static(lineColor={"color": "#000000"}, lineWidth={"size": 1}, iconSize={"size": 8})},
        _STANDING,
        _TIPS,
    ),
)
"""From the bottom to the top."""


@dataclass(frozen=True, slots=True)
class MapPanel:
    """The map in a dashboard."""

    name: str
    title: str
    note: str


def map_object(prefix: str, panel: MapPanel) -> SavedObject:
    """Return the map as an object of its own, which a dashboard refers to."""
    settings = {"autoFitToDataBounds": True, "initialLocation": "AUTO_FIT_TO_BOUNDS", "showScaleControl": True, "showSpatialFilters": True}
    state = {
        "center": {"lat": 20, "lon": 0},
        "zoom": 1.5,
        "timeFilters": {"from": "now-24h", "to": "now"},
        "refreshConfig": {"isPaused": True, "interval": 60_000},
        "query": {"language": "kuery", "query": ""},
        "filters": [],
        "settings": settings,
    }
    attributes = {
        "title": f"Veilocity: {panel.title}",
        "description": panel.note,
        "layerListJSON": compact([_described(prefix, number, layer) for number, layer in enumerate(LAYERS)]),
        "mapStateJSON": compact(state),
        "uiStateJSON": compact({"isLayerTOCOpen": True, "openTOCDetails": []}),
    }
    references: tuple[Reference, ...] = tuple(layer_reference(prefix, layer.kind, _name_of(number)) for number, layer in enumerate(LAYERS))
    return SavedObject("map", identity(prefix, "map", panel.name), attributes, references)


def _name_of(number: int) -> str:
    return f"layer_{number}_source_index_pattern"


def _described(prefix: str, number: int, layer: Layer) -> Json:
    source: Json = {
        "id": identity(prefix, "map-source", layer.name),
        "indexPatternRefName": _name_of(number),
        "applyGlobalQuery": True,
        "applyGlobalTime": True,
        "applyForceRefresh": True,
        **_SOURCES[layer.form](layer),
    }
    return {
        "id": identity(prefix, "map-layer", layer.name),
        "label": layer.label,
        "type": "GEOJSON_VECTOR",
        "sourceDescriptor": source,
        "style": {"type": "VECTOR", "isTimeAware": True, "properties": layer.style},
        "query": {"language": "kuery", "query": layer.where.kql() if layer.where else ""},
        "joins": [],
        "alpha": 0.4 if layer.form == "grid" else 0.8,
        "minZoom": 0,
        "maxZoom": 24,
        "visible": True,
        "includeInFitToBounds": True,
    }


def _grid(layer: Layer) -> Json:
    field = f"{layer.places[0]}.point"
    return {"type": "ES_GEO_GRID", "geoField": field, "requestType": "grid", "resolution": "FINE", "metrics": [{"type": "count"}]}


def _lines(layer: Layer) -> Json:
    first, second = (f"{place}.point" for place in layer.places)
    return {"type": "ES_PEW_PEW", "sourceGeoField": first, "destGeoField": second, "metrics": [{"type": "count"}]}


def _points(layer: Layer) -> Json:
    return {
        "type": "ES_SEARCH",
        "geoField": f"{layer.places[0]}.point",
        "scalingType": "LIMIT",
        "filterByMapBounds": True,
        "tooltipProperties": list(layer.tooltip),
        "sortField": "minute_ms",
        "sortOrder": "desc",
        "topHitsSplitField": "",
        "topHitsSize": 1,
    }


_SOURCES: dict[str, Callable[[Layer], Json]] = {"grid": _grid, "lines": _lines, "points": _points}

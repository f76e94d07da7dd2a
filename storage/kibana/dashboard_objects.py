"""A dashboard as a saved object: charts and words by value, the map and the searches by reference."""

from __future__ import annotations

from storage.kibana.charts import Chart
from storage.kibana.dashboards.model import Dashboard, Grid, Note, Panel, Placed
from storage.kibana.data_views import data_view_id, layer_reference
from storage.kibana.lens import lens_attributes, lens_references
from storage.kibana.maps import MapPanel
from storage.kibana.objects import Json, Reference, SavedObject, compact, identity
from storage.kibana.scatter import Scatter

__all__ = ["dashboard_object", "panel_index"]

_EMPTY_SEARCH: Json = {"query": {"language": "kuery", "query": ""}, "filter": []}


def dashboard_object(prefix: str, dashboard: Dashboard) -> SavedObject:
    """Return the dashboard as Kibana exports it."""
    references: list[Reference] = []
    panels: list[Json] = []
    for placed in dashboard.panels:
        index = panel_index(prefix, dashboard, placed.panel)
        panels.append(_panel(prefix, placed, index))
        references += _references(prefix, placed.panel, index)
    controls = {identity(prefix, "control", f"{dashboard.name}/{each.field}"): each for each in dashboard.filters}
    references += [layer_reference(prefix, dashboard.kind, f"controlGroup_{index}:optionsListDataView") for index in controls]
    attributes = {
        "title": dashboard.title,
        "description": dashboard.description,
        "panelsJSON": compact(panels),
        "optionsJSON": compact(
            {"useMargins": True, "syncColors": True, "syncCursor": True, "syncTooltips": False, "hidePanelTitles": False},
        ),
        "controlGroupInput": _controls(prefix, dashboard),
        "kibanaSavedObjectMeta": {"searchSourceJSON": compact(_EMPTY_SEARCH)},
        "timeRestore": True,
        "timeFrom": dashboard.time_from,
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": dashboard.refresh_ms},
        "version": 1,
    }
    return SavedObject("dashboard", identity(prefix, "dashboard", dashboard.name), attributes, tuple(references))


def panel_index(prefix: str, dashboard: Dashboard, panel: Panel) -> str:
    """Return the id of a panel within its dashboard."""
    return identity(prefix, "panel", f"{dashboard.name}/{panel.name}")


def _references(prefix: str, panel: Panel, index: str) -> list[Reference]:
    if isinstance(panel, Chart):
        return [Reference(each.type, each.id, f"{index}:{each.name}") for each in lens_references(prefix, panel)]
    if isinstance(panel, Scatter | Note):
        return []
    kind = "map" if isinstance(panel, MapPanel) else "search"
    return [Reference(kind, identity(prefix, kind, panel.name), f"{index}:panel_{index}")]


def _panel(prefix: str, placed: Placed, index: str) -> Json:
    panel = placed.panel
    base: Json = {"gridData": _grid(placed.grid, index), "panelIndex": index}
    if isinstance(panel, Note):
        return {
            **base,
            "type": "visualization",
            "embeddableConfig": {**_by_value("markdown", "", _markdown(panel)), "hidePanelTitles": True},
        }
    base |= {"title": panel.title}
    if isinstance(panel, Chart):
        config = {"attributes": lens_attributes(prefix, panel), "description": panel.note, "enhancements": {}}
        return {**base, "type": "lens", "embeddableConfig": config}
    if isinstance(panel, Scatter):
        config = {**_by_value("vega", panel.title, {"spec": compact(panel.spec(prefix))}), "description": panel.note}
        return {**base, "type": "visualization", "embeddableConfig": config}
    kind = "map" if isinstance(panel, MapPanel) else "search"
    config = {"description": panel.note, "enhancements": {}}
    return {**base, "type": kind, "panelRefName": f"panel_{index}", "embeddableConfig": config}


def _by_value(kind: str, title: str, params: Json) -> Json:
    saved = {
        "title": title,
        "description": "",
        "type": kind,
        "params": params,
        "uiState": {},
        "data": {"aggs": [], "searchSource": _EMPTY_SEARCH},
    }
    return {"savedVis": saved, "enhancements": {}}


def _markdown(note: Note) -> Json:
    return {"fontSize": 12, "openLinksInNewTab": False, "markdown": note.text}


def _grid(grid: Grid, index: str) -> Json:
    return {"x": grid.x, "y": grid.y, "w": grid.w, "h": grid.h, "i": index}


def _controls(prefix: str, dashboard: Dashboard) -> Json:
    panels = {}
    for order, each in enumerate(dashboard.filters):
        index = identity(prefix, "control", f"{dashboard.name}/{each.field}")
        panels[index] = {
            "order": order,
            "width": "medium",
            "grow": True,
            "type": "optionsListControl",
            "explicitInput": {
                "id": index,
                "dataViewId": data_view_id(prefix, dashboard.kind),
                "fieldName": each.field,
                "title": each.title,
                "selectedOptions": [],
                "enhancements": {},
            },
        }
    ignored = {"ignoreFilters": False, "ignoreQuery": False, "ignoreTimerange": False, "ignoreValidations": False}
    return {
        "chainingSystem": "HIERARCHICAL",
        "controlStyle": "oneLine",
        "showApplySelections": False,
        "ignoreParentSettingsJSON": compact(ignored),
        "panelsJSON": compact(panels),
    }

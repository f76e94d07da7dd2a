"""Which fields a saved object uses, and what for: read from the objects themselves, so that any export can be asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from storage.kibana.findings import Finding, Use, decoded
from storage.kibana.objects import Json

__all__ = ["KQL", "kql_fields", "references_of", "uses_of"]

KQL = re.compile(r'(?:not )?([\w.]+) : \("[^"]*"(?: or "[^"]*")*\)')
"""The part of Kibana's query language that we write."""
_BUILT_IN = "___records___"
_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"


def references_of(line: Json) -> dict[str, tuple[str, str]]:
    """Return type and id of what each reference of an object leads to, by its name."""
    return {each["name"]: (each["type"], each["id"]) for each in line.get("references", [])}


def kql_fields(query: Any, where: str) -> tuple[list[str], list[Finding]]:
    """Return the fields of a query, and what is wrong with it."""
    text = query.get("query", query.get("expression", "")) if isinstance(query, dict) else ""
    if not text:
        return [], []
    match = KQL.fullmatch(text)
    if match is None:
        return [], [Finding("queries", where, 'the query is not of the form `[not ]FIELD : ("VALUE" or "VALUE")`')]
    return [match[1]], []


def uses_of(line: Json, where: str) -> Iterator[Use | Finding]:
    """Yield every use of a field that one object makes, and what cannot be read of it."""
    readers = {"index-pattern": _view, "search": _search, "map": _map, "dashboard": _dashboard}
    reader = readers.get(line["type"])
    if reader is not None:
        yield from reader(line, where)


def _view(line: Json, where: str) -> Iterator[Use | Finding]:
    attributes = line["attributes"]
    yield Use(where, line["id"], attributes.get("timeFieldName", ""), "time")
    for name in decoded(attributes.get("fieldAttrs"), {}):
        yield Use(where, line["id"], name, "show")


def _search(line: Json, where: str) -> Iterator[Use | Finding]:
    view = references_of(line).get(_INDEX, ("", ""))[1]
    attributes = line["attributes"]
    for name in attributes.get("columns", []):
        yield Use(where, view, name, "show")
    for name, _ in attributes.get("sort", []):
        yield Use(where, view, name, "sort")
    source = decoded(attributes.get("kibanaSavedObjectMeta", {}).get("searchSourceJSON"), {})
    yield from _query(source.get("query"), view, where)


def _map(line: Json, where: str) -> Iterator[Use | Finding]:
    references = references_of(line)
    for layer in decoded(line["attributes"].get("layerListJSON"), []):
        source, at = layer.get("sourceDescriptor") or {}, f"{where}, layer {layer.get('label')}"
        view = references.get(source.get("indexPatternRefName", ""), ("", ""))[1]
        for name in ("geoField", "sourceGeoField", "destGeoField"):
            if name in source:
                yield Use(at, view, source[name], "geo")
        for name in source.get("tooltipProperties", []):
            yield Use(at, view, name, "show")
        if "sortField" in source:
            yield Use(at, view, source["sortField"], "sort")
        for style in layer.get("style", {}).get("properties", {}).values():
            name = style.get("options", {}).get("field", {}).get("name", "doc_count")
            if name != "doc_count":
                yield Use(at, view, name, "terms")
        yield from _query(layer.get("query"), view, at)


def _dashboard(line: Json, where: str) -> Iterator[Use | Finding]:
    references = references_of(line)
    controls = line["attributes"].get("controlGroupInput", {})
    for index, control in decoded(controls.get("panelsJSON"), {}).items():
        view = references.get(f"controlGroup_{index}:optionsListDataView", ("", ""))[1]
        yield Use(f"{where}, filter", view, control["explicitInput"]["fieldName"], "control")
    for panel in decoded(line["attributes"].get("panelsJSON"), []):
        at, config = f"{where}, panel {panel.get('title', '')}", panel.get("embeddableConfig", {})
        if panel.get("type") == "lens":
            yield from _lens(config["attributes"], references, panel["panelIndex"], at)
        elif config.get("savedVis", {}).get("type") == "vega":
            yield from _vega(config["savedVis"], references, at)


def _lens(attributes: Json, references: dict[str, tuple[str, str]], index: str, where: str) -> Iterator[Use | Finding]:
    state = attributes["state"]
    for layer, content in state["datasourceStates"]["formBased"]["layers"].items():
        view = references.get(f"{index}:indexpattern-datasource-layer-{layer}", ("", ""))[1]
        for column in content["columns"].values():
            if column["sourceField"] != _BUILT_IN:
                yield Use(where, view, column["sourceField"], column["operationType"])
            ordering = column.get("params", {}).get("orderAgg", {})
            if ordering.get("sourceField", _BUILT_IN) != _BUILT_IN:
                yield Use(where, view, ordering["sourceField"], ordering["operationType"])
        yield from _query(state.get("query"), view, where)


def _vega(saved: Json, references: dict[str, tuple[str, str]], where: str) -> Iterator[Use | Finding]:
    """Read the search inside a specification; its index is named by title, so no reference leads to it."""
    try:
        url = json.loads(saved["params"]["spec"])["data"]["url"]
    except (KeyError, TypeError, ValueError):
        yield Finding("json", where, "the specification is not JSON with a search in it")
        return
    view = f"title:{url['index']}"
    for name in url["body"].get("_source", []):
        yield Use(where, view, name, "show")
    for entry in url["body"].get("sort", []):
        for name in entry:
            yield Use(where, view, name, "sort")
    for name in _clauses(url["body"].get("query", {})):
        yield Use(where, view, name, "filter")


def _clauses(clause: Any) -> Iterator[str]:
    if isinstance(clause, list):
        for each in clause:
            yield from _clauses(each)
    elif isinstance(clause, dict):
        for name, content in clause.items():
            if name == "exists":
                yield content["field"]
            elif name in ("range", "term", "terms"):
                yield from content
            else:
                yield from _clauses(content)


def _query(query: Any, view: str, where: str) -> Iterator[Use | Finding]:
    names, findings = kql_fields(query, where)
    yield from findings
    for name in names:
        yield Use(where, view, name, "filter")

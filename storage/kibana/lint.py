"""The linter: what can be known of saved objects and API bodies without a Kibana.

It reads the lines of a file, not our own types, so that a file that somebody changed by hand, or exported from a Kibana, is judged as well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from storage.kibana.dashboards import COLUMNS
from storage.kibana.findings import Finding, Use, decoded, judge_use, nested, views_of
from storage.kibana.objects import CORE_VERSION, TYPE_VERSIONS, Json, compact
from storage.kibana.uses import kql_fields, references_of, uses_of
from storage.kinds import Kind

__all__ = ["Finding", "check_bodies", "check_lines"]

_ENVELOPE = {"type", "id", "attributes", "references", "managed", "coreMigrationVersion", "typeMigrationVersion"}


def check_lines(lines: list[Json]) -> list[Finding]:
    """Return every fault of a file's objects, sorted; the last line must be the summary.

    >>> from storage.kibana.ndjson import objects, parse, render
    >>> check_lines(parse(render(objects("veilocity"))))
    []
    """
    saved, found = lines[:-1], list(_summary(lines))
    whole = []
    for number, line in enumerate(saved, start=1):
        faults = list(_envelope(line, number))
        found += faults
        if not faults:
            whole.append(line)
    found += _ids(whole)
    known = {(line["type"], line["id"]) for line in whole}
    views = views_of(whole)
    views |= {f"title:{line['attributes'].get('title')}": views[line["id"]] for line in whole if line["type"] == "index-pattern"}
    for line in whole:
        where = f"{line['type']} {line['attributes'].get('title', line['id'])}"
        found += [*_nested(line, where), *_references(line, known, where), *_fields(line, views, where)]
        if line["type"] == "dashboard":
            panels = decoded(line["attributes"].get("panelsJSON"), [])
            found += [*_grid([(each.get("title", ""), each.get("gridData", {})) for each in panels], where), *_panels(panels, where)]
    return sorted(found)


def check_bodies(bodies: dict[str, Json], lines: list[Json]) -> list[Finding]:
    """Return every fault of bodies for the Dashboards API, sorted.

    Args:
        bodies: by file name.
        lines: the objects that the bodies refer to.

    >>> from storage.kibana.dashboards_api import bodies
    >>> from storage.kibana.ndjson import objects
    >>> check_bodies(bodies("veilocity"), [each.document() for each in objects("veilocity")])
    []
    """
    views = views_of(lines)
    found: list[Finding] = []
    for where, body in bodies.items():
        found += _grid([(each["config"].get("title", ""), each.get("grid", {})) for each in body["panels"]], where)
        for control in body.get("pinned_panels", []):
            config = control["config"]
            found += _judged([Use(f"{where}, filter", config["data_view_id"], config["field_name"], "control")], views)
        for panel in body["panels"]:
            found += _judged(_api_uses(panel, f"{where}, panel {panel['config'].get('title', '')}"), views)
    return sorted(found)


def _summary(lines: list[Json]) -> Iterator[Finding]:
    if not lines or "exportedCount" not in lines[-1]:
        yield Finding("summary", "file", "the last line is no summary: the file is not whole")
    elif lines[-1]["exportedCount"] != len(lines) - 1:
        yield Finding("summary", "file", f"the summary counts {lines[-1]['exportedCount']} objects, there are {len(lines) - 1}")


def _envelope(line: Json, number: int) -> Iterator[Finding]:
    where = f"line {number}"
    if missing := sorted(_ENVELOPE - line.keys()):
        yield Finding("envelope", where, f"lacks {', '.join(missing)}")
        return
    if line["type"] not in TYPE_VERSIONS:
        yield Finding("envelope", where, f"{line['type']} is no type that is written here")
    elif (line["coreMigrationVersion"], line["typeMigrationVersion"]) != (CORE_VERSION, TYPE_VERSIONS[line["type"]]):
        yield Finding("envelope", where, "its migration versions are not those of the shape that is written here")


def _ids(lines: list[Json]) -> Iterator[Finding]:
    for (kind, identity), count in Counter((line["type"], line["id"]) for line in lines).items():
        if not identity:
            yield Finding("ids", kind, "an id is empty")
        if count > 1:
            yield Finding("ids", kind, f"{count} objects have the id {identity}")


def _nested(line: Json, where: str) -> Iterator[Finding]:
    for path, text in nested(line["attributes"]):
        try:
            found = json.loads(text)
        except (TypeError, ValueError):
            yield Finding("json", where, f"{path} is not JSON")
            continue
        if compact(found) != text:
            yield Finding("json", where, f"{path} is not in the one form that is the same every time")


def _named(value: Any) -> Iterator[str]:
    """Yield every name that a nested structure refers to another object by."""
    if isinstance(value, list):
        for each in value:
            yield from _named(each)
    elif isinstance(value, dict):
        for name, content in value.items():
            if name in ("indexRefName", "indexPatternRefName"):
                yield content
            elif name == "panelRefName":
                yield f"{value.get('panelIndex')}:{content}"
            else:
                yield from _named(content)


def _used_names(line: Json) -> set[str]:
    attributes = line["attributes"]
    used = {name for _, text in nested(attributes) for name in _named(decoded(text, {}) or decoded(text, []))}
    for panel in decoded(attributes.get("panelsJSON"), []):
        inside = panel.get("embeddableConfig", {}).get("attributes", {}).get("references", [])
        used |= {f"{panel.get('panelIndex')}:{each['name']}" for each in inside}
    controls = decoded(attributes.get("controlGroupInput", {}).get("panelsJSON"), {})
    return used | {f"controlGroup_{index}:optionsListDataView" for index in controls}


def _references(line: Json, known: set[tuple[str, str]], where: str) -> Iterator[Finding]:
    references, used = references_of(line), _used_names(line)
    if len(references) != len(line["references"]):
        yield Finding("references", where, "two references have one name")
    for name, target in references.items():
        if target not in known:
            yield Finding("references", where, f"{name} leads to a {target[0]} that is not in the file")
    for name in sorted(used - references.keys()):
        yield Finding("references", where, f"{name} is used and not among the references")
    for name in sorted(references.keys() - used):
        yield Finding("references", where, f"{name} is a reference that nothing uses")


def _fields(line: Json, views: dict[str, Kind[Any] | None], where: str) -> list[Finding]:
    return _judged(uses_of(line, where), views)


def _judged(uses: Any, views: dict[str, Kind[Any] | None]) -> list[Finding]:
    judged = (each if isinstance(each, Finding) else judge_use(each, views) for each in uses)
    return [each for each in judged if each is not None]


def _grid(panels: list[tuple[str, Json]], where: str) -> Iterator[Finding]:
    placed: list[tuple[str, int, int, int, int]] = []
    for title, grid in panels:
        x, y, w, h = (grid.get(name, 0) for name in "xywh")
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > COLUMNS:
            yield Finding("grid", f"{where}, panel {title}", f"it does not lie within {COLUMNS} columns")
        for other, left, top, width, height in placed:
            if x < left + width and left < x + w and y < top + height and top < y + h:
                yield Finding("grid", f"{where}, panel {title}", f"it overlaps the panel {other}")
        placed.append((title, x, y, w, h))


def _panels(panels: list[Json], where: str) -> Iterator[Finding]:
    for index, count in Counter(each.get("panelIndex") for each in panels).items():
        if count > 1:
            yield Finding("ids", where, f"{count} panels have the index {index}")
    for each in panels:
        at = f"{where}, panel {each.get('title', '')}"
        if each.get("gridData", {}).get("i") != each.get("panelIndex"):
            yield Finding("ids", at, "its index and that of its place differ")
        if each.get("type") == "lens":
            yield from _lens(each["embeddableConfig"]["attributes"]["state"], at)


def _lens(state: Json, where: str) -> Iterator[Finding]:
    layers = state["datasourceStates"]["formBased"]["layers"]
    columns = {name for layer in layers.values() for name in layer["columns"]}
    for layer in layers.values():
        if sorted(layer["columnOrder"]) != sorted(layer["columns"]):
            yield Finding("lens", where, "the order of the columns does not name each column once")
    drawn = set(_accessors(state["visualization"]))
    for name in sorted(drawn - columns):
        yield Finding("lens", where, f"{name} is drawn and no column")
    for name in sorted(columns - drawn):
        yield Finding("lens", where, f"{name} is a column that nothing draws")


def _accessors(value: Any) -> Iterator[str]:
    single = {"metricAccessor", "breakdownByAccessor", "xAccessor", "splitAccessor", "columnId"}
    if isinstance(value, list):
        for each in value:
            yield from _accessors(each)
    elif isinstance(value, dict):
        for name, content in value.items():
            if name in single:
                yield content
            elif name in ("accessors", "metrics", "primaryGroups"):
                yield from content
            else:
                yield from _accessors(content)


def _api_uses(panel: Json, where: str) -> Iterator[Use | Finding]:
    config = panel["config"]
    layers = config.get("layers", [config] if panel["type"] == "vis" else [])
    for layer in layers:
        view = layer["data_source"]["ref_id"]
        for figure in (*layer.get("metrics", []), *layer.get("y", [])):
            if "field" in figure:
                yield Use(where, view, figure["field"], figure["operation"])
        single = [layer[name] for name in ("x", "breakdown_by") if name in layer]
        for bucket in (*single, *layer.get("group_by", []), *layer.get("rows", [])):
            for name in bucket.get("fields", [bucket.get("field")]):
                yield Use(where, view, name, bucket["operation"])
            if "field" in bucket.get("rank_by", {}):
                yield Use(where, view, bucket["rank_by"]["field"], "sort")
        names, findings = kql_fields(config.get("query"), where)
        yield from findings
        for name in names:
            yield Use(where, view, name, "filter")

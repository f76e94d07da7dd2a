"""What the linter found, and the few questions that all its checks ask of raw objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from storage.kibana.fields import FITTING, fields_of, kind_of_index
from storage.kibana.objects import Json
from storage.kinds import Kind

__all__ = ["Finding", "Use", "decoded", "judge_use", "nested", "views_of"]

_NESTED = ("panelsJSON", "optionsJSON", "ignoreParentSettingsJSON", "searchSourceJSON", "layerListJSON", "mapStateJSON", "uiStateJSON")
_NESTED_VIEW = ("fieldAttrs", "fieldFormatMap", "fields", "runtimeFieldMap", "sourceFilters")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One fault."""

    check: str
    """Which check: `envelope`, `ids`, `references`, `json`, `fields`, `queries`, `grid`, `lens`, `summary`."""
    where: str
    """The object, and the panel where there is one."""
    sentence: str

    def __str__(self) -> str:
        return f"{self.check}: {self.where}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Use:
    """A field, whose it must be, and what for."""

    where: str
    view: str
    """Id of the data view."""
    field: str
    purpose: str
    """A key of `storage.kibana.fields.FITTING`."""


def nested(holder: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and text of every JSON that lies as a string in an object's attributes."""
    for name, value in holder.items():
        if isinstance(value, dict):
            yield from nested(value, f"{path}{name}.")
        elif name in _NESTED or name in _NESTED_VIEW:
            yield f"{path}{name}", value


def decoded(text: Any, otherwise: Any) -> Any:
    """Return what a string of JSON holds; `otherwise` where it holds none, which another check tells."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return otherwise
    return found if isinstance(found, type(otherwise)) else otherwise


def views_of(lines: list[Json]) -> dict[str, Kind[Any] | None]:
    """Return the kind that each data view is for, by the view's id; None where it is for no index of ours."""
    return {line.get("id", ""): kind_of_index(line["attributes"].get("title", "")) for line in lines if line.get("type") == "index-pattern"}


def judge_use(use: Use, views: dict[str, Kind[Any] | None]) -> Finding | None:
    """Return what is wrong with a use of a field, None where nothing is."""
    if use.view not in views:
        return Finding("references", use.where, f"the data view of {use.field} is not in the file")
    kind = views[use.view]
    if kind is None:
        return Finding("fields", use.where, "the data view is for no index of ours: its title must be PREFIX-KIND")
    found = fields_of(kind).get(use.field)
    if found is None:
        return Finding("fields", use.where, f"{use.field} is no field of {kind.name}")
    if found not in FITTING[use.purpose]:
        return Finding("fields", use.where, f"{use.field} of {kind.name} is {found}, which does not do for {use.purpose}")
    return None

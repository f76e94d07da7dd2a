"""The fields that Kibana finds in our indices, read from the mappings themselves, and what each type is good for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storage.kinds import SEARCHABLE, Kind
from storage.mappings import mapping

__all__ = ["FITTING", "UNUSABLE", "fields_of", "kind_of_index"]

UNUSABLE = "unusable"
"""Stands for the type of a field that is stored and neither indexed nor kept in columns."""
_NUMBERS = frozenset({"long", "integer", "float", "half_float"})
_CODES = frozenset({"keyword", "boolean"})
_ANY = _NUMBERS | _CODES | {"date", "geo_point", "text"}

FITTING: dict[str, frozenset[str]] = {
    "average": _NUMBERS,
    "max": _NUMBERS,
    "unique_count": _CODES | _NUMBERS,
    "terms": _CODES | _NUMBERS,
    "date_histogram": frozenset({"date"}),
    "time": frozenset({"date"}),
    "geo": frozenset({"geo_point"}),
    "control": _CODES,
    "filter": _CODES | _NUMBERS | {"date"},
    "sort": _NUMBERS | _CODES | {"date"},
    "show": _ANY,
}
"""What a field may be for each use that a panel makes of it."""


def fields_of(kind: Kind[Any]) -> dict[str, str]:
    """Return the type of every field of the kind, by its full name.

    >>> from storage.kinds import ALERTS
    >>> fields_of(ALERTS)["first.place.point"], fields_of(ALERTS)["distance_m.low"]
    ('geo_point', 'float')
    """
    return dict(_leaves(mapping(kind)["properties"], ""))


def _leaves(properties: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for name, entry in properties.items():
        if "properties" in entry:
            yield from _leaves(entry["properties"], f"{path}{name}.")
        else:
            yield f"{path}{name}", entry["type"] if entry.get("index", True) else UNUSABLE


def kind_of_index(title: str) -> Kind[Any] | None:
    """Return the kind that an alias of ours is for, whatever its prefix; None for any other name.

    >>> kind_of_index("veilocity-alerts").name, kind_of_index("logs-*")
    ('alerts', None)
    """
    return next((kind for kind in SEARCHABLE if title.endswith(f"-{kind.name}")), None)

"""Data views: one for each kind that the dashboards read, over the alias that the stores already have.

Each tells of the fields that identify what they stand for: Kibana shows it beside the field.
"""

from __future__ import annotations

from typing import Any

from storage.kibana.objects import Reference, SavedObject, compact, identity
from storage.kinds import ALERTS, RELEASES, TRANSACTIONS, Kind
from storage.mappings import alias

__all__ = ["TIME_FIELD", "VIEWED", "data_view", "data_view_id", "layer_reference"]

TIME_FIELD = "minute_ms"
VIEWED: tuple[Kind[Any], ...] = (TRANSACTIONS, ALERTS, RELEASES)
"""The kinds that have a data view."""

_TITLES = {TRANSACTIONS.name: "Veilocity payments", ALERTS.name: "Veilocity alerts", RELEASES.name: "Veilocity releases"}
_STANDS_FOR = "Token that stands for {what}. It changes with the period of pseudonyms (7 days by default)."
_PERSON = _STANDS_FOR.format(what="one person")
_CELL = "Centre of the H3 cell, never the place itself."
_NOTES: dict[str, dict[str, str]] = {
    TRANSACTIONS.name: {
        "subject": _PERSON,
        "card": _STANDS_FOR.format(what="one card"),
        "device": _STANDS_FOR.format(what="one phone"),
        "user": _STANDS_FOR.format(what="one user id"),
        "amount": "Major units of the currency, rounded to two significant digits.",
        "minute_ms": "Time of authorisation, cut to the minute.",
        "place.point": _CELL,
    },
    ALERTS.name: {
        "subject": _PERSON,
        "minute_ms": "The later of the two observations, cut to the minute.",
        "distance_m.low": "Shortest distance that both accuracy radii allow, rounded.",
        "speed_kmh.low": "Lowest speed that the two observations allow, rounded.",
        "first.place.point": _CELL,
        "second.place.point": _CELL,
    },
    RELEASES.name: {
        "release.people": "Distinct people of the class: at least k.",
        "release.loss": "0 exact, 1 everything hidden.",
    },
}


def data_view_id(prefix: str, kind: Kind[Any]) -> str:
    """Return the id of the kind's data view."""
    return identity(prefix, "index-pattern", kind.name)


def data_view(prefix: str, kind: Kind[Any]) -> SavedObject:
    """Return the data view of the kind; it may be imported before the first document is there.

    >>> data_view("veilocity", ALERTS).attributes["title"]
    'veilocity-alerts'
    """
    notes = {name: {"customDescription": note} for name, note in _NOTES[kind.name].items()}
    attributes = {
        "title": alias(prefix, kind),
        "name": _TITLES[kind.name],
        "timeFieldName": TIME_FIELD,
        "allowNoIndex": True,
        "fieldAttrs": compact(notes),
        "fieldFormatMap": "{}",
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
    }
    return SavedObject("index-pattern", data_view_id(prefix, kind), attributes)


def layer_reference(prefix: str, kind: Kind[Any], name: str) -> Reference:
    """Return a reference of the given name to the kind's data view."""
    return Reference("index-pattern", data_view_id(prefix, kind), name)

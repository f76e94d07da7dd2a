"""Elasticsearch's index templates: every field has a stated type, and an unknown one is refused (`dynamic: strict`).

What all indices share is said once, in two component templates: the settings, and the fields that every kind has.

Identifiers, codes and names are keywords, times are dates in milliseconds, places are `geo_point`, figures are floats (they were rounded
to fewer digits than a float keeps), and the sentence alone is full text.
"""

from __future__ import annotations

from typing import Any

from storage.kinds import AGGREGATES, ALERTS, GROUPS, RELEASES, SEARCHABLE, TRANSACTIONS, Kind
from veilocity.contracts import Verdict

__all__ = [
    "MAPPING_VERSION",
    "alias",
    "component_names",
    "components",
    "index_name",
    "mapping",
    "patterns",
    "template",
]

Mapping = dict[str, Any]

MAPPING_VERSION = 4
"""Raise it with every change of a mapping; a newer template in the cluster is refused."""

_KEYWORD: Mapping = {"type": "keyword", "ignore_above": 1024}
"""A longer value is kept and not searchable, instead of refused: it may come from outside."""
_TIME: Mapping = {"type": "date", "format": "epoch_millis"}
_INTEGER: Mapping = {"type": "integer"}
_LONG: Mapping = {"type": "long"}
_FLOAT: Mapping = {"type": "float"}
_FRACTION: Mapping = {"type": "half_float"}
"""0 to 1, three digits."""
_COUNTED: Mapping = {"type": "keyword", "index": False, "doc_values": False}
"""Kept to be counted, never searched by."""
_FLAG: Mapping = {"type": "boolean"}


def _object(**properties: Mapping) -> Mapping:
    return {"dynamic": "strict", "properties": properties}


_PLACE = _object(cell=_KEYWORD, point={"type": "geo_point"})
_INTERVAL = _object(low=_FLOAT, likely=_FLOAT, high=_FLOAT)
_COUNT = _object(value=_LONG, standard_error=_FLOAT, low=_LONG, high=_LONG)
_OBSERVATION = _object(kind=_KEYWORD, minute_ms=_TIME, place=_PLACE, accuracy_m=_FLOAT)

_SHARED: dict[str, Mapping] = {"seq": _LONG, "minute_ms": _TIME}
"""The fields of every kind."""

_PROPERTIES: dict[str, dict[str, Mapping]] = {
    TRANSACTIONS.name: {
        "revision": _INTEGER,
        "subject": _KEYWORD,
        "card": _KEYWORD,
        "device": _KEYWORD,
        "user": _KEYWORD,
        "device_type": _KEYWORD,
        "amount": _FLOAT,
        "currency": _KEYWORD,
        "amount_band": _KEYWORD,
        "merchant": _KEYWORD,
        "category": _KEYWORD,
        "channel": _KEYWORD,
        "country": _KEYWORD,
        "place": _PLACE,
        "verdict": _KEYWORD,
        "score": _FRACTION,
        "reasons": _KEYWORD,
        "alert": _KEYWORD,
        "severity": _KEYWORD,
        "place_seen_before": _FLAG,
    },
    ALERTS.name: {
        "revision": _INTEGER,
        "rule": _KEYWORD,
        "rule_version": _KEYWORD,
        "cause": _KEYWORD,
        "severity": _KEYWORD,
        "state": _KEYWORD,
        "subject": _KEYWORD,
        "score": _FRACTION,
        "probability": _FRACTION,
        "first": _OBSERVATION,
        "second": _OBSERVATION,
        "distance_m": _INTERVAL,
        "elapsed_s": _FLOAT,
        "speed_kmh": _INTERVAL,
        "speed_limit_kmh": _FLOAT,
        "minimum_distance_m": _FLOAT,
        "fine_with_s": _FLOAT,
        "sentence": {"type": "text"},
        "checks": _object(name=_KEYWORD, applied=_FLAG),
        "episode": _object(first_ms=_TIME, last_ms=_TIME, count=_INTEGER),
    },
    RELEASES.name: {
        "release": _object(
            class_id=_KEYWORD,
            policy=_KEYWORD,
            window_start_ms=_TIME,
            window_end_ms=_TIME,
            k=_INTEGER,
            people=_INTEGER,
            payments=_INTEGER,
            loss=_FLOAT,
            cell=_KEYWORD,
            cell_resolution=_INTEGER,
            hour=_KEYWORD,
            amount_band=_KEYWORD,
            category=_KEYWORD,
            flagged=_INTEGER,
            l=_INTEGER,
            t=_FLOAT,
            sensitive=_object(**{verdict.value: _INTEGER for verdict in Verdict}),
            members=_COUNTED,
            schema=_INTEGER,
        ),
    },
    GROUPS.name: {
        "window_start_ms": _TIME,
        "payments": _INTEGER,
        "people": _INTEGER,
        "similarity": _FRACTION,
        "features": _KEYWORD,
        "members": _KEYWORD,
    },
    AGGREGATES.name: {
        "policy": _KEYWORD,
        "window_start_ms": _TIME,
        "window_end_ms": _TIME,
        "cell": _KEYWORD,
        "hour": _KEYWORD,
        "payments": _COUNT,
        "flagged": _COUNT,
        "fraud_rate": _object(value=_FLOAT, low=_FLOAT, high=_FLOAT),
        "total": _object(value=_LONG, standard_error=_FLOAT, low=_LONG, high=_LONG, since_ms=_TIME, windows_left_out=_INTEGER),
        "terms": _object(
            epsilon=_FLOAT,
            delta=_FLOAT,
            payments_per_person=_INTEGER,
            confidence=_FLOAT,
            threshold=_INTEGER,
            person_epsilon=_FLOAT,
            person_delta=_FLOAT,
            horizon_days=_INTEGER,
        ),
        "refused": _FLAG,
        "epsilon_left": _FLOAT,
    },
}


def alias(prefix: str, kind: Kind[Any]) -> str:
    """Return the name to search the kind by, whatever indices it lies in.

    >>> alias("veilocity", ALERTS)
    'veilocity-alerts'
    """
    return f"{prefix}-{kind.name}"


def index_name(prefix: str, kind: Kind[Any], cut: str) -> str:
    """Return the index of one month, or the only one of a kind that is not cut by month.

    >>> index_name("veilocity", TRANSACTIONS, "2026.11"), index_name("veilocity", ALERTS, "2026.11")
    ('veilocity-transactions-2026.11', 'veilocity-alerts-all')
    """
    return f"{prefix}-{kind.name}-{cut if kind.monthly else 'all'}"


def patterns(prefix: str, kind: Kind[Any]) -> list[str]:
    """Return the index names that the kind's template is for."""
    return [f"{prefix}-{kind.name}-*"]


def mapping(kind: Kind[Any]) -> Mapping:
    """Return the mapping of the kind's indices."""
    return {**_object(**_SHARED, **_PROPERTIES[kind.name]), "_meta": {"schema": MAPPING_VERSION}}


def component_names(prefix: str) -> tuple[str, str]:
    """Return the names of the two component templates: of settings, and of shared fields.

    >>> component_names("veilocity")
    ('veilocity@settings', 'veilocity@fields')
    """
    return f"{prefix}@settings", f"{prefix}@fields"


def components(prefix: str) -> dict[str, Mapping]:
    """Return the component templates by name, without `_meta`."""
    settings, fields = component_names(prefix)
    return {
        settings: {
            "settings": {
                "number_of_shards": 1,
                # A copy as soon as there is a second node, none on a single one, so that the state is green on both.
                "auto_expand_replicas": "0-1",
                "refresh_interval": "500ms",
            }
        },
        fields: {"mappings": _object(**_SHARED)},
    }


def template(prefix: str, kind: Kind[Any]) -> Mapping:
    """Return the index template of the kind; the component templates must be there before it.

    >>> template("veilocity", ALERTS)["template"]["aliases"]
    {'veilocity-alerts': {}}
    """
    own = mapping(kind)
    return {
        "index_patterns": patterns(prefix, kind),
        "priority": 200,
        "version": MAPPING_VERSION,
        "composed_of": list(component_names(prefix)),
        "_meta": {"schema": MAPPING_VERSION},
        "template": {
            "mappings": own | {"properties": {name: what for name, what in own["properties"].items() if name not in _SHARED}},
            "aliases": {alias(prefix, kind): {}},
        },
    }


assert set(_PROPERTIES) == {kind.name for kind in SEARCHABLE}, "every searchable kind has a mapping"  # noqa: S101  # a slip of ours, at import

"""What kinds of documents the stores hold, and the one shape that both stores give them.

A document is the record of `storage.documents` with these differences, undone by `from_document`:

- `id` is `_id` (in Elasticsearch the document's own id);
- a `Place` is its cell and a GeoJSON point, which MongoDB and Elasticsearch both understand;
- an `Interval` is an object with `low`, `likely` and `high`, because a list of three numbers tells a reader nothing;
- every kind that has a time has it in `minute_ms`, so that one field orders and cuts all of them;
- a position carries `version`, minute and batch in one number, so that "is it newer?" is one comparison inside the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from storage.documents import (
    AggregateDocument,
    MaskedAlert,
    MaskedAmendment,
    MaskedTransaction,
    Position,
    Progress,
    ReleaseDocument,
    Sample,
    SimilarGroup,
    StreamSketches,
)
from veilocity.errors import StateError

__all__ = [
    "AGGREGATES",
    "ALERTS",
    "AMENDMENTS",
    "DEAD_LETTERS",
    "ERASURES",
    "GROUPS",
    "KINDS",
    "POSITIONS",
    "PROGRESS",
    "RELEASES",
    "SAMPLES",
    "SCHEMA",
    "SEARCHABLE",
    "SKETCHES",
    "TRANSACTIONS",
    "Document",
    "Kind",
    "amended_fields",
    "from_document",
    "month",
    "position_version",
    "to_document",
]

Document = dict[str, Any]
"""A record as the stores hold it."""
_R = TypeVar("_R", bound=msgspec.Struct)
_MINUTE_MS = 60_000
_SEQ_SPAN = 1 << 32
"""More batches than can ever be: ten a second for thirteen years."""


def position_version(minute_ms: int, seq: int) -> int:
    """Return a number that is higher for a later minute, and within one minute for a later batch.

    >>> position_version(60_000, 9) < position_version(120_000, 1) < position_version(120_000, 2)
    True
    """
    return minute_ms // _MINUTE_MS * _SEQ_SPAN + seq


@dataclass(frozen=True, slots=True)
class Kind(Generic[_R]):
    """One kind of document: a collection in MongoDB and, if `searchable`, an alias in Elasticsearch of the same name."""

    name: str
    record: type[_R]
    searchable: bool = False
    monthly: bool = False
    """Whether Elasticsearch cuts the kind by month, so that old months can be deleted whole."""
    places: tuple[tuple[str, ...], ...] = ()
    """Where a `Place` is, as the path from the top."""
    intervals: tuple[str, ...] = ()
    derive: Callable[[Document], Document] | None = None
    """Fields that are computed from the others, dropped on reading."""
    derived: tuple[str, ...] = ()
    unsearched: tuple[str, ...] = ()
    """Fields that Elasticsearch does not get."""


def _alert_minute(document: Document) -> Document:
    return {"minute_ms": max(document["first"]["minute_ms"], document["second"]["minute_ms"])}


def _release_minute(document: Document) -> Document:
    return {"minute_ms": document["release"]["window_start_ms"]}


def _window_minute(document: Document) -> Document:
    return {"minute_ms": document["window_start_ms"]}


def _position_version(document: Document) -> Document:
    return {"version": position_version(document["minute_ms"], document["seq"])}


TRANSACTIONS = Kind("transactions", MaskedTransaction, searchable=True, monthly=True, places=(("place",),))
ALERTS = Kind(
    "alerts",
    MaskedAlert,
    searchable=True,
    places=(("first", "place"), ("second", "place")),
    intervals=("distance_m", "speed_kmh"),
    derive=_alert_minute,
    derived=("minute_ms",),
    unsearched=("sealed",),
)
POSITIONS = Kind("positions", Position, places=(("place",),), derive=_position_version, derived=("version",))
RELEASES = Kind("releases", ReleaseDocument, searchable=True, monthly=True, derive=_release_minute, derived=("minute_ms",))
GROUPS = Kind("groups", SimilarGroup, searchable=True, monthly=True, derive=_window_minute, derived=("minute_ms",))
AGGREGATES = Kind("aggregates", AggregateDocument, searchable=True, monthly=True, derive=_window_minute, derived=("minute_ms",))
SAMPLES = Kind("samples", Sample)
SKETCHES = Kind("sketches", StreamSketches)
PROGRESS = Kind("progress", Progress)

KINDS: tuple[Kind[Any], ...] = (TRANSACTIONS, ALERTS, POSITIONS, RELEASES, GROUPS, AGGREGATES, SAMPLES, SKETCHES, PROGRESS)
SEARCHABLE: tuple[Kind[Any], ...] = tuple(kind for kind in KINDS if kind.searchable)
AMENDMENTS = "amendments"
"""No documents of their own: what a refused one is called in `dead_letters`."""
SCHEMA = "schema"
"""Collection with the version of all this."""
DEAD_LETTERS = "dead_letters"
"""Collection with the ids of documents that a store refused, and why."""
ERASURES = "erasures"
"""Collection that tells how many documents of forgotten people were deleted from each store, and of nobody."""


def month(minute_ms: int) -> str:
    """Return the month in UTC that an index is named by.

    >>> month(1_795_305_600_000)
    '2026.11'
    """
    return f"{datetime.fromtimestamp(minute_ms // 1000, tz=UTC):%Y.%m}"


def to_document(kind: Kind[_R], record: _R) -> Document:
    """Return the record in the shape of both stores.

    >>> to_document(SAMPLES, Sample(id="s", seq=3, seen=9, members=("a",)))
    {'_id': 's', 'seq': 3, 'seen': 9, 'members': ('a',)}
    """
    fields: Document = msgspec.to_builtins(record)
    document: Document = {"_id": fields.pop("id")}
    document.update(fields)
    for path in kind.places:
        holder = _descend(document, path)
        place = holder[path[-1]]
        if place is not None:
            holder[path[-1]] = {"cell": place["cell"], "point": {"type": "Point", "coordinates": [place["lon"], place["lat"]]}}
    for name in kind.intervals:
        if document[name] is not None:
            document[name] = dict(zip(("low", "likely", "high"), document[name], strict=True))
    if kind.derive is not None:
        document.update(kind.derive(document))
    return document


def amended_fields(amendment: MaskedAmendment) -> Document:
    """Return the fields of a payment's document that a later answer replaces.

    >>> from veilocity.contracts import Verdict
    >>> fields = amended_fields(MaskedAmendment("p", 9, 2, 60_000, Verdict.CLEAR, 0.0, (), None, None))
    >>> sorted(fields)
    ['alert', 'reasons', 'revision', 'score', 'seq', 'severity', 'verdict']
    """
    fields: Document = msgspec.to_builtins(amendment)
    del fields["id"], fields["minute_ms"]
    return fields


def from_document(kind: Kind[_R], document: Document) -> _R:
    """Return the record that `to_document` made the document from; the document is used up.

    Raises:
        StateError: the document has another shape, so another program wrote it.
    """
    try:
        document["id"] = document.pop("_id")
        for name in kind.derived:
            document.pop(name, None)
        for path in kind.places:
            holder = _descend(document, path)
            place = holder[path[-1]]
            if place is not None:
                lon, lat = place["point"]["coordinates"]
                holder[path[-1]] = {"cell": place["cell"], "lat": lat, "lon": lon}
        for name in kind.intervals:
            bounds = document[name]
            if bounds is not None:
                document[name] = [bounds["low"], bounds["likely"], bounds["high"]]
        return msgspec.convert(document, kind.record)
    except (msgspec.ValidationError, KeyError, TypeError, ValueError) as cause:
        message = f"a document of {kind.name} has an unknown shape: was the store written by another program or version?"
        raise StateError(message) from cause


def _descend(document: Document, path: tuple[str, ...]) -> Document:
    for name in path[:-1]:
        document = document[name]
    return document

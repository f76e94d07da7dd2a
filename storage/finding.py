"""Elasticsearch as a finder: it says at which minutes something like that happened, and MongoDB says what it was.

The stores have tokens of their own, so an alert or payment of Elasticsearch cannot be opened, joined to a case or followed to its person in
MongoDB. Its minute can: that is the same in both. So a list that no index of MongoDB answers (a place, an amount, a rare rule) is answered
by asking Elasticsearch for the minutes of the newest documents that fit, and MongoDB for these minutes. What is shown, in which order and
how often, is MongoDB's word alone: Elasticsearch may be half a second behind or know a little too much, and nothing changes but the time it
takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elasticsearch import Elasticsearch

from storage.areas import Area, Box, Cell, Circle, enclosing_circle
from storage.elastic import translated
from storage.filters import Filter
from storage.kinds import ALERTS, Document, Kind
from storage.mappings import alias
from veilocity.errors import StoreUnavailableError

__all__ = ["ANSWER_S", "clauses", "find_minutes", "minutes_question", "search"]

ANSWER_S = 4.0
"""After this time a question is given up."""
_MARGIN_DEG = 1e-5
"""About a metre: points are rounded in the index."""
_MARGIN = 1.01
_MARGIN_M = 10.0


def search(client: Elasticsearch, name: str, body: Document) -> Document:
    """Return the answer to a search of one alias; an alias that nobody has written to yet is empty.

    Raises:
        StoreUnavailableError: Elasticsearch does not answer.
    """
    with translated():
        found = client.search(
            index=name, ignore_unavailable=True, timeout=f"{int(ANSWER_S * 1000)}ms", allow_partial_search_results=False, **body
        )
    answer: Document = found.body
    if answer["timed_out"]:
        raise StoreUnavailableError("Elasticsearch does not answer in time: ask for a shorter range")
    return answer


def find_minutes(client: Elasticsearch, prefix: str, kind: Kind[Any], which: Filter, newest_ms: int | None, limit: int) -> list[int]:
    """Return the minutes of the newest documents that fit, newest first, one for each document.

    Args:
        client: of the cluster.
        prefix: of its indices.
        kind: alerts or payments.
        which: what fits; a person is left out, whose token is another one here.
        newest_ms: none after this minute.
        limit: at most this many; fewer are all there are.

    Raises:
        StoreUnavailableError: Elasticsearch does not answer.
    """
    body = minutes_question(kind, which, newest_ms, limit)
    return [int(hit["sort"][0]) for hit in search(client, alias(prefix, kind), body)["hits"]["hits"]]


def minutes_question(kind: Kind[Any], which: Filter, newest_ms: int | None, limit: int) -> Document:
    """Return the body of the search of `find_minutes`."""
    filters = clauses(kind, which)
    if newest_ms is not None:
        filters.append({"range": {"minute_ms": {"lte": newest_ms, "format": "epoch_millis"}}})
    return {
        "query": {"bool": {"filter": filters}},
        "sort": [{"minute_ms": {"order": "desc", "unmapped_type": "date"}}],
        "size": limit,
        "source": False,
        "track_total_hits": False,
    }


def clauses(kind: Kind[Any], which: Filter, *, leave_out: str = "") -> list[Document]:
    """Return what a filter means to Elasticsearch: all of it must hold; a place may lie a little outside.

    Args:
        kind: alerts or payments.
        which: the filter; of an alert the status and the amount are left out, of both the person.
        leave_out: one more field of the filter to leave out.
    """
    found: list[Document] = []
    bounds = {name: value for name, value in (("gte", which.since_ms), ("lt", which.until_ms)) if value is not None}
    if bounds:
        found.append({"range": {"minute_ms": {**bounds, "format": "epoch_millis"}}})
    terms: dict[str, Sequence[str]] = {"severity": which.severities}
    if kind is ALERTS:
        terms |= {"rule": which.rules}
    else:
        terms |= {"verdict": which.verdicts, "channel": which.channels, "category": which.categories}
        terms |= {"currency": () if which.currency is None else (which.currency,)}
        amounts = {name: value for name, value in (("gte", which.amount_low), ("lte", which.amount_high)) if value is not None}
        if amounts:
            found.append({"range": {"amount": amounts}})
    found += [{"terms": {field: list(values)}} for field, values in terms.items() if values and field != leave_out]
    if which.area is not None:
        fields = ("first.place.point", "second.place.point") if kind is ALERTS else ("place.point",)
        found.append({"bool": {"should": [_around(field, which.area) for field in fields], "minimum_should_match": 1}})
    return found


def _around(field: str, area: Area) -> Document:
    match area:
        case Box():
            corners = {
                "top": min(90.0, area.north + _MARGIN_DEG),
                "bottom": max(-90.0, area.south - _MARGIN_DEG),
                "left": max(-180.0, area.west - _MARGIN_DEG),
                "right": min(180.0, area.east + _MARGIN_DEG),
            }
            return {"geo_bounding_box": {field: corners}}
        case Cell():
            return _around(field, enclosing_circle(area))
        case Circle():
            return {"geo_distance": {"distance": f"{area.radius_m * _MARGIN + _MARGIN_M:.0f}m", field: {"lat": area.lat, "lon": area.lon}}}

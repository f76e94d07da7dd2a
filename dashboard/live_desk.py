"""What the live map asks beyond its stream: the evidence of an alert, the alerts of a filter, a stretch of time played again.

| request | what |
|---|---|
| `GET /evidence?alert=ID` | the alert, its case, its person's payments, other alerts and position, all on one axis |
| `GET /alerts?FILTER&limit=N&cursor=C` | alerts with their cases, newest first, and where to go on |
| `GET /facets?FILTER` | how many alerts there are of each rule, severity and status |
| `GET /cells` | what was released lately by cell: how many payments, and of how many people at least |
| `GET /replay?since=MS&until=MS&limit=N&cursor=C` | payments and alerts, oldest first |

A filter is written as in every link (`storage.filters.Filter`), so the address bar of the page is the question. Nothing is kept here: the
store answers each question from an index within seconds, or the answer is 503 with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol
from urllib.parse import urlencode

import h3
import msgspec
from flask import Flask, Response, request

from dashboard.access.answers import failure, json_answer
from dashboard.picture import cell_outline
from storage.cases import Case
from storage.documents import MaskedAlert, MaskedTransaction, Position, ReleaseDocument
from storage.filters import Filter
from storage.paging import Page
from storage.read_alerts import AlertFacets, AlertRow
from storage.read_timeline import Evidence, Happening, Moment, moments
from veilocity.contracts import Release
from veilocity.errors import InvalidInputError, RejectReason, VeilocityError

__all__ = [
    "ALERTS_PATH",
    "CELLS_PATH",
    "EVIDENCE_PATH",
    "FACETS_PATH",
    "REPLAY_PATH",
    "LiveDesk",
    "LiveSource",
    "ReleaseSource",
    "ReleasedCell",
    "ReleasedCells",
    "Told",
    "add_live",
    "by_cell",
]

EVIDENCE_PATH = "/evidence"
ALERTS_PATH = "/alerts"
FACETS_PATH = "/facets"
REPLAY_PATH = "/replay"
CELLS_PATH = "/cells"
_PAGE = 100
_REPLAY = 500
_CLASSES = 2_000
_OURS = ("limit", "cursor")
"""Parts of a question that are no filter."""


class LiveSource(Protocol):
    """`storage.queries.Reader`."""

    def evidence(self, alert: str) -> Evidence:
        """Return an alert, its case and what else its person did around it."""
        ...

    def alert_page(self, which: Filter, limit: int, cursor: str | None = None) -> Page[AlertRow]:
        """Return alerts with their cases, newest first."""
        ...

    def alert_facets(self, which: Filter) -> AlertFacets:
        """Return how many alerts there are of each rule, severity and status."""
        ...

    def replay_page(self, since_ms: int, until_ms: int, limit: int, cursor: str | None = None) -> Page[Happening]:
        """Return payments and alerts between two times, oldest first."""
        ...


class ReleaseSource(Protocol):
    """`storage.privacy_queries.PrivacyReader`."""

    def releases(self, limit: int) -> list[ReleaseDocument]:
        """Return the classes that the newest batches released, newest batch first, without members."""
        ...


class ReleasedCell(msgspec.Struct, frozen=True):
    """What was released of one cell."""

    cell: str
    lat: float
    lon: float
    """Of its centre, in degrees."""
    outline: tuple[float, ...]
    """Corners as lat, lon, lat, lon, ... in degrees."""
    payments: int
    flagged: int
    people: int
    """In the largest class: people of several classes may be the same, so they are not added up."""
    k: int
    """The least promise of its classes."""


class ReleasedCells(msgspec.Struct, frozen=True):
    """Released classes by cell."""

    cells: tuple[ReleasedCell, ...]
    """The fullest first."""
    without_cell: int
    """Payments of classes whose place is hidden."""
    since_ms: int | None
    until_ms: int | None
    """Of the windows that were looked at; None where nothing was released."""


class Told(msgspec.Struct, frozen=True):
    """The evidence as the page gets it: `Evidence`, and its axis."""

    alert: MaskedAlert
    case: Case | None
    payments: tuple[MaskedTransaction, ...]
    related: tuple[MaskedAlert, ...]
    position: Position | None
    moments: tuple[Moment, ...]
    complete: bool


class LiveDesk:
    """Answers the requests above."""

    def __init__(self, source: LiveSource, releases: ReleaseSource) -> None:
        """Take the doors to the stores; nothing is asked yet.

        Args:
            source: of alerts, payments and cases.
            releases: of released classes.
        """
        self._source = source
        self._releases = releases

    def evidence(self) -> Response:
        """Answer the evidence of an alert."""

        def found() -> Response:
            names = set(request.args)
            if names != {"alert"}:
                raise InvalidInputError(RejectReason.INVALID_FIELD, "evidence is asked for as ?alert=ID, with nothing else")
            evidence = self._source.evidence(request.args["alert"])
            return json_answer(
                Told(
                    alert=evidence.alert,
                    case=evidence.case,
                    payments=evidence.payments,
                    related=evidence.related,
                    position=evidence.position,
                    moments=moments(evidence),
                    complete=evidence.complete,
                )
            )

        return _answered(found)

    def alerts(self) -> Response:
        """Answer a page of the alerts of a filter."""
        return _answered(lambda: json_answer(self._source.alert_page(_filter(), _limit(_PAGE), request.args.get("cursor"))))

    def facets(self) -> Response:
        """Answer how many alerts of each kind there are."""
        return _answered(lambda: json_answer(self._source.alert_facets(_filter())))

    def replay(self) -> Response:
        """Answer a page of what happened between two times."""

        def found() -> Response:
            which = _filter()
            if which.since_ms is None or which.until_ms is None:
                raise InvalidInputError(RejectReason.INVALID_FIELD, "a replay needs `since` and `until`")
            if which != Filter(since_ms=which.since_ms, until_ms=which.until_ms):
                raise InvalidInputError(RejectReason.INVALID_FIELD, "a replay is limited by time alone: the page filters what it shows")
            return json_answer(self._source.replay_page(which.since_ms, which.until_ms, _limit(_REPLAY), request.args.get("cursor")))

        return _answered(found)

    def cells(self) -> Response:
        """Answer what was released lately, by cell."""
        return _answered(lambda: json_answer(by_cell(self._releases.releases(_CLASSES))))


def by_cell(releases: Iterable[ReleaseDocument]) -> ReleasedCells:
    """Return released classes by cell; pure.

    Guarantee: nothing is told of a cell but what its classes tell, each of which holds at least k people.

    >>> by_cell([]).cells
    ()
    """
    found: dict[str, list[Release]] = {}
    for document in releases:
        found.setdefault(document.release.cell, []).append(document.release)
    every = [release for classes in found.values() for release in classes]
    hidden = sum(release.payments for release in found.pop("*", []))
    cells = [_released(cell, classes) for cell, classes in found.items()]
    return ReleasedCells(
        cells=tuple(sorted(cells, key=lambda one: (-one.payments, one.cell))),
        without_cell=hidden,
        since_ms=min((release.window_start_ms for release in every), default=None),
        until_ms=max((release.window_end_ms for release in every), default=None),
    )


def _released(cell: str, classes: list[Release]) -> ReleasedCell:
    lat, lon = h3.cell_to_latlng(cell)
    return ReleasedCell(
        cell=cell,
        lat=round(lat, 5),
        lon=round(lon, 5),
        outline=cell_outline(cell),
        payments=sum(release.payments for release in classes),
        flagged=sum(release.flagged for release in classes),
        people=max(release.people for release in classes),
        k=min(release.k for release in classes),
    )


def add_live(server: Flask, desk: LiveDesk) -> None:
    """Let a server answer what the live map asks."""
    server.add_url_rule(EVIDENCE_PATH, endpoint="live_evidence", view_func=desk.evidence)
    server.add_url_rule(ALERTS_PATH, endpoint="live_alerts", view_func=desk.alerts)
    server.add_url_rule(FACETS_PATH, endpoint="live_facets", view_func=desk.facets)
    server.add_url_rule(CELLS_PATH, endpoint="live_cells", view_func=desk.cells)
    server.add_url_rule(REPLAY_PATH, endpoint="live_replay", view_func=desk.replay)


def _answered(work: Callable[[], Response]) -> Response:
    try:
        return work()
    except VeilocityError as error:
        return failure(error)


def _filter() -> Filter:
    """Return what the request limits its answer to.

    Raises:
        InvalidInputError: a name is unknown or comes twice, or a value cannot be read.
    """
    return Filter.from_query(urlencode([(name, text) for name, text in request.args.items(multi=True) if name not in _OURS]))


def _limit(usual: int) -> int:
    """Return how many are asked for; whether that is too many is the store's to say.

    Raises:
        InvalidInputError: that is no number.
    """
    text = request.args.get("limit", str(usual))
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise InvalidInputError(RejectReason.INVALID_FIELD, "`limit` is no number: write how many are wanted")
    return int(text)

"""Alerts with their cases: pages of a list limited in every way, and the figures beside it.

MongoDB answers, because an alert's id opens its case, its evidence and its person there alone:

- limited by time alone, or to a person: an index walked from the newest on;
- to a status other than new: the index of cases, which hold copies of what an alert is filtered by, then the alerts by id;
- by anything else: Elasticsearch finds the minutes (`storage.finding`), at most twice 24 for one page, which may be shorter than asked for;
  while it is silent, the newest alerts are looked through;
- new alerts: any of these without those that have a case;
- by amount: their payments are found by an index of payments that have a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import h3
import msgspec

from storage.areas import is_in
from storage.cases.collections import CASES
from storage.cases.model import Case, Status
from storage.cursors import Key
from storage.desk import HIDDEN, Desk
from storage.documents import MaskedAlert, Place
from storage.filters import ALERT_FIELDS, Filter, alert_minute_ms, holds_alert, only
from storage.finding import clauses, find_minutes, search
from storage.kinds import ALERTS, TRANSACTIONS, Document, from_document
from storage.mappings import alias
from storage.mongo import translated
from storage.paging import Page, Part, Source, make_page
from storage.walking import ANSWER_MS, Walk, ask, walk_down
from veilocity.contracts import Severity
from veilocity.errors import StoreUnavailableError

__all__ = ["AlertFacets", "AlertRow", "alert_facets", "alert_page", "cases_of", "facets_question"]

_PARTS = 2
"""The most steps of one page."""
_MOST_MINUTES = 24
"""Of one step that Elasticsearch finds: each holds an alert that fits, but also all that do not."""
_PART = 60
"""Documents of one step where some may not be wanted."""
_THROUGH = 400
"""Documents of one step while Elasticsearch is silent."""
_MOST_OF_MINUTES = 2_000
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_COUNTED_MS = 31 * _DAY_MS
_MOST_CASES = 10_000
_MOST_RULES = 100
_NEWEST: dict[str, int] = {"minute_ms": -1, "_id": -1}


class AlertRow(msgspec.Struct, frozen=True):
    """An alert in a list."""

    alert: MaskedAlert
    """Without what is sealed."""
    case: Case | None
    """None where nobody has touched it."""

    @property
    def status(self) -> Status:
        """Where its judgement stands."""
        return Status.NEW if self.case is None else self.case.status


class AlertFacets(msgspec.Struct, frozen=True):
    """How many alerts there are of each rule, severity and status.

    Limited as the list is, but not by its amount, its status and the facet's own field.
    """

    since_ms: int
    """Counted from here on: where the filter says no beginning, 31 days before the latest event."""
    total: int
    """Of all statuses."""
    rules: dict[str, int]
    """The most frequent first."""
    severities: dict[Severity, int]
    statuses: dict[Status, int]
    """New are those without a case: the total less the others."""
    complete: bool
    """False where more than 10,000 cases were not counted; they are among the new ones."""


def alert_page(desk: Desk, which: Filter, limit: int, cursor: str | None = None) -> Page[AlertRow]:
    """Return alerts of newest minutes first, those of one minute by descending id.

    Where a status other than new is asked for, the minute is the one that the case copied when somebody last decided.

    Raises:
        InvalidInputError: the filter, the limit or the cursor is refused.
        StoreUnavailableError: MongoDB does not answer.
    """
    only(which, ALERT_FIELDS, "alerts")
    if which.status not in (None, Status.NEW):
        source = _judged(desk, which)
    else:
        source = _candidates(desk, which)
    return make_page(source, f"alerts?{which.to_query()}", limit, cursor, parts=_PARTS)


def cases_of(desk: Desk, alerts: Sequence[str]) -> dict[str, Case]:
    """Return the cases of these alerts as they were put, by alert; at most a page of them.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    if not alerts:
        return {}
    with translated():
        found = list(desk.collection(CASES).find({"_id": {"$in": list(alerts)}}, max_time_ms=ANSWER_MS).limit(len(alerts)))
    return {document["_id"]: from_document(CASES, document) for document in found}


def _candidates(desk: Desk, which: Filter) -> Source[AlertRow]:
    """Return a source of alerts that MongoDB's or Elasticsearch's indexes find."""
    is_found = bool(which.severities or which.rules or which.area) and which.subject is None
    is_thinned = which.status is Status.NEW or _has_amount(which)
    silent = False

    def source(key: Key | None, count: int) -> Part[AlertRow]:
        nonlocal silent
        wanted = max(count, _PART) if is_thinned else count
        if is_found and not silent:
            try:
                documents, end = _of_minutes(desk, which, key, wanted + 1)
                return _part(desk, which, documents, end)
            except StoreUnavailableError:
                # Found again or not, MongoDB may answer: its newest are looked through instead, as far as a page may look.
                silent = True
        if is_found:
            wanted = _THROUGH
        documents = _walked(desk, which, key, wanted)
        end = (documents[-1]["minute_ms"], documents[-1]["_id"]) if len(documents) == wanted else None
        return _part(desk, which, documents, end)

    return source


def _walked(desk: Desk, which: Filter, key: Key | None, count: int) -> list[Document]:
    start = _start(which, key)
    walk = Walk(
        only={} if which.subject is None else {"subject": which.subject},
        hidden=HIDDEN[ALERTS.name],
        lowest=which.since_ms or 0,
        highest=desk.event_ms() if start is None else 0,
        width=_HOUR_MS if which.subject is None else _DAY_MS,
    )
    return walk_down(desk.collection(ALERTS), walk, start, count)


def _start(which: Filter, key: Key | None) -> Key | None:
    return key or (None if which.until_ms is None else (which.until_ms, ""))


def _of_minutes(desk: Desk, which: Filter, key: Key | None, count: int) -> tuple[list[Document], Key | None]:
    """Return what MongoDB has at the minutes that Elasticsearch finds, and up to where that is everything."""
    newest_ms = None if key is None else key[0] if key[1] else key[0] - 1
    minutes = find_minutes(desk.search, desk.prefix, ALERTS, which, newest_ms, count)
    if not minutes:
        return [], None
    end = (minutes[-1], "") if len(minutes) == count else None
    asked = sorted(set(minutes), reverse=True)
    if len(asked) > _MOST_MINUTES:
        asked = asked[:_MOST_MINUTES]
        end = (asked[-1], "")
    also: Document = {}
    if which.severities:
        also["severity"] = {"$in": list(which.severities)}
    if which.rules:
        also["rule"] = {"$in": list(which.rules)}
    if key is not None and key[1]:
        also["$or"] = [{"minute_ms": {"$lt": key[0]}}, {"_id": {"$lt": key[1]}}]
    indexed = {"minute_ms": {"$in": asked}}
    documents = ask(desk.collection(ALERTS), indexed, also, HIDDEN[ALERTS.name], _NEWEST, _MOST_OF_MINUTES)
    if len(documents) == _MOST_OF_MINUTES:
        return documents, (documents[-1]["minute_ms"], documents[-1]["_id"])
    return documents, end


def _part(desk: Desk, which: Filter, documents: list[Document], end: Key | None) -> Part[AlertRow]:
    alerts = [alert for alert in (from_document(ALERTS, document) for document in documents) if holds_alert(which, alert)]
    if _has_amount(which):
        paid = _with_amount(desk, which, [alert.id for alert in alerts])
        alerts = [alert for alert in alerts if alert.id in paid]
    cases = cases_of(desk, [alert.id for alert in alerts])
    rows = [AlertRow(alert, cases.get(alert.id)) for alert in alerts]
    rows = [row for row in rows if which.status is None or row.status is which.status]
    return Part([((alert_minute_ms(row.alert), row.alert.id), row) for row in rows], end)


def _judged(desk: Desk, which: Filter) -> Source[AlertRow]:
    """Return a source of alerts by the status of their cases."""

    def source(key: Key | None, count: int) -> Part[AlertRow]:
        wanted, start = max(count, _PART), _start(which, key)
        walk = Walk(
            only={"status": which.status},
            also=_of_case(which),
            lowest=which.since_ms or 0,
            highest=desk.event_ms() if start is None else 0,
            width=_DAY_MS,
        )
        documents = walk_down(desk.collection(CASES), walk, start, wanted)
        cases = [from_document(CASES, document) for document in documents]
        end = (cases[-1].minute_ms, cases[-1].id) if len(cases) == wanted else None
        alerts = _alerts(desk, [case.id for case in cases])
        # What the list is ordered by is the case's minute: the alert's may have moved since.
        asked = msgspec.structs.replace(which, since_ms=None, until_ms=None)
        rows = [(case, alerts[case.id]) for case in cases if case.id in alerts and holds_alert(asked, alerts[case.id])]
        if _has_amount(which):
            paid = _with_amount(desk, which, [case.id for case, _ in rows])
            rows = [row for row in rows if row[0].id in paid]
        return Part([((case.minute_ms, case.id), AlertRow(alert, case)) for case, alert in rows], end)

    return source


def _alerts(desk: Desk, ids: Sequence[str]) -> dict[str, MaskedAlert]:
    if not ids:
        return {}
    hidden = dict.fromkeys(HIDDEN[ALERTS.name], 0)
    with translated():
        found = list(desk.collection(ALERTS).find({"_id": {"$in": list(ids)}}, hidden, max_time_ms=ANSWER_MS).limit(len(ids)))
    return {document["_id"]: from_document(ALERTS, document) for document in found}


def _has_amount(which: Filter) -> bool:
    return which.amount_low is not None or which.amount_high is not None or which.currency is not None


def _with_amount(desk: Desk, which: Filter, alerts: Sequence[str]) -> set[str]:
    """Return those of the alerts that have a payment of the wanted amount."""
    also: Document = {}
    if which.currency is not None:
        also["currency"] = which.currency
    bounds = {name: value for name, value in (("$gte", which.amount_low), ("$lte", which.amount_high)) if value is not None}
    if bounds:
        also["amount"] = bounds
    found: set[str] = set()
    for severity in Severity:
        # One by one, because an index answers one range or list behind equal values.
        indexed = {"severity": severity.value, "alert": {"$in": list(alerts)}}
        if alerts:
            rows = ask(desk.collection(TRANSACTIONS), indexed, also, (), {"alert": 1}, _MOST_OF_MINUTES)
            found.update(row["alert"] for row in rows)
    return found


def alert_facets(desk: Desk, which: Filter) -> AlertFacets:
    """Return how many alerts there are of each rule, severity and status.

    Elasticsearch counts alerts, MongoDB cases, which lie at the place of their later observation. Of one person MongoDB counts all.

    Raises:
        InvalidInputError: the filter is refused.
        StoreUnavailableError: a store does not answer.
    """
    only(which, ALERT_FIELDS, "alerts")
    if which.since_ms is None:
        newest_ms = desk.event_ms() if which.until_ms is None else which.until_ms
        which = msgspec.structs.replace(which, since_ms=max(0, newest_ms - _COUNTED_MS))
    statuses, complete = _statuses(desk, which)
    if which.subject is not None:
        alerts = [from_document(ALERTS, document) for document in _walked(desk, which, None, _MOST_OF_MINUTES)]
        return _tally(which, alerts, statuses, complete=complete and len(alerts) < _MOST_OF_MINUTES)
    answer = search(desk.search, alias(desk.prefix, ALERTS), facets_question(which))
    found: dict[str, Any] = answer.get("aggregations", {})
    counts = {name: {row["key"]: int(row["doc_count"]) for row in found.get(name, {}).get("of", {}).get("buckets", ())} for name in _FACETS}
    total = int(found.get("total", {}).get("doc_count", 0))
    severities = {severity: counts["severity"].get(severity.value, 0) for severity in Severity}
    return AlertFacets(which.since_ms or 0, total, counts["rule"], severities, _with_new(statuses, total), complete)


_FACETS = ("rule", "severity")


def facets_question(which: Filter) -> Document:
    """Return the body of the search of `alert_facets`."""
    shared = clauses(ALERTS, msgspec.structs.replace(which, severities=(), rules=()))
    facets: Document = {
        field: {
            "filter": {"bool": {"filter": clauses(ALERTS, which, leave_out=field)}},
            "aggs": {"of": {"terms": {"field": field, "size": _MOST_RULES}}},
        }
        for field in _FACETS
    }
    facets["total"] = {"filter": {"bool": {"filter": clauses(ALERTS, which)}}}
    return {"query": {"bool": {"filter": shared}}, "size": 0, "track_total_hits": False, "aggs": facets}


def _statuses(desk: Desk, which: Filter) -> tuple[dict[Status, int], bool]:
    """Count cases that are not new, and say whether these are all."""
    since_ms, until_ms = which.since_ms or 0, which.until_ms
    times = {"$gte": since_ms} if until_ms is None else {"$gte": since_ms, "$lt": until_ms}
    pipeline: list[Document] = [{"$match": {"minute_ms": times}}]
    also = _of_case(which)
    if also:
        pipeline.append({"$match": also})
    pipeline += [{"$limit": _MOST_CASES + 1}, {"$group": {"_id": {"status": "$status", "cell": "$cell"}, "count": {"$sum": 1}}}]
    with translated():
        rows = list(desk.collection(CASES).aggregate(pipeline, maxTimeMS=ANSWER_MS))
    counts: dict[Status, int] = {status: 0 for status in Status if status is not Status.NEW}
    for row in rows:
        status, cell = Status(row["_id"]["status"]), row["_id"].get("cell")
        if status in counts and (which.area is None or is_in(which.area, _place(cell))):
            counts[status] += int(row["count"])
    return counts, sum(int(row["count"]) for row in rows) <= _MOST_CASES


def _of_case(which: Filter) -> Document:
    """Return what a filter means to a case's copies."""
    also: Document = {}
    if which.severities:
        also["severity"] = {"$in": list(which.severities)}
    if which.rules:
        also["rule"] = {"$in": list(which.rules)}
    if which.subject is not None:
        also["subject"] = which.subject
    return also


def _place(cell: str | None) -> Place | None:
    return None if cell is None or not h3.is_valid_cell(cell) else Place(cell, *h3.cell_to_latlng(cell))


def _with_new(statuses: dict[Status, int], total: int) -> dict[Status, int]:
    return {Status.NEW: max(0, total - sum(statuses.values())), **statuses}


def _tally(which: Filter, alerts: Sequence[MaskedAlert], statuses: dict[Status, int], *, complete: bool) -> AlertFacets:
    def wanted(field: str) -> list[MaskedAlert]:
        asked = msgspec.structs.replace(which, **{field: ()})
        return [alert for alert in alerts if holds_alert(asked, alert)]

    rules = Counter(alert.rule for alert in wanted("rules"))
    ordered = dict(sorted(rules.items(), key=lambda pair: (-pair[1], pair[0])))
    graded = Counter(alert.severity for alert in wanted("severities"))
    total = sum(holds_alert(which, alert) for alert in alerts)
    severities = {severity: graded[severity] for severity in Severity}
    return AlertFacets(which.since_ms or 0, total, ordered, severities, _with_new(statuses, total), complete)

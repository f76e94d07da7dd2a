"""Payments: pages of a list limited in every way.

MongoDB answers, so that a payment opens its alert, its person and its case. Limited by time alone or to a person, an index is walked from
the newest on; by anything else, Elasticsearch finds the minutes (`storage.finding`), and while it is silent the newest are looked through.
"""

from __future__ import annotations

from storage.cursors import Key
from storage.desk import Desk
from storage.documents import MaskedTransaction
from storage.filters import PAYMENT_FIELDS, Filter, holds_payment, only
from storage.finding import find_minutes
from storage.kinds import TRANSACTIONS, Document, from_document
from storage.paging import Page, Part, Source, make_page
from storage.walking import Walk, ask, walk_down
from veilocity.errors import StoreUnavailableError

__all__ = ["payment_page"]

_PARTS = 6
_THROUGH = 400
"""Documents of one step while Elasticsearch is silent."""
_MOST_MINUTES = 16
"""Of one page that Elasticsearch finds: each holds a payment that fits, but also all that do not."""
_MOST_OF_MINUTES = 2_000
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_NEWEST: dict[str, int] = {"minute_ms": -1, "_id": -1}


def payment_page(desk: Desk, which: Filter, limit: int, cursor: str | None = None) -> Page[MaskedTransaction]:
    """Return payments of newest minutes first, those of one minute by descending id.

    Where Elasticsearch finds them a page ends after 16 minutes that hold any, so it may be shorter than asked for.

    Raises:
        InvalidInputError: the filter, the limit or the cursor is refused.
        StoreUnavailableError: MongoDB does not answer.
    """
    only(which, PAYMENT_FIELDS, "payments")
    compared = _compared(which)
    is_found = bool(compared or which.area) and which.subject is None
    source = _source(desk, which, compared, is_found=is_found)
    return make_page(source, f"payments?{which.to_query()}", limit, cursor, parts=1 if is_found else _PARTS)


def _source(desk: Desk, which: Filter, compared: Document, *, is_found: bool) -> Source[MaskedTransaction]:
    silent = False

    def source(key: Key | None, count: int) -> Part[MaskedTransaction]:
        nonlocal silent
        if is_found and not silent:
            try:
                return _part(which, *_of_minutes(desk, which, compared, key, count + 1))
            except StoreUnavailableError:
                silent = True
        wanted = _THROUGH if compared or which.area else count
        documents = _walked(desk, which, key, wanted)
        end = (documents[-1]["minute_ms"], documents[-1]["_id"]) if len(documents) == wanted else None
        return _part(which, documents, end)

    return source


def _walked(desk: Desk, which: Filter, key: Key | None, count: int) -> list[Document]:
    start = key or (None if which.until_ms is None else (which.until_ms, ""))
    walk = Walk(
        only={} if which.subject is None else {"subject": which.subject},
        lowest=which.since_ms or 0,
        highest=desk.event_ms() if start is None else 0,
        width=_MINUTE_MS if which.subject is None else _DAY_MS,
    )
    return walk_down(desk.collection(TRANSACTIONS), walk, start, count)


def _of_minutes(desk: Desk, which: Filter, compared: Document, key: Key | None, count: int) -> tuple[list[Document], Key | None]:
    """Return what MongoDB has at the minutes that Elasticsearch finds, and up to where that is everything."""
    newest_ms = None if key is None else key[0] if key[1] else key[0] - 1
    minutes = find_minutes(desk.search, desk.prefix, TRANSACTIONS, which, newest_ms, count)
    if not minutes:
        return [], None
    end = (minutes[-1], "") if len(minutes) == count else None
    asked = sorted(set(minutes), reverse=True)
    if len(asked) > _MOST_MINUTES:
        asked = asked[:_MOST_MINUTES]
        end = (asked[-1], "")
    also = dict(compared)
    if key is not None and key[1]:
        also["$or"] = [{"minute_ms": {"$lt": key[0]}}, {"_id": {"$lt": key[1]}}]
    documents = ask(desk.collection(TRANSACTIONS), {"minute_ms": {"$in": asked}}, also, (), _NEWEST, _MOST_OF_MINUTES)
    if len(documents) == _MOST_OF_MINUTES:
        return documents, (documents[-1]["minute_ms"], documents[-1]["_id"])
    return documents, end


def _part(which: Filter, documents: list[Document], end: Key | None) -> Part[MaskedTransaction]:
    payments = [from_document(TRANSACTIONS, document) for document in documents]
    return Part([((payment.minute_ms, payment.id), payment) for payment in payments if holds_payment(which, payment)], end)


def _compared(which: Filter) -> Document:
    """Return what MongoDB can compare in the documents of a minute; places are compared here."""
    found: Document = {
        field: {"$in": list(values)}
        for field, values in (
            ("severity", which.severities),
            ("verdict", which.verdicts),
            ("channel", which.channels),
            ("category", which.categories),
        )
        if values
    }
    if which.currency is not None:
        found["currency"] = which.currency
    bounds = {name: value for name, value in (("$gte", which.amount_low), ("$lte", which.amount_high)) if value is not None}
    return found | ({"amount": bounds} if bounds else {})

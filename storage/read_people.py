"""People: where their phones were last, in a part of the map, and what a pseudonym stands for. MongoDB answers.

A position is replaced whenever its person moves, so every index of places would be paid for with every move. The index of batches is walked
instead, from those who moved last, and places are compared here: a page looks at some hundreds of people and says where to go on.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from storage.areas import Area, is_in
from storage.cursors import Key
from storage.desk import HIDDEN, Desk
from storage.documents import MaskedAlert, MaskedTransaction, Position
from storage.filters import Filter
from storage.finding import search
from storage.kinds import ALERTS, POSITIONS, TRANSACTIONS, Document, Kind, from_document
from storage.mappings import alias
from storage.mongo import translated
from storage.paging import Page, Part, make_page
from storage.walking import ANSWER_MS, Walk, walk_down
from veilocity.errors import InvalidInputError, RejectReason, StoreUnavailableError

__all__ = ["Pseudonym", "elsewhere_question", "look_up", "people_page"]

_R = TypeVar("_R", bound=msgspec.Struct)
_PART = 250
_PARTS = 1
_BATCHES = 1
_DAY_MS = 86_400_000
_LONGEST = 100
_FIELDS = ("subject", "card", "device", "user", "alert")


class Pseudonym(msgspec.Struct, frozen=True):
    """What was found under one token. The tokens of the two stores have nothing to do with each other."""

    alert: MaskedAlert | None = None
    """The alert of this id."""
    payment: MaskedTransaction | None = None
    """The payment of this id."""
    position: Position | None = None
    """Where the person of this token was last."""
    alerts: tuple[MaskedAlert, ...] = ()
    """Of the person of this token, newest first."""
    payments: tuple[MaskedTransaction, ...] = ()
    elsewhere: dict[str, int] | None = None
    """How many payments Elasticsearch has by the field that holds the token, as Kibana shows it; None while it does not answer."""


def people_page(desk: Desk, area: Area, limit: int, cursor: str | None = None) -> Page[Position]:
    """Return where people are in a part of the map, those who moved last first; at least 250 people are looked at for one page.

    Who moves between two pages comes with `Reader.changes`, and not again here.

    Raises:
        InvalidInputError: the limit or the cursor is refused.
        StoreUnavailableError: MongoDB does not answer.
    """
    progress = desk.progress()
    if progress is None:
        return Page()
    walk = Walk(field="seq", lowest=0, highest=progress.seq, width=_BATCHES)

    def source(key: Key | None, count: int) -> Part[Position]:
        wanted = max(count, _PART)
        positions = [from_document(POSITIONS, found) for found in walk_down(desk.collection(POSITIONS), walk, key, wanted)]
        end = (positions[-1].seq, positions[-1].id) if len(positions) == wanted else None
        # Ids of before are deleted a little later than they end.
        kept = [one for one in positions if one.minute_ms >= progress.positions_since_ms and is_in(area, one.place)]
        return Part([((one.seq, one.id), one) for one in kept], end)

    question = f"people?{Filter(area=area).to_query()}"
    return make_page(source, question, limit, cursor, parts=_PARTS, by_time=False)


def look_up(desk: Desk, token: str, limit: int) -> Pseudonym:
    """Return what a token stands for.

    MongoDB is asked for an alert, a payment and a person of that token; Elasticsearch, which has tokens of its own, how many payments have
    it as their person, card, device, user or alert.

    Args:
        desk: the stores.
        token: as a page, a command or Kibana shows it.
        limit: at most this many of the person's alerts, and of their payments.

    Raises:
        InvalidInputError: that is no token.
        StoreUnavailableError: MongoDB does not answer.
    """
    if not 0 < len(token) <= _LONGEST or not token.isprintable():
        raise InvalidInputError(RejectReason.INVALID_FIELD, "that is no pseudonym: copy it from the page or from Kibana")
    return Pseudonym(
        alert=_by_id(desk, ALERTS, token),
        payment=_by_id(desk, TRANSACTIONS, token),
        position=_by_id(desk, POSITIONS, token),
        alerts=tuple(from_document(ALERTS, one) for one in _of_person(desk, ALERTS.name, token, limit)),
        payments=tuple(from_document(TRANSACTIONS, one) for one in _of_person(desk, TRANSACTIONS.name, token, limit)),
        elsewhere=_elsewhere(desk, token),
    )


def _by_id(desk: Desk, kind: Kind[_R], identity: str) -> _R | None:
    hidden = dict.fromkeys(HIDDEN.get(kind.name, ()), 0) or None
    with translated():
        document = desk.collection(kind).find_one({"_id": identity}, hidden, max_time_ms=ANSWER_MS)
    return None if document is None else from_document(kind, document)


def _of_person(desk: Desk, name: str, subject: str, limit: int) -> list[Document]:
    walk = Walk(only={"subject": subject}, hidden=HIDDEN.get(name, ()), highest=desk.event_ms(), width=_DAY_MS)
    return walk_down(desk.database[name], walk, None, limit)


def _elsewhere(desk: Desk, token: str) -> dict[str, int] | None:
    try:
        answer = search(desk.search, alias(desk.prefix, TRANSACTIONS), elsewhere_question(token))
    except StoreUnavailableError:
        return None
    counts = {name: int(found["doc_count"]) for name, found in answer.get("aggregations", {}).get("fields", {}).get("buckets", {}).items()}
    return {name: count for name, count in counts.items() if count}


def elsewhere_question(token: str) -> Document:
    """Return the body of the search for a token in Elasticsearch."""
    fields: Document = {field: {"term": {field: token}} for field in _FIELDS}
    return {
        "query": {"bool": {"should": list(fields.values()), "minimum_should_match": 1}},
        "size": 0,
        "track_total_hits": False,
        "aggs": {"fields": {"filters": {"filters": fields}}},
    }

"""One door for reading: everything that the pages show, every question bounded and answered from an index.

Tokens differ between the stores, so one of them answers each question: MongoDB where an alert, a payment or a person is named, so that
whatever is on a page opens everything else about it; Elasticsearch where things are counted, and as a finder (`storage.finding`).

Some servers read a whole collection for "sort, newest first, ten". So questions for the newest look through a short range first and
through longer ones only if that held too little; on any server the cost then depends on what is shown, not on what is stored.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from storage import elastic
from storage.areas import Area
from storage.census import Census, take_census
from storage.desk import HIDDEN, Desk
from storage.documents import AggregateDocument, MaskedAlert, MaskedTransaction, Position, Progress
from storage.filters import Filter
from storage.finding import ANSWER_S
from storage.kinds import AGGREGATES, ALERTS, POSITIONS, TRANSACTIONS, Document, Kind, from_document
from storage.mongo import connect, translated
from storage.paging import Page
from storage.read_alerts import AlertFacets, AlertRow, alert_facets, alert_page
from storage.read_panels import Panels, read_panels
from storage.read_payments import payment_page
from storage.read_people import Pseudonym, look_up, people_page
from storage.read_timeline import Evidence, Happening, evidence, replay_page
from storage.walking import ANSWER_MS, next_width
from veilocity.settings import Settings

__all__ = ["ChangeLimits", "Changes", "Reader"]

_R = TypeVar("_R", bound=msgspec.Struct)
_ANSWER_MS = 5_000
_HOUR_MS = 3_600_000
_AROUND_MS = 24 * _HOUR_MS
_GROWTH = 8
"""How much longer each next range is: from an hour to a century in seven questions."""


class ChangeLimits(msgspec.Struct, frozen=True):
    """The most documents of each kind in one answer."""

    positions: int = 20_000
    alerts: int = 5_000
    transactions: int = 500


class Changes(msgspec.Struct, frozen=True):
    """What some batches wrote, oldest batch first; of payments the newest, if there are more than asked for."""

    positions: tuple[Position, ...] = ()
    alerts: tuple[MaskedAlert, ...] = ()
    transactions: tuple[MaskedTransaction, ...] = ()
    complete: bool = True
    """False when a limit cut something off: read everything anew instead."""


class Reader:
    """Answers quickly or raises `StoreUnavailableError` within a few seconds; works again by itself once MongoDB is back. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._settings = settings
        self._client = connect(settings, socket_timeout_ms=_ANSWER_MS)
        self._database = self._client[settings.mongodb_database]
        self._search = elastic.connect(settings, request_timeout_s=ANSWER_S + 1.0)
        self._desk = Desk(self._database, self._search, settings.elasticsearch_index_prefix)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()
        self._search.close()

    def progress(self) -> Progress | None:
        """Return how far the privacy stage came, or None before its first batch.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        return self._desk.progress()

    def positions(self, limit: int) -> list[Position]:
        """Return the places of at most `limit` people: of all of them, or of those who moved last, in no order.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with translated():
            found = list(self._collection(POSITIONS).find().limit(limit + 1).max_time_ms(ANSWER_MS))
            if len(found) > limit:
                newest_seq = max(document["seq"] for document in found)
                found = self._newest(POSITIONS, "seq", newest_seq, -1, _GROWTH, limit)
        return [from_document(POSITIONS, document) for document in found]

    def alerts(self, limit: int, since_minute_ms: int | None = None) -> list[MaskedAlert]:
        """Return the newest alerts in event time (that of the later of both observations), newest first.

        Args:
            limit: at most this many.
            since_minute_ms: none before this minute.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        progress = self.progress()
        if progress is None:
            return []
        oldest_ms = -1 if since_minute_ms is None else since_minute_ms - 1
        with translated():
            found = self._newest(ALERTS, "minute_ms", progress.event_ms, oldest_ms, _HOUR_MS, limit)
        return [from_document(ALERTS, document) for document in found]

    def aggregates(self, limit: int, since_minute_ms: int | None = None) -> list[AggregateDocument]:
        """Return the counts with noise of the newest windows, newest first, the whole window before its cells; complete batches only.

        Args:
            limit: at most this many documents; the oldest window may be cut.
            since_minute_ms: no window that starts before this minute.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        progress = self.progress()
        if progress is None:
            return []
        oldest_ms = -1 if since_minute_ms is None else since_minute_ms - 1
        with translated():
            found = self._newest(AGGREGATES, "minute_ms", progress.event_ms, oldest_ms, _HOUR_MS, limit)
            while unfinished := [document["minute_ms"] for document in found if document["seq"] > progress.seq]:
                # Windows are written in their order, each by one batch: what is older than an unfinished one is asked for instead.
                found = self._newest(AGGREGATES, "minute_ms", min(unfinished) - 1, oldest_ms, _HOUR_MS, limit, bounded=True)
        documents = [from_document(AGGREGATES, document) for document in found]
        return sorted(documents, key=lambda one: (-one.window_start_ms, one.id))

    def recent_transactions(self, limit: int, up_to_seq: int | None = None) -> list[MaskedTransaction]:
        """Return payments that the newest batches wrote or amended, newest batch first.

        Args:
            limit: at most this many.
            up_to_seq: none of a later batch; by default the last complete one, so that `changes` after it doubles nothing.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        if up_to_seq is None:
            progress = self.progress()
            if progress is None:
                return []
            up_to_seq = progress.seq
        return self._newest_transactions(-1, up_to_seq, limit)

    def changes(self, after_seq: int, up_to_seq: int, limits: ChangeLimits | None = None) -> Changes:
        """Return what the batches `after_seq < seq <= up_to_seq` wrote.

        Guarantee: with `up_to_seq = progress().seq`, asking range after range misses nothing and gives nothing twice. What a later batch
        has amended or replaced in between comes with that batch.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        limits = limits or ChangeLimits()
        positions = self._range(POSITIONS, after_seq, up_to_seq, limits.positions + 1)
        alerts = self._range(ALERTS, after_seq, up_to_seq, limits.alerts + 1)
        transactions = self._newest_transactions(after_seq, up_to_seq, limits.transactions + 1)
        return Changes(
            positions=tuple(positions[: limits.positions]),
            alerts=tuple(alerts[: limits.alerts]),
            transactions=tuple(reversed(transactions[: limits.transactions])),
            complete=len(positions) <= limits.positions and len(alerts) <= limits.alerts and len(transactions) <= limits.transactions,
        )

    def counts(self) -> Census:
        """Return the number of documents of each kind in both stores, complete batches only.

        Raises:
            StoreUnavailableError: a store does not answer.
        """
        return take_census(self._settings)

    def alert_page(self, which: Filter, limit: int, cursor: str | None = None) -> Page[AlertRow]:
        """Return alerts with their cases, newest first (`storage.read_alerts`).

        Args:
            which: limits the list.
            limit: at most this many, up to 500.
            cursor: `Page.next` of the page before.

        Raises:
            InvalidInputError: the filter, the limit or the cursor is refused.
            StoreUnavailableError: MongoDB does not answer.
        """
        return alert_page(self._desk, which, limit, cursor)

    def alert_facets(self, which: Filter) -> AlertFacets:
        """Return how many alerts there are of each rule, severity and status.

        Raises:
            InvalidInputError: the filter is refused.
            StoreUnavailableError: a store does not answer.
        """
        return alert_facets(self._desk, which)

    def payment_page(self, which: Filter, limit: int, cursor: str | None = None) -> Page[MaskedTransaction]:
        """Return payments, newest first (`storage.read_payments`).

        Args:
            which: limits the list.
            limit: at most this many, up to 500.
            cursor: `Page.next` of the page before.

        Raises:
            InvalidInputError: the filter, the limit or the cursor is refused.
            StoreUnavailableError: MongoDB does not answer.
        """
        return payment_page(self._desk, which, limit, cursor)

    def panels(self, which: Filter) -> Panels:
        """Return the ten figures of the page of payments (`storage.read_panels`).

        Raises:
            InvalidInputError: the filter is refused.
            StoreUnavailableError: a store does not answer.
        """
        return read_panels(self._desk, which)

    def people_page(self, area: Area, limit: int, cursor: str | None = None) -> Page[Position]:
        """Return where people are in a part of the map, those who moved last first.

        Raises:
            InvalidInputError: the limit or the cursor is refused.
            StoreUnavailableError: MongoDB does not answer.
        """
        return people_page(self._desk, area, limit, cursor)

    def evidence(self, alert: str, limit: int = 200, around_ms: int = _AROUND_MS) -> Evidence:
        """Return an alert, its case and what else its person did around it (`storage.read_timeline`).

        Raises:
            InvalidInputError: there is no such alert, or the limit or the time is out of its range.
            StoreUnavailableError: MongoDB does not answer.
        """
        return evidence(self._desk, alert, around_ms, limit)

    def replay_page(self, since_ms: int, until_ms: int, limit: int, cursor: str | None = None) -> Page[Happening]:
        """Return payments and alerts between two times, oldest first.

        Raises:
            InvalidInputError: the times, the limit or the cursor is refused.
            StoreUnavailableError: MongoDB does not answer.
        """
        return replay_page(self._desk, since_ms, until_ms, limit, cursor)

    def look_up(self, token: str, limit: int = 20) -> Pseudonym:
        """Return what a pseudonym stands for (`storage.read_people`).

        Raises:
            InvalidInputError: that is no token.
            StoreUnavailableError: MongoDB does not answer.
        """
        return look_up(self._desk, token, limit)

    def _newest_transactions(self, after_seq: int, up_to_seq: int, limit: int) -> list[MaskedTransaction]:
        if up_to_seq <= after_seq:
            return []
        # The newest batch alone first: within one batch no payment is newer than another, so any of them will do, unsorted.
        with translated():
            found = list(self._collection(TRANSACTIONS).find({"seq": up_to_seq}).limit(limit).max_time_ms(ANSWER_MS))
            if len(found) < limit and up_to_seq - 1 > after_seq:
                found += self._newest(TRANSACTIONS, "seq", up_to_seq - 1, after_seq, _GROWTH, limit - len(found), bounded=True)
        return [from_document(TRANSACTIONS, document) for document in found]

    def _newest(
        self,
        kind: Kind[Any],
        field: str,
        newest: int,
        oldest: int,
        width: int,
        limit: int,
        *,
        bounded: bool = False,
        only: Document | None = None,
    ) -> list[Document]:
        """Return documents with `field > oldest`, highest first, at most `limit`, by ranges that grow.

        Args:
            kind: which.
            field: an indexed integer.
            newest: where the first range ends.
            oldest: where the last range ends; excluded.
            width: of the first range.
            limit: at most this many.
            bounded: leave out what is above `newest`, instead of putting it into the first range.
            only: what else must hold of a document: fields that stand before `field` in an index.
        """
        found: list[Document] = []
        upper: Document = {"$lte": newest} if bounded else {}
        low = max(oldest, newest - width)
        while True:
            question = self._collection(kind).find({**(only or {}), field: {"$gt": low, **upper}}, _hidden(kind))
            found += question.sort(field, DESCENDING).limit(limit - len(found)).max_time_ms(ANSWER_MS)
            if len(found) >= limit or low <= oldest:
                return found
            upper = {"$lte": low}
            width = next_width(width, newest - low, len(found), limit - len(found))
            low = max(oldest, low - width)

    def _range(self, kind: Kind[_R], after_seq: int, up_to_seq: int, limit: int) -> list[_R]:
        with translated():
            question = self._collection(kind).find({"seq": {"$gt": after_seq, "$lte": up_to_seq}}, _hidden(kind))
            found = list(question.sort("seq", ASCENDING).limit(limit).max_time_ms(ANSWER_MS))
        return [from_document(kind, document) for document in found]

    def _collection(self, kind: Kind[Any]) -> Collection[Document]:
        return self._database[kind.name]


def _hidden(kind: Kind[Any]) -> Document | None:
    return dict.fromkeys(HIDDEN.get(kind.name, ()), 0) or None

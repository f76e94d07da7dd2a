"""One door for reading: what the dashboard shows, from MongoDB, every question bounded and answered from an index.

Some servers read a whole collection for "sort, newest first, ten". So questions for the newest look through a short range first and
through longer ones only if that held too little; on any server the cost then depends on what is shown, not on what is stored.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from storage.census import Census, take_census
from storage.documents import AggregateDocument, MaskedAlert, MaskedTransaction, Position, Progress
from storage.kinds import AGGREGATES, ALERTS, POSITIONS, PROGRESS, RELEASES, TRANSACTIONS, Document, Kind, from_document
from storage.mongo import connect, translated
from veilocity.settings import Settings

__all__ = ["ChangeLimits", "Changes", "Reader"]

_R = TypeVar("_R", bound=msgspec.Struct)
_ANSWER_MS = 5_000
_HOUR_MS = 3_600_000
_HIDDEN: dict[str, Document] = {ALERTS.name: {"sealed": 0}, RELEASES.name: {"release.members": 0}}
"""What stays in the store: nobody here can open sealed evidence, and members are most of a release and shown to nobody."""
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

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def progress(self) -> Progress | None:
        """Return how far the privacy stage came, or None before its first batch.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with translated():
            document = self._collection(PROGRESS).find_one({"_id": "privacy"})
        return None if document is None else from_document(PROGRESS, document)

    def positions(self, limit: int) -> list[Position]:
        """Return the places of at most `limit` people: of all of them, or of those who moved last, in no order.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with translated():
            found = list(self._collection(POSITIONS).find().limit(limit + 1))
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

    def _newest_transactions(self, after_seq: int, up_to_seq: int, limit: int) -> list[MaskedTransaction]:
        if up_to_seq <= after_seq:
            return []
        # The newest batch alone first: within one batch no payment is newer than another, so any of them will do, unsorted.
        with translated():
            found = list(self._collection(TRANSACTIONS).find({"seq": up_to_seq}).limit(limit))
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
            question = self._collection(kind).find({**(only or {}), field: {"$gt": low, **upper}}, _HIDDEN.get(kind.name))
            found += question.sort(field, DESCENDING).limit(limit - len(found))
            if len(found) >= limit or low <= oldest:
                return found
            upper = {"$lte": low}
            width *= _GROWTH
            low = max(oldest, low - width)

    def _range(self, kind: Kind[_R], after_seq: int, up_to_seq: int, limit: int) -> list[_R]:
        with translated():
            question = self._collection(kind).find({"seq": {"$gt": after_seq, "$lte": up_to_seq}}, _HIDDEN.get(kind.name))
            found = list(question.sort("seq", ASCENDING).limit(limit))
        return [from_document(kind, document) for document in found]

    def _collection(self, kind: Kind[Any]) -> Collection[Document]:
        return self._database[kind.name]

"""MongoDB: the system of record for masked documents.

Writing a batch again changes nothing: what is inserted once is known by its id, what is replaced is replaced by a newer version only. The
comparison happens inside the store, so that two writers cannot undo each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, ReplaceOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from storage.chunks import Answer, ChunkLimit, Step, Work
from storage.documents import MaskedBatch, Progress
from storage.kinds import (
    AGGREGATES,
    ALERTS,
    AMENDMENTS,
    DEAD_LETTERS,
    GROUPS,
    POSITIONS,
    PROGRESS,
    RELEASES,
    SAMPLES,
    SKETCHES,
    TRANSACTIONS,
    Document,
    Kind,
    amended_fields,
    to_document,
)
from storage.mongo_faults import ACCESS, INTERNAL, PASSING, Verdict, judge
from storage.refusals import Refusal, to_dead_letter
from veilocity.errors import SettingsError, StateError, StoreUnavailableError
from veilocity.settings import Settings

__all__ = ["MONGODB", "MongoStore", "connect", "translated", "writing"]

MONGODB = "mongodb"
_TRANSACTION_DOCUMENTS = 1_000
"""MongoDB's own advice for one transaction."""
_INSERTED_DOCUMENTS = 2_000
_CHUNK_BYTES = 8 * 1024 * 1024
"""A sixth of the largest message that MongoDB takes."""
_DOCUMENT_BYTES = 16 * 1024 * 1024
"""The largest document that MongoDB takes."""
_PLACED = "version"
"""By which positions are compared: minute, then batch."""
_PLACE = ("minute_ms", "place")
"""Of a phone that stays, a batch of the same minute tells nothing new."""
_SELECTION_MS = 2_000
_CONNECT_MS = 2_000


def connect(settings: Settings, *, socket_timeout_ms: int, patient: bool = False) -> MongoClient[Document]:
    """Return a client; it connects when it is first used.

    Args:
        settings: where MongoDB is.
        socket_timeout_ms: how long one answer may take.
        patient: whether a busy server may be silent for as long to everything else, too. The client asks now and then whether the server
            is there, and breaks off every question when that is not answered in time.

    Raises:
        SettingsError: the connection string cannot be read.
    """
    try:
        return MongoClient(
            settings.mongodb_uri.get_secret_value(),
            serverSelectionTimeoutMS=_SELECTION_MS,
            connectTimeoutMS=socket_timeout_ms if patient else _CONNECT_MS,
            socketTimeoutMS=socket_timeout_ms,
            appname="veilocity",
        )
    except (InvalidURI, ConfigurationError, ValueError) as cause:
        # The message of pymongo may quote the password.
        raise SettingsError("VEILOCITY_MONGODB_URI is not a MongoDB connection string: write mongodb://HOST:PORT/") from cause


@contextmanager
def translated() -> Iterator[None]:
    """Turn what pymongo raises into our errors.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or says "not now".
        SettingsError: it refuses our user.
        StateError: it refuses what we ask.
    """
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout, WTimeoutError) as cause:
        raise StoreUnavailableError(f"MongoDB does not answer ({type(cause).__name__}): is it running?") from cause
    except BulkWriteError:
        raise
    except OperationFailure as cause:
        if _may_pass(cause):
            raise StoreUnavailableError(f"MongoDB cannot serve now (code {cause.code})") from cause
        if cause.code in ACCESS:
            raise SettingsError("MongoDB refuses the user: check user, password and rights in VEILOCITY_MONGODB_URI") from cause
        raise StateError(f"MongoDB refuses a command (code {cause.code}): does its version know what docs/stores.md asks for?") from cause
    except (PyMongoError, BSONError) as cause:
        raise StateError(f"MongoDB's client failed ({type(cause).__name__}): see docs/stores.md") from cause


def _may_pass(cause: OperationFailure) -> bool:
    return cause.code in PASSING or any(map(cause.has_error_label, ("RetryableWriteError", "TransientTransactionError")))


@contextmanager
def writing() -> Iterator[None]:
    """Turn what pymongo raises for a write into our errors; a server that fails inside may have no room.

    Raises:
        StoreUnavailableError: MongoDB does not answer, says "not now", or failed.
        SettingsError: it refuses our user.
        StateError: it refuses what we ask.
    """
    with translated():
        try:
            yield
        except OperationFailure as cause:
            if cause.code in INTERNAL:
                raise StoreUnavailableError(f"MongoDB failed (code {cause.code}): is its disk full?") from cause
            raise


@dataclass(frozen=True, slots=True)
class _Item:
    """One document on its way."""

    id: str
    seq: int
    document: RawBSONDocument | Document
    version: int = 0
    """By which it is newer than another of its id, where it is replaced."""
    size: int = 1_000


class MongoStore:
    """The writing half; for one thread."""

    def __init__(self, settings: Settings, *, socket_timeout_ms: int = 20_000) -> None:
        self._client = connect(settings, socket_timeout_ms=socket_timeout_ms)
        self._database: Database[Document] = self._client[settings.mongodb_database]
        self._transactions: bool | None = None
        self._was_refused = False
        self._inserted = ChunkLimit(_INSERTED_DOCUMENTS, _CHUNK_BYTES)
        self._replaced = ChunkLimit(_TRANSACTION_DOCUMENTS, _CHUNK_BYTES)

    def begin(self, batch: MaskedBatch) -> Work:
        """Return the writing of everything but the progress, which has yet to be done.

        Guarantee: once it is done, whatever was written before or is written meanwhile, each id holds the newest version offered.
        """
        return Work(partial(self._steps, batch), forgetful=True)

    def write(self, batch: MaskedBatch) -> list[Refusal]:
        """Write everything but the progress; return what was refused for good.

        Raises:
            StoreUnavailableError: MongoDB does not answer, or cannot take something now; writing it again is safe.
        """
        return self.begin(batch).go_on()

    def write_progress(self, progress: Progress) -> None:
        """Say that everything up to `progress.seq` is in both stores.

        Raises:
            StateError: MongoDB refuses the document.
        """
        if Work(lambda refused: [self._newer(PROGRESS, [progress], "seq", refused)]).go_on():
            raise StateError("MongoDB refuses the progress document: is the schema of another version? See docs/stores.md")

    def write_dead_letters(self, refusals: Sequence[Refusal]) -> None:
        """Keep the ids of refused documents and why."""
        letters = map(to_dead_letter, refusals)
        items = (_Item(letter["_id"], letter["seq"], letter) for letter in letters)
        if Work(lambda _: [Step(items, self._put_letters, self._replaced)]).go_on():
            raise StateError("MongoDB refuses a dead letter: does dead_letters have rules that are not ours? See docs/stores.md")

    def _steps(self, batch: MaskedBatch, refused: list[Refusal]) -> Iterator[Step[_Item]]:
        """Give the kinds one after the other: an amendment finds its payment."""
        yield self._new(TRANSACTIONS, batch.transactions, refused)
        amended = (_Item(one.id, one.seq, amended_fields(one), one.revision) for one in batch.amendments)
        yield Step(amended, self._amend, self._replaced)
        yield self._new(RELEASES, batch.releases, refused)
        yield self._new(GROUPS, batch.groups, refused)
        yield self._new(AGGREGATES, batch.aggregates, refused)
        encoded = _encoded(ALERTS, batch.alerts, refused, "revision")
        yield Step(encoded, self._put_alerts, self._inserted)
        if batch.forget_positions_before_ms is not None:
            yield Step([_Item("", batch.progress.seq, {}, batch.forget_positions_before_ms)], self._forget_positions, self._replaced)
        yield Step(_encoded(POSITIONS, batch.positions, refused, _PLACED), self._put_positions, self._replaced)
        yield self._newer(SAMPLES, [batch.sample] if batch.sample else [], "seq", refused)
        yield self._newer(SKETCHES, [batch.sketches] if batch.sketches else [], "seq", refused)

    def _new(self, kind: Kind[Any], records: Sequence[Any], refused: list[Refusal]) -> Step[_Item]:
        """Documents that are never changed: there already is done already."""
        return Step(_encoded(kind, records, refused), partial(self._insert, kind.name), self._inserted)

    def _newer(self, kind: Kind[Any], records: Sequence[Any], version: str, refused: list[Refusal]) -> Step[_Item]:
        """Documents that replace older ones of their id."""
        return Step(_encoded(kind, records, refused, version), partial(self._put_newer, kind.name, version), self._replaced)

    def _insert(self, name: str, items: list[_Item]) -> Answer[_Item]:
        verdict = self._inserting(name, items)
        return Answer(verdict.later, verdict.refused, verdict.why)

    def _inserting(self, name: str, items: list[_Item]) -> Verdict[_Item]:
        documents = [item.document for item in items]
        return self._attempt(name, items, lambda: self._database[name].insert_many(documents, ordered=False))

    def _put_alerts(self, items: list[_Item]) -> Answer[_Item]:
        # Nearly every alert is new, and an insert costs the store a third of an upsert: try that first, then replace what was there.
        verdict = self._inserting(ALERTS.name, items)
        said: Answer[_Item] = self._put_newer(ALERTS.name, "revision", list(verdict.known)) if verdict.known else Answer()
        return Answer((*verdict.later, *said.later), (*verdict.refused, *said.refused), verdict.why or said.why)

    def _put_newer(self, name: str, version: str, items: list[_Item]) -> Answer[_Item]:
        operations = [UpdateOne({"_id": item.id}, [_unless_newer(item, version)], upsert=True) for item in items]
        return self._together(name, name, items, operations)

    def _put_positions(self, items: list[_Item]) -> Answer[_Item]:
        """Put people where they are now; reading costs an eighth of replacing, and a phone that stays is most of them."""
        with writing():
            found = self._database[POSITIONS.name].find({"_id": {"$in": [item.id for item in items]}})
            held = {document["_id"]: document for document in found}
        moved = [item for item in items if item.id not in held or _has_moved(item, held[item.id])]
        return self._put_newer(POSITIONS.name, _PLACED, moved) if moved else Answer()

    def _amend(self, items: list[_Item]) -> Answer[_Item]:
        """Replace the answers of stored payments by higher revisions; a payment that is not there is not made."""
        operations = [UpdateOne({"_id": item.id, "revision": {"$lt": item.version}}, {"$set": item.document}) for item in items]
        return self._together(TRANSACTIONS.name, AMENDMENTS, items, operations)

    def _put_letters(self, items: list[_Item]) -> Answer[_Item]:
        operations = [ReplaceOne({"_id": item.id}, item.document, upsert=True) for item in items]
        return self._together(DEAD_LETTERS, DEAD_LETTERS, items, operations)

    def _together(self, name: str, kind: str, items: list[_Item], operations: Sequence[Any]) -> Answer[_Item]:
        """Do the operations in one transaction where the server has them: one flush to disk instead of hundreds.

        None of them may find its id taken by another: that would end the transaction. So comparisons of versions are part of the update and
        not of an upsert's filter.
        """
        collection = self._database[name]
        if len(operations) > 1 and self._has_transactions():
            try:
                with writing(), self._client.start_session() as session, session.start_transaction():
                    collection.bulk_write(operations, ordered=False, session=session)
                return Answer()
            except BulkWriteError:
                # One document has undone the others: now each for itself.
                pass
            except StoreUnavailableError:
                # It may come back as another kind of server.
                self._transactions, self._was_refused = None, True
                raise
        verdict = self._attempt(kind, items, lambda: collection.bulk_write(operations, ordered=False))
        # Two writers made the same document at once: with its id there it is an update.
        later = (*verdict.later, *verdict.known)
        return Answer(later, verdict.refused, verdict.why or "MongoDB got a document from somebody else at the same time")

    def _forget_positions(self, items: list[_Item]) -> Answer[_Item]:
        """Delete positions whose ids nobody has any more; once in a period, so it may read them all."""
        with self._outside_transactions():
            self._database[POSITIONS.name].delete_many({"minute_ms": {"$lt": items[0].version}})
        return Answer()

    def _has_transactions(self) -> bool:
        if self._transactions is None:
            with translated():
                hello = self._client.admin.command("hello")
            # A single server that is no replica set, as the official image starts by default, has none.
            self._transactions = "setName" in hello or hello.get("msg") == "isdbgrid"
        return self._transactions

    def _attempt(self, kind: str, items: list[_Item], write: Callable[[], object]) -> Verdict[_Item]:
        try:
            with self._outside_transactions():
                write()
        except BulkWriteError as cause:
            return judge(MONGODB, kind, items, cause.details)
        return Verdict()

    @contextmanager
    def _outside_transactions(self) -> Iterator[None]:
        if self._was_refused:
            self._end_forgotten_transactions()
        try:
            with writing():
                yield
        except StoreUnavailableError:
            self._was_refused = True
            raise

    def _end_forgotten_transactions(self) -> None:
        """Let the server find transactions whose writer was killed and whose time is over: they hold the documents that we write.

        MongoDB looks for them by itself. SecantusDB looks only when a transaction is begun, and until then repeats for ever, without an
        answer, a write outside of one that meets such a document.
        """
        if self._has_transactions():
            # A server whose disk is full fails at a transaction that only reads, too.
            with writing(), self._client.start_session() as session, session.start_transaction():
                self._database[PROGRESS.name].find_one({}, {"_id": 1}, session=session)
        self._was_refused = False

    @property
    def database(self) -> Database[Document]:
        """The database, for the schema."""
        return self._database

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()


def _encoded(kind: Kind[Any], records: Iterable[Any], refused: list[Refusal], version: str = "") -> Iterator[_Item]:
    """Give the documents as they go over the wire, each made when its chunk is.

    What cannot go is refused here: the client would raise for its whole chunk.
    """
    for record in records:
        document = to_document(kind, record)
        try:
            encoded = bson.encode(document)
        except (BSONError, OverflowError, UnicodeError) as cause:
            refused.append(Refusal(MONGODB, kind.name, record.id, record.seq, type(cause).__name__))
            continue
        if len(encoded) > _DOCUMENT_BYTES:
            refused.append(Refusal(MONGODB, kind.name, record.id, record.seq, "too large for a document"))
            continue
        yield _Item(record.id, record.seq, RawBSONDocument(encoded), document[version] if version else 0, len(encoded))


def _has_moved(item: _Item, held: Document) -> bool:
    """Say whether the store would take the position: as `_unless_newer`, and asked again there."""
    return held.get(_PLACED, -1) < item.version and any(held.get(name) != _plain(item)[name] for name in _PLACE)


def _plain(item: _Item) -> Document:
    return bson.decode(item.document.raw) if isinstance(item.document, RawBSONDocument) else item.document


def _unless_newer(item: _Item, version: str) -> Document:
    """Return the update that puts the document in place of an older one or of none (a missing version is lower than any number)."""
    is_older: Document = {"$lt": [f"${version}", item.version]}
    if version == _PLACED:
        has_moved = [{"$ne": [f"${name}", {"$literal": item.document[name]}]} for name in _PLACE]
        is_older = {"$and": [is_older, {"$or": has_moved}]}
    return {"$replaceWith": {"$cond": [is_older, {"$literal": item.document}, "$$ROOT"]}}

"""MongoDB: the system of record for masked documents.

Writing a batch again changes nothing: what is inserted once is known by its id, what is replaced is replaced by a newer version only. The
comparison happens inside the store, so that two writers cannot undo each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pymongo import MongoClient, ReplaceOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from storage.documents import MaskedAmendment, MaskedBatch, Progress
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
from storage.refusals import Refusal, to_dead_letter
from veilocity.errors import SettingsError, StateError, StoreUnavailableError
from veilocity.settings import Settings

__all__ = ["MONGODB", "MongoStore", "connect", "translated"]

MONGODB = "mongodb"
_TRANSACTION_DOCUMENTS = 1_000
"""MongoDB's own advice for one transaction."""
_INSERTED_DOCUMENTS = 2_000
_SELECTION_MS = 2_000
_CONNECT_MS = 2_000

_DUPLICATE = 11000
_OWN_FAULT = frozenset({121, 10334})
"""Server codes that blame the document alone: it breaks the validator, or is too large."""
_ACCESS = frozenset({13, 18, 8000})
_PASSING = frozenset({6, 7, 50, 64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
"""Server codes that say "not now": no primary, shutting down, network, out of time, write conflict."""


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
    except (AutoReconnect, ExecutionTimeout, WTimeoutError) as cause:
        raise StoreUnavailableError(f"MongoDB does not answer ({type(cause).__name__}): is it running?") from cause
    except BulkWriteError:
        raise
    except OperationFailure as cause:
        if _may_pass(cause):
            raise StoreUnavailableError(f"MongoDB cannot serve now (code {cause.code})") from cause
        if cause.code in _ACCESS:
            raise SettingsError("MongoDB refuses the user: check user, password and rights in VEILOCITY_MONGODB_URI") from cause
        raise StateError(f"MongoDB refuses a command (code {cause.code}): does its version know what docs/stores.md asks for?") from cause
    except PyMongoError as cause:
        raise StateError(f"MongoDB's client failed ({type(cause).__name__}): see docs/stores.md") from cause


def _may_pass(cause: OperationFailure) -> bool:
    return cause.code in _PASSING or any(map(cause.has_error_label, ("RetryableWriteError", "TransientTransactionError")))


@dataclass(frozen=True, slots=True)
class _Outcome:
    duplicates: frozenset[str]
    refused: tuple[Refusal, ...]


_NOTHING = _Outcome(frozenset(), ())


class MongoStore:
    """The writing half; every method may be repeated, and raises `StoreUnavailableError` when MongoDB does not answer."""

    def __init__(self, settings: Settings, *, socket_timeout_ms: int = 20_000) -> None:
        self._client = connect(settings, socket_timeout_ms=socket_timeout_ms)
        self._database: Database[Document] = self._client[settings.mongodb_database]
        self._transactions: bool | None = None

    def write(self, batch: MaskedBatch) -> list[Refusal]:
        """Write everything but the progress; return what was refused for good.

        Guarantee: afterwards, whatever was written before or is written meanwhile, each id holds the newest version offered.
        """
        refused: list[Refusal] = []
        refused += self._insert(TRANSACTIONS, [to_document(TRANSACTIONS, record) for record in batch.transactions]).refused
        refused += self._amend(batch.amendments)
        refused += self._insert(RELEASES, [to_document(RELEASES, record) for record in batch.releases]).refused
        refused += self._insert(GROUPS, [to_document(GROUPS, record) for record in batch.groups]).refused
        refused += self._insert(AGGREGATES, [to_document(AGGREGATES, record) for record in batch.aggregates]).refused
        refused += self._write_alerts([to_document(ALERTS, alert) for alert in batch.alerts])
        if batch.forget_positions_before_ms is not None:
            self._forget_positions(batch.forget_positions_before_ms)
        refused += self._write_positions([to_document(POSITIONS, position) for position in batch.positions])
        if batch.sample is not None:
            refused += self._replace_older(SAMPLES, [to_document(SAMPLES, batch.sample)], "seq")
        if batch.sketches is not None:
            refused += self._replace_older(SKETCHES, [to_document(SKETCHES, batch.sketches)], "seq")
        return refused

    def write_progress(self, progress: Progress) -> None:
        """Say that everything up to `progress.seq` is in both stores.

        Raises:
            StateError: MongoDB refuses the document.
        """
        if self._replace_older(PROGRESS, [to_document(PROGRESS, progress)], "seq"):
            raise StateError("MongoDB refuses the progress document: is the schema of another version? See docs/stores.md")

    def write_dead_letters(self, refusals: Sequence[Refusal]) -> None:
        """Keep the ids of refused documents and why."""
        collection = self._database[DEAD_LETTERS]
        for letter in map(to_dead_letter, refusals):
            with translated():
                collection.replace_one({"_id": letter["_id"]}, letter, upsert=True)

    def _insert(self, kind: Kind[Any], documents: list[Document]) -> _Outcome:
        if not documents:
            return _NOTHING
        collection = self._database[kind.name]
        outcomes = []
        for start in range(0, len(documents), _INSERTED_DOCUMENTS):
            # Some at a time, so that an answer always comes before the time for it is over, however many there are.
            some = documents[start : start + _INSERTED_DOCUMENTS]
            outcomes.append(self._attempt(kind.name, some, partial(collection.insert_many, some, ordered=False)))
        duplicates = frozenset(identity for one in outcomes for identity in one.duplicates)
        return _Outcome(duplicates, tuple(refusal for one in outcomes for refusal in one.refused))

    def _amend(self, amendments: Sequence[MaskedAmendment]) -> list[Refusal]:
        """Replace the answers of stored payments by higher revisions; a payment that is not there is not made."""
        if not amendments:
            return []
        collection = self._database[TRANSACTIONS.name]
        operations = [
            UpdateOne({"_id": amendment.id, "revision": {"$lt": amendment.revision}}, {"$set": amended_fields(amendment)})
            for amendment in amendments
        ]
        named = [{"_id": amendment.id, "seq": amendment.seq} for amendment in amendments]
        return list(self._attempt(AMENDMENTS, named, lambda: collection.bulk_write(operations, ordered=False)).refused)

    def _write_alerts(self, documents: list[Document]) -> list[Refusal]:
        # Nearly every alert is new, and an insert costs the store a third of an upsert: try that first, then replace what was there.
        inserted = self._insert(ALERTS, documents)
        known = [document for document in documents if document["_id"] in inserted.duplicates]
        refused = {refusal.id: refusal for refusal in (*inserted.refused, *self._replace_older(ALERTS, known, "revision"))}
        return list(refused.values())

    def _replace_older(self, kind: Kind[Any], documents: list[Document], version: str) -> list[Refusal]:
        """Put each document in the place of an older one or of none.

        A newer one in the store does not match the filter, so the upsert tries to insert and finds the id taken: done already. The filter
        compares one field only, because some servers read the whole collection for an `$or` beside an `_id`.
        """
        if not documents:
            return []
        collection = self._database[kind.name]
        operations = [
            ReplaceOne({"_id": document["_id"], version: {"$lt": document[version]}}, document, upsert=True) for document in documents
        ]
        return list(self._attempt(kind.name, documents, lambda: collection.bulk_write(operations, ordered=False)).refused)

    def _forget_positions(self, before_ms: int) -> None:
        """Delete positions whose ids nobody has any more; once in a period, so it may read them all."""
        with translated():
            self._database[POSITIONS.name].delete_many({"minute_ms": {"$lt": before_ms}})

    def _write_positions(self, documents: list[Document]) -> list[Refusal]:
        refused: list[Refusal] = []
        for start in range(0, len(documents), _TRANSACTION_DOCUMENTS):
            refused += self._write_some_positions(documents[start : start + _TRANSACTION_DOCUMENTS])
        return refused

    def _write_some_positions(self, documents: list[Document]) -> list[Refusal]:
        """Put each place over an older one or none, in one transaction where the server has them: one flush to disk instead of hundreds.

        The comparison is part of the update and not of the filter, because an upsert that finds its id taken would end the transaction.
        """
        collection = self._database[POSITIONS.name]
        operations = [UpdateOne({"_id": document["_id"]}, [_unless_newer(document, "version")], upsert=True) for document in documents]
        if self._has_transactions():
            try:
                with translated(), self._client.start_session() as session, session.start_transaction():
                    collection.bulk_write(operations, ordered=False, session=session)
                return []
            except BulkWriteError:
                # One refused document has undone the others: now each for itself.
                pass
        return list(self._attempt(POSITIONS.name, documents, lambda: collection.bulk_write(operations, ordered=False)).refused)

    def _has_transactions(self) -> bool:
        if self._transactions is None:
            with translated():
                hello = self._client.admin.command("hello")
            # A single server that is no replica set, as the official image starts by default, has none.
            self._transactions = "setName" in hello or hello.get("msg") == "isdbgrid"
        return self._transactions

    @staticmethod
    def _attempt(kind: str, documents: Sequence[Document], write: Callable[[], object]) -> _Outcome:
        try:
            with translated():
                write()
        except BulkWriteError as cause:
            if cause.details.get("writeConcernErrors"):
                raise StoreUnavailableError("MongoDB wrote without the safety that was asked for") from cause
            return _sort_out(kind, documents, cause)
        return _NOTHING

    @property
    def database(self) -> Database[Document]:
        """The database, for the schema."""
        return self._database

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()


def _unless_newer(document: Document, version: str) -> Document:
    """Return the update that puts `document` in place of an older one or of none (a missing version is lower than any number)."""
    is_older = {"$lt": [f"${version}", document[version]]}
    return {"$replaceWith": {"$cond": [is_older, {"$literal": document}, "$$ROOT"]}}


def _sort_out(kind: str, documents: Sequence[Document], error: BulkWriteError) -> _Outcome:
    """Tell what was there already from what is refused for good; anything else ends the attempt."""
    duplicates: set[str] = set()
    refused: list[Refusal] = []
    for fault in error.details.get("writeErrors", []):
        code = fault["code"]
        document = documents[fault["index"]]
        if code == _DUPLICATE:
            duplicates.add(document["_id"])
        elif code in _OWN_FAULT:
            refused.append(Refusal(MONGODB, kind, document["_id"], document["seq"], f"code {code}"))
        elif code in _PASSING:
            raise StoreUnavailableError(f"MongoDB cannot write now (code {code})") from error
        else:
            raise StateError(f"MongoDB refuses to write {kind} (code {code}): see docs/stores.md") from error
    return _Outcome(frozenset(duplicates), tuple(refused))

"""Wrapped keys of people in MongoDB: one small document per person, in a database of its own, so that backups of documents never hold them.

    _id         name of the owner (a token that is in no document)
    wrapped     the key as it was given, or missing once the owner is erased
    erased_ms   wall clock of the erasure

The store knows no key and no person: it keeps bytes under names. `privacy.identifiers.sealing` says what they are.

Every change of an owner is one command on one document, so that two executors that see a person for the first time agree on one key, and
an erasure cannot be undone by a writer that was slower. A key is inserted and never upserted: some servers answer an upsert that lost a
race with nothing, which would look like an erasure.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Timer

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from storage.kinds import Document
from storage.mongo import MONGODB, connect, translated, writing
from storage.patience import insist
from veilocity.errors import KeyMissingError, StoreUnavailableError
from veilocity.settings import Settings

__all__ = ["SUBJECT_KEYS", "PatientSubjectKeys", "SubjectKeys"]

SUBJECT_KEYS = "subject_keys"
_ANSWER_MS = 10_000
_ATTEMPTS = 5


class SubjectKeys:
    """The store of wrapped keys; every method raises `StoreUnavailableError` when MongoDB does not answer. Thread-safe."""

    def __init__(self, settings: Settings, now_ms: int = 0) -> None:
        """Connect to nothing yet.

        Args:
            settings: where MongoDB is, and the name of the database of keys.
            now_ms: wall clock, written beside an erasure.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._client = connect(settings, socket_timeout_ms=_ANSWER_MS)
        self._keys: Collection[Document] = self._client[settings.mongodb_keys_database][SUBJECT_KEYS]
        self._now_ms = now_ms

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def get_or_create(self, owner: str, fresh: bytes) -> bytes | None:
        """Return the owner's wrapped key, after keeping `fresh` as such if there is none yet; None when the owner is erased."""
        with writing():
            for _ in range(_ATTEMPTS):
                found = self._keys.find_one({"_id": owner})
                if found is not None:
                    return _wrapped(found)
                try:
                    self._keys.insert_one({"_id": owner, "wrapped": fresh})
                except DuplicateKeyError:
                    # Two made the same owner at once: the other's key holds.
                    continue
                return fresh
        raise StoreUnavailableError("MongoDB says that a person's key is there and does not show it: does it read from a copy that lags?")

    def get(self, owner: str) -> bytes | None:
        """Return the owner's wrapped key; None when the owner is erased.

        Raises:
            KeyMissingError: there never was one.
        """
        with translated():
            found = self._keys.find_one({"_id": owner})
        if found is None:
            message = "there is no key of the person who owns this text: put the database of people's keys back from its latest state"
            raise KeyMissingError(message)
        return _wrapped(found)

    def erase(self, owner: str) -> None:
        """Delete the owner's wrapped key for good and keep a tombstone; harmless when repeated."""
        erased = {"$unset": {"wrapped": ""}, "$set": {"erased_ms": self._now_ms}}
        with writing():
            try:
                self._keys.update_one({"_id": owner}, erased, upsert=True)
            except DuplicateKeyError:
                # A key was made at this very moment: now it is there to be erased.
                self._keys.update_one({"_id": owner}, erased)

    def replace(self, owner: str, old: bytes, new: bytes) -> bool:
        """Keep `new` if the owner's wrapped key still is `old`, and say whether it was; never brings back an erased owner."""
        with writing():
            return self._keys.update_one({"_id": owner, "wrapped": old}, {"$set": {"wrapped": new}}).modified_count == 1

    def owners(self) -> Iterator[str]:
        """Yield every owner that has a key."""
        with translated():
            for document in self._keys.find({"wrapped": {"$exists": True}}, {"_id": 1}):
                yield str(document["_id"])


class PatientSubjectKeys(SubjectKeys):
    """The store for a task of a micro-batch: waits for a MongoDB that does not answer, but not for ever, as nobody can tell it to stop."""

    def __init__(self, settings: Settings, patience_s: float) -> None:
        """Connect to nothing yet.

        Args:
            settings: as `SubjectKeys`.
            patience_s: how long to ask before `StoreUnavailableError` is raised.
        """
        super().__init__(settings)
        self._patience_s = patience_s

    def get_or_create(self, owner: str, fresh: bytes) -> bytes | None:
        """Return the owner's wrapped key or keep the fresh one, as `SubjectKeys`."""

        def ask() -> bytes | None:
            return SubjectKeys.get_or_create(self, owner, fresh)

        try:
            return ask()
        except StoreUnavailableError:
            given_up = Event()
            timer = Timer(self._patience_s, given_up.set)
            timer.daemon = True
            timer.start()
            try:
                return insist(MONGODB, ask, given_up)
            finally:
                timer.cancel()


def _wrapped(document: Document) -> bytes | None:
    wrapped = document.get("wrapped")
    return None if wrapped is None else bytes(wrapped)

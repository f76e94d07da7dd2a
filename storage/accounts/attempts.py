"""Failures in MongoDB, so that all processes of the dashboard count the same: an attempt counts as failed from its begin on.

Whoever sends many guesses at once therefore waits as much as who sends them one after the other; a right password takes its count back.
"""

from __future__ import annotations

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from storage.accounts.limiter import ACCOUNT, ADDRESS, KNOWN, KNOWN_MS, Limit, bucket, network
from storage.accounts.model import LOGIN_ATTEMPTS, LoginAttempts
from storage.kinds import Document, from_document, to_document
from storage.mongo import translated
from veilocity.errors import StoreUnavailableError

__all__ = ["AttemptStore"]

_TRIES = 50
"""Each is lost to another attempt of the same bucket."""


class AttemptStore:
    """The counts in a database; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def __init__(self, database: Database[Document]) -> None:
        """Take the database of documents."""
        self._collection = database[LOGIN_ATTEMPTS.name]

    def begin(self, name: str, address: str, now_ms: int) -> tuple[int, tuple[str, ...]]:
        """Count an attempt, unless it has to wait.

        Returns:
            How many milliseconds it has to wait, and then nothing is counted; else 0, and what `succeeded` is to be told.
        """
        own, known = bucket("address", network(address)), bucket("known", name, network(address))
        aimed, limit = (known, KNOWN) if self._find(known) is not None else (bucket("account", name), ACCOUNT)
        wait_ms = self._take(own, ADDRESS, now_ms)
        if wait_ms:
            return wait_ms, ()
        wait_ms = self._take(aimed, limit, now_ms)
        if wait_ms:
            self._give_back(own)
            return wait_ms, ()
        return 0, (own, aimed)

    def succeeded(self, counted: tuple[str, ...], name: str, address: str, now_ms: int) -> None:
        """Take back what `begin` counted, and know the address from now on."""
        for identity in counted:
            self._give_back(identity)
        known = LoginAttempts(bucket("known", name, network(address)), 0, now_ms, now_ms + KNOWN_MS)
        with translated():
            self._collection.replace_one({"_id": known.id}, to_document(LOGIN_ATTEMPTS, known), upsert=True)

    def forget(self, name: str, address: str) -> None:
        """Let an address be a stranger to an account again."""
        with translated():
            self._collection.delete_one({"_id": bucket("known", name, network(address))})

    def _take(self, identity: str, limit: Limit, now_ms: int) -> int:
        """Add a failure if none has to be waited for; the count that was looked at must still be the count that is replaced."""
        for _ in range(_TRIES):
            found = self._find(identity)
            if found is None:
                if self._insert(LoginAttempts(identity, 1, now_ms, now_ms + limit.forgotten_ms), now_ms):
                    return 0
                continue
            wait_ms = limit.wait_ms(found.failures, found.last_ms, now_ms)
            if wait_ms:
                return wait_ms
            failures = limit.failures(found.failures, found.last_ms, now_ms) + 1
            # An address that is known stays known for as long as it was to be.
            kept_until_ms = max(found.kept_until_ms, now_ms + limit.forgotten_ms)
            with translated():
                replaced = self._collection.replace_one(
                    {"_id": identity, "failures": found.failures, "last_ms": found.last_ms},
                    to_document(LOGIN_ATTEMPTS, LoginAttempts(identity, failures, now_ms, kept_until_ms)),
                )
            if replaced.matched_count:
                return 0
        raise StoreUnavailableError("too many log in at this moment: try again")

    def _give_back(self, identity: str) -> None:
        with translated():
            self._collection.update_one({"_id": identity, "failures": {"$gt": 0}}, {"$inc": {"failures": -1}})

    def _insert(self, attempts: LoginAttempts, now_ms: int) -> bool:
        with translated():
            self._collection.delete_many({"kept_until_ms": {"$lt": now_ms}})
            try:
                self._collection.insert_one(to_document(LOGIN_ATTEMPTS, attempts))
            except DuplicateKeyError:
                return False
        return True

    def _find(self, identity: str) -> LoginAttempts | None:
        with translated():
            found = self._collection.find_one({"_id": identity})
        return None if found is None else from_document(LOGIN_ATTEMPTS, found)

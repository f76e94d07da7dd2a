"""A lease in MongoDB: whoever holds it is the only one that migrates or deletes old documents, and loses it by being dead.

Who holds it says so again every few seconds. If nothing was heard for `LEASE_S`, anybody may take it. Both are decided by one atomic
update inside the server and by the server's clock, so two machines with different clocks do not both hold it. (Gray and Cheriton, "Leases",
SOSP 1989.) What is done under a lease is idempotent all the same: a process that was stopped for longer than a lease wakes up without it
and finds out at its next `check`.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from storage.kinds import SCHEMA, Document
from storage.mongo import translated
from storage.patience import delay_s
from veilocity.errors import FencedError, StoreUnavailableError
from veilocity.logs import get_logger

__all__ = ["LEASE_S", "Lease", "leased"]

LEASE_S = 15.0
_RENEW_S = 3.0
_LAST_WORDS = 3
_CONFLICT = 112
"""Two wrote the same document at once, and this one was turned away."""
_ID = "lease"
_LETTERS = "abcdefghijklmnop"
_OWNER_LETTERS = 24
_log = get_logger(__name__)


class Lease:
    """A lease that is held, and renewed by a thread of its own so that one long command does not lose it."""

    def __init__(self, database: Database[Document], owner: str) -> None:
        self._database = database
        self._owner = owner
        self._heard_s = time.monotonic()
        self._lost = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Go on only while the lease is ours.

        Raises:
            FencedError: somebody else may hold it by now.
        """
        if self._lost or time.monotonic() - self._heard_s > LEASE_S:
            raise FencedError("another process took over the work on the stores, as this one was silent too long: run the command again")

    def end(self) -> None:
        """Let it go, so that the next one need not wait."""
        self._over.set()
        self._thread.join()
        for attempt in range(1, _LAST_WORDS + 1):
            # Where MongoDB does not answer, it ends by itself. Whoever waits asks at the same moment, and one of two may be turned away.
            with suppress(StoreUnavailableError), translated():
                self._database[SCHEMA].delete_one({"_id": _ID, "owner": self._owner})
                return
            time.sleep(delay_s(attempt))

    def _renew(self) -> None:
        while not self._over.wait(_RENEW_S):
            asked_s = time.monotonic()
            try:
                with translated():
                    now_ms = _server_ms(self._database)
                    mine = self._database[SCHEMA].update_one({"_id": _ID, "owner": self._owner}, {"$set": {"written_ms": now_ms}})
            except StoreUnavailableError:
                # It lasts a while longer, and `check` looks at the clock.
                continue
            if not mine.matched_count:
                self._lost = True
                return
            self._heard_s = asked_s


@contextmanager
def leased(database: Database[Document], stop: threading.Event) -> Iterator[Lease]:
    """Hold the lease; wait for as long as somebody else does.

    Args:
        database: where it is.
        stop: when set, waiting ends.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or told to stop while waiting.
    """
    owner = "".join(secrets.choice(_LETTERS) for _ in range(_OWNER_LETTERS))
    attempt = 0
    while not _take(database, owner):
        attempt += 1
        if attempt == 1:
            _log.info("another process works on the stores' schema; waiting for it")
        if stop.wait(delay_s(attempt)):
            raise StoreUnavailableError("told to stop while another process works on the stores' schema: start again")
    lease = Lease(database, owner)
    try:
        yield lease
    finally:
        lease.end()


def _take(database: Database[Document], owner: str) -> bool:
    with translated():
        now_ms = _server_ms(database)
        silent = {"_id": _ID, "written_ms": {"$lt": now_ms - round(LEASE_S * 1000)}}
        try:
            # `written_ms` is the name that audits know as a clock of ours.
            database[SCHEMA].find_one_and_update(silent, {"$set": {"owner": owner, "written_ms": now_ms}}, upsert=True)
        except DuplicateKeyError:
            # There is one that is not silent: the update found no document, and its id is taken.
            return False
        except OperationFailure as cause:
            if cause.code == _CONFLICT:
                return False
            raise
        return True


def _server_ms(database: Database[Document]) -> int:
    told = database.client.admin.command("hello").get("localTime")
    if not isinstance(told, datetime):
        return time.time_ns() // 1_000_000
    return round(told.replace(tzinfo=UTC).timestamp() * 1000)

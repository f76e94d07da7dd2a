"""Sessions in MongoDB, so that every process of the dashboard knows them: made at a login, looked at with each request, over at once.

A token is 256 random bits; only its SHA-256 is stored. A session is over when it was not used for the idle limit, at the absolute limit,
when somebody logs out, and when the account is disabled or gets another password (`Account.epoch`). What is over is deleted when it is
looked at, and with the next login of anybody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

import msgspec
from pymongo import ASCENDING
from pymongo.database import Database

from storage.accounts.model import ACCOUNTS, SESSIONS, Account, Session
from storage.kinds import Document, from_document, to_document
from storage.mongo import translated

__all__ = ["MOST_SESSIONS", "Limits", "SessionStore", "Visitor", "forgery_token"]

MOST_SESSIONS = 20
"""Of one account; beyond them the one that was used longest ago is over."""
_TOUCH_MS = 60_000
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Limits(msgspec.Struct, frozen=True):
    """How long a session may last."""

    idle_ms: int
    """Without use."""
    absolute_ms: int

    def over(self, session: Session, now_ms: int) -> bool:
        """Say whether a session is over.

        >>> Limits(idle_ms=60, absolute_ms=100).over(Session("id", "ada", 1, made_ms=0, used_ms=50), 99)
        False
        >>> [Limits(60, 100).over(Session("id", "ada", 1, 0, used_ms), now_ms) for used_ms, now_ms in ((50, 110), (99, 100), (10, 71))]
        [True, True, True]
        """
        return now_ms - session.used_ms >= self.idle_ms or now_ms - session.made_ms >= self.absolute_ms


class Visitor(msgspec.Struct, frozen=True):
    """Who asks, as the session says."""

    account: Account
    session: Session


def forgery_token(token: str) -> str:
    """Return what a request that changes something must carry beside the cookie: only who has the session's pages knows it.

    >>> len(forgery_token("a token"))
    43
    """
    digest = hmac.digest(token.encode(), b"request forgery", "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class SessionStore:
    """The sessions in a database; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def __init__(self, database: Database[Document], limits: Limits) -> None:
        """Take the database of documents."""
        self._sessions = database[SESSIONS.name]
        self._accounts = database[ACCOUNTS.name]
        self._limits = limits

    def begin(self, account: Account, now_ms: int) -> str:
        """Return the token of a new session; it is stored when this returns."""
        token = secrets.token_urlsafe(32)
        session = Session(_identity(token), account.id, account.epoch, now_ms, now_ms)
        with translated():
            self._sessions.delete_many({"used_ms": {"$lte": now_ms - self._limits.idle_ms}})
            mine = list(self._sessions.find({"account": account.id}, {"used_ms": 1}).sort("used_ms", ASCENDING))
            surplus = [one["_id"] for one in mine[: max(0, len(mine) - MOST_SESSIONS + 1)]]
            if surplus:
                self._sessions.delete_many({"_id": {"$in": surplus}})
            self._sessions.insert_one(to_document(SESSIONS, session))
        return token

    def look(self, token: str, now_ms: int, *, used: bool = True) -> Visitor | None:
        """Return whose session a token is of; None where there is none, or none any more.

        Args:
            token: as the browser sent it.
            now_ms: wall clock.
            used: whether this counts as use; a page that asks by itself is no person.
        """
        if not _TOKEN.fullmatch(token):
            return None
        with translated():
            found = self._sessions.find_one({"_id": _identity(token)})
            if found is None:
                return None
            session = from_document(SESSIONS, found)
            document = self._accounts.find_one({"_id": session.account})
            account = None if document is None else from_document(ACCOUNTS, document)
            if account is None or account.disabled or account.epoch != session.epoch or self._limits.over(session, now_ms):
                self._sessions.delete_one({"_id": session.id})
                return None
            if used and now_ms - session.used_ms >= _TOUCH_MS:
                self._sessions.update_one({"_id": session.id, "used_ms": {"$lt": now_ms}}, {"$set": {"used_ms": now_ms}})
        return Visitor(account, session)

    def end(self, token: str) -> None:
        """End one session; one that is over already is none."""
        if _TOKEN.fullmatch(token):
            with translated():
                self._sessions.delete_one({"_id": _identity(token)})

    def end_all(self, name: str) -> None:
        """Delete the sessions of an account; they are over already where its epoch went up."""
        with translated():
            self._sessions.delete_many({"account": name})


def _identity(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

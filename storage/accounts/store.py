"""Two doors to accounts in MongoDB: `AccountStore` for who administers them, `LoginDoor` for who logs in.

A door connects when it is first used, works again by itself when MongoDB is back, and is thread-safe. A password is never stored, logged or
part of an error.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import msgspec
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from storage.accounts.attempts import AttemptStore
from storage.accounts.collections import ensure_accounts
from storage.accounts.model import ACCOUNTS, Account, account_name
from storage.accounts.passwords import checked_password, hash_of, matches, outdated
from storage.accounts.sessions import Limits, SessionStore, Visitor
from storage.kinds import Document, from_document, to_document
from storage.mongo import connect, translated
from storage.roles import Role
from veilocity.errors import ConflictError, InvalidInputError, RejectReason
from veilocity.settings import Settings

__all__ = ["AccountStore", "Login", "LoginDoor"]

_ANSWER_MS = 10_000
_TRIES = 20


class Login(msgspec.Struct, frozen=True):
    """What became of an attempt to log in."""

    outcome: str
    """`opened`, `wrong`, or `limited`."""
    token: str = ""
    """Of the new session, where it was opened."""
    wait_ms: int = 0
    """Until the next attempt, where it was limited."""


class _Door:
    """A connection to the database of documents."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        self._client = connect(settings, socket_timeout_ms=_ANSWER_MS)
        self._database: Database[Document] = self._client[settings.mongodb_database]
        self._accounts = self._database[ACCOUNTS.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def has_any(self) -> bool:
        """Say whether there is an account at all."""
        with translated():
            return self._accounts.find_one({}, {"_id": 1}) is not None

    def _find(self, name: str) -> Account | None:
        with translated():
            found = self._accounts.find_one({"_id": name})
        return None if found is None else from_document(ACCOUNTS, found)

    def _replace(self, before: Account, now_ms: int, *, ends_sessions: bool, **fields: Any) -> Account | None:
        """Change an account as it was read; None where somebody else has changed it since."""
        epoch = before.epoch + ends_sessions
        after = msgspec.structs.replace(before, epoch=epoch, changed_ms=max(now_ms, before.changed_ms + 1), **fields)
        with translated():
            replaced = self._accounts.replace_one({"_id": before.id, "changed_ms": before.changed_ms}, to_document(ACCOUNTS, after))
        return after if replaced.matched_count else None


class AccountStore(_Door):
    """Makes and changes accounts; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def add(self, name: str, role: Role, password: str, now_ms: int, *, must_change: bool) -> Account:
        """Make an account.

        Args:
            name: 1 to 64 letters, digits and `._-`; capitals do not count.
            role: what it may do.
            password: as it was typed.
            now_ms: wall clock.
            must_change: whether it is to be replaced at the first login.

        Raises:
            InvalidInputError: the name or the password is not allowed.
            ConflictError: there is such an account.
        """
        identity = account_name(name)
        account = Account(
            id=identity,
            role=role,
            hash=hash_of(checked_password(password, identity)),
            disabled=False,
            must_change=must_change,
            epoch=1,
            made_ms=now_ms,
            changed_ms=now_ms,
        )
        ensure_accounts(self._database)
        with translated():
            try:
                self._accounts.insert_one(to_document(ACCOUNTS, account))
            except DuplicateKeyError:
                raise ConflictError(f"there is an account {identity} already: nothing was changed") from None
        return account

    def accounts(self) -> list[Account]:
        """Return all accounts by name."""
        with translated():
            found = list(self._accounts.find())
        return sorted((from_document(ACCOUNTS, document) for document in found), key=lambda account: account.id)

    def set_role(self, name: str, role: Role, now_ms: int) -> Account:
        """Give an account another role; its sessions go on with that.

        Raises:
            InvalidInputError: there is no such account.
        """
        return self._change(name, now_ms, ends_sessions=False, role=role)

    def set_disabled(self, name: str, now_ms: int, *, disabled: bool) -> Account:
        """Let an account log in no more, or again; its sessions are over when this returns.

        Raises:
            InvalidInputError: there is no such account.
        """
        return self._change(name, now_ms, ends_sessions=True, disabled=disabled)

    def set_password(self, name: str, password: str, now_ms: int, *, must_change: bool) -> Account:
        """Give an account another password; its sessions are over when this returns.

        Raises:
            InvalidInputError: there is no such account, or the password is not allowed.
        """
        fresh = hash_of(checked_password(password, account_name(name)))
        return self._change(name, now_ms, ends_sessions=True, hash=fresh, must_change=must_change)

    def _change(self, name: str, now_ms: int, *, ends_sessions: bool, **fields: Any) -> Account:
        identity = account_name(name)
        for _ in range(_TRIES):
            before = self._find(identity)
            if before is None:
                message = "there is no such account: `veilocity accounts list` tells which there are"
                raise InvalidInputError(RejectReason.INVALID_FIELD, message)
            after = self._replace(before, now_ms, ends_sessions=ends_sessions, **fields)
            if after is not None:
                if ends_sessions:
                    SessionStore(self._database, Limits(0, 0)).end_all(identity)
                return after
        raise ConflictError("others change this account at the same moment: try again")


class LoginDoor(_Door):
    """Lets people in and out; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the connection string cannot be read.
        """
        super().__init__(settings)
        limits = Limits(round(settings.dashboard_idle_s * 1_000), round(settings.dashboard_session_s * 1_000))
        self._sessions = SessionStore(self._database, limits)
        self._attempts = AttemptStore(self._database)

    def log_in(self, name: str, password: str, address: str, now_ms: int, *, instead: str = "") -> Login:
        """Compare name and password, and begin a session where they are right.

        A name that does not exist, one that is disabled and a wrong password cannot be told apart, by answer or by time.

        Args:
            name: as it was typed.
            password: as it was typed.
            address: where the request comes from.
            now_ms: wall clock.
            instead: token of a session that this one replaces.
        """
        identity = name.strip().lower()[:128]
        wait_ms, counted = self._attempts.begin(identity, address, now_ms)
        if wait_ms:
            return Login("limited", wait_ms=wait_ms)
        account = self._find(identity)
        right = matches(None if account is None else account.hash, password)
        if account is None or not right or account.disabled:
            return Login("wrong")
        self._attempts.succeeded(counted, identity, address, now_ms)
        if outdated(account.hash):
            # Not where somebody else changes the account at this moment: the next login comes by here again.
            account = self._replace(account, now_ms, ends_sessions=False, hash=hash_of(password)) or account
        self._sessions.end(instead)
        return Login("opened", self._sessions.begin(account, now_ms))

    def look(self, token: str, now_ms: int, *, used: bool = True) -> Visitor | None:
        """Return whose session a token is of; None where there is none, or none any more."""
        return self._sessions.look(token, now_ms, used=used)

    def log_out(self, token: str) -> None:
        """End a session."""
        self._sessions.end(token)

    def change_password(self, visitor: Visitor, old: str, new: str, address: str, now_ms: int) -> Login:
        """Replace one's own password: all sessions of the account are over, and a new one begins.

        Args:
            visitor: whose.
            old: as it was typed; a session that was left open is not enough.
            new: as it was typed.
            address: where the request comes from.
            now_ms: wall clock.

        Raises:
            InvalidInputError: the new password is not allowed.
        """
        account = visitor.account
        chosen = checked_password(new, account.id)
        wait_ms, counted = self._attempts.begin(account.id, address, now_ms)
        if wait_ms:
            return Login("limited", wait_ms=wait_ms)
        if not matches(account.hash, old):
            return Login("wrong")
        self._attempts.succeeded(counted, account.id, address, now_ms)
        if chosen == old:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "the password is the one that it was: take another one")
        after = self._replace(account, now_ms, ends_sessions=True, hash=hash_of(chosen), must_change=False)
        if after is None:
            return Login("wrong")
        self._sessions.end_all(account.id)
        return Login("opened", self._sessions.begin(after, now_ms))

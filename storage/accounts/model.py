"""Accounts of staff, their sessions, and how often somebody guessed: the records, their collections and indexes.

accounts        one document for each person who may log in, `_id` the name
sessions        one for each login that is not over, `_id` the SHA-256 of its token: who reads the database cannot log in with it
login_attempts  failures of one bucket of names or addresses (`storage.accounts.limiter`)

An account's `epoch` goes up whenever its sessions must end: a session of another epoch is over at the next look, whatever is still written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from storage.kinds import Kind
from storage.roles import Actor, Role

__all__ = [
    "ACCOUNTS",
    "ACCOUNT_INDEXES",
    "ACCOUNT_KINDS",
    "LOGIN_ATTEMPTS",
    "SESSIONS",
    "Account",
    "LoginAttempts",
    "Session",
    "account_name",
]


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who may log in."""

    id: str
    """Name, in small letters."""
    role: Role
    hash: str
    """Of the password, as `storage.accounts.passwords` makes it."""
    disabled: bool
    must_change: bool
    """Whether the password was made by the program and is to be replaced at the next login."""
    epoch: int
    """From 1; sessions of another one are over."""
    made_ms: int
    changed_ms: int
    """Wall clock; of the last change of role, password or state."""

    @property
    def actor(self) -> Actor:
        """How audit trails name this account."""
        return Actor(self.id, self.role)

    def __repr__(self) -> str:
        """Leave the hash out."""
        return f"Account(id={self.id!r}, role={self.role.value!r})"


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One login that is not over."""

    id: str
    """SHA-256 of the token, in 64 hexadecimal digits."""
    account: str
    epoch: int
    """Of the account when it began."""
    made_ms: int
    used_ms: int
    """Wall clock; written at most once a minute."""


class LoginAttempts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a bucket of names or addresses has guessed."""

    id: str
    failures: int
    last_ms: int
    """When the newest began."""
    kept_until_ms: int


ACCOUNTS = Kind("accounts", Account)
SESSIONS = Kind("sessions", Session)
LOGIN_ATTEMPTS = Kind("login_attempts", LoginAttempts)
ACCOUNT_KINDS: tuple[Kind[Any], ...] = (ACCOUNTS, SESSIONS, LOGIN_ATTEMPTS)
ACCOUNT_INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    SESSIONS.name: (("account", "used_ms"), ("used_ms",)),
    LOGIN_ATTEMPTS.name: (("kept_until_ms",),),
}
"""All ascending; everything else is asked for by `_id`."""


def account_name(name: str) -> str:
    """Return the name under which an account is kept.

    Raises:
        InvalidInputError: it is no name of staff (`storage.roles.Actor`).

    >>> account_name(" Ada ")
    'ada'
    """
    return Actor(name.strip().lower(), Role.VIEW).name

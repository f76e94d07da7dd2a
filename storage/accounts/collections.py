"""The collections of accounts, made by one function: the first account may be there before the privacy stage makes all others."""

from __future__ import annotations

from pymongo.database import Database

from storage.accounts.model import ACCOUNT_INDEXES, ACCOUNT_KINDS
from storage.ensuring import ensure_kinds
from storage.kinds import Document
from storage.mongo import translated

__all__ = ["ensure_accounts"]


def ensure_accounts(database: Database[Document]) -> None:
    """Make what is missing of accounts, sessions and attempts to log in; doing it again changes nothing.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    with translated():
        ensure_kinds(database, ACCOUNT_KINDS, ACCOUNT_INDEXES)

"""The collections of accounts, made by one function: the first account may be there before the privacy stage makes all others."""

from __future__ import annotations

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

from storage.accounts.model import ACCOUNT_INDEXES, ACCOUNT_KINDS
from storage.kinds import Document
from storage.mongo import translated
from storage.validation import validator

__all__ = ["ensure_accounts"]

_EXISTS = 48


def ensure_accounts(database: Database[Document]) -> None:
    """Make what is missing of accounts, sessions and attempts to log in; doing it again changes nothing.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    with translated():
        for kind in ACCOUNT_KINDS:
            try:
                database.command("create", kind.name, validator=validator(kind))
            except OperationFailure as cause:
                if cause.code != _EXISTS:
                    raise
                database.command("collMod", kind.name, validator=validator(kind))
        for name, indexes in ACCOUNT_INDEXES.items():
            for fields in indexes:
                database[name].create_index([(field, ASCENDING) for field in fields])

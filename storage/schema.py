"""What MongoDB's collections are now: validators and indexes, made by the program at start.

Making them again changes nothing. How documents of before get here is `storage.migrations`.
"""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

from storage.accounts.collections import ensure_accounts
from storage.accounts.model import ACCOUNT_INDEXES, ACCOUNT_KINDS
from storage.cases.collections import CASE_INDEXES, CASE_KINDS, ensure_case_collections
from storage.kinds import AGGREGATES, ALERTS, DEAD_LETTERS, GROUPS, KINDS, POSITIONS, RELEASES, TRANSACTIONS, Document
from storage.mongo import translated
from storage.notifications import schema as notifications
from storage.validation import validator

__all__ = ["INDEXES", "declared", "ensure_collections"]

_EXISTS = 48

INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    TRANSACTIONS.name: (("seq",), ("minute_ms",), ("subject", "minute_ms")),
    ALERTS.name: (("seq",), ("minute_ms",)),
    POSITIONS.name: (("seq",),),
    RELEASES.name: (("seq",), ("minute_ms",)),
    GROUPS.name: (("seq",), ("minute_ms",)),
    AGGREGATES.name: (("minute_ms",), ("cell", "minute_ms")),
    DEAD_LETTERS: (("store", "kind", "seq"),),
}
"""Every question of `storage.queries` is answered from one of these, a test holds it to that; retention and verification go by
`minute_ms`. All ascending: both directions read them. No more than are asked for: every index is paid for with every write (a fifth of an
insert), and Elasticsearch answers the rest."""


def declared() -> dict[str, Any]:
    """Return all that `ensure_collections` makes, for a checksum: a database made by another declaration is not as it should be."""
    kinds = (*KINDS, *CASE_KINDS, *ACCOUNT_KINDS, *notifications.NOTIFICATION_KINDS)
    indexes = INDEXES | CASE_INDEXES | ACCOUNT_INDEXES | notifications.INDEXES
    return {"validators": {kind.name: validator(kind) for kind in kinds}, "indexes": indexes}


def ensure_collections(database: Database[Document]) -> None:
    """Make what is missing, and put today's validators in force.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    with translated():
        existing = set(database.list_collection_names())
        for kind in KINDS:
            _ensure_collection(database, kind.name, validator(kind), existing)
        for name, indexes in INDEXES.items():
            for fields in indexes:
                database[name].create_index([(field, ASCENDING) for field in fields])
        ensure_case_collections(database)
        ensure_accounts(database)
        notifications.ensure_notifications(database)


def _ensure_collection(database: Database[Document], name: str, rules: Document, existing: set[str]) -> None:
    if name not in existing:
        try:
            database.command("create", name, validator=rules)
            return
        except OperationFailure as cause:
            if cause.code != _EXISTS:
                raise
            # Another process made it in between: its rules are set below.
    database.command("collMod", name, validator=rules)

"""What MongoDB's collections are now: validators and indexes, made by the program at start.

Making them again changes nothing. How documents of before get here is `storage.migrations`.
"""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database

from storage.accounts.collections import ensure_accounts
from storage.accounts.model import ACCOUNT_INDEXES, ACCOUNT_KINDS
from storage.cases.collections import CASE_INDEXES, CASE_KINDS, ensure_case_collections
from storage.ensuring import ensure_kinds
from storage.kinds import AGGREGATES, ALERTS, DEAD_LETTERS, GROUPS, KINDS, POSITIONS, RELEASES, TRANSACTIONS, Document
from storage.mongo import translated
from storage.notifications import schema as notifications
from storage.validation import validator

__all__ = ["INDEXES", "OBSOLETE_INDEXES", "PARTIAL_INDEXES", "declared", "ensure_collections"]

INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    TRANSACTIONS.name: (("seq",), ("minute_ms", "_id"), ("subject", "minute_ms")),
    ALERTS.name: (("seq",), ("minute_ms", "_id"), ("subject", "minute_ms")),
    POSITIONS.name: (("seq",),),
    RELEASES.name: (("seq",), ("minute_ms",)),
    GROUPS.name: (("seq",), ("minute_ms",)),
    AGGREGATES.name: (("minute_ms",), ("cell", "minute_ms")),
    DEAD_LETTERS: (("store", "kind", "seq"),),
}
"""Every question of `storage.queries` is answered from one of these, a test holds it to that; retention and verification go by
`minute_ms`. All ascending: both directions read them. No more than are asked for: every index is paid for with every write (a fifth of an
insert), and Elasticsearch answers the rest. `_id` stands behind `minute_ms` because pages end within a minute and go on there; `subject` is
asked for by the evidence of an alert: what else did this person do?"""

PARTIAL_INDEXES: dict[str, tuple[tuple[tuple[str, ...], Document], ...]] = {
    TRANSACTIONS.name: ((("severity", "alert"), {"severity": {"$gt": ""}}),),
}
"""Indexes of some of the documents, which cost the others nothing: which payments have these alerts? Those without a finding have none.
`severity` stands first because some servers use such an index only for questions that name what it is limited by."""

OBSOLETE_INDEXES: dict[str, tuple[str, ...]] = {TRANSACTIONS.name: ("minute_ms_1",), ALERTS.name: ("minute_ms_1",)}
"""Indexes of programs of before, by name, that another one stands for now: dropped, because they would go on being paid for."""


def declared() -> dict[str, Any]:
    """Return all that `ensure_collections` makes, for a checksum: a database made by another declaration is not as it should be."""
    kinds = (*KINDS, *CASE_KINDS, *ACCOUNT_KINDS, *notifications.NOTIFICATION_KINDS)
    indexes = INDEXES | CASE_INDEXES | ACCOUNT_INDEXES | notifications.INDEXES
    changed = {"partial": PARTIAL_INDEXES, "obsolete": OBSOLETE_INDEXES}
    return {"validators": {kind.name: validator(kind) for kind in kinds}, "indexes": indexes, **changed}


def ensure_collections(database: Database[Document]) -> None:
    """Make what is missing, and put today's validators in force.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    with translated():
        ensure_kinds(database, KINDS, INDEXES)
        for name, partial in PARTIAL_INDEXES.items():
            for fields, condition in partial:
                database[name].create_index([(field, ASCENDING) for field in fields], partialFilterExpression=condition)
        for name, obsolete in OBSOLETE_INDEXES.items():
            for index in sorted(set(obsolete) & set(database[name].index_information())):
                database[name].drop_index(index)
        ensure_case_collections(database)
        ensure_accounts(database)
        notifications.ensure_notifications(database)

"""MongoDB's collections, validators and indexes, made by the program at start and versioned.

Making them again changes nothing. A database of a newer version is refused, because an older program would misread it; the documents of an
older one are brought up to date at start.
"""

from __future__ import annotations

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

from storage.cases.collections import ensure_case_collections
from storage.kinds import AGGREGATES, ALERTS, DEAD_LETTERS, GROUPS, KINDS, POSITIONS, PROGRESS, RELEASES, SCHEMA, TRANSACTIONS, Document
from storage.mongo import translated
from storage.validation import validator
from veilocity.errors import StateError

__all__ = ["INDEXES", "STORE_VERSION", "ensure_collections", "refuse_newer"]

STORE_VERSION = 5
"""Raise it when an older program would misread what a newer one stores, and say in docs/stores.md how old data gets there."""
_ID = "storage"
_EXISTS = 48

INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    TRANSACTIONS.name: (("seq",), ("subject", "minute_ms")),
    ALERTS.name: (("seq",), ("minute_ms",)),
    POSITIONS.name: (("seq",),),
    RELEASES.name: (("seq",),),
    GROUPS.name: (("seq",),),
    AGGREGATES.name: (("minute_ms",), ("cell", "minute_ms")),
    DEAD_LETTERS: (("store", "kind", "seq"),),
}
"""Every question of `storage.queries` is answered from one of these; a test holds it to that. All ascending: both directions read
them. No more than are asked for: every index is paid for with every write (a fifth of an insert), and Elasticsearch answers the rest."""

_ADDED: dict[int, dict[str, Document]] = {
    2: {
        TRANSACTIONS.name: {"revision": 1, "country": None, "severity": None},
        # Version 1 knew one rule and one cause: a trip that no person can make.
        ALERTS.name: {"cause": "impossible_travel", "score": 1.0, "probability": None},
        PROGRESS.name: {"amendments": 0},
    },
    3: {ALERTS.name: {"sealed": None}, PROGRESS.name: {"positions_since_ms": 0}},
    4: {PROGRESS.name: {"erased": 0}},
    5: {PROGRESS.name: {"unstored": 0}},
}
"""By version, the fields that it added and what they are in documents of earlier ones."""


def ensure_collections(database: Database[Document]) -> None:
    """Make what is missing.

    Raises:
        StateError: the database was written by a newer version.
        StoreUnavailableError: MongoDB does not answer.
    """
    with translated():
        version = (database[SCHEMA].find_one({"_id": _ID}) or {}).get("version", 0)
        refuse_newer("the MongoDB database", version)
        existing = set(database.list_collection_names())
        for kind in KINDS:
            _ensure_collection(database, kind.name, validator(kind), existing)
        if version:
            _bring_up_to_date(database, version)
        ensure_case_collections(database)
        for name, indexes in INDEXES.items():
            for fields in indexes:
                database[name].create_index([(field, ASCENDING) for field in fields])
        # Last, so that the version says what is there.
        database[SCHEMA].replace_one({"_id": _ID}, {"_id": _ID, "version": STORE_VERSION}, upsert=True)


def _bring_up_to_date(database: Database[Document], version: int) -> None:
    """Add the fields that documents of an older version lack; after the validators, which hold for what is updated, all at once."""
    lacking: dict[str, Document] = {}
    for added_in, kinds in sorted(_ADDED.items()):
        for name, fields in kinds.items() if added_in > version else ():
            lacking.setdefault(name, {}).update(fields)
    for name, fields in lacking.items():
        marker = next(iter(fields))
        database[name].update_many({marker: {"$exists": False}}, {"$set": fields})


def refuse_newer(what: str, version: int) -> None:
    """Stop before a newer version's data are misread.

    Raises:
        StateError: `version` is newer than this program.

    >>> refuse_newer("the MongoDB database", STORE_VERSION)
    """
    if version > STORE_VERSION:
        raise StateError(f"{what} has schema {version}, this program knows {STORE_VERSION}: upgrade it, or name another database")


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

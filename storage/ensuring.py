"""Making collections: there with today's validators in force, and with their indexes; whoever makes them at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

from storage.kinds import Document, Kind
from storage.validation import validator

__all__ = ["Indexes", "ensure_kinds"]

_EXISTS = 48
Indexes = Mapping[str, Iterable[tuple[str, ...]]]
"""For each collection the fields of each index, all ascending."""


def ensure_kinds(database: Database[Document], kinds: Iterable[Kind[Any]], indexes: Indexes) -> None:
    """Make what is missing; doing it again changes nothing. Raises what pymongo does: the caller translates it.

    Args:
        database: where.
        kinds: what the collections hold.
        indexes: of these and of other collections.
    """
    existing = set(database.list_collection_names())
    for kind in kinds:
        _ensure(database, kind.name, validator(kind), existing)
    for name, some in indexes.items():
        for fields in some:
            database[name].create_index([(field, ASCENDING) for field in fields])


def _ensure(database: Database[Document], name: str, rules: Document, existing: set[str]) -> None:
    if name not in existing:
        try:
            database.command("create", name, validator=rules)
            return
        except OperationFailure as cause:
            if cause.code != _EXISTS:
                raise
            # Another process made it in between: its rules are set below.
    database.command("collMod", name, validator=rules)

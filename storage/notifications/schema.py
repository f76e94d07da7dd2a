"""The notifier's collections: validators from the records, the indexes of every question, and a version of their own."""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

from storage.kinds import SCHEMA, Document, Kind
from storage.mongo import translated
from storage.notifications.documents import CASES, MESSAGES, PROGRESS
from storage.validation import validator
from veilocity.errors import StateError

__all__ = ["INDEXES", "NOTIFICATIONS_VERSION", "NOTIFICATION_KINDS", "ensure_notifications"]

NOTIFICATIONS_VERSION = 1
"""Raise it when an older program would misread what a newer one stores, and say in docs/notifications.md how old data gets there."""
NOTIFICATION_KINDS: tuple[Kind[Any], ...] = (CASES, MESSAGES, PROGRESS)
INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    CASES.name: (("channel", "news", "due_ms"), ("message",), ("changed_ms",)),
    MESSAGES.name: (("receiver", "state", "due_ms"), ("channel", "made_ms"), ("state", "due_ms")),
}
"""All ascending."""
_ID = "notifications"
_EXISTS = 48


def ensure_notifications(database: Database[Document]) -> None:
    """Make what is missing; making it again changes nothing.

    Raises:
        StateError: the collections were written by a newer version.
        StoreUnavailableError: MongoDB does not answer.
    """
    with translated():
        version = (database[SCHEMA].find_one({"_id": _ID}) or {}).get("version", 0)
        if version > NOTIFICATIONS_VERSION:
            message = f"the notifications have schema {version}, this program knows {NOTIFICATIONS_VERSION}: upgrade it"
            raise StateError(message)
        for kind in NOTIFICATION_KINDS:
            _ensure_collection(database, kind.name, validator(kind))
        for name, indexes in INDEXES.items():
            for fields in indexes:
                database[name].create_index([(field, ASCENDING) for field in fields])
        # Last, so that the version says what is there.
        database[SCHEMA].replace_one({"_id": _ID}, {"_id": _ID, "version": NOTIFICATIONS_VERSION}, upsert=True)


def _ensure_collection(database: Database[Document], name: str, rules: Document) -> None:
    try:
        database.command("create", name, validator=rules)
    except OperationFailure as cause:
        if cause.code != _EXISTS:
            raise
        database.command("collMod", name, validator=rules)

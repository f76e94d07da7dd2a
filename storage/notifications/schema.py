"""The notifier's collections: validators from the records, the indexes of every question, and a version of their own."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from storage.ensuring import ensure_kinds
from storage.kinds import SCHEMA, Document, Kind
from storage.mongo import translated
from storage.notifications.documents import CASES, MESSAGES, PROGRESS
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
        ensure_kinds(database, NOTIFICATION_KINDS, INDEXES)
        # Last, so that the version says what is there.
        database[SCHEMA].replace_one({"_id": _ID}, {"_id": _ID, "version": NOTIFICATIONS_VERSION}, upsert=True)

"""What every question of the pages needs: both stores, and how far the privacy stage came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch
from pymongo.collection import Collection
from pymongo.database import Database

from storage.documents import Progress
from storage.kinds import ALERTS, PROGRESS, RELEASES, Document, Kind, from_document
from storage.mongo import translated
from storage.walking import ANSWER_MS

__all__ = ["HIDDEN", "Desk"]

HIDDEN: dict[str, tuple[str, ...]] = {ALERTS.name: ("sealed",), RELEASES.name: ("release.members",)}
"""What stays in the store: nobody here can open sealed evidence, and members are most of a release and shown to nobody."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Both stores, and how their indices are called."""

    database: Database[Document]
    search: Elasticsearch
    prefix: str

    def collection(self, kind: Kind[Any]) -> Collection[Document]:
        """Return where MongoDB keeps a kind."""
        return self.database[kind.name]

    def progress(self) -> Progress | None:
        """Return how far the privacy stage came, or None before its first batch.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with translated():
            document = self.database[PROGRESS.name].find_one({"_id": "privacy"}, max_time_ms=ANSWER_MS)
        return None if document is None else from_document(PROGRESS, document)

    def event_ms(self) -> int:
        """Return the latest event time that the stage has seen; 0 before its first batch."""
        progress = self.progress()
        return 0 if progress is None else progress.event_ms

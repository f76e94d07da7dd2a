"""A forgotten person's cases, events, reports and unmaskings: deleted, or emptied of what is about the person.

Called after the person's alerts and payments are gone (`storage.cases.book` says why): until a pass finds nothing, so that what a writer
was just adding is met, or that writer sees that its person is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.database import Database

from storage.cases.collections import CASE_EVENTS, CASES, MISSED_FRAUDS
from storage.kinds import Document
from storage.mongo import translated
from storage.unmaskings import UNMASKINGS, UnmaskingLog

__all__ = ["forget_cases", "left_cases"]

_CHUNK = 1_000
_FIELDS = {CASE_EVENTS.name: "facts.subject", CASES.name: "subject", MISSED_FRAUDS.name: "subject"}
"""Where each collection names the person. Events first: a case without events is found again, events without a case are too."""


def forget_cases(database: Database[Document], subjects: Sequence[str]) -> dict[str, int]:
    """Erase what people wrote about a person; may be repeated after a crash anywhere.

    Who opened the person's evidence and when stays in the log of unmaskings, without whom it was about.

    Args:
        database: of documents.
        subjects: every token that MongoDB has for the person.

    Returns:
        Documents deleted or emptied, by collection.

    Raises:
        StoreUnavailableError: MongoDB does not answer; what was done stays done.
    """
    counts: dict[str, int] = {}
    for start in range(0, len(subjects), _CHUNK):
        some = list(subjects[start : start + _CHUNK])
        for name, field in _FIELDS.items():
            with translated():
                while deleted := database[name].delete_many({field: {"$in": some}}).deleted_count:
                    counts[name] = counts.get(name, 0) + deleted
        while emptied := UnmaskingLog(database).forget(some):
            counts[UNMASKINGS.name] = counts.get(UNMASKINGS.name, 0) + emptied
    return counts


def left_cases(database: Database[Document], subjects: Sequence[str]) -> dict[str, int]:
    """Return how many documents still name the person, by collection."""
    fields = {**_FIELDS, UNMASKINGS.name: "about.subject"}
    counts: dict[str, int] = {}
    with translated():
        for start in range(0, len(subjects), _CHUNK):
            for name, field in fields.items():
                found = database[name].count_documents({field: {"$in": list(subjects[start : start + _CHUNK])}})
                if found:
                    counts[name] = counts.get(name, 0) + found
    return counts

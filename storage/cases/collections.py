"""The collections of cases in MongoDB: names, shapes and indexes, made by one function.

cases          one document for each alert that somebody has touched: what its events come to
case_events    the audit trail: inserted, never changed, deleted only with its person
missed_frauds  payments that somebody reported as fraud and no rule had flagged: inserted, deleted only with their person
unmaskings     every time that somebody asked for sealed evidence (`storage.unmaskings`): inserted; what is about a person can be erased
"""

from __future__ import annotations

from typing import Any

import msgspec
from pymongo.database import Database

from storage.cases.model import Case, CaseEvent
from storage.ensuring import ensure_kinds
from storage.kinds import Document, Kind
from storage.mongo import translated
from storage.unmaskings import UNMASKINGS

__all__ = ["CASES", "CASE_EVENTS", "CASE_INDEXES", "CASE_KINDS", "MISSED_FRAUDS", "MissedFraud", "ensure_case_collections"]


class MissedFraud(msgspec.Struct, frozen=True):
    """A payment that was fraud and that no rule flagged."""

    id: str
    """Of the payment, in MongoDB."""
    subject: str
    minute_ms: int
    reason: str
    author: str
    written_ms: int
    """Wall clock."""


CASES = Kind("cases", Case)
CASE_EVENTS = Kind("case_events", CaseEvent)
MISSED_FRAUDS = Kind("missed_frauds", MissedFraud)
CASE_KINDS: tuple[Kind[Any], ...] = (CASES, CASE_EVENTS, MISSED_FRAUDS, UNMASKINGS)

CASE_INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    CASES.name: (("minute_ms", "_id"), ("status", "minute_ms", "_id"), ("assignee", "minute_ms", "_id")),
    CASE_EVENTS.name: (("alert", "revision"),),
    MISSED_FRAUDS.name: (("minute_ms",),),
    UNMASKINGS.name: (("about.alert",),),
}
"""Every question about cases is answered from one of these or from `_id`; people write these documents, so their indexes cost little."""


def ensure_case_collections(database: Database[Document]) -> None:
    """Make what is missing; doing it again changes nothing.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    with translated():
        ensure_kinds(database, CASE_KINDS, CASE_INDEXES)

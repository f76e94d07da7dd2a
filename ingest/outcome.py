"""What became of one request, and the Kafka records it turns into. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ingest.fields import Arrival, reject
from veilocity.contracts import DirectoryEntry, Fix, IdentifierKind, Reject, SessionEvent, SubjectId, Transaction, encode
from veilocity.errors import RejectError, RejectReason
from veilocity.topics import DIRECTORY, FIXES, REJECTS, SESSIONS, TRANSACTIONS, Topic

__all__ = ["MAXIMUM_RECORDS", "DirectoryChange", "Outcome", "Record", "bounded", "directory_key", "records", "refuse_body"]

MAXIMUM_RECORDS = 20_000
"""Records one request may turn into: what Kafka surely takes within the time a request may wait."""


class DirectoryChange(msgspec.Struct, frozen=True, gc=False):
    """One entry to write to the directory; no subject deletes it."""

    kind: IdentifierKind
    id: str
    subject: SubjectId | None


@dataclass(slots=True)
class Outcome:
    """What became of each item: items = accepted + rejects + ignored."""

    accepted: list[Fix | Transaction | SessionEvent | DirectoryChange] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    ignored: int = 0
    """Readings of other sensors, and test pushes: nothing is wrong with them and nothing is written."""
    body_refused: bool = False
    """The body as a whole could not be read; it counts as one rejected item."""

    @property
    def items(self) -> int:
        """Return how many items the request held."""
        return len(self.accepted) + len(self.rejects) + self.ignored

    def reasons(self) -> dict[str, int]:
        """Return how many items were refused for each reason."""
        return dict(Counter(item.reason.value for item in self.rejects))


class Record(NamedTuple):
    """One record for Kafka; no value deletes the key of a compacted topic."""

    topic: Topic
    key: bytes | None
    value: bytes | None


def refuse_body(cause: RejectError, body: bytes, source: str, arrival: Arrival) -> Outcome:
    """Return the outcome of a body that could not be read as a whole."""
    return Outcome(rejects=[reject(cause, body, source, arrival)], body_refused=True)


def bounded(outcome: Outcome, body: bytes, source: str, arrival: Arrival) -> Outcome:
    """Return `outcome`, or the refusal of the whole body when it would become too many records."""
    if len(outcome.accepted) + len(outcome.rejects) <= MAXIMUM_RECORDS:
        return outcome
    detail = f"one request may hold {MAXIMUM_RECORDS} items at most: send smaller batches"
    return refuse_body(RejectError(RejectReason.TOO_LARGE, detail), body, source, arrival)


def directory_key(kind: IdentifierKind, identifier: str) -> str:
    """Return the key of a directory entry.

    >>> directory_key(IdentifierKind.CARD, "c1")
    'card:c1'
    """
    return f"{kind.value}:{identifier}"


def records(outcome: Outcome) -> list[Record]:
    """Return what to write: fixes, transactions and browsing events by subject, directory entries by their key, rejects spread evenly."""
    written = [_record(item) for item in outcome.accepted]
    written.extend(Record(REJECTS, None, encode(item)) for item in outcome.rejects)
    return written


def _record(item: Fix | Transaction | SessionEvent | DirectoryChange) -> Record:
    if isinstance(item, Fix):
        return Record(FIXES, item.subject.encode(), encode(item))
    if isinstance(item, Transaction):
        return Record(TRANSACTIONS, item.subject.encode(), encode(item))
    if isinstance(item, SessionEvent):
        return Record(SESSIONS, item.subject.encode(), encode(item))
    key = directory_key(item.kind, item.id).encode()
    if item.subject is None:
        return Record(DIRECTORY, key, None)
    return Record(DIRECTORY, key, encode(DirectoryEntry(kind=item.kind, id=item.id, subject=item.subject)))

"""Who asked for sealed evidence, in which role, why, and what came of it: an append-only log in MongoDB, one chain over all records.

A record is written before the evidence is shown, and refused requests are records too. What is about a person (alert, pseudonym, reason)
stands apart in `about`, and the chain holds only a commitment to it:

    commitment = SHA-256(salt, alert, subject, reason)              salt: 16 random bytes, kept in `about`
    hash       = SHA-256(all fields but `about` and `hash`, the hash of the record before among them)

So when the person is forgotten `about` is deleted, who opened evidence and when stays, the chain still holds, and nobody can tell any
more whom it was about. A changed, removed or added record is noticed, but for the newest ones that are gone: keep the digest that
`veilocity cases verify` prints somewhere else.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import msgspec
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from storage.kinds import Document, Kind, from_document, to_document
from storage.mongo import translated
from storage.roles import Actor, Role
from veilocity.errors import StoreUnavailableError

__all__ = ["UNMASKINGS", "About", "Outcome", "Unmasking", "UnmaskingLog", "broken_links", "link"]

_ATTEMPTS = 100
"""Each is lost to another record that got the number: people do not ask that often."""
_PAGE = 1_000


class Outcome(StrEnum):
    """What came of a request."""

    OPENED = "opened"
    REFUSED = "refused"
    """The role does not allow it."""
    ERASED = "erased"
    """The person is forgotten, or nothing was sealed."""
    MISSING = "missing"
    """There is no such alert."""
    FAILED = "failed"
    """The evidence could not be opened: a key is missing, or it was changed."""


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is about a person."""

    alert: str
    """Id in MongoDB."""
    subject: str
    """Token."""
    reason: str
    salt: str
    """32 hexadecimal digits."""


class Unmasking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request."""

    id: int
    """From 1, without gaps."""
    author: str
    role: Role
    outcome: Outcome
    written_ms: int
    """Wall clock."""
    about: About | None
    """None once the person is forgotten, and where there was no such alert."""
    commitment: str | None
    """None where there was no such alert."""
    previous: str | None
    """`hash` of the record before."""
    hash: str


UNMASKINGS = Kind("unmaskings", Unmasking)


def link(last: Unmasking | None, actor: Actor, outcome: Outcome, written_ms: int, about: About | None) -> Unmasking:
    """Return the record that follows another.

    >>> first = link(None, Actor("ada", Role.UNMASK), Outcome.OPENED, 5, About("5f2b", "77aa", "a reason", "00" * 16))
    >>> second = link(first, Actor("ben", Role.VIEW), Outcome.REFUSED, 6, None)
    >>> (first.id, second.id, second.previous == first.hash), broken_links([first, second])
    ((1, 2, True), [])
    >>> broken_links([msgspec.structs.replace(first, about=None), msgspec.structs.replace(second, author="ada")])
    [2]
    """
    draft = Unmasking(
        id=1 if last is None else last.id + 1,
        author=actor.name,
        role=actor.role,
        outcome=outcome,
        written_ms=written_ms,
        about=about,
        commitment=None if about is None else _commitment(about),
        previous=None if last is None else last.hash,
        hash="",
    )
    return msgspec.structs.replace(draft, hash=_hash(draft))


def broken_links(records: Iterable[Unmasking]) -> list[int]:
    """Return the numbers of the records, given in order, that do not follow the one before or were changed."""
    broken: list[int] = []
    last: Unmasking | None = None
    for record in records:
        follows = (record.id, record.previous) == ((1, None) if last is None else (last.id + 1, last.hash))
        committed = record.about is None or _commitment(record.about) == record.commitment
        if not (follows and committed and _hash(record) == record.hash):
            broken.append(record.id)
        last = record
    return broken


def _commitment(about: About) -> str:
    return hashlib.sha256(msgspec.json.encode(about, order="sorted")).hexdigest()


def _hash(record: Unmasking) -> str:
    bare = msgspec.structs.replace(record, about=None, hash="")
    return hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()


class UnmaskingLog:
    """The log in a database; every method raises `StoreUnavailableError` when MongoDB does not answer."""

    def __init__(self, database: Database[Document]) -> None:
        """Take the database of documents."""
        self._collection = database[UNMASKINGS.name]

    def record(self, actor: Actor, outcome: Outcome, written_ms: int, about: tuple[str, str, str] | None) -> Unmasking:
        """Append a record; it is in the database when this returns.

        Args:
            actor: who asked.
            outcome: what came of it.
            written_ms: wall clock.
            about: alert, subject and reason; None where there is no such alert.
        """
        told = None if about is None else About(*about, salt=secrets.token_hex(16))
        for _ in range(_ATTEMPTS):
            record = link(self.newest(), actor, outcome, written_ms, told)
            with translated():
                try:
                    self._collection.insert_one(to_document(UNMASKINGS, record))
                except DuplicateKeyError:
                    continue
            return record
        raise StoreUnavailableError("the log of unmaskings takes no record, as others are always faster: try again")

    def newest(self) -> Unmasking | None:
        """Return the last record, found by its number in steps that double and then halve: some servers read everything to sort it."""
        step = 1
        while self._at(step) is not None:
            step *= 2
        low, high = step // 2, step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._at(middle) is None else (middle, high)
        return self._at(low)

    def _at(self, number: int) -> Unmasking | None:
        with translated():
            document = self._collection.find_one({"_id": number})
        return None if document is None else from_document(UNMASKINGS, document)

    def of(self, alert: str, limit: int = 1_000) -> list[Unmasking]:
        """Return the oldest records about one alert, oldest first."""
        with translated():
            found = list(self._collection.find({"about.alert": alert}).limit(limit))
        return sorted((from_document(UNMASKINGS, document) for document in found), key=lambda record: record.id)

    def __iter__(self) -> Iterator[Unmasking]:
        """Give all records in order, page by page, up to the first thousand of numbers of which there is none."""
        first = 1
        while True:
            with translated():
                page = list(self._collection.find({"_id": {"$in": list(range(first, first + _PAGE))}}))
            if not page:
                return
            first += _PAGE
            yield from sorted((from_document(UNMASKINGS, document) for document in page), key=lambda record: record.id)

    def __len__(self) -> int:
        """Return how many records there are."""
        with translated():
            return self._collection.count_documents({})

    def forget(self, subjects: Sequence[str]) -> int:
        """Erase what the records tell about a person; return of how many."""
        with translated():
            return self._collection.update_many({"about.subject": {"$in": list(subjects)}}, {"$set": {"about": None}}).modified_count

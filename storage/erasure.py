"""A person's documents found again by tokens and deleted from one store, in steps that may be repeated after any crash.

Nothing here knows a person: it is given the tokens that a store has for one. What names payments (groups, the sample, dead letters, audits)
is mended before the payments go, because they are what it is found by. How many documents went is kept in MongoDB's `erasures`, without an
id, or nobody could tell an erasure from a loss. The ids of one step are in a file of the stage's folder (`Journal`) from before the step
until it is counted, so a step that was broken off is finished and counted once. Payments are counted by day, each day in a step of its
own: an audit must know in which windows payments may be missing, and nobody shall read from the counts which days were one person's.

Only documents up to a given `seq` are deleted: those of a micro-batch that may be repeated would come back.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
from pymongo.database import Database

from storage.elastic import ELASTICSEARCH
from storage.elastic_erasure import ElasticEraser
from storage.kinds import DEAD_LETTERS, ERASURES, GROUPS, SAMPLES, TRANSACTIONS, Document
from storage.mongo import MONGODB, connect, translated
from storage.mongo_erasure import MongoEraser
from veilocity.eventtime import window_start_ms
from veilocity.settings import Settings

__all__ = ["Eraser", "Journal", "Stores", "erase_documents", "erasing", "mend", "without_members"]

_STEP = 500
"""Documents deleted at once."""
_ANSWER_MS = 60_000
_DAY_MS = 86_400_000
_LETTERS = "abcdefghijklmnop"
_ID_LETTERS = 24


class Step(msgspec.Struct, frozen=True):
    """Documents of one store and kind that are being deleted."""

    id: str
    store: str
    kind: str
    ids: tuple[tuple[str, str], ...]
    """Id and index of each."""
    day_ms: int | None = None
    """When the day began on which all of these payments were, UTC; None for what is no payment."""


class Eraser(Protocol):
    """One store; every method raises `StoreUnavailableError` when it does not answer, and may be repeated."""

    name: str

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds that are about one person, payments last."""
        ...

    def span_ms(self) -> tuple[int, int] | None:
        """Return the oldest and newest time in any document about a person, None where there is none."""
        ...

    def found(self, kind: str, subjects: Sequence[str], limit: int, up_to_seq: int | None = None) -> list[tuple[str, str, int]]:
        """Return id, index and time of at most `limit` documents of a person."""
        ...

    def ids(self, kind: str, subjects: Sequence[str]) -> set[str]:
        """Return the ids of all documents of a person."""
        ...

    def things(self, subjects: Sequence[str]) -> set[str]:
        """Return the tokens of the cards, devices and users in a person's payments."""
        ...

    def count(self, kind: str, subjects: Sequence[str]) -> int:
        """Return how many documents of a person are there."""
        ...

    def delete(self, kind: str, ids: Sequence[tuple[str, str]]) -> None:
        """Delete documents by id and index; those that are gone already are no fault."""
        ...

    def groups_of(self, payments: Sequence[str], up_to_seq: int) -> list[tuple[Document, str]]:
        """Return each group that names one of the payments, and its index."""
        ...

    def put_group(self, group: Document, index: str) -> None:
        """Store a group under its id, whatever is there."""
        ...

    def naming(self, things: Sequence[str], subjects: Sequence[str]) -> int:
        """Return how many payments of other people name one of these cards, devices or users."""
        ...


class Journal:
    """Steps that are under way, one file each; and what they come to, in MongoDB's `erasures`."""

    def __init__(self, folder: Path, database: Database[Document]) -> None:
        """Take the folder, which is made when missing, and the database of documents."""
        self._folder = folder
        self._counts = database[ERASURES]

    def broken_off(self) -> list[Step]:
        """Return the steps that a run before did not finish."""
        steps = []
        for path in sorted(self._folder.glob("*.step")):
            # Another run that goes on at this moment may have finished it.
            with suppress(FileNotFoundError):
                steps.append(msgspec.msgpack.decode(path.read_bytes(), type=Step))
        return steps

    def run(self, eraser: Eraser, step: Step) -> None:
        """Delete what a step names and count it once, however often it is run."""
        path = self._folder / f"{step.id}.step"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = path.with_name(f".{path.name}.draft")
            with draft.open("wb") as file:
                file.write(msgspec.msgpack.encode(step))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        self._count(step, done=False)
        eraser.delete(step.kind, step.ids)
        self._count(step, done=True)
        path.unlink(missing_ok=True)

    def _count(self, step: Step, *, done: bool) -> None:
        counted = {"_id": step.id, "store": step.store, "kind": step.kind, "day_ms": step.day_ms, "count": len(step.ids), "done": done}
        with translated():
            self._counts.replace_one({"_id": step.id}, counted, upsert=True)


class Stores(NamedTuple):
    """Both stores, ready to erase from."""

    mongodb: MongoEraser
    elasticsearch: ElasticEraser
    journal: Journal

    @property
    def erasers(self) -> dict[str, Eraser]:
        """Both by name."""
        return {MONGODB: self.mongodb, ELASTICSEARCH: self.elasticsearch}


@contextmanager
def erasing(settings: Settings) -> Iterator[Stores]:
    """Give both stores; finish first what a run before has left.

    Raises:
        SettingsError: an address of a store cannot be read.
        StoreUnavailableError: a store does not answer.
    """
    client = connect(settings, socket_timeout_ms=_ANSWER_MS)
    elastic = ElasticEraser(settings)
    try:
        database: Database[Document] = client[settings.mongodb_database]
        stores = Stores(MongoEraser(database), elastic, Journal(settings.privacy_dir / "erasures", database))
        for step in stores.journal.broken_off():
            stores.journal.run(stores.erasers[step.store], step)
        yield stores
    finally:
        client.close()
        elastic.close()


def mend(eraser: Eraser, mongodb: MongoEraser, payments: Collection[str], named: Sequence[str], up_to_seq: int) -> dict[str, int]:
    """Take a person's payments out of what names them, while they can still be found.

    Args:
        eraser: the store whose groups are mended.
        mongodb: keeps the sample, and the dead letters and audits of both stores.
        payments: every id of the person's payments in this store, or a person of two payments in one group would count as two people.
        named: other tokens that a dead letter may name: those of the person, and of alerts.
        up_to_seq: groups of later batches may be written again, so they are left for another run.

    Returns:
        Documents changed or deleted, by collection.

    Raises:
        StoreUnavailableError: a store does not answer.
    """
    gone, ordered = set(payments), sorted(payments)
    counts = {
        GROUPS.name: _leave_groups(eraser, gone, up_to_seq),
        DEAD_LETTERS: sum(mongodb.forget_letters(eraser.name, some) for some in _steps([*ordered, *named])),
    }
    if eraser.name == MONGODB:
        counts[SAMPLES.name] = sum(mongodb.leave_sample(some) for some in _steps(ordered))
        counts["audits"] = mongodb.leave_audits({*gone, *named})
        counts["notifications"] = sum(mongodb.leave_notifications(some) for some in _steps(named))
    return {name: count for name, count in counts.items() if count}


def erase_documents(eraser: Eraser, subjects: Sequence[str], up_to_seq: int, journal: Journal) -> dict[str, int]:
    """Delete a person's documents from one store; return how many, by collection.

    Raises:
        StoreUnavailableError: a store does not answer; what was done stays done, and all of it may be repeated.
    """
    counts: dict[str, int] = {}
    for kind in eraser.kinds():
        while some := eraser.found(kind, subjects, _STEP, up_to_seq):
            for step in _steps_of(eraser.name, kind, some):
                journal.run(eraser, step)
            counts[kind] = counts.get(kind, 0) + len(some)
    return counts


def without_members(group: Document, gone: Collection[str]) -> Document | None:
    """Return a group without a person's payments, or None where fewer than two people remain.

    Its id names its first member, so it may change.

    >>> group = {"_id": "0-a", "window_start_ms": 0, "payments": 3, "people": 3, "members": ["a", "b", "c"]}
    >>> without_members(group, {"a"})
    {'_id': '0-b', 'window_start_ms': 0, 'payments': 2, 'people': 2, 'members': ['b', 'c']}
    >>> without_members({**group, "people": 2}, {"a"}) is None
    True
    """
    members = [member for member in group["members"] if member not in gone]
    people = group["people"] - 1
    if people < 2 or not members:
        return None
    payments = group["payments"] - (len(group["members"]) - len(members))
    return {**group, "_id": f"{group['window_start_ms']:x}-{members[0]}", "payments": payments, "people": people, "members": members}


def _leave_groups(eraser: Eraser, gone: set[str], up_to_seq: int) -> int:
    found = {group["_id"]: (group, index) for some in _steps(sorted(gone)) for group, index in eraser.groups_of(some, up_to_seq)}
    for identity, (group, index) in found.items():
        rest = without_members(group, gone)
        if rest is not None:
            eraser.put_group(rest, index)
        # The new one first: a crash in between leaves both, and the old one is found again.
        if rest is None or rest["_id"] != identity:
            eraser.delete(GROUPS.name, [(identity, index)])
    return len(found)


def _steps_of(store: str, kind: str, found: Sequence[tuple[str, str, int]]) -> Iterator[Step]:
    days: dict[int | None, list[tuple[str, str]]] = {}
    for identity, index, minute_ms in found:
        day_ms = window_start_ms(minute_ms, _DAY_MS) if kind == TRANSACTIONS.name else None
        days.setdefault(day_ms, []).append((identity, index))
    # In the order of random ids, so that neighbours in the collection need not be neighbours in time.
    steps = [Step(_new_id(), store, kind, tuple(some), day_ms) for day_ms, some in days.items()]
    return iter(sorted(steps, key=lambda step: step.id))


def _steps(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _STEP] for start in range(0, len(ids), _STEP))


def _new_id() -> str:
    # In letters: an audit looks at this collection too, and hexadecimal digits look like a token.
    return "".join(secrets.choice(_LETTERS) for _ in range(_ID_LETTERS))

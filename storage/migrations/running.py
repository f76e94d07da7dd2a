"""Doing the steps that are pending, in both stores, by one process at a time.

Each step is written down as soon as it is done, and doing one again changes nothing, so a process that was killed anywhere is followed by
one that goes on where it was. MongoDB's validators are taken off the collections that steps touch and put back at the end, because a
document between two versions fits neither.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version as version_of
from typing import Any

from elasticsearch import Elasticsearch
from pymongo.database import Database

from storage import elastic, elastic_schema, mongo, schema
from storage.kinds import SCHEMA, SEARCHABLE, Document
from storage.migrations.lease import Lease, leased
from storage.migrations.model import AddFields, Step, letters
from storage.migrations.planning import STEPS, pending, refuse_newer, taken_over
from storage.patience import insist
from veilocity.errors import StateError
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["Migrator", "migrating", "prepare_stores"]

_ANSWER_MS = 600_000
"""An index over millions of documents is one command."""
_BATCH = 1_000
_STORE = "storage"
_DECLARED = "declared"
_DATABASE, _CLUSTER = "the MongoDB database", "Elasticsearch"
_log = get_logger(__name__)


class Migrator:
    """The schema's history of both stores: what was done, what is pending, and doing it."""

    def __init__(self, database: Database[Document], search: Elasticsearch, prefix: str, steps: Sequence[Step] = STEPS) -> None:
        """Take the stores; `steps` is another history in tests alone."""
        self._database = database
        self._search = search
        self._prefix = prefix
        self._steps = steps

    def applied(self) -> dict[str, dict[str, str]]:
        """Return checksum by id of the steps that each store has a record of, those that it went through without one included.

        Raises:
            StateError: a store is of a newer program, or its history is another one.
            StoreUnavailableError: a store does not answer.
        """
        return {mongo.MONGODB: self._in_mongodb()[0], elastic.ELASTICSEARCH: self._in_elasticsearch()}

    def pending(self) -> dict[str, tuple[str, ...]]:
        """Return by store the ids of what is still to be done, oldest first; `declared` stands for validators, indexes and templates.

        Raises:
            StateError: a store is of a newer program, or its history is another one.
            StoreUnavailableError: a store does not answer.
        """
        applied = self.applied()
        left = {
            mongo.MONGODB: [step.id for step in pending(_DATABASE, applied[mongo.MONGODB], self._steps)],
            elastic.ELASTICSEARCH: [step.id for step in pending(_CLUSTER, applied[elastic.ELASTICSEARCH], self._steps)],
        }
        with mongo.translated():
            made = self._database[SCHEMA].find_one({"_id": _DECLARED}) or {}
        if made.get("checksum") != letters(schema.declared()):
            left[mongo.MONGODB].append(_DECLARED)
        if elastic_schema.read_meta(self._search, self._prefix).get(_DECLARED) != letters(elastic_schema.declared()):
            left[elastic.ELASTICSEARCH].append(_DECLARED)
        return {store: tuple(ids) for store, ids in left.items()}

    def migrate_mongodb(self, stop: threading.Event) -> tuple[str, ...]:
        """Bring MongoDB up to date; return the steps that were done.

        Raises:
            StateError: the database is of a newer program, or its history is another one.
            StoreUnavailableError: MongoDB does not answer, or told to stop while another process migrates.
            FencedError: this process was silent for so long that another one took over.
        """
        # Before the lease: a newer database is not written to.
        pending(_DATABASE, self._in_mongodb()[0], self._steps)
        with leased(self._database, stop) as lease:
            applied, known = self._in_mongodb()
            left = pending(_DATABASE, applied, self._steps)
            for step in self._steps:
                if step.id in applied and step.id not in known:
                    self._note(step, was_taken_over=True)
            if left:
                self._loosen(left)
            for step in left:
                for action in step.mongodb:
                    self._add_fields(action, lease)
                self._note(step, was_taken_over=False)
            schema.ensure_collections(self._database)
            lease.check()
            self._note_declared()
        return tuple(step.id for step in left)

    def migrate_elasticsearch(self, stop: threading.Event) -> tuple[str, ...]:
        """Bring Elasticsearch up to date; return the steps that were done.

        Raises:
            StateError: the cluster is of a newer program, or its history is another one.
            StoreUnavailableError: a store does not answer, or told to stop while another process migrates.
            FencedError: this process was silent for so long that another one took over.
        """
        elastic_schema.refuse_newer_mappings(self._search, self._prefix)
        pending(_CLUSTER, self._in_elasticsearch(), self._steps)
        with leased(self._database, stop) as lease:
            applied = self._in_elasticsearch()
            left = pending(_CLUSTER, applied, self._steps)
            for step in left:
                for action in step.elasticsearch:
                    kind = next(one for one in SEARCHABLE if one.name == action.kind)
                    elastic_schema.extend_mapping(self._search, self._prefix, kind, action.fields)
                lease.check()
                applied[step.id] = step.checksum()
                elastic_schema.write_meta(self._search, self._prefix, {"steps": applied})
            meta = {"steps": applied, _DECLARED: letters(elastic_schema.declared())}
            elastic_schema.ensure_templates(self._search, self._prefix, meta)
        return tuple(step.id for step in left)

    def _in_mongodb(self) -> tuple[dict[str, str], frozenset[str]]:
        """Return checksum by id of the steps the database went through, and which of them it has a record of."""
        with mongo.translated():
            documents = {document["_id"]: document for document in self._database[SCHEMA].find()}
        version = int(documents.get(_STORE, {}).get("version", 0))
        refuse_newer(_DATABASE, version, self._steps)
        # Others keep their version there, too; a step's id begins with its number.
        applied = {identity: str(one.get("checksum")) for identity, one in documents.items() if identity[:1].isdigit()}
        known = frozenset(applied)
        return applied | {step.id: step.checksum() for step in taken_over(applied, version, self._steps)}, known

    def _in_elasticsearch(self) -> dict[str, str]:
        steps = elastic_schema.read_meta(self._search, self._prefix).get("steps", {})
        return {str(identity): str(checksum) for identity, checksum in steps.items()}

    def _loosen(self, left: Sequence[Step]) -> None:
        with mongo.translated():
            existing = set(self._database.list_collection_names())
            for name in sorted({action.collection for step in left for action in step.mongodb} & existing):
                self._database.command("collMod", name, validator={})

    def _add_fields(self, action: AddFields, lease: Lease) -> None:
        collection = self._database[action.collection]
        marker = next(iter(action.fields))
        with mongo.translated():
            some: list[Any] = []
            for document in collection.find({marker: {"$exists": False}}, {"_id": 1}, batch_size=_BATCH):
                some.append(document["_id"])
                if len(some) == _BATCH:
                    lease.check()
                    collection.update_many({"_id": {"$in": some}}, {"$set": action.fields})
                    some = []
            lease.check()
            if some:
                collection.update_many({"_id": {"$in": some}}, {"$set": action.fields})

    def _note(self, step: Step, *, was_taken_over: bool) -> None:
        record = {
            "_id": step.id,
            "checksum": step.checksum(),
            "program": version_of("veilocity"),
            # The name that audits know as a clock of ours.
            "written_ms": time.time_ns() // 1_000_000,
            "taken_over": was_taken_over,
        }
        with mongo.translated():
            self._database[SCHEMA].replace_one({"_id": step.id}, record, upsert=True)
            # Programs of before look at this alone.
            self._database[SCHEMA].update_one({"_id": _STORE}, {"$max": {"version": step.number}}, upsert=True)

    def _note_declared(self) -> None:
        record = {"_id": _DECLARED, "checksum": letters(schema.declared()), "program": version_of("veilocity")}
        with mongo.translated():
            self._database[SCHEMA].replace_one({"_id": _DECLARED}, record, upsert=True)


@contextmanager
def migrating(settings: Settings) -> Iterator[Migrator]:
    """Give a migrator with connections of its own.

    Raises:
        SettingsError: an address of a store cannot be read.
    """
    client = mongo.connect(settings, socket_timeout_ms=_ANSWER_MS)
    search = elastic.connect(settings, request_timeout_s=_ANSWER_MS / 1000)
    try:
        yield Migrator(client[settings.mongodb_database], search, settings.elasticsearch_index_prefix)
    finally:
        client.close()
        search.close()


def prepare_stores(settings: Settings, stop: threading.Event) -> None:
    """Make both stores ready to be written to, waiting for them: bring them up to date, or refuse where that is to be done by hand.

    Raises:
        StateError: a store is of a newer program, its history is another one, or it is not up to date and `storage_migrate` is `manual`.
        StoreUnavailableError: told to stop while waiting.
        FencedError: this process was silent for so long that another one took over.
    """
    with migrating(settings) as migrator:
        if settings.storage_migrate == "manual":
            left = insist("stores", migrator.pending, stop)
            count = sum(map(len, left.values()))
            if count:
                raise StateError(f"the stores lack {count} steps of their schema: run `veilocity storage migrate`, then start again")
            return
        phases: dict[str, Callable[[threading.Event], tuple[str, ...]]] = {
            mongo.MONGODB: migrator.migrate_mongodb,
            elastic.ELASTICSEARCH: migrator.migrate_elasticsearch,
        }
        for store, phase in phases.items():
            for step in insist(store, lambda phase=phase: phase(stop), stop):  # type: ignore[misc]  # mypy cannot infer a default
                _log.info("a step of the stores' schema was done", store=store, step=step)

"""Documents that are older than somebody wants to keep them, deleted from both stores and counted.

MongoDB and Elasticsearch's alerts lose whole days in bounded batches, found by the index on `minute_ms`; Elasticsearch's other kinds lose
whole monthly indices, which costs nothing however full they are, so it keeps a payment for up to a month longer. Only documents of batches
that cannot be repeated go. No TTL index does it: MongoDB would delete uncounted, and nobody could tell that from a loss
(docs/adr/0016).
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import msgspec
from elasticsearch import Elasticsearch, NotFoundError
from pymongo.database import Database

from storage import elastic, mongo
from storage.capabilities import Capabilities, ask_capabilities, lifecycle_policy, policy_name
from storage.elastic_erasure import ElasticEraser
from storage.erasure import Eraser
from storage.expiry import ExpiryCounts
from storage.kinds import ALERTS, PROGRESS, RELEASES, SEARCHABLE, Document, Kind
from storage.mappings import alias, index_name, patterns
from storage.migrations.lease import Lease, leased
from storage.mongo_erasure import MongoEraser
from storage.reading import DAY_MS
from veilocity.eventtime import window_start_ms
from veilocity.settings import Settings

__all__ = ["Retained", "cut_ms", "keep_days", "month_end_ms", "retain"]

_ANSWER_MS = 60_000
_BATCH = 1_000
_MONTH = re.compile(r"-(\d{4})\.(\d{2})$")
_DECEMBER = 12


class Retained(msgspec.Struct, frozen=True):
    """What one run deleted, by store and kind; indices that a lifecycle policy deletes count once they are gone."""

    deleted: dict[str, dict[str, int]]


def keep_days(settings: Settings) -> dict[str, int]:
    """Return for each searchable kind how many days it is kept, 0 for ever."""
    return {kind.name: int(getattr(settings, f"storage_keep_{kind.name}_days")) for kind in SEARCHABLE}


def cut_ms(now_ms: int, days: int) -> int:
    """Return the start of the oldest day that stays, UTC: a day goes when all of it is older than `days`.

    >>> cut_ms(10 * 86_400_000 + 5, 3) // 86_400_000
    7
    """
    return window_start_ms(now_ms - days * DAY_MS, DAY_MS)


def month_end_ms(index: str) -> int | None:
    """Return when the month of an index ends, None for an index that is not cut by month.

    >>> month_end_ms("veilocity-transactions-2026.12") == 1_798_761_600_000, month_end_ms("veilocity-alerts-all")
    (True, None)
    """
    found = _MONTH.search(index)
    if found is None:
        return None
    year, month = int(found[1]), int(found[2])
    following = (year + 1, 1) if month == _DECEMBER else (year, month + 1)
    return round(datetime(*following, 1, tzinfo=UTC).timestamp() * 1000)


def retain(settings: Settings, now_ms: int, stop: threading.Event) -> Retained:
    """Delete what is too old from both stores; finish first what a run before has left.

    Args:
        settings: where the stores are, and how long each kind is kept.
        now_ms: the wall clock: what is too old is so whether events come or not.
        stop: when set, the run ends after the batch it is at.

    Raises:
        SettingsError: an address of a store cannot be read.
        StoreUnavailableError: a store does not answer; what was done stays done.
        FencedError: this process was silent for so long that another one took over.
    """
    days = {name: kept for name, kept in keep_days(settings).items() if kept}
    with ExitStack() as closing:
        client = mongo.connect(settings, socket_timeout_ms=_ANSWER_MS)
        closing.callback(client.close)
        search = elastic.connect(settings, request_timeout_s=_ANSWER_MS / 1000)
        closing.callback(search.close)
        eraser = ElasticEraser(settings)
        closing.callback(eraser.close)
        database: Database[Document] = client[settings.mongodb_database]
        counts = ExpiryCounts(database)
        if not days and not counts.broken_off():
            return Retained({})
        lease = closing.enter_context(leased(database, stop))
        run = _Run(database, search, eraser, settings.elasticsearch_index_prefix, counts, lease, stop)
        run.finish_broken_off()
        run.delete_old({name: cut_ms(now_ms, kept) for name, kept in days.items()})
        return Retained({store: dict(kinds) for store, kinds in run.deleted.items()})


class _Run:
    def __init__(
        self,
        database: Database[Document],
        search: Elasticsearch,
        elastic_eraser: ElasticEraser,
        prefix: str,
        counts: ExpiryCounts,
        lease: Lease,
        stop: threading.Event,
    ) -> None:
        self._database = database
        self._search = search
        self._erasers: dict[str, Eraser] = {mongo.MONGODB: MongoEraser(database), elastic.ELASTICSEARCH: elastic_eraser}
        self._prefix = prefix
        self._counts = counts
        self._lease = lease
        self._stop = stop
        self._can: Capabilities | None = None
        self.deleted: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))

    def finish_broken_off(self) -> None:
        """Delete again by id what was pending, and count indices that are gone."""
        for one in self._counts.broken_off():
            self._lease.check()
            pending = one["pending"]
            if "index" in pending:
                if self._uuid(pending["index"]) == pending["uuid"]:
                    self._retire(next(kind for kind in SEARCHABLE if kind.name == one["kind"]), pending["index"])
                    continue
            else:
                self._erasers[one["store"]].delete(one["kind"], [(name, index) for name, index in pending["ids"]])
            self._finish(one["store"], one["kind"], one["day_ms"], pending)

    def delete_old(self, cuts: Mapping[str, int]) -> None:
        """Delete what lies before each kind's cut, if its batch cannot be repeated any more."""
        with mongo.translated():
            progress = self._database[PROGRESS.name].find_one({"_id": "privacy"})
        if progress is None:
            return
        # Spark may repeat the last batch, and would bring its documents back.
        last_seq = progress["seq"] - 1
        for kind in SEARCHABLE:
            if kind.name not in cuts:
                continue
            self._delete_days(mongo.MONGODB, kind, self._old_in_mongodb, cuts[kind.name], last_seq)
            if kind.monthly:
                for index in self._indices_before(kind, cuts[kind.name]):
                    if self._stop.is_set():
                        return
                    self._retire(kind, index, last_seq)
            else:
                self._delete_days(elastic.ELASTICSEARCH, kind, self._old_in_elasticsearch, cuts[kind.name], last_seq)

    def _delete_days(self, store: str, kind: Kind[Any], old: Any, before_ms: int, last_seq: int) -> None:
        while not self._stop.is_set() and (some := list(old(kind, before_ms, last_seq))):
            days: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
            for identity, index, minute_ms, payments in some:
                days[window_start_ms(minute_ms, DAY_MS)].append((identity, index, payments))
            for day_ms, found in sorted(days.items()):
                self._lease.check()
                ids = [(identity, index) for identity, index, _ in found]
                pending = {"count": len(ids), "payments": sum(payments for *_, payments in found), "ids": [list(one) for one in ids]}
                self._counts.begin(store, kind.name, day_ms, pending)
                self._erasers[store].delete(kind.name, ids)
                self._finish(store, kind.name, day_ms, pending)

    def _old_in_mongodb(self, kind: Kind[Any], before_ms: int, last_seq: int) -> Iterator[tuple[str, str, int, int]]:
        fields = {"minute_ms": 1, "seq": 1, "release.payments": 1}
        with mongo.translated():
            # Some servers read the whole collection for a second condition, so that is looked at here; what a batch that may be repeated
            # holds back is one batch at most, and goes with the next run.
            for one in self._database[kind.name].find({"minute_ms": {"$lt": before_ms}}, fields).limit(_BATCH):
                if one["seq"] <= last_seq:
                    yield str(one["_id"]), "", one["minute_ms"], one.get("release", {}).get("payments", 0)

    def _old_in_elasticsearch(self, kind: Kind[Any], before_ms: int, last_seq: int) -> Iterator[tuple[str, str, int, int]]:
        old = [{"range": {"minute_ms": {"lt": before_ms, "format": "epoch_millis"}}}, {"range": {"seq": {"lte": last_seq}}}]
        name = alias(self._prefix, kind)
        with elastic.translated():
            self._search.indices.refresh(index=name, ignore_unavailable=True)
            answer = self._search.search(
                index=name, query={"bool": {"filter": old}}, size=_BATCH, source={"includes": ["minute_ms"]}, ignore_unavailable=True
            )
        for hit in answer["hits"]["hits"]:
            yield hit["_id"], hit["_index"], int(hit["_source"]["minute_ms"]), 0

    def _indices_before(self, kind: Kind[Any], before_ms: int) -> list[str]:
        with elastic.translated():
            names = self._search.indices.get(index=patterns(self._prefix, kind), allow_no_indices=True, features="settings")
        ends = {name: month_end_ms(name) for name in names}
        return sorted(name for name, end_ms in ends.items() if end_ms is not None and end_ms <= before_ms)

    def _retire(self, kind: Kind[Any], index: str, last_seq: int | None = None) -> None:
        """Count an index by day, then delete it whole; nothing is written into it from before it is counted."""
        self._lease.check()
        if index != index_name(self._prefix, kind, index[-len("2026.11") :]):
            return
        uuid = self._uuid(index)
        with elastic.translated():
            self._search.indices.add_block(index=index, block="write")
            self._search.indices.refresh(index=index)
            days, newest_seq = self._days_of(kind, index)
            if last_seq is not None and newest_seq > last_seq:
                self._search.indices.put_settings(index=index, settings={"index.blocks.write": False})
                return
        for day_ms, pending in days.items():
            self._counts.begin(elastic.ELASTICSEARCH, kind.name, day_ms, pending | {"index": index, "uuid": uuid})
        if self._can is None:
            self._can = ask_capabilities(self._search)
        if self._can.lifecycle:
            self._give_to_policy(index)
            return
        with elastic.translated():
            self._search.indices.delete(index=index, ignore_unavailable=True)
        for day_ms, pending in days.items():
            self._finish(elastic.ELASTICSEARCH, kind.name, day_ms, pending)

    def _days_of(self, kind: Kind[Any], index: str) -> tuple[dict[int, Document], int]:
        """Return what an index holds by day, and the newest batch in it."""
        days: Document = {"date_histogram": {"field": "minute_ms", "fixed_interval": "1d", "min_doc_count": 1}}
        if kind.name == RELEASES.name:
            days["aggs"] = {"payments": {"sum": {"field": "release.payments"}}}
        answer = self._search.search(index=index, size=0, aggs={"days": days, "newest": {"max": {"field": "seq"}}})
        told = answer["aggregations"]
        found = {
            int(bucket["key"]): {"count": int(bucket["doc_count"]), "payments": int(bucket.get("payments", {}).get("value", 0))}
            for bucket in told["days"]["buckets"]
        }
        return found, int(told["newest"]["value"] or 0)

    def _give_to_policy(self, index: str) -> None:
        """Let the cluster delete the index; it counts as gone at the first run that does not find it any more."""
        name = policy_name(self._prefix)
        with elastic.translated():
            try:
                self._search.ilm.get_lifecycle(name=name)
            except NotFoundError:
                self._search.ilm.put_lifecycle(name=name, policy=lifecycle_policy())
            self._search.indices.put_settings(index=index, settings={"index.lifecycle.name": name})

    def _uuid(self, index: str) -> str | None:
        with elastic.translated():
            try:
                return str(self._search.indices.get_settings(index=index)[index]["settings"]["index"]["uuid"])
            except NotFoundError:
                return None

    def _finish(self, store: str, kind: str, day_ms: int, pending: Document) -> None:
        self._counts.finish(store, kind, day_ms, pending)
        self.deleted[store][kind] += pending["count"]


assert not ALERTS.monthly, "alerts move between months when they are amended, so they are deleted by id"  # noqa: S101  # a slip of ours, at import

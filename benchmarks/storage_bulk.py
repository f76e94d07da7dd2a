"""How fast the writers are beside the clients that they use: the same documents, servers, safety and chunk sizes, in turns, in one run.

The writers convert records, compare versions, and judge every answer; the clients are given finished documents and only send them. Run it
with `make bench-storage`.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import msgspec
from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk, streaming_bulk
from pymongo import MongoClient

from benchmarks.figures import Figure, write
from benchmarks.storage_documents import BatchPlan, batch
from devstack import Stack
from devstack.environment import changed
from storage.documents import MaskedBatch
from storage.elastic import ELASTICSEARCH, ElasticStore
from storage.kinds import ALERTS, POSITIONS, TRANSACTIONS, Document, Kind, month, to_document
from storage.mappings import index_name
from storage.migrations import prepare_stores
from storage.mongo import MONGODB, MongoStore
from veilocity import settings as kernel_settings
from veilocity.settings import Settings

ROUNDS = 5
BATCHES = {MONGODB: 2, ELASTICSEARCH: 6}
"""In every round; one store is faster than the other."""
PLAN = BatchPlan(payments=2_000, alerts=100, people=0, releases=0)
LIVE = BatchPlan(payments=450, alerts=10, people=400, releases=0, batches_per_minute=20)
"""A micro-batch of three seconds at 1,500 events a second, of people whose phones tell ten places at once."""
LIVE_BATCHES = 20
_MONGODB_CHUNK = 2_000
_ELASTIC_CHUNK, _ELASTIC_BYTES = 1_000, 4 * 1024 * 1024
_THREADS = 4
"""What `parallel_bulk` takes by itself."""

Timed = tuple[float, int]
"""Seconds, and documents written in them."""


def _settings_of(settings: Settings, name: str) -> Settings:
    """Return settings with collections and indices of their own, which are made."""
    own = changed(settings, mongodb_database=name, elasticsearch_index_prefix=name)
    prepare_stores(own, threading.Event())
    return own


def _alone(one: MaskedBatch) -> MaskedBatch:
    """Return payments and new alerts alone: what a bulk interface can do."""
    alerts = tuple(alert for alert in one.alerts if alert.revision == 1)
    return msgspec.structs.replace(one, amendments=(), alerts=alerts, releases=(), groups=(), aggregates=(), sample=None, sketches=None)


def _round(number: int, store: str) -> list[MaskedBatch]:
    count = BATCHES[store]
    return [_alone(batch(PLAN, number * count + place, store)) for place in range(count)]


def _documents(batches: list[MaskedBatch]) -> list[tuple[Kind[Any], list[Document]]]:
    work: list[tuple[Kind[Any], list[Document]]] = []
    for one in batches:
        work.append((TRANSACTIONS, [to_document(TRANSACTIONS, record) for record in one.transactions]))
        work.append((ALERTS, [to_document(ALERTS, record) for record in one.alerts]))
    return work


def _timed(work: Callable[[], int]) -> Timed:
    began_s = perf_counter()
    count = work()
    return perf_counter() - began_s, count


def _by_writer(store: MongoStore | ElasticStore, batches: list[MaskedBatch]) -> int:
    for one in batches:
        if store.write(one):
            raise SystemExit("a document was refused")
    return sum(len(one.transactions) + len(one.alerts) for one in batches)


def _by_pymongo(client: MongoClient[Document], name: str, work: list[tuple[Kind[Any], list[Document]]]) -> int:
    for kind, documents in work:
        for start in range(0, len(documents), _MONGODB_CHUNK):
            client[name][kind.name].insert_many(documents[start : start + _MONGODB_CHUNK], ordered=False)
    return sum(len(documents) for _, documents in work)


def _actions(prefix: str, work: list[tuple[Kind[Any], list[Document]]]) -> Iterator[Document]:
    for kind, documents in work:
        for document in documents:
            source = {name: value for name, value in document.items() if name != "_id" and name not in kind.unsearched}
            where = index_name(prefix, kind, month(document["minute_ms"]))
            yield {
                "_op_type": "index",
                "_index": where,
                "_id": document["_id"],
                "version": 1,
                "version_type": "external",
                "_source": source,
            }


def _by_helper(client: Elasticsearch, actions: list[Document], *, parallel: bool) -> int:
    if parallel:
        done = parallel_bulk(client, actions, _THREADS, chunk_size=_ELASTIC_CHUNK, max_chunk_bytes=_ELASTIC_BYTES, raise_on_error=False)
    else:
        done = streaming_bulk(client, actions, chunk_size=_ELASTIC_CHUNK, max_chunk_bytes=_ELASTIC_BYTES, raise_on_error=False)
    written = sum(good for good, _ in done)
    if written != len(actions):
        raise SystemExit("a document was refused")
    return written


def _in_turns(rounds: int, ways: dict[str, Callable[[int], Timed]]) -> dict[str, list[float]]:
    """Return documents a second by way and round, the first round left out; who begins changes from round to round."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            seconds, count = ways[name](number)
            if number:
                rates[name].append(count / seconds)
        print(f"round {number}: " + ", ".join(f"{name} {rates[name][-1]:,.0f}/s" for name in names if rates[name]), flush=True)
    return rates


def _mongodb(settings: Settings, rounds: int) -> list[Figure]:
    ours, raw = _settings_of(settings, "bulk_ours"), _settings_of(settings, "bulk_raw")
    store = MongoStore(ours)
    client: MongoClient[Document] = MongoClient(raw.mongodb_uri.get_secret_value())

    def by_writer(number: int) -> Timed:
        batches = _round(number, MONGODB)
        return _timed(lambda: _by_writer(store, batches))

    def by_client(number: int) -> Timed:
        work = _documents(_round(number, MONGODB))
        return _timed(lambda: _by_pymongo(client, raw.mongodb_database, work))

    rates = _in_turns(rounds, {"writer": by_writer, "pymongo": by_client})
    store.close()
    client.close()
    return _figures("mongo", rates, "pymongo")


def _elasticsearch(settings: Settings, rounds: int) -> list[Figure]:
    names = ("bulk-ours", "bulk-raw", "bulk-parallel")
    ours, raw, parallel = (_settings_of(settings, name) for name in names)
    store = ElasticStore(ours)
    client = Elasticsearch(settings.elasticsearch_url, request_timeout=30.0, max_retries=0)

    def by_writer(number: int) -> Timed:
        batches = _round(number, ELASTICSEARCH)
        return _timed(lambda: _by_writer(store, batches))

    def by_helper(number: int, own: Settings, *, parallel: bool) -> Timed:
        actions = list(_actions(own.elasticsearch_index_prefix, _documents(_round(number, ELASTICSEARCH))))
        return _timed(lambda: _by_helper(client, actions, parallel=parallel))

    ways = {
        "writer": by_writer,
        "streaming_bulk": lambda number: by_helper(number, raw, parallel=False),
        "parallel_bulk": lambda number: by_helper(number, parallel, parallel=True),
    }
    rates = _in_turns(rounds, ways)
    store.close()
    client.close()
    # Like the writer, `streaming_bulk` has one chunk on its way; the other one has four.
    return [*_figures("elastic", rates, "streaming_bulk"), _ratio("elastic.bulk_ratio_to_four_at_once", rates, "parallel_bulk", "")]


def _figures(name: str, rates: dict[str, list[float]], peer: str) -> list[Figure]:
    return [_ratio(f"{name}.bulk_ratio_to_raw", rates, peer, ">= 0.8")] + [
        Figure(f"{name}.{way}_docs_per_s", round(median(found), 1), "docs/s", "") for way, found in rates.items()
    ]


def _ratio(figure: str, rates: dict[str, list[float]], peer: str, target: str) -> Figure:
    ratio = round(median(mine / other for mine, other in zip(rates["writer"], rates[peer], strict=True)), 3)
    return Figure(figure, ratio, "ratio", target, peer, ratio)


def _live(settings: Settings, batches: int) -> list[Figure]:
    """Measure what a micro-batch of the live stream costs, and its positions alone."""
    own = _settings_of(settings, "bulk_live")
    stores: dict[str, MongoStore | ElasticStore] = {MONGODB: MongoStore(own), ELASTICSEARCH: ElasticStore(own)}
    whole: dict[str, list[float]] = {name: [] for name in stores}
    positions: list[float] = []
    for seq in range(batches):
        for name, store in stores.items():
            one = batch(LIVE, seq, name)
            moved = msgspec.structs.replace(_alone(one), transactions=(), alerts=())
            seconds = _timed(lambda one=one, store=store: len(store.write(msgspec.structs.replace(one, positions=()))))[0]  # type: ignore[misc]  # defaults
            if name == MONGODB:
                positions.append(_timed(lambda moved=moved, store=store: len(store.write(moved)))[0])  # type: ignore[misc]  # defaults
                seconds += positions[-1]
            whole[name].append(seconds)
    for store in stores.values():
        store.close()
    figures = [Figure(f"{name}.micro_batch_ms", round(1000 * median(found[5:]), 1), "ms", "") for name, found in whole.items()]
    return [*figures, Figure(f"mongodb.{POSITIONS.name}_ms", round(1000 * median(positions[5:]), 1), "ms", "")]


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=("mongodb", "elasticsearch", "live"), help="one part, and keep nothing")
    options = parser.parse_args()
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="veilocity-bulk-") as folder,
        Stack(kernel_settings.load({}, state_dir=Path(folder)), servers=(MONGODB, ELASTICSEARCH), services=()) as stack,
    ):
        if options.only in (None, "mongodb"):
            figures += _mongodb(stack.settings, options.rounds)
        if options.only in (None, "elasticsearch"):
            figures += _elasticsearch(stack.settings, options.rounds)
        if options.only in (None, "live"):
            figures += _live(stack.settings, LIVE_BATCHES)
    if options.only is None:
        write("storage_bulk", figures, ("pymongo", "elasticsearch"))
        return
    for figure in figures:
        print(f"{figure.figure:40} {figure.value:12,.3f} {figure.unit}")


if __name__ == "__main__":
    main()

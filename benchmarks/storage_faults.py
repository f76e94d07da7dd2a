"""What both stores hold after everything that can go wrong has gone wrong while they were written to: nothing lost, nothing doubled.

A writer in a process of its own is given records at a steady rate, through a proxy to each real store. Meanwhile each store is stopped for
a while, each is killed, the writer is killed, the disks are full, the stores are busy, slow, narrow, and break connections when the work is
done. At the end each store is compared with what it must hold, document by document, and both with each other by
`veilocity storage verify`'s own code. Run it with `make soak-storage`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from benchmarks.figures import Figure, write
from benchmarks.storage_documents import BatchPlan, expected
from benchmarks.storage_faults_feeder import Order
from devstack import Stack
from storage.allowances import Allowances
from storage.elastic import ELASTICSEARCH
from storage.kinds import DEAD_LETTERS, KINDS, PROGRESS, SEARCHABLE, TRANSACTIONS, Document
from storage.mappings import alias
from storage.mongo import MONGODB
from storage.reading import ElasticPages, MongoPages, Pages
from storage.verify import verify
from tests.integration.slow_proxy import SlowProxy, Weather
from veilocity import settings as kernel_settings

__all__ = ["Findings", "Trial", "Verdict"]

_LOOK_S = 0.05
_SILENCE_S = 2.0
_ONE_BLOCK = 4_096
_LAST_BATCHES = 10
_PATIENCE_S = 240.0
_NO_ROOM, _NO_PRIMARY, _TOO_MANY, _UNAVAILABLE = 14031, 10107, 429, 503
_FLOODED = "index.blocks.read_only_allow_delete"


class Findings(msgspec.Struct):
    """What one store holds against what it must hold."""

    documents: int
    lost: int
    """Documents that are not there, or in an older state."""
    doubled: int
    """Documents that are there and should not be, or twice."""
    where: dict[str, int]
    """How many were lost of which kind and batch: the faults are told with their batches."""


class Verdict(msgspec.Struct):
    """What a trial came to."""

    seconds: float
    records: int
    faults: dict[str, int]
    """What went wrong, and how often."""
    stores: dict[str, Findings]
    dead_letters: int
    differences: int
    """Found by the proof that both stores are equal."""

    @property
    def lost(self) -> int:
        """In both stores together."""
        return sum(one.lost for one in self.stores.values())

    @property
    def doubled(self) -> int:
        """In both stores together."""
        return sum(one.doubled for one in self.stores.values())

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.dead_letters or self.differences)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of it."""

    batches: int
    """At least; they go on until everything has gone wrong."""
    interval_s: float
    plan: BatchPlan
    outage_s: float
    """How long a stopped store stays down."""
    slow_s: float


SHORT = Scale(batches=40, interval_s=0.25, plan=BatchPlan(payments=60, alerts=5, people=30, releases=2), outage_s=1.0, slow_s=1.0)
LONG = Scale(batches=125, interval_s=0.48, plan=BatchPlan(), outage_s=25.0, slow_s=10.0)


class Trial:
    """One run on a stack of its own."""

    def __init__(self, stack: Stack, scale: Scale, seed: int = 1) -> None:
        """Nothing is written yet."""
        self._stack, self._scale = stack, scale
        self._settings = stack.settings
        addresses = {MONGODB: self._settings.mongodb_uri.get_secret_value(), ELASTICSEARCH: self._settings.elasticsearch_url}
        self.proxies = {store: SlowProxy(address, seed) for store, address in addresses.items()}
        self.prefix = self._settings.elasticsearch_index_prefix
        self._open = ExitStack()
        self._kills = 0
        self._reached = -1
        self._enough = stack.folders.run / "enough"
        self.batches = 0
        """Written in all, known at the end."""

    def __enter__(self) -> Self:
        for proxy in self.proxies.values():
            self._open.enter_context(proxy)
        self._client: MongoClient[Document] = self._open.enter_context(MongoClient(self._settings.mongodb_uri.get_secret_value()))
        self.database = self._client[self._settings.mongodb_database]
        self.search = self._open.enter_context(Elasticsearch(self._settings.elasticsearch_url, max_retries=0))
        given = {
            "mongodb_uri": self.proxies[MONGODB].address,
            "elasticsearch_url": self.proxies[ELASTICSEARCH].address,
            "mongodb_database": self._settings.mongodb_database,
            "elasticsearch_index_prefix": self.prefix,
            "state_dir": str(self._settings.state_dir),
        }
        self._began_s = time.monotonic()
        self._order = Order(given, self._scale.plan, str(self._enough), self._scale.interval_s, time.time())
        self._feeder = self._feed()
        return self

    def __exit__(self, *_: object) -> None:
        self._feeder.kill()
        self._feeder.wait()
        self._open.close()

    def run(self, faults: dict[str, Callable[[Trial], None]]) -> Verdict:
        """Do one thing after the other, each when the writer has got over the one before; then judge."""
        for name, fault in faults.items():
            self._recovered()
            print(f"{time.monotonic() - self._began_s:6.1f} s, batch {self.reached()}: {name}", flush=True)
            fault(self)
            self.calm()
        self._recovered()
        self.batches = max(self._scale.batches, self.reached() + _LAST_BATCHES)
        whole = self._enough.with_suffix(".new")
        whole.write_text(str(self.batches), encoding="utf-8")
        whole.rename(self._enough)
        self._wait(lambda: self._feeder.poll() is not None, "the writer has written everything")
        if self._feeder.returncode:
            raise SystemExit(f"the writer ended with {self._feeder.returncode}")
        return self.judge()

    def reached(self) -> int:
        """Return the last complete batch, -1 before the first; what it was last while MongoDB does not answer."""
        with suppress(PyMongoError):
            progress = self.database[PROGRESS.name].find_one()
            self._reached = int(progress["seq"]) if progress else -1
        return self._reached

    def stop(self, store: str) -> None:
        """Stop a store as an operator does, and start it after the outage."""
        self._while_down(store, self._stack.end, self._scale.outage_s)

    def kill(self, store: str) -> None:
        """Kill a store and start it again."""
        self._while_down(store, self._stack.kill, 0.0)

    def kill_writer(self) -> None:
        """Kill the writer in the middle of a batch and start another one."""
        self._feeder.kill()
        self._feeder.wait()
        self._kills += 1
        self._feeder = self._feed()

    def refuse(self, store: str, code: int) -> None:
        """Let a store say something other than yes for a while."""
        self.proxies[store].weather = Weather(refuses=code)
        self._see(store, "refused", 4)

    def slow(self) -> None:
        """Make both slow and narrow, with connections that break before the answer is whole."""
        seen = {store: proxy.seen["cut"] for store, proxy in self.proxies.items()}
        for proxy in self.proxies.values():
            proxy.weather = Weather(delay_s=0.1, bytes_per_s=400_000.0, cut_share=0.1)
        time.sleep(self._scale.slow_s)  # the length of the fault itself
        for store, proxy in self.proxies.items():
            self._wait(lambda proxy=proxy, store=store: proxy.seen["cut"] >= seen[store] + 2, f"{store} breaks connections")  # type: ignore[misc]  # defaults

    def flood(self) -> None:
        """Let Elasticsearch believe that its disk is full, by its own watermarks, until it has closed its indices to writing."""
        wanted: dict[str, Any] = {"cluster.routing.allocation.disk.threshold_enabled": True, "cluster.info.update.interval": "10s"}
        wanted |= {f"cluster.routing.allocation.disk.watermark.{stage}": "1000000gb" for stage in ("low", "high", "flood_stage")}
        self.search.cluster.put_settings(persistent=wanted)
        self._wait(self._is_flooded, "Elasticsearch's disk counts as full")
        self._wait_for_silence()
        self.search.cluster.put_settings(persistent=dict.fromkeys(wanted))
        self.search.cluster.put_settings(persistent={"cluster.routing.allocation.disk.threshold_enabled": False})
        self._wait(lambda: not self._is_flooded(), "Elasticsearch has opened its indices")

    def fill(self) -> None:
        """Let no file of MongoDB be written to, as on a full disk, until the writer waits; then make room, and start it again."""
        processes = self._processes(MONGODB)
        for process in processes:
            process.rlimit(psutil.RLIMIT_FSIZE, (_ONE_BLOCK, resource.RLIM_INFINITY))
        self._wait_for_silence()
        self._stack.restart(MONGODB)

    def calm(self) -> None:
        """End what the proxies do."""
        for proxy in self.proxies.values():
            proxy.weather = Weather()

    def judge(self) -> Verdict:
        """Compare each store with what it must hold, and both with each other."""
        pages: list[Pages] = [MongoPages(self.database), ElasticPages(self.search, self.prefix)]
        proof = verify(pages, self.reached, Allowances(), time.sleep)
        seen = {f"{what} ({store})": count for store, proxy in self.proxies.items() for what, count in sorted(proxy.seen.items())}
        return Verdict(
            seconds=time.monotonic() - self._began_s,
            records=self._scale.plan.records * self.batches,
            faults={"writer killed": self._kills, **seen},
            stores={
                MONGODB: self._compared(MONGODB, self._in_mongodb()),
                ELASTICSEARCH: self._compared(ELASTICSEARCH, self._in_elasticsearch()),
            },
            dead_letters=self.database[DEAD_LETTERS].count_documents({}),
            differences=proof.difference_count + proof.in_flight,
        )

    def _compared(self, store: str, held: Iterator[tuple[str, Document]]) -> Findings:
        wanted = expected(self._scale.plan, self.batches, store)
        documents = doubled = 0
        for kind, document in held:
            documents += 1
            # Found ones are struck out, so a second one is one too many.
            if wanted[kind].get(document["_id"]) == document:
                del wanted[kind][document["_id"]]
            elif document["_id"] not in wanted[kind]:
                doubled += 1
        kinds = KINDS if store == MONGODB else SEARCHABLE
        missing = [(kind.name, document) for kind in kinds for document in wanted[kind.name].values()]
        where = Counter(f"{name} of batch {document.get('seq')}" for name, document in missing)
        return Findings(documents, len(missing), doubled, dict(where))

    def _in_mongodb(self) -> Iterator[tuple[str, Document]]:
        for kind in KINDS:
            for document in self.database[kind.name].find():
                yield kind.name, document

    def _in_elasticsearch(self) -> Iterator[tuple[str, Document]]:
        for kind in SEARCHABLE:
            name = alias(self.prefix, kind)
            self.search.indices.refresh(index=name, ignore_unavailable=True)
            for hit in scan(self.search, index=name, ignore_unavailable=True):
                yield kind.name, {"_id": hit["_id"], **hit["_source"]}

    def _feed(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "benchmarks.storage_faults_feeder", msgspec.json.encode(self._order).decode()])

    def _while_down(self, store: str, end: Callable[[str], None], outage_s: float) -> None:
        before = self.proxies[store].seen["unreachable"]
        end(store)
        time.sleep(outage_s)  # the length of the fault itself
        self._wait(lambda: self.proxies[store].seen["unreachable"] >= before + 3, f"{store} is asked in vain")
        self._stack.restart(store)

    def _see(self, store: str, what: str, count: int) -> None:
        before = self.proxies[store].seen[what]
        self._wait(lambda: self.proxies[store].seen[what] >= before + count, f"{store} {what}")

    def _wait_for_silence(self) -> None:
        """Return when no batch has been completed for several times as long as one takes."""
        held, since_s = self.reached(), time.monotonic()
        deadline = since_s + _PATIENCE_S
        while time.monotonic() < since_s + _SILENCE_S:
            if self.reached() != held:
                held, since_s = self.reached(), time.monotonic()
            if time.monotonic() > deadline:
                raise SystemExit("the writer never waits")
            time.sleep(_LOOK_S)

    def _processes(self, store: str) -> list[psutil.Process]:
        leader = psutil.Process(self._stack.pid(store))
        return [leader, *leader.children(recursive=True)]

    def _is_flooded(self) -> bool:
        name = f"{alias(self.prefix, TRANSACTIONS)}-*"
        answers = self.search.indices.get_settings(index=name, name=_FLOODED, flat_settings=True)
        return any(answer["settings"].get(_FLOODED) == "true" for answer in answers.values())

    def _recovered(self) -> None:
        """Return when batches are being completed."""
        start = self.reached()
        self._wait(lambda: self.reached() >= start + 2, "batches are completed")

    def _wait(self, ask: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not ask():
            if time.monotonic() > deadline:
                raise SystemExit(f"never: {what}")
            if self._feeder.poll():
                raise SystemExit(f"the writer ended with {self._feeder.returncode}")
            time.sleep(_LOOK_S)


ALL: dict[str, Callable[[Trial], None]] = {
    "MongoDB is killed": lambda trial: trial.kill(MONGODB),
    "Elasticsearch is killed": lambda trial: trial.kill(ELASTICSEARCH),
    "the writer is killed": Trial.kill_writer,
    "both are slow, and break connections before the answer": Trial.slow,
    "MongoDB has no room": lambda trial: trial.refuse(MONGODB, _NO_ROOM),
    "MongoDB's disk is full": Trial.fill,
    "Elasticsearch's disk is full": Trial.flood,
    "MongoDB has no primary": lambda trial: trial.refuse(MONGODB, _NO_PRIMARY),
    "Elasticsearch has too much to do": lambda trial: trial.refuse(ELASTICSEARCH, _TOO_MANY),
    "Elasticsearch is not available": lambda trial: trial.refuse(ELASTICSEARCH, _UNAVAILABLE),
    "MongoDB is stopped for a while": lambda trial: trial.stop(MONGODB),
    "Elasticsearch is stopped for a while": lambda trial: trial.stop(ELASTICSEARCH),
}
"""Everything that can be done to them, in this order."""


@contextmanager
def own_stack(folder: Path) -> Iterator[Stack]:
    """Give both stores, for nobody else: they are killed."""
    with Stack(kernel_settings.load({}, state_dir=folder), servers=(MONGODB, ELASTICSEARCH), services=()) as stack:
        yield stack


def main() -> int:
    """Run the long form; return 0 when nothing was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="the form that is among the tests")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    scale = SHORT if options.short else LONG
    with tempfile.TemporaryDirectory(prefix="veilocity-faults-") as folder, own_stack(Path(folder)) as stack:
        with Trial(stack, scale, options.seed) as trial:
            verdict = trial.run(ALL)
    print(msgspec.json.format(msgspec.json.encode(verdict)).decode())
    if not options.short:
        write("storage_faults", figures(verdict), ("pymongo", "elasticsearch"))
    return 0 if verdict.passed else 1


def figures(verdict: Verdict) -> list[Figure]:
    """Return what is kept of a trial."""
    return [
        Figure("faults.lost", verdict.lost, "documents", "<= 0"),
        Figure("faults.doubled", verdict.doubled, "documents", "<= 0"),
        Figure("faults.dead_letters", verdict.dead_letters, "documents", "<= 0"),
        Figure("faults.differences", verdict.differences, "documents", "<= 0"),
        Figure("faults.records", verdict.records, "records", ">= 60000"),
        Figure("faults.events", sum(verdict.faults.values()), "faults", ""),
        Figure("faults.duration_s", round(verdict.seconds, 1), "s", ""),
    ]


if __name__ == "__main__":
    raise SystemExit(main())

"""Input of the privacy stage drawn from a seed, the stage as a process on it, and what the stores hold afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer
from elasticsearch import Elasticsearch
from pymongo import MongoClient

from devstack.environment import base
from devstack.services import service
from privacy.heartbeat import read_positions
from storage.documents import Progress
from storage.queries import Reader
from veilocity.contracts import (
    Alert,
    AlertState,
    CardId,
    Channel,
    Check,
    Decision,
    DeviceId,
    Episode,
    Fix,
    Observation,
    ObservationKind,
    Severity,
    SubjectId,
    Transaction,
    TravelLimits,
    UserId,
    Verdict,
    encode,
)
from veilocity.geo import Interval
from veilocity.kafka import end_offsets, producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import ALERTS, DECISIONS, FIXES, HEARTBEATS

PEOPLE = 60
PAYMENTS = 1_500
FIX_COUNT = 3_000
ALERT_COUNT = 20
BAD_DECISIONS = 4
ANSWERED_ANEW = 15
"""Every so many payments are answered again."""
AMENDMENTS = PAYMENTS // ANSWERED_ANEW
START_MS = 1_790_000_000_000 // 3_600_000 * 3_600_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
WAIT_S = 240.0


def until(met: Callable[[], bool], running: subprocess.Popen[bytes], news: Callable[[], object] = lambda: None) -> None:
    """Return once `met`; give up when nothing was new for long, however slow the machine is."""
    known, deadline = news(), time.monotonic() + WAIT_S
    while not met():
        assert running.poll() is None, "the stage ended by itself"
        assert time.monotonic() < deadline, "waited in vain"
        if (heard := news()) != known:
            known, deadline = heard, time.monotonic() + WAIT_S
        time.sleep(0.05)


class World:
    """The input, drawn once from a seed, and what an auditor knows of it."""

    def __init__(self) -> None:
        self.dice = random.Random(41)  # noqa: S311  # a seeded test, nothing secret
        self.homes = [(51.5 + self.dice.gauss(0, 0.04), -0.12 + self.dice.gauss(0, 0.06)) for _ in range(PEOPLE)]
        self.decisions = [self._decision(number) for number in range(PAYMENTS)]
        self.amended = [
            msgspec.structs.replace(one, verdict=Verdict.NOT_SCORABLE, score=0.25, reasons=("later",), alert_id=None, revision=2)
            for one in self.decisions[::ANSWERED_ANEW]
        ]
        self.fixes = [self._fix(number) for number in range(FIX_COUNT)]
        self.alerts = [self._alert(number, revision) for number in range(ALERT_COUNT) for revision in (1, 2, 3)]

    def _decision(self, number: int) -> Decision:
        person = self.dice.randrange(PEOPLE)
        lat, lon = (home + self.dice.gauss(0, 0.01) for home in self.homes[person])
        # Ten hours of payments; every fiftieth comes three hours late.
        event_ms = START_MS + number * 10 * HOUR_MS // PAYMENTS + 123 - (3 * HOUR_MS if number % 50 == 49 else 0)
        online = number % 7 == 0
        payment = Transaction(
            id=f"PAYMENT-{number:06d}",
            subject=SubjectId(f"PERSON-{person:04d}"),
            authorised_ms=event_ms,
            received_ms=event_ms,
            amount_minor=self.dice.randrange(100, 20_000),
            currency="GBP",
            merchant=f"shop-{self.dice.randrange(9)}",
            category=self.dice.choice(["groceries", "cafe", "online"]),
            channel=Channel.ECOMMERCE if online else Channel.CARD_PRESENT,
            card=CardId(f"45391488{person:08d}"),
            device=DeviceId(f"DEVICE-{person:04d}"),
            user=UserId(f"USER-{person:04d}@example.org"),
            lat=None if online else lat,
            lon=None if online else lon,
        )
        verdict = Verdict.FLAGGED if number % 40 == 0 else Verdict.CLEAR
        return Decision(payment, verdict, 0.5, ("reason",), {"rule": "1"}, alert_id=f"ALERT-{number:06d}" if number % 40 == 0 else None)

    def _fix(self, number: int) -> Fix:
        person = number % PEOPLE
        lat, lon = (home + self.dice.gauss(0, 0.01) for home in self.homes[person])
        return Fix(
            subject=SubjectId(f"PERSON-{person:04d}"),
            device=DeviceId(f"DEVICE-{person:04d}"),
            source="sensor-logger",
            fix_ns=(START_MS + number * 10 * HOUR_MS // FIX_COUNT) * 1_000_000 + 456_789,
            received_ms=START_MS,
            lat=lat,
            lon=lon,
            accuracy_m=12.5,
        )

    def _alert(self, number: int, revision: int) -> Alert:
        person = number % PEOPLE
        lat, lon = self.homes[person]
        end = Observation(ObservationKind.FIX, f"DEVICE-{person:04d}@{number}", START_MS * 1_000_000 + 777_777, lat, lon, 31.5)
        return Alert(
            id=f"ALERT-{number * 40:06d}",
            rule="impossible-travel",
            rule_version="1",
            severity=Severity.HIGH,
            state=AlertState.OPEN if revision == 1 else AlertState.AMENDED,
            revision=revision,
            subject=SubjectId(f"PERSON-{person:04d}"),
            anchor=end.id,
            cause="impossible_travel",
            score=0.9,
            first=end,
            second=end,
            distance_m=Interval(4_980_123.0, 5_012_345.0, 5_040_456.0),
            elapsed_s=2_461.0,
            speed_kmh=Interval(7_189.0, 7_334.6, 7_401.0),
            probability=0.001,
            parameters=msgspec.to_builtins(TravelLimits()),
            facts={},
            fine_with_s=17_899.0,
            sentence="exact",
            checks=(Check("same-place", applied=False),),
            episode=Episode(START_MS, START_MS, 1, (end.id,)),
            received_ms=START_MS,
        )

    def raw_texts(self) -> set[str]:
        """Return texts of which none may be anywhere after this stage."""
        texts = {"PAYMENT-", "PERSON-", "DEVICE-", "USER-", "example.org", "ALERT-", "45391488"}
        places = [(one.transaction.lat, one.transaction.lon) for one in self.decisions] + [(fix.lat, fix.lon) for fix in self.fixes]
        # Eight digits after the point are an exact place; a cell's centre is told with five.
        texts |= {f"{coordinate:.8f}" for place in places for coordinate in place if coordinate is not None}
        return texts


def feed(settings: Settings, world: World, start: float, end: float) -> None:
    """Write a share of the input, as transactions would, with an aborted one of the same ids between: nobody may ever see that."""
    producer = Producer(producer_config(settings, **{"transactional.id": f"{settings.kafka_topic_prefix}feed"}))
    producer.init_transactions()
    for committed in (False, True):
        producer.begin_transaction()
        # The same shares of both keep an amendment behind its payment.
        for topic, records in ((DECISIONS, world.decisions), (DECISIONS, world.amended), (FIXES, world.fixes), (ALERTS, world.alerts)):
            for record in records[int(len(records) * start) : int(len(records) * end)]:
                subject = record.transaction.subject if isinstance(record, Decision) else record.subject
                producer.produce(topic_name(settings, topic), encode(record), subject)
        if start == 0.0:
            for _ in range(BAD_DECISIONS):
                producer.produce(topic_name(settings, DECISIONS), b'{"transaction": "PERSON-0001"}', "PERSON-0001")
        if committed:
            producer.commit_transaction()
        else:
            producer.flush()
            producer.abort_transaction()


@contextmanager
def running_stage(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    specification = service("privacy", settings, base(os.environ))
    with log.open("ab") as stream:
        process = subprocess.Popen(specification.argv, env=dict(specification.environment), stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def stopped(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def progress(reader: Reader) -> Progress:
    return reader.progress() or Progress("privacy", 0)


def passed(reader: Reader, seq: int) -> bool:
    return progress(reader).seq >= seq


def read_all(reader: Reader) -> bool:
    done = progress(reader)
    return (done.decisions, done.fixes, done.alert_revisions) == (PAYMENTS + AMENDMENTS + BAD_DECISIONS, FIX_COUNT, 3 * ALERT_COUNT)


def dumped(settings: Settings) -> dict[str, Any]:
    """Return every document of both stores, without the wall clock."""
    found: dict[str, Any] = {}
    with MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        database = client[settings.mongodb_database]
        for name in database.list_collection_names():
            for document in database[name].find():
                document.pop("written_ms", None)
                found[f"mongodb/{name}/{document['_id']}"] = document
    with Elasticsearch(settings.elasticsearch_url) as search:
        pattern = f"{settings.elasticsearch_index_prefix}*"
        search.indices.refresh(index=pattern)
        for index in search.indices.get(index=pattern):
            for hit in search.search(index=index, size=10_000)["hits"]["hits"]:
                found[f"elasticsearch/{index}/{hit['_id']}"] = hit["_source"]
    return found


def of_kind(documents: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    return [document for key, document in documents.items() if key.startswith(prefix)]


def take_back_last_commit(settings: Settings) -> int:
    """Make Spark repeat its last micro-batch; return its number."""
    commits = settings.privacy_dir / "checkpoint" / "commits"
    last, begun = newest(commits), newest(commits.with_name("offsets"))
    if begun > last:
        # The stop broke one off: it is repeated anyway, and Spark refuses to go back by two.
        return begun
    (commits / f"{last}").unlink()
    (commits / f".{last}.crc").unlink(missing_ok=True)
    return last


def settled(settings: Settings) -> bool:
    begun, committed = (newest(settings.privacy_dir / "checkpoint" / name) for name in ("offsets", "commits"))
    heartbeats = topic_name(settings, HEARTBEATS)
    end = end_offsets(settings, HEARTBEATS)
    return begun == committed and read_positions(settings.privacy_dir / "checkpoint", begun, heartbeats) == end


def newest(folder: Path) -> int:
    return max(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def drained(reader: Reader) -> bool:
    return read_all(reader) and progress(reader).pending == 0

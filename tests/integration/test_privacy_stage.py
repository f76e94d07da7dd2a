"""The privacy stage as a process on real Kafka, real stores and real Spark: killed, repeated, scanned and judged from the input."""

import os
import random
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h3
import httpx
import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from elasticsearch import Elasticsearch
from pymongo import MongoClient

from devstack.environment import base, changed
from devstack.ports import free_port
from devstack.services import service
from privacy.tokens import Tokeniser, TokenKind, generate_key_file
from storage.documents import Progress
from storage.queries import Reader
from veilocity import settings as kernel_settings
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
    decode,
    encode,
)
from veilocity.geo import Interval
from veilocity.kafka import consumer_config, producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import ALERTS, DECISIONS, FIXES

pytestmark = [pytest.mark.services, pytest.mark.spark]

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
K = 5
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


def expected_windows(settings: Settings) -> tuple[dict[int, list[Transaction]], int]:
    """Return what each window must hold and how many are late, by the rule in docs/privacy.md, from Kafka alone."""
    consumer = Consumer(consumer_config(settings, f"{settings.kafka_topic_prefix}auditor", **{"enable.partition.eof": True}))
    topic = topic_name(settings, DECISIONS)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(settings.kafka_partitions)])
    newest: dict[int, int] = {}
    windows: dict[int, list[Transaction]] = defaultdict(list)
    late = ended = 0
    while ended < settings.kafka_partitions:
        message = consumer.poll(WAIT_S)
        assert message is not None
        if message.error():
            ended += 1
            continue
        value, partition = message.value(), message.partition()
        assert value is not None
        assert partition is not None
        if b"authorised_ms" not in value:
            continue
        decision = decode(value, Decision)
        if decision.revision > 1:
            continue
        payment = decision.transaction
        minute_ms = payment.authorised_ms // MINUTE_MS * MINUTE_MS
        newest[partition] = max(newest.get(partition, 0), minute_ms)
        start = minute_ms // HOUR_MS * HOUR_MS
        if start + HOUR_MS <= newest[partition] - settings.privacy_delay_s * 1000:
            late += 1
        else:
            windows[start].append(payment)
    consumer.close()
    passed = min(newest.values()) - settings.privacy_delay_s * 1000
    return {start: payments for start, payments in windows.items() if start + HOUR_MS <= passed}, late


def _cell(lat: float, lon: float, resolution: int) -> str:
    # Of the cell of resolution 7, not of the place: H3's cells do not nest exactly.
    return h3.cell_to_parent(h3.latlng_to_cell(lat, lon, 7), resolution)


def lies_inside(payment: Transaction, release: dict[str, Any]) -> bool:
    """Say by meaning, not by the stage's code, whether a payment is covered by what a release prints."""
    cell, printed_band, category = release["cell"], release["amount_band"], release["category"]
    if cell == "none":
        placed = payment.lat is None
    elif cell == "*":
        placed = True
    else:
        resolution = h3.get_resolution(cell)
        placed = payment.lat is not None and payment.lon is not None and _cell(payment.lat, payment.lon, resolution) == cell
    if printed_band in ("*", "GBP *"):
        priced = True
    else:
        low, high = (int(bound) for bound in printed_band.removeprefix("GBP ").split("-"))
        priced = low * 100 <= payment.amount_minor < high * 100
    groups = {"groceries": "[everyday]", "cafe": "[going-out]", "online": "[shopping]"}
    return placed and priced and category in ("*", payment.category, groups[payment.category])


def judge_releases(settings: Settings, documents: dict[str, Any], last: Progress) -> None:
    windows, late = expected_windows(settings)
    assert last.late == late > 0
    assert last.released + last.suppressed == sum(len(payments) for payments in windows.values())
    assert last.pending == last.transactions - late - sum(len(payments) for payments in windows.values())
    releases = [document["release"] if "release" in document else document for document in of_kind(documents, "mongodb/releases/")]
    assert len(releases) == last.classes > 10
    assert sum(release["payments"] for release in releases) == last.released > last.suppressed
    for release in releases:
        inside = [payment for payment in windows[release["window_start_ms"]] if lies_inside(payment, release)]
        assert K <= release["people"] <= len({payment.subject for payment in inside})
        assert release["payments"] <= len(inside)


def judge_documents(settings: Settings, documents: dict[str, Any], last: Progress) -> None:
    assert (last.decisions, last.rejected) == (PAYMENTS + AMENDMENTS + BAD_DECISIONS, BAD_DECISIONS)
    assert (last.transactions, last.amendments) == (PAYMENTS, AMENDMENTS)
    assert (last.fixes, last.alert_revisions, last.alerts) == (FIX_COUNT, 3 * ALERT_COUNT, ALERT_COUNT)
    assert last.transactions == last.released + last.suppressed + last.late + last.pending
    index = settings.elasticsearch_index_prefix
    for store, transactions, alerts in (
        ("mongodb", "mongodb/transactions/", "mongodb/alerts/"),
        ("elasticsearch", f"elasticsearch/{index}-transactions", f"elasticsearch/{index}-alerts"),
    ):
        payments = of_kind(documents, transactions)
        assert len(payments) == PAYMENTS, store
        later = [payment for payment in payments if payment["revision"] == 2]
        assert len(later) == AMENDMENTS, store
        assert {(one["verdict"], one["score"], one["alert"], *one["reasons"]) for one in later} == {("not-scorable", 0.25, None, "later")}
        assert {one["revision"] for one in payments if one["verdict"] != "not-scorable"} == {1}
        # Whether a place was seen before is known from the first answer alone.
        assert all((one["place_seen_before"] is None) == (one["place"] is None) for one in payments)
        assert [document["revision"] for document in of_kind(documents, alerts)] == [3] * ALERT_COUNT, store
    assert len(of_kind(documents, "mongodb/positions/")) == PEOPLE
    (sample,) = of_kind(documents, "mongodb/samples/")
    assert (sample["seen"], len(sample["members"])) == (PAYMENTS, settings.privacy_sample_size)
    token = Tokeniser.from_file(settings.token_key_file).token(TokenKind.TRANSACTION, "PAYMENT-000000")
    assert f"mongodb/transactions/{token}" in documents


def judge_silence(settings: Settings, world: World, documents: dict[str, Any], log: Path, exposed: str) -> None:
    """No raw identifier, exact place or key in a store, the log, a metric, the checkpoint, the ledger or a staged row."""
    haystacks = {"stores": repr(documents).encode(), "log": log.read_bytes(), "metrics": exposed.encode()}
    haystacks |= {str(path): path.read_bytes() for path in settings.privacy_dir.rglob("*") if path.is_file()}
    assert any(name.endswith(".rows") for name in haystacks)
    assert any("/offsets/" in name for name in haystacks)
    secrets = [text.encode() for text in world.raw_texts()] + [settings.token_key_file.read_bytes().strip()]
    secrets.append(bytes.fromhex(secrets[-1].decode()))
    for name, haystack in haystacks.items():
        assert not [secret for secret in secrets if secret in haystack], name


def take_back_last_commit(settings: Settings) -> int:
    """Make Spark repeat its last micro-batch; return its number."""
    commits = settings.privacy_dir / "checkpoint" / "commits"
    last = max(int(path.name) for path in commits.iterdir() if path.name.isdecimal())
    (commits / f"{last}").unlink()
    (commits / f".{last}.crc").unlink(missing_ok=True)
    return last


@pytest.mark.timeout(900)
def test_killed_and_repeated_it_loses_nothing_doubles_nothing_and_tells_nothing(service_settings: Settings, tmp_path: Path) -> None:
    settings = changed(service_settings, privacy_batch_records=400, privacy_sample_size=50)
    generate_key_file(settings.token_key_file)
    world = World()
    log = tmp_path / "privacy.log"
    reader = Reader(settings)
    try:
        for start, end in ((0.0, 0.3), (0.3, 0.6)):
            feed(settings, world, start, end)
            before = progress(reader).seq
            with running_stage(settings, log) as process:
                until(partial(passed, reader, before + 2), process)
                process.kill()
        feed(settings, world, 0.6, 1.0)
        with running_stage(settings, log) as process:
            until(partial(read_all, reader), process, news=partial(progress, reader))
            exposed = httpx.get(f"http://127.0.0.1:{settings.privacy_metrics_port}/metrics").text
            assert httpx.get(f"http://127.0.0.1:{settings.privacy_metrics_port}/healthz").text == "ok\n"
            stopped(process)
        last, documents = progress(reader), dumped(settings)
        judge_documents(settings, documents, last)
        judge_releases(settings, documents, last)
        judge_silence(settings, world, documents, log, exposed)

        repeated = take_back_last_commit(settings)
        written = msgspec.structs.asdict(last)["written_ms"]
        with running_stage(settings, log) as process:
            until((settings.privacy_dir / "checkpoint" / "commits" / str(repeated)).exists, process)
            stopped(process)
        assert dumped(settings) == documents
        assert progress(reader).written_ms >= written
    finally:
        reader.close()


def test_it_stops_while_it_waits_for_kafka(spark_connector: str, tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port([])}"
    settings = kernel_settings.load({}, state_dir=tmp_path, kafka_bootstrap=nowhere, spark_jars=spark_connector, privacy_metrics_port=0)
    generate_key_file(settings.token_key_file)
    log = tmp_path / "privacy.log"
    with running_stage(settings, log) as process:
        until(lambda: b"Waiting for Kafka" in log.read_bytes(), process)
        stopped(process)

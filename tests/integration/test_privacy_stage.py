"""The privacy stage as a process on real Kafka, real stores and real Spark: killed, repeated, scanned and judged from the input."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import h3
import httpx
import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from devstack.environment import changed
from devstack.ports import free_port
from privacy.anonymity import Limits, Row
from privacy.audit import audit_stores
from privacy.distributed import Executors
from privacy.hierarchies import QuasiIdentifiers
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.identifiers.sealing import Sealer
from privacy.policies.catalogue import SINKS
from privacy.regions import Terms
from privacy.releases import release as release_window
from privacy.session import start_session
from privacy.table import RowTable
from privacy.tokens import TokenKind
from privacy.unsealing import unseal
from privacy.windows import Window
from storage.census import take_census
from storage.documents import Progress
from storage.queries import Reader
from storage.vault import SubjectKeys
from tests.integration.privacy_world import (
    ALERT_COUNT,
    AMENDMENTS,
    BAD_DECISIONS,
    FIX_COUNT,
    HOUR_MS,
    MINUTE_MS,
    PAYMENTS,
    PEOPLE,
    START_MS,
    WAIT_S,
    World,
    drained,
    dumped,
    feed,
    of_kind,
    passed,
    progress,
    read_all,
    running_stage,
    settled,
    stopped,
    take_back_last_commit,
    until,
)
from veilocity import settings as kernel_settings
from veilocity.cli.conservation import Figures, conservation
from veilocity.contracts import (
    Decision,
    Transaction,
    decode,
)
from veilocity.errors import ErasedError
from veilocity.kafka import consumer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

pytestmark = [pytest.mark.services, pytest.mark.spark]
K = 5
SALT = bytes(range(32))


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
    return placed and priced and category in ("*", payment.category, groups[payment.category]) and _at(payment, release["hour"])


def _at(payment: Transaction, printed: str) -> bool:
    """Say whether a payment was made in a printed time: `*`, a day, some hours of a day or one hour."""
    moment = datetime.fromtimestamp(payment.authorised_ms / 1000, tz=UTC)
    day, _, hours = printed.partition("T")
    first, _, end = hours.partition("/")
    on_day = day in ("*", moment.strftime("%Y-%m-%d"))
    return on_day and (not hours or int(first) <= moment.hour < int(end or int(first) + 1))


def judge_releases(settings: Settings, documents: dict[str, Any], last: Progress) -> None:
    windows, late = expected_windows(settings)
    closed = sum(len(payments) for payments in windows.values())
    assert last.late == late > 0
    # The input ends before its day does: what found no class in its hour or its six hours still waits for the day.
    assert (last.suppressed, last.pending) == (0, last.transactions - late - last.released)
    releases = [document["release"] if "release" in document else document for document in of_kind(documents, "mongodb/releases/")]
    assert len(releases) == last.classes > 10
    assert sum(release["payments"] for release in releases) == last.released
    assert 0.9 * closed < last.released <= closed
    widths = Counter((release["window_end_ms"] - release["window_start_ms"]) // HOUR_MS for release in releases)
    assert set(widths) <= {1, 6}
    for release in releases:
        judge_release(release, [one for start in windows if _within(start, release) for one in windows[start]])
    members = [member for release in releases for member in release["members"]]
    assert len(members) == len(set(members)), "a name of one class is known in another"
    index = settings.elasticsearch_index_prefix
    searched = [document["release"] for document in of_kind(documents, f"elasticsearch/{index}-releases")]
    assert {release["class_id"]: release for release in searched} == {release["class_id"]: release for release in releases}


def judge_stores(settings: Settings, world: World, documents: dict[str, Any]) -> None:
    """No token is in both stores, and what else they say of payments and alerts is the same."""
    index = settings.elasticsearch_index_prefix
    for kind, ends in (("transactions", ("subject", "card", "device", "user", "alert")), ("alerts", ("subject",))):
        sides = (of_kind(documents, f"mongodb/{kind}/"), of_kind(documents, f"elasticsearch/{index}-{kind}"))
        tokens = [{one[end] for one in side for end in ends if one[end]} for side in sides]
        assert not tokens[0] & tokens[1], kind
        left_out = {*ends, "_id", "sealed"}
        bare = [Counter(repr(sorted((name, one[name]) for name in one.keys() - left_out)) for one in side) for side in sides]
        assert bare[0] == bare[1], kind
    ids = [{name.rpartition("/")[2] for name in documents if name.startswith(store)} for store in SINKS]
    nobodys = {document["_id"] for kind in ("releases", "aggregates") for document in of_kind(documents, f"mongodb/{kind}/")}
    assert ids[0] & ids[1] == nobodys
    judge_evidence(settings, world, documents)


def judge_evidence(settings: Settings, world: World, documents: dict[str, Any]) -> None:
    """The exact alert opens with the key ring, word for word, and not once its person is forgotten."""
    made = Pseudonymiser(KeyRing.from_file(settings.token_key_file), "mongodb", 0)
    newest = {made.token(TokenKind.ALERT, alert.id, 0): alert for alert in world.alerts}
    assert len(newest) == ALERT_COUNT == len(of_kind(documents, "mongodb/alerts/"))
    assert {identity: unseal(settings, identity) for identity in newest} == newest
    identity, alert = next(iter(newest.items()))
    keys = SubjectKeys(settings)
    Sealer(KeyRing.from_file(settings.token_key_file), keys).forget(alert.subject)
    keys.close()
    with pytest.raises(ErasedError):
        unseal(settings, identity)


def _within(start_ms: int, release: dict[str, Any]) -> bool:
    return bool(release["window_start_ms"] <= start_ms < release["window_end_ms"])


def judge_release(release: dict[str, Any], window: list[Transaction]) -> None:
    inside = [payment for payment in window if lies_inside(payment, release)]
    assert K <= release["people"] == len(set(release["members"])) <= len({payment.subject for payment in inside})
    assert release["payments"] == sum(release["sensitive"].values()) <= len(inside)
    assert release["l"] == sum(count > 0 for count in release["sensitive"].values())
    assert 0.0 <= release["t"] <= 0.3


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
    judge_counts(settings, documents)
    ring = KeyRing.from_file(settings.token_key_file)
    first = {store: Pseudonymiser(ring, store, 0).token(TokenKind.TRANSACTION, "PAYMENT-000000", 0) for store in SINKS}
    assert f"mongodb/transactions/{first['mongodb']}" in documents
    assert [name for name in documents if name.startswith(f"elasticsearch/{index}-transactions") and name.endswith(first["elasticsearch"])]


def judge_counts(settings: Settings, documents: dict[str, Any]) -> None:
    """Counts with noise are the same in both stores, one whole for each hour that has closed; the sketches hold the truth."""
    counts = of_kind(documents, "mongodb/aggregates/")
    found = of_kind(documents, f"elasticsearch/{settings.elasticsearch_index_prefix}-aggregates")
    told = {(one["window_start_ms"], one["cell"], one["hour"], repr(one["payments"])) for one in counts}
    assert told == {(one["window_start_ms"], one["cell"], one["hour"], repr(one["payments"])) for one in found}
    starts = sorted(one["window_start_ms"] for one in counts if one["cell"] == "*")
    assert starts == list(range(starts[0], starts[-1] + HOUR_MS, HOUR_MS))
    (sketches,) = of_kind(documents, "mongodb/sketches/")
    (people,) = [one for one in sketches["distinct"] if one["of"] == "people"]
    assert people["low"] <= PEOPLE <= people["high"]


def judge_silence(settings: Settings, world: World, documents: dict[str, Any], log: Path, exposed: str) -> None:
    """No raw identifier, exact place or key in a store, the log, a metric, the checkpoint, the ledger or a staged row."""
    haystacks = {"stores": repr(documents).encode(), "log": log.read_bytes(), "metrics": exposed.encode()}
    haystacks |= {str(path): path.read_bytes() for path in settings.privacy_dir.rglob("*") if path.is_file()}
    assert any(name.endswith(".rows") for name in haystacks)
    assert any("/offsets/" in name for name in haystacks)
    key = settings.token_key_file.read_text(encoding="ascii").split()[-1]
    secrets = [*(text.encode() for text in world.raw_texts()), key.encode(), bytes.fromhex(key)]
    # It may hold a password, and the workers that seal read it.
    secrets.append(settings.mongodb_uri.get_secret_value().encode())
    for name, haystack in haystacks.items():
        assert not [secret for secret in secrets if secret in haystack], name


def scraped(settings: Settings) -> str:
    return httpx.get(f"http://127.0.0.1:{settings.privacy_metrics_port}/metrics").text


def judge_metrics(exposed: str) -> None:
    """What the stage tells has moved: payments by channel, the disk, when it began to wait for an audit."""
    figures = dict(line.rsplit(" ", 1) for line in exposed.splitlines() if not line.startswith("#"))
    channels = [float(value) for name, value in figures.items() if name.startswith("veilocity_privacy_channel_payments_total{")]
    countries = [float(value) for name, value in figures.items() if name.startswith("veilocity_privacy_country_payments_total{")]
    assert 0 < sum(channels) == sum(countries) <= PAYMENTS
    assert 0.0 < float(figures["veilocity_privacy_disk_free_ratio"]) < 1.0
    assert float(figures["veilocity_privacy_audit_last_seconds"]) > 1e9
    assert float(figures["veilocity_privacy_audit_every_seconds"]) > 0.0


def judge_salts(settings: Settings) -> None:
    """Salts are there for windows that may be repeated, and nobody else can read them."""
    salts = list(settings.privacy_dir.glob("staged/*/salt"))
    newest = max(settings.privacy_dir.glob("ledger/*.entry"))
    closed = msgspec.msgpack.decode(newest.read_bytes())["closed_windows"]
    assert {salt.parent.name for salt in salts} == {f"{tier}-{start_ms}" for tier, start_ms in closed}
    assert {salt.stat().st_mode & 0o777 for salt in salts} <= {0o600}


@pytest.mark.timeout(900)
def test_killed_and_repeated_it_loses_nothing_doubles_nothing_and_tells_nothing(service_settings: Settings, tmp_path: Path) -> None:
    # Windows of more than 100 payments are cut by region and anonymised on the executors.
    settings = changed(
        service_settings, privacy_batch_records=400, privacy_sample_size=50, privacy_release_form="executors", privacy_region_rows=100
    )
    KeyRing.generate(settings.token_key_file)
    world = World()
    log = tmp_path / "privacy.log"
    reader = Reader(settings)
    try:
        for start, end in ((0.0, 0.3), (0.3, 0.6)):
            feed(settings, world, start, end)
            before = progress(reader).seq
            with running_stage(settings, log) as process:
                until(partial(passed, reader, before + 2), process)
                until(lambda: 'veilocity_privacy_lag_records{topic="decisions"}' in scraped(settings), process)
                process.kill()
        feed(settings, world, 0.6, 1.0)
        with running_stage(settings, log) as process:
            until(partial(read_all, reader), process, news=partial(progress, reader))
            exposed = scraped(settings)
            assert httpx.get(f"http://127.0.0.1:{settings.privacy_metrics_port}/healthz").text == "ok\n"
            stopped(process)
        last, documents = progress(reader), dumped(settings)
        judge_documents(settings, documents, last)
        judge_releases(settings, documents, last)
        judge_silence(settings, world, documents, log, exposed)
        judge_metrics(exposed)
        judge_salts(settings)
        judge_stores(settings, world, documents)
        report = audit_stores(settings, keep=False)
        assert report.passed, [f"{check.name}: {fault.sentence()}" for check in report.checks for fault in check.faults]

        repeated = take_back_last_commit(settings)
        written = msgspec.structs.asdict(last)["written_ms"]
        with running_stage(settings, log) as process:
            until((settings.privacy_dir / "checkpoint" / "commits" / str(repeated)).exists, process)
            stopped(process)
        assert dumped(settings) == documents, "a person who was forgotten meanwhile loses no document"
        assert progress(reader).written_ms >= written
    finally:
        reader.close()


@pytest.mark.timeout(900)
def test_a_stream_that_falls_silent_is_drained_and_what_comes_later_is_late(service_settings: Settings, tmp_path: Path) -> None:
    settings = changed(service_settings, privacy_heartbeat_s=0.5, privacy_drain_s=2.0)
    KeyRing.generate(settings.token_key_file)
    world = World()
    log = tmp_path / "privacy.log"
    reader = Reader(settings)
    feed(settings, world, 0.0, 1.0)
    try:
        with running_stage(settings, log) as process:
            until(partial(drained, reader), process, news=partial(progress, reader))
            # The last heartbeats before the drain may still be on their way; after it there are none.
            until(partial(settled, settings), process)
            stopped(process)
        last, documents = progress(reader), dumped(settings)
        assert last.transactions == PAYMENTS == last.released + last.suppressed + last.late
        releases = [document["release"] for document in of_kind(documents, "mongodb/releases/")]
        assert sum(release["payments"] for release in releases) == last.released
        everything = [decision.transaction for decision in world.decisions]
        for release in releases:
            judge_release(release, [one for one in everything if _within(one.authorised_ms, release)])

        repeated = take_back_last_commit(settings)
        with running_stage(settings, log) as process:
            until((settings.privacy_dir / "checkpoint" / "commits" / str(repeated)).exists, process)
            assert dumped(settings) == documents
            assert not conservation(Figures(census=take_census(settings))).violated
            # The same payments under other numbers: each lies in a window that the drain has closed.
            world.decisions = [
                msgspec.structs.replace(one, transaction=msgspec.structs.replace(one.transaction, id=f"PAYMENT-9{number:05d}"))
                for number, one in enumerate(world.decisions[-20:])
            ]
            world.amended.clear()
            world.fixes.clear()
            world.alerts.clear()
            feed(settings, world, 0.0, 1.0)
            until(lambda: progress(reader).transactions == PAYMENTS + 20, process)
            stopped(process)
        assert progress(reader).late == last.late + 20
        assert (progress(reader).pending, progress(reader).classes) == (0, last.classes)
    finally:
        reader.close()


# PySpark's own sockets to its workers are closed when they are collected.
@pytest.mark.filterwarnings("ignore:unclosed.*socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_executors_and_driver_release_the_same_bytes(spark_connector: str, tmp_path: Path) -> None:
    rows = RowTable.of([_row(number) for number in range(1_000)])
    terms = Terms(Limits(K, t=0.3), region_loss=0.5, region_rows=100, time_level=0)
    window = Window(0, START_MS, START_MS + HOUR_MS)
    spark = start_session(kernel_settings.load({}, state_dir=tmp_path, spark_jars=spark_connector))
    try:
        far = release_window(rows, "p", terms, window, SALT, Executors(spark))
        far_one = release_window(rows, "p", msgspec.structs.replace(terms, region_rows=10_000), window, SALT, Executors(spark))
    finally:
        spark.stop()
    near = release_window(rows, "p", terms, window, SALT)
    assert len(rows.quasi[0].values) > 3
    assert msgspec.json.encode(far.releases) == msgspec.json.encode(near.releases)
    near_one = release_window(rows, "p", msgspec.structs.replace(terms, region_rows=10_000), window, SALT)
    assert far_one.releases == near_one.releases
    assert (far.left.rows(), far_one.left.rows()) == (near.left.rows(), near_one.left.rows())
    assert far.released > 900


def _row(number: int) -> Row:
    city = ((51.5, -0.12), (48.85, 2.35), (-33.8, 151.2), (40.7, -74.0))[number % 4]
    cell = h3.latlng_to_cell(city[0] + number % 3 * 0.05, city[1], 7) if number % 11 else "none"
    quasi = QuasiIdentifiers(cell, "2026-09-21T13", ("GBP 10-20", "GBP 20-50")[number % 2], ("cafe", "groceries")[number // 7 % 2])
    return Row(f"{number:06d}", f"p{number % 300}", quasi, "flagged" if number % 40 == 0 else "clear")


def test_it_stops_while_it_waits_for_kafka(spark_connector: str, tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port([])}"
    settings = kernel_settings.load({}, state_dir=tmp_path, kafka_bootstrap=nowhere, spark_jars=spark_connector, privacy_metrics_port=0)
    KeyRing.generate(settings.token_key_file)
    log = tmp_path / "privacy.log"
    with running_stage(settings, log) as process:
        until(lambda: b"Waiting for Kafka" in log.read_bytes(), process)
        stopped(process)

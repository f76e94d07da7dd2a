"""The streaming reports on real servers: every window as brute force computes it, through a kill, and again from an empty checkpoint."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from pymongo import MongoClient

from devstack.environment import base, changed
from devstack.services import service
from privacy.heartbeat import newest_batch
from privacy.identifiers.keyring import KeyRing
from storage.reports import REPORT_NAMES, ReportReader
from tests.integration import reports_world as world
from tests.integration.privacy_world import stopped, until
from veilocity.settings import Settings
from veilocity.topics import REPORTS

pytestmark = [pytest.mark.services, pytest.mark.spark, pytest.mark.timeout(900)]


@contextmanager
def running(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    specification = service("reports", settings, base(os.environ))
    with log.open("ab") as stream:
        process = subprocess.Popen(specification.argv, env=dict(specification.environment), stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def in_mongodb(settings: Settings) -> dict[str, Any]:
    with MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        return {document["_id"]: document for document in client[settings.mongodb_database]["reports"].find()}


def in_parquet(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in sorted((settings.reports_dir / "parquet").rglob("*.parquet")):
        for row in pq.ParquetFile(file).read().to_pylist():
            for merchant in row["rows"]:
                merchant["amounts"] = dict(merchant["amounts"])
            assert row["id"] not in found
            found[row["id"]] = {"_id": row["id"], **{name: value for name, value in row.items() if name != "id"}}
    return found


def batches(settings: Settings) -> int:
    return newest_batch(settings.reports_dir / "checkpoint" / "commits")


def newest(settings: Settings) -> dict[str, int]:
    with MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        return {document["_id"]: document["end_ms"] for document in client[settings.mongodb_database]["reports_newest"].find()}


def reached(settings: Settings, documents: dict[str, Any]) -> bool:
    here = newest(settings)
    return all(here.get(report, 0) >= end_ms for report, end_ms in ends_of(documents).items())


def ends_of(documents: dict[str, Any]) -> dict[str, int]:
    return {
        report: max(document["end_ms"] for document in documents.values() if document["report"] == report)
        for report in sorted({document["report"] for document in documents.values()})
    }


@pytest.fixture
def report_settings(service_settings: Settings, tmp_path: Path) -> Settings:
    customers, merchants = tmp_path / "customers.csv", tmp_path / "merchants.csv"
    people = "".join(f"{person},{year}-01-01\n" for person, year in world.BANDS.items())
    customers.write_text(f"customer_id,birthdate\n{people}{world.DATELESS},never\n", encoding="utf-8")
    shops = "".join(f"{shop},{name},{category}\n" for shop, (name, category) in world.MERCHANTS.items())
    merchants.write_text(f"merchant,name,category\n{shops}", encoding="utf-8")
    KeyRing.generate(service_settings.token_key_file)
    return changed(
        service_settings,
        reports_customers_file=str(customers),
        reports_merchants_file=str(merchants),
        reports_high_value="EUR=60000,*=60000",
        reports_batch_records=700,
        reports_trigger_ms=0,
        reports_idle_s=600.0,
    )


def test_every_window_is_as_brute_force_says_through_a_kill_and_from_an_empty_checkpoint(report_settings: Settings, tmp_path: Path) -> None:
    settings, log = report_settings, tmp_path / "reports.log"
    records = world.drawn()
    half = len(records) // 2
    world.feed(settings, records[:half])
    with running(settings, log) as process:
        until(lambda: batches(settings) >= 1, process, lambda: batches(settings))
        process.kill()
        process.wait()
    world.feed(settings, records[half:])
    world.close_all(settings)
    truth = {document["_id"]: document for document in world.Truth(settings).documents()}
    with running(settings, log) as process:
        until(lambda: newest(settings) == ends_of(truth), process, lambda: newest(settings))
        stopped(process)
    found = in_mongodb(settings)
    assert sorted(found) == sorted(truth)
    for identity, document in truth.items():
        assert found[identity] == document
    # Nothing of this says much unless every kind of figure was told and withheld.
    for report in REPORT_NAMES:
        assert {document["count"] is None for document in truth.values() if document["report"] == report} >= {False}
    withheld = {document["report"] for document in truth.values() if document["count"] is None}
    assert withheld >= {"frauds", "merchants", "high_value", "sessions"}
    assert any(document["cells"] for document in truth.values())
    assert max(document["late"] for document in truth.values()) > 20
    assert in_parquet(settings) == found
    published = [msgspec.json.decode(value) for _, value in world.read(settings, REPORTS)]
    assert len(published) == len(found)
    assert {document["_id"]: document for document in published} == found
    _from_empty(settings, log, found)


def _from_empty(settings: Settings, log: Path, found: dict[str, Any], *, marked: bool = False) -> None:
    published = world.read(settings, REPORTS)
    shutil.rmtree(settings.reports_dir)
    with MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        for name in ("reports", "reports_newest"):
            client[settings.mongodb_database].drop_collection(name)
    patient = changed(settings, reports_batch_records=5_000, reports_idle_s=600.0)
    with running(patient, log) as process:
        until(lambda: reached(settings, found), process, lambda: newest(settings))
        stopped(process)
    anew = in_mongodb(settings)
    assert in_parquet(settings) == anew
    assert {identity: anew[identity] for identity in found} == found
    assert world.read(settings, REPORTS)[: len(published)] == published
    if marked:
        return
    assert anew == found
    assert world.read(settings, REPORTS) == published
    reader = ReportReader(settings)
    last = reader.newest("frauds", 3)
    ends = sorted(document["end_ms"] for document in found.values() if document["report"] == "frauds")
    assert [one.end_ms for one in last] == ends[:-4:-1]
    assert [one.end_ms for one in reader.since("frauds", ends[-3])] == ends[-2:]
    reader.close()


def test_windows_of_a_silent_stream_close_and_a_replay_closes_them_at_the_same_place(report_settings: Settings, tmp_path: Path) -> None:
    # Two partitions without any browsing event, and none of payments after the last one: only marks let time go on.
    settings, log = changed(report_settings, reports_idle_s=1.0, reports_delay_s=0), tmp_path / "reports.log"
    people = [f"PERSON-{number:03d}" for number in range(40)]
    world.feed(settings, world.flagged_at(world.START_MS, people))
    with running(settings, log) as process:
        until(lambda: "frauds" in newest(settings), process, lambda: batches(settings))
        first = newest(settings)["frauds"]
        # Behind what the marks have closed: late, although its partition has no newer record.
        world.feed(settings, world.flagged_at(world.START_MS - 1, people[:1]))
        until(lambda: newest(settings)["frauds"] > first, process, lambda: batches(settings))
        world.close_all(settings)
        until(lambda: newest(settings).get("day_counts") == world.START_MS + world.DAY_MS, process, lambda: newest(settings))
        stopped(process)
    found = in_mongodb(settings)
    assert found[f"frauds:{world.START_MS}"]["count"] == len(people)
    assert found[f"day_counts:{world.START_MS}"]["late"] == 1
    # A mark that was written last may not have been read yet: then a replay closes more, and never anything else.
    _from_empty(settings, log, found, marked=True)

"""Customer segments from a real Kafka into a real MongoDB: the groups that were drawn, the same bytes on replay, nothing for the audit."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient
from pyspark.sql import SparkSession

from dashboard.scraping import parse
from devstack import probes, services
from devstack.environment import base, changed, variables
from privacy.audit import Limits, audit_stores
from privacy.identifiers.keyring import KeyRing
from privacy.segments import service
from privacy.segments.behaviour import standardised
from privacy.segments.clusters import clustered
from storage.segments import SEGMENTS
from storage.segments_writer import SegmentStore
from tests.integration import segments_world
from tests.integration.privacy_world import stopped, until
from veilocity import settings as kernel_settings
from veilocity.kafka import client_config, end_offsets, ensure_topics, first_offsets, topic_name, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

pytestmark = [
    pytest.mark.services,
    pytest.mark.spark,
    # The client of the JVM leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed.*socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def spark(spark_connector: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = service.start_session(kernel_settings.load({}, state_dir=tmp_path_factory.mktemp("segments"), spark_jars=spark_connector))
    yield session
    session.stop()


def stored(settings: Settings) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        return list(client[settings.mongodb_database][SEGMENTS].find().sort("_id"))


def command(settings: Settings) -> str:
    """Run `veilocity segments --once` as a scheduler does, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "veilocity.cli", "segments", "--once"],
        cwd=ROOT,
        env=base(os.environ) | variables(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "PERSON" not in done.stdout + done.stderr
    return done.stdout


def test_windows_are_released_once_and_alike_on_replay(service_settings: Settings, spark: SparkSession) -> None:
    settings = service_settings.model_copy(update={"segments_keep_days": 0, "segments_most": 4})
    KeyRing.generate(settings.token_key_file)
    made = segments_world.decisions()
    segments_world.feed(settings, made)
    assert "2 windows were released" in command(settings)
    found = stored(settings)
    assert [document["_id"] for document in found] == [
        f"segments:{segments_world.START_MS + week * segments_world.WEEK_MS}" for week in (0, 1)
    ]
    for document in found:
        _is_as_drawn(document)
    report = audit_stores(settings, Limits(), keep=False)
    assert [fault.sentence() for check in report.checks for fault in check.faults if fault.collection == SEGMENTS] == []
    assert report.read[f"mongodb/{SEGMENTS}"] == 2

    # The same payments in another order, on other topics, into an empty collection.
    with MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        client[settings.mongodb_database][SEGMENTS].drop()
    again = settings.model_copy(update={"kafka_topic_prefix": f"{settings.kafka_topic_prefix}again."})
    ensure_topics(again)
    wait_for_topics(again)
    random.Random(3).shuffle(made)  # noqa: S311  # a seeded test, nothing secret
    segments_world.feed(again, made)
    with SegmentStore(again) as store:
        assert len(service.released(again, spark, store)) == 2
        assert stored(again) == found
        # A payment that comes after the release changes nothing any more.
        segments_world.feed(again, made[:50])
        assert service.released(again, spark, store) == []
        assert stored(again) == found
        assert store.expire(found[0]["end_ms"] + 1) == 1
        assert [document["_id"] for document in stored(again)] == [found[1]["_id"]]

        # Kafka deletes what is old, inside the first window: that one is not released again, as it would miss people.
        store.expire(found[1]["end_ms"] + 1)
        _cut(again)
        quick = again.model_copy(update={"segments_most": 2})
        assert [document.start_ms for document in service.released(quick, spark, store)] == [found[1]["start_ms"]]


def _cut(settings: Settings) -> None:
    """Delete the oldest records of each partition, as Kafka's retention does."""
    name = topic_name(settings, DECISIONS)
    partitions = [TopicPartition(name, number, 3) for number, end in end_offsets(settings, DECISIONS).items() if end > 3]
    admin = AdminClient(client_config(settings))
    for done in admin.delete_records(partitions).values():
        done.result()
    assert set(first_offsets(settings, DECISIONS).values()) <= {0, 3}
    assert len(partitions) > 0


def _is_as_drawn(document: dict[str, Any]) -> None:
    assert document["people"] == 3 * segments_world.OF_A_KIND
    assert document["suppressed_people"] == segments_world.STRANGERS
    assert document["k"] == 5
    assert "PERSON" not in repr(document)
    # Those who pay most often first.
    night_buyers, travellers, locals_ = document["segments"]
    assert [one["segment"] for one in document["segments"]] == ["A", "B", "C"]
    assert {one["people"] for one in document["segments"]} == {segments_world.OF_A_KIND}
    assert night_buyers["night_share"] == 1.0
    assert night_buyers["online_share"] == 0.8
    assert locals_["night_share"] == 0.0
    assert locals_["words"] == "few small payments near home"
    assert travellers["distance_km"] > 100.0
    assert locals_["distance_km"] < 5.0


@contextmanager
def running(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    specification = services.service("segments", settings, base(os.environ))
    with log.open("ab") as stream:
        process = subprocess.Popen(specification.argv, env=dict(specification.environment), stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def told(settings: Settings, name: str) -> float:
    return parse(httpx.get(f"{services.address('segments', settings)}/metrics").text).total(f"veilocity_segments_{name}")


def java_processes(process: subprocess.Popen[bytes]) -> list[str]:
    """Return the children of a process that are Java."""
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    found = [Path(f"/proc/{child}/comm") for file in children for child in file.read_text(encoding="ascii").split()]
    return [file.read_text(encoding="ascii") for file in found if file.exists() and file.read_text(encoding="ascii").startswith("java")]


def test_the_service_starts_spark_for_a_closed_window_alone_and_loses_nothing_when_killed(
    service_settings: Settings, tmp_path: Path
) -> None:
    settings = changed(service_settings, segments_keep_days=0, segments_most=2, segments_every_s=0.5)
    log, scratch = tmp_path / "segments.log", settings.data_dir / "segments" / "scratch"
    KeyRing.generate(settings.token_key_file)
    # Nothing to read: it answers, and starts no Spark.
    with running(settings, log) as process:
        until(
            lambda: probes.http_answers(f"{services.address('segments', settings)}/healthz"),
            process,
            lambda: log.read_text(encoding="utf-8"),
        )
        assert not scratch.exists()
        segments_world.feed(settings, segments_world.decisions())
        # Killed in the middle of a run.
        until(scratch.exists, process, lambda: log.read_text(encoding="utf-8"))
        process.kill()
        process.wait()
    with running(settings, log) as process:
        until(lambda: len(stored(settings)) == 2, process, lambda: log.read_text(encoding="utf-8"))
        until(lambda: told(settings, "run_seconds_count") == 1, process, lambda: log.read_text(encoding="utf-8"))
        assert java_processes(process) == []
        assert not scratch.exists()
        newest = stored(settings)[1]
        assert told(settings, "newest_end_seconds") == newest["end_ms"] / 1000
        assert told(settings, "newest_segments") == len(newest["segments"])
        assert told(settings, "newest_suppressed_people") == newest["suppressed_people"] > 0
        assert told(settings, "released_total") == 2
        assert told(settings, "failures_total") == 0
        stopped(process)
    # Started again, it knows its newest release and has nothing to do.
    with running(settings, log) as process:
        until(
            lambda: probes.http_answers(f"{services.address('segments', settings)}/healthz"),
            process,
            lambda: log.read_text(encoding="utf-8"),
        )
        until(lambda: told(settings, "newest_end_seconds") > 0, process, lambda: log.read_text(encoding="utf-8"))
        assert told(settings, "run_seconds_count") == 0
        stopped(process)
    assert "PERSON" not in log.read_text(encoding="utf-8")


def agreement(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Return the adjusted Rand index (Hubert and Arabie, 1985): 1 for equal partitions, 0 on average for random ones."""

    def pairs(counts: np.ndarray[Any, Any]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    table = np.array([[np.count_nonzero((one == a) & (other == b)) for b in np.unique(other)] for a in np.unique(one)])
    rows, columns, both = pairs(table.sum(axis=1)), pairs(table.sum(axis=0)), pairs(table)
    expected = rows * columns / pairs(np.array([len(one)]))
    return (both - expected) / ((rows + columns) / 2 - expected)


def test_separable_people_are_found(spark: SparkSession) -> None:
    rng = np.random.default_rng(11)
    kinds = np.array([[0.7, 15.0, 0.05, 2.0, 0.1], [4.0, 40.0, 0.5, 8.0, 0.8], [2.0, 200.0, 0.1, 300.0, 0.2], [8.0, 6.0, 0.02, 1.0, 0.02]])
    drawn = np.repeat(np.arange(4), (80, 60, 40, 20))
    features = kinds[drawn] * np.exp(rng.normal(0.0, 0.15, (len(drawn), 5)))
    order = np.lexsort(features.T[::-1])
    found = clustered(spark, standardised(features[order]), most=6)
    # n = 200, seed 11: the kinds stand more than ten deviations apart, so less than all of them would be a fault.
    assert len(np.unique(found)) == 4
    assert agreement(found, drawn[order]) >= 0.98


def test_people_of_one_kind_are_one_group(spark: SparkSession) -> None:
    rng = np.random.default_rng(12)
    features = np.array([2.0, 30.0, 0.2, 10.0, 0.3]) * np.exp(rng.normal(0.0, 0.2, (150, 5)))
    assert set(clustered(spark, standardised(features[np.lexsort(features.T[::-1])]), most=6).tolist()) == {0}
    assert clustered(spark, np.zeros((7, 5)), most=6).tolist() == [0] * 7

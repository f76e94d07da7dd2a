"""Spark as docker-compose.yml starts it: a master and a worker of their own, on which the privacy stage masks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from confluent_kafka import Producer

from devstack import java
from devstack.environment import base, changed
from devstack.ports import free_port
from devstack.services import service
from privacy.identifiers.keyring import KeyRing
from privacy.unsealing import unseal
from storage.queries import Reader
from tests.integration.ingest_world import eventually
from tests.integration.privacy_world import World
from veilocity.contracts import CardId, Channel, Decision, DeviceId, SubjectId, Transaction, UserId, Verdict, encode
from veilocity.kafka import producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import ALERTS, DECISIONS

pytestmark = [pytest.mark.services, pytest.mark.spark, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
PAYMENTS = 200
PATIENCE_S = 420.0
RAW = (b"PAYMENT-", b"PERSON-", b"45391488", b"DEVICE-", b"example.org", b"ALERT-")


def composed(name: str, changes: Mapping[str, str]) -> list[str]:
    """Return the command of a service in docker-compose.yml, with what differs on one machine replaced."""
    described: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"][name]
    program, *arguments = [str(word) for word in described["entrypoint"] + described["command"]]
    assert set(changes) <= set(arguments)
    return [str(Path(sys.executable).with_name(program)), *(changes.get(argument, argument) for argument in arguments)]


@contextmanager
def running(argv: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as stream:
        process = subprocess.Popen(argv, env=dict(environment), stdout=stream, stderr=stream, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def workers(url: str) -> list[dict[str, Any]]:
    try:
        return [worker for worker in httpx.get(f"{url}/json/").json()["workers"] if worker["state"] == "ALIVE"]
    except httpx.HTTPError:
        return []


@contextmanager
def cluster(folder: Path, settings: Settings) -> Iterator[tuple[str, str]]:
    """Run master and worker; give the master's address and that of its page."""
    ports: list[int] = []
    while len(ports) < 3:
        ports.append(free_port(ports))
    port, master_page, worker_page = map(str, ports)
    machine = java.choose(java.SPARK, java.installed(os.environ))
    # Spark's script asks the first python3 on the path where pyspark lies: in the image, too, that is ours.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**base(os.environ), "PATH": path, "JAVA_HOME": str(machine.home), "SPARK_LOCAL_IP": "127.0.0.1"}
    environment["SPARK_CONF_DIR"] = str(ROOT / "deploy/spark")
    secret = folder / "mongodb_uri"
    secret.write_text(settings.mongodb_uri.get_secret_value(), encoding="utf-8")
    sealing = {"VEILOCITY_MONGODB_URI_FILE": str(secret), "VEILOCITY_MONGODB_KEYS_DATABASE": settings.mongodb_keys_database}
    address, page = f"spark://127.0.0.1:{port}", f"http://127.0.0.1:{master_page}"
    master = composed("spark-master", {"spark-master": "127.0.0.1", "7077": port, "8080": master_page})
    changes = {"/tmp/work": str(folder / "work"), "8081": worker_page, "spark://spark-master:7077": address}  # noqa: S108  # a key
    worker = composed("spark-worker", changes)
    with running(master, environment, folder / "master.log"), running(worker, environment | sealing, folder / "worker.log"):
        eventually("a worker is alive", lambda: bool(workers(page)), PATIENCE_S)
        yield address, page


def decision(number: int) -> Decision:
    payment = Transaction(
        id=f"PAYMENT-{number:06d}",
        subject=SubjectId(f"PERSON-{number % 20:04d}"),
        authorised_ms=1_790_000_000_000 + number * 1000,
        received_ms=1_790_000_000_000 + number * 1000,
        amount_minor=1000 + number,
        currency="GBP",
        merchant="shop",
        category="groceries",
        channel=Channel.CARD_PRESENT,
        card=CardId(f"45391488{number % 20:08d}"),
        device=DeviceId(f"DEVICE-{number % 20:04d}"),
        user=UserId(f"USER-{number % 20:04d}@example.org"),
        lat=51.5,
        lon=-0.12,
    )
    return Decision(payment, Verdict.CLEAR, 0.1, (), {"rule": "1"})


def masked(reader: Reader) -> int:
    progress = reader.progress()
    return progress.transactions if progress else 0


def test_the_stage_masks_on_a_cluster_of_its_own(service_settings: Settings, tmp_path: Path) -> None:
    producer = Producer(producer_config(service_settings))
    for number in range(PAYMENTS):
        one = decision(number)
        producer.produce(topic_name(service_settings, DECISIONS), encode(one), one.transaction.subject)
    assert producer.flush(30) == 0
    alert = World().alerts[0]
    producer.produce(topic_name(service_settings, ALERTS), encode(alert), alert.subject)
    assert producer.flush(30) == 0
    with cluster(tmp_path, service_settings) as (address, page):
        settings = changed(service_settings, spark_master=address)
        KeyRing.generate(settings.token_key_file)
        stage = service("privacy", settings, base(os.environ))
        reader = Reader(settings)
        try:
            with running(list(stage.argv), stage.environment, tmp_path / "privacy.log"):
                eventually("every payment is masked", lambda: masked(reader) == PAYMENTS, PATIENCE_S)
                # It was the worker that masked, not the stage's own process.
                assert [worker["coresused"] for worker in workers(page)] == [2]
                # And it sealed, with MongoDB's address from its own environment.
                eventually("the alert is masked", lambda: bool(reader.alerts(1)), PATIENCE_S)
                assert unseal(settings, reader.alerts(1)[0].id) == alert
        finally:
            reader.close()
    written = [path for path in (tmp_path / "work").rglob("*") if path.is_file()] + [tmp_path / "worker.log", tmp_path / "privacy.log"]
    assert any(path.name == "stderr" for path in written)
    for path in written:
        content = path.read_bytes()
        assert not [raw for raw in (*RAW, settings.mongodb_uri.get_secret_value().encode()) if raw in content], path

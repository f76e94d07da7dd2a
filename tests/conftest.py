"""The real servers of the tests: started once per run and only when a test asks, by the same code as `make demo`.

A server whose address is in the environment (VEILOCITY_KAFKA_BOOTSTRAP, VEILOCITY_ELASTICSEARCH_URL, VEILOCITY_MONGODB_URI) is used where
it is, with what else those variables say of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from elasticsearch import Elasticsearch
from pymongo import MongoClient

from devstack import Stack, java, postgres, spark_jars
from devstack.cancellation import Cancellation
from devstack.install import Installer
from devstack.locks import FileLock
from devstack.ports import free_port
from devstack.postgres import PostgresServer
from devstack.report import SilentReporter
from devstack.sessions import end_leftovers
from veilocity import settings as kernel_settings
from veilocity.errors import DependencyError, RetryableError
from veilocity.kafka import client_config, ensure_topics, topic_name, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import TOPICS

_RUNS = Path(tempfile.gettempdir()) / f"veilocity-tests-{os.getuid()}"
_SHARED_DATA = "SHARED_DATA"
_BOOTSTRAP = Path(__file__).resolve().parents[1] / "devstack" / "bootstrap.sh"


def pytest_configure() -> None:
    """Let Spark sessions inside the tests find the Java that fits Spark; without one they say themselves what is missing."""
    with suppress(DependencyError):
        os.environ["JAVA_HOME"] = str(java.choose(java.SPARK, java.installed(os.environ)).home)


def _sweep_dead_runs() -> None:
    """End and remove what test runs left behind that were killed; a run that still lives holds its lock."""
    for run in sorted(_RUNS.glob("*/")):
        lock = FileLock(run / "lock")
        if not lock.acquire():
            continue
        for state in sorted(run.glob("*/run")):
            end_leftovers(state, state.parent)
        shutil.rmtree(run, ignore_errors=True)
        lock.release()


@pytest.fixture(scope="session")
def _servers_dir() -> Iterator[Path]:
    """A folder for the servers of this run, outside pytest's own so that the next run can find what a killed one left."""
    _RUNS.mkdir(mode=0o700, exist_ok=True)
    _sweep_dead_runs()
    run = _RUNS / uuid.uuid4().hex[:12]
    lock = FileLock(run / "lock")
    assert lock.acquire()
    yield run
    shutil.rmtree(run, ignore_errors=True)
    lock.release()


def _given() -> dict[str, str]:
    """Return what the environment says of servers and downloads; other settings must not change what a test sees."""
    servers = ("KAFKA_", "ELASTICSEARCH_", "MONGODB_", "CASSANDRA_", "REGISTRY_")
    kinds = tuple(f"{kernel_settings.PREFIX}{kind}" for kind in (*servers, "CACHE_DIR", "MAVEN_URL"))
    return {variable: value for variable, value in os.environ.items() if variable.startswith(kinds)}


def _server(name: str, folder: Path) -> Iterator[Settings]:
    """Start one server, or use the one that the environment names, and yield settings that point at it."""
    with Stack(kernel_settings.load(_given(), state_dir=folder / name), servers=(name,), services=()) as stack:
        yield stack.settings


@pytest.fixture(scope="session")
def kafka_server(_servers_dir: Path) -> Iterator[str]:
    """Bootstrap address of a real Kafka."""
    for settings in _server("kafka", _servers_dir):
        yield settings.kafka_bootstrap


@pytest.fixture(scope="session")
def elasticsearch_server(_servers_dir: Path) -> Iterator[str]:
    """Address of a real Elasticsearch."""
    for settings in _server("elasticsearch", _servers_dir):
        yield settings.elasticsearch_url


@pytest.fixture(scope="session")
def mongodb_server(_servers_dir: Path) -> Iterator[str]:
    """Connection string of a server that speaks MongoDB's protocol."""
    for settings in _server("mongodb", _servers_dir):
        yield settings.mongodb_uri.get_secret_value()


def _extra(name: str, folder: Path) -> Iterator[Settings]:
    """Start a server of an extra; who cannot download it or has no Java for it tests without."""
    with ExitStack() as running:
        try:
            stack = running.enter_context(Stack(kernel_settings.load(_given(), state_dir=folder / name), servers=(name,), services=()))
        except (RetryableError, DependencyError) as cause:
            pytest.skip(f"{name} did not start: {cause}")
        yield stack.settings


@pytest.fixture(scope="session")
def cassandra_server(_servers_dir: Path) -> Iterator[tuple[str, int]]:
    """Host and port of a real Cassandra."""
    for settings in _extra("cassandra", _servers_dir):
        yield settings.cassandra_hosts, settings.cassandra_port


@pytest.fixture(scope="session")
def registry_server(_servers_dir: Path) -> Iterator[str]:
    """Address of a real Apicurio."""
    for settings in _extra("apicurio", _servers_dir):
        yield settings.registry_url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL with logical decoding; a test makes a database of its own in it."""
    done = subprocess.run([str(_BOOTSTRAP), "postgres"], capture_output=True, text=True, check=False)
    programs = postgres.find(kernel_settings.load(_given()))
    if programs is None:
        pytest.skip(done.stderr.strip() or "no PostgreSQL was found")
    with postgres.running(programs) as server:
        yield server


@pytest.fixture(scope="session")
def spark_connector() -> str:
    """Files of Spark's Kafka connector, as the setting `spark_jars` wants them; installed when they are not in the cache."""
    settings = kernel_settings.load(_given())
    Installer(settings, SilentReporter(), Cancellation()).spark()
    return ",".join(str(jar) for jar in spark_jars(settings))


@pytest.fixture
def service_settings(
    kafka_server: str, elasticsearch_server: str, mongodb_server: str, spark_connector: str, tmp_path: Path
) -> Iterator[Settings]:
    """Settings of one test alone: the real servers, fresh topics (created), database, indices, state folder and ports."""
    mark = f"t{uuid.uuid4().hex[:10]}"
    ports: list[int] = []
    while len(ports) < 6:
        ports.append(free_port(ports))
    ingest_port, dashboard_port, rules_metrics_port, privacy_metrics_port, reports_metrics_port, segments_metrics_port = ports
    settings = kernel_settings.load(
        _given(),
        state_dir=tmp_path / "state",
        kafka_bootstrap=kafka_server,
        kafka_topic_prefix=f"{mark}.",
        rules_group=f"{mark}-rules",
        elasticsearch_url=elasticsearch_server,
        elasticsearch_index_prefix=mark,
        mongodb_uri=mongodb_server,
        mongodb_database=mark,
        mongodb_keys_database=f"{mark}_keys",
        spark_jars=spark_connector,
        ingest_port=ingest_port,
        dashboard_port=dashboard_port,
        rules_metrics_port=rules_metrics_port,
        privacy_metrics_port=privacy_metrics_port,
        reports_metrics_port=reports_metrics_port,
        segments_metrics_port=segments_metrics_port,
    )
    ensure_topics(settings)
    wait_for_topics(settings)
    yield settings
    _empty(settings)


def _empty(settings: Settings) -> None:
    """Drop what a test made in the servers, so that a run of hundreds of tests does not fill them."""
    admin = AdminClient(client_config(settings))
    for dropped in admin.delete_topics([topic_name(settings, topic) for topic in TOPICS]).values():
        dropped.result()
    client: MongoClient[dict[str, object]] = MongoClient(settings.mongodb_uri.get_secret_value())
    for database in (settings.mongodb_database, settings.mongodb_keys_database):
        client.drop_database(database)
    client.close()
    with Elasticsearch(settings.elasticsearch_url) as search:
        # By their names: a wildcard is refused, and rightly.
        for index in search.indices.get(index=f"{settings.elasticsearch_index_prefix}*"):
            search.indices.delete(index=index, ignore_unavailable=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings and card files that nobody here wrote, in the folder named by SHARED_DATA or in `shared/data` beside the checkout."""
    folder = Path(os.environ.get(_SHARED_DATA) or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the outside test data is not at {folder}: set {_SHARED_DATA} to its folder")
    return folder

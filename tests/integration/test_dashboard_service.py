"""The dashboard as its own process, on a real MongoDB server and without one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from dashboard.events import Hub
from dashboard.poller import Poller
from privacy.audit import CHECKS, AuditReport, Check
from privacy.audit.run import kept
from storage.audits import AuditStore
from storage.documents import MaskedBatch, Progress
from storage.mongo import MongoStore
from storage.queries import Reader
from storage.roles import Role
from storage.schema import ensure_collections
from tests.e2e.dashboard_world import FAR, LONDON, START_MS, World, make_alert
from tests.e2e.privacy_world import good_day, published, releases
from tests.logins import client_of, make_account
from veilocity.settings import Settings, load

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def dashboard(port: int, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command a user starts; end it if the test did not."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VEILOCITY_")}
    environment = {**clean, "VEILOCITY_DASHBOARD_PORT": str(port), **variables}
    command = [sys.executable, "-m", "veilocity.cli", "dashboard"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until_healthy(port: int, process: subprocess.Popen[str]) -> httpx.Response:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the dashboard did not answer within a minute")


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return kind, id and body of each event."""
    found: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            found[name] = value
        else:
            if "data" in found:
                yield found["event"], found.get("id", ""), msgspec.json.decode(found["data"])
            found = {}


_NOWHERE = "mongodb://127.0.0.1:1/?directConnection=true"


def test_it_starts_without_a_store_says_so_and_ends_its_streams_when_told() -> None:
    port = free_port()
    with dashboard(port, VEILOCITY_MONGODB_URI=_NOWHERE, VEILOCITY_DASHBOARD_LOGIN="off") as process:
        until_healthy(port, process)
        with httpx.stream("GET", f"http://127.0.0.1:{port}/events", timeout=30.0) as answer:
            told = events(answer.iter_lines())
            kinds = [next(told)]
            while kinds[-1][2]["store"] != "down":
                kinds.append(next(told))
            assert {kind for kind, _, _ in kinds} == {"status"}
            process.send_signal(signal.SIGTERM)
            assert list(told) == []
        # gunicorn kills what does not end by itself after two seconds; a negative code would tell.
        assert process.wait(timeout=20.0) == 0


def test_without_a_store_nobody_can_log_in_and_is_told_so() -> None:
    port = free_port()
    with dashboard(port, VEILOCITY_MONGODB_URI=_NOWHERE) as process:
        assert until_healthy(port, process).status_code == 200
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as client:
            answer = client.get("/login", headers={"Accept": "text/html"})
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
            assert "MongoDB does not answer" in answer.text
            assert client.get("/events").json()["reason"] == "not_logged_in"


def test_others_are_not_let_in_without_a_login() -> None:
    with dashboard(free_port(), VEILOCITY_DASHBOARD_HOST="0.0.0.0", VEILOCITY_DASHBOARD_LOGIN="off") as process:  # noqa: S104  # it is refused
        assert process.wait(timeout=60.0) == 2
        message = process.stderr.read() if process.stderr else ""
    assert message.strip() == (
        "veilocity: VEILOCITY_DASHBOARD_HOST lets other machines in: leave VEILOCITY_DASHBOARD_LOGIN on, or listen on 127.0.0.1"
    )


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with dashboard(port) as process:
            assert process.wait(timeout=60.0) == 2
            message = process.stderr.read() if process.stderr else ""
    assert message.strip() == (
        f"veilocity: port {port} is taken by another program: stop it, or set VEILOCITY_DASHBOARD_PORT to a free port"
    )


@pytest.fixture(name="database")
def _database(mongodb_server: str, tmp_path: Path) -> Settings:
    """Return settings of a fresh database."""
    name = f"dashboard{uuid.uuid4().hex[:10]}"
    return load({}, mongodb_uri=SecretStr(mongodb_server), mongodb_database=name, state_dir=tmp_path)


@pytest.fixture(name="store")
def _store(database: Settings) -> Iterator[MongoStore]:
    """Return the writing half of the store."""
    store = MongoStore(database)
    ensure_collections(store.database)
    yield store
    store.close()


@pytest.fixture(name="reader")
def _reader(database: Settings) -> Iterator[Reader]:
    reader = Reader(database)
    yield reader
    reader.close()


def write(store: MongoStore, world: World, seq: int, **documents: Any) -> None:
    """Write one batch as the privacy stage does, progress last."""
    stamped: Any = {kind: tuple(msgspec.structs.replace(item, seq=seq) for item in items) for kind, items in documents.items()}
    progress = Progress(id="privacy", seq=seq, transactions=10 * seq, alerts=seq, event_ms=world.minute_ms, written_ms=START_MS)
    batch = MaskedBatch(progress=progress, **stamped)
    assert store.write(batch) == []
    store.write_progress(batch.progress)


@pytest.mark.services
def test_what_is_written_to_the_store_reaches_a_page_and_a_page_that_comes_back(database: Settings, store: MongoStore) -> None:
    world = World(people=40)
    write(store, world, 1, positions=world.move(40), transactions=world.pay(20))
    port = free_port()
    uri = database.mongodb_uri.get_secret_value()
    with dashboard(port, VEILOCITY_MONGODB_URI=uri, VEILOCITY_MONGODB_DATABASE=database.mongodb_database) as process:
        until_healthy(port, process)
        make_account(database, "viv", Role.VIEW)
        with client_of(f"http://127.0.0.1:{port}", "viv") as client:
            with client.stream("GET", "/events") as answer:
                told = events(answer.iter_lines())
                _, identity, snapshot = next(event for event in told if event[0] == "snapshot")
                assert (len(snapshot["positions"]), len(snapshot["transactions"])) == (40, 20)
                alert = make_alert(1, LONDON, FAR["Lagos"], minute_ms=world.minute_ms, seq=2)
                write(store, world, 2, alerts=[alert])
                _, _, delta = next(event for event in told if event[0] == "delta")
                assert [item["sentence"] for item in delta["alerts"]] == [alert.sentence]
            with client.stream("GET", "/events", headers={"Last-Event-ID": identity}) as answer:
                missed = next(event for event in events(answer.iter_lines()) if event[0] != "status")
                assert (missed[0], missed[2]["progress"]["seq"]) == ("delta", 2)


@pytest.mark.services
def test_the_page_of_privacy_shows_what_the_store_holds(database: Settings, store: MongoStore) -> None:
    now_ms = time.time_ns() // 1_000_000
    report = AuditReport(now_ms, 1.5, {"mongodb/releases": 2}, tuple(Check(name, True) for name in CHECKS), passed=True)
    with AuditStore(database) as audits:
        audits.save(report.written_ms, kept(report))
    documents = MaskedBatch(progress=good_day(now_ms).progress_document or Progress("privacy", 0))
    assert store.write(msgspec.structs.replace(documents, releases=tuple(releases()), aggregates=tuple(published(3)))) == []
    store.write_progress(documents.progress)
    port = free_port()
    uri = database.mongodb_uri.get_secret_value()
    with dashboard(port, VEILOCITY_MONGODB_URI=uri, VEILOCITY_MONGODB_DATABASE=database.mongodb_database) as process:
        until_healthy(port, process)
        make_account(database, "viv", Role.VIEW)
        with client_of(f"http://127.0.0.1:{port}", "viv") as client:
            told = client.get("/privacy/state").json()
            page = client.get("/privacy").text
        assert (told["store"], told["account"]["payments"], told["account"]["difference"]) == ("up", 6_412, 0)
        assert ([one["name"] for one in told["audit"]["checks"]], told["audit"]["stale"]) == (list(CHECKS), False)
        assert (told["releases"]["k"], told["releases"]["classes"]) == (5, len(releases()))
        assert (len(told["budget"]["windows"]), told["budget"]["spent"]) == (3, 3.0)
        assert "Where every payment is" in page


@pytest.mark.services
def test_a_picture_grown_from_the_store_equals_one_read_from_it(store: MongoStore, reader: Reader) -> None:
    world = World(people=30)
    grown = Hub()
    poller = Poller(lambda: reader, grown, 0.01)
    for seq in range(1, 7):
        alert = make_alert(seq % 3, LONDON, FAR["Cairo"], minute_ms=START_MS + seq % 3, seq=seq, revision=1 + seq // 4)
        payments = world.pay(4)
        world._payments += payments  # so that the next ones get other ids
        write(store, world, seq, positions=world.move(9), transactions=payments, alerts=[alert])
        poller.step(float(seq))
    anew = Hub()
    Poller(lambda: reader, anew, 0.01).step(0.0)
    assert grown.seq == 6
    assert grown.content() == anew.content()

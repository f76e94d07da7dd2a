"""A store with alerts, a web server and a mail server that receive, and the notifier as a process, for the tests of notifications."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

import msgspec
import yaml
from pymongo.database import Database

from storage.documents import MaskedAlert, MaskedBatch, Progress
from storage.kinds import Document
from storage.mongo import MongoStore, connect
from storage.notifications import key_of, verify
from storage.notifications.documents import MESSAGES
from storage.notifications.file import read_notifications
from storage.notifications.service import Service
from storage.schema import ensure_collections
from tests.integration.storage_world import START_MS, alert, minute
from veilocity.contracts import AlertState, Severity
from veilocity.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # of the tests alone
MAIL_PASSWORD = "correct horse"  # noqa: S105  # of the tests alone
PATIENCE_S = 60.0


def until(ask: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ask():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def make_alert(number: int, seq: int, revision: int = 1, **changes: Any) -> MaskedAlert:
    """Return an alert of a person of its own, with the rule `impossible-travel`, unless told otherwise."""
    made = alert(5 * number, seq, revision)
    return msgspec.structs.replace(made, **{"severity": Severity.HIGH, **changes})


class Store:
    """The stores' MongoDB, written as the privacy stage does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._store = MongoStore(settings)
        ensure_collections(self._store.database)
        self.seq = -1
        self.write()

    def write(self, *alerts: MaskedAlert) -> None:
        """Write one batch, progress last."""
        self.seq += 1
        stamped = tuple(msgspec.structs.replace(one, seq=self.seq) for one in alerts)
        progress = Progress(id="privacy", seq=self.seq, event_ms=minute(self.seq), written_ms=START_MS)
        batch = MaskedBatch(progress=progress, alerts=stamped)
        assert self._store.write(batch) == []
        self._store.write_progress(progress)

    def messages(self, **asked: Any) -> list[Document]:
        return list(self._store.database[MESSAGES.name].find(asked).sort("made_ms"))

    @property
    def database(self) -> Database[Document]:
        return self._store.database

    def close(self) -> None:
        self._store.close()


@contextmanager
def stored(settings: Settings) -> Iterator[Store]:
    store = Store(settings)
    try:
        yield store
    finally:
        store.close()
        with closing(connect(settings, socket_timeout_ms=120_000)) as client:
            client.drop_database(settings.mongodb_database)


class Push(NamedTuple):
    """One webhook as it came."""

    id: str
    body: dict[str, Any]
    raw: bytes
    at_s: float
    path: str


class Answer(NamedTuple):
    """What the receiver answers, after doing something."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    first: Callable[[], None] | None = None


class Hook:
    """A receiver of webhooks: verifies each, keeps it, and answers as it is told, 200 where it is told nothing."""

    def __init__(self, port: int = 0) -> None:
        self.pushes: list[Push] = []
        self.answers: list[Answer] = []
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?team=fraud"

    def ids(self) -> list[str]:
        return [push.id for push in self.pushes]

    def told(self) -> list[str]:
        """Return the alerts that were told, each id of a message once, as a receiver that honours it would."""
        distinct = {push.id: push.body for push in self.pushes}
        return [line["alert"] for body in distinct.values() for line in body["data"].get("named", ())]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                identity = verify([key_of(SECRET)], dict(self.headers.items()), raw, time.time())
                assert self.headers["Content-Type"] == "application/json"
                with hook._lock:
                    hook.pushes.append(Push(identity, msgspec.json.decode(raw), raw, time.time(), self.path))
                    answer = hook.answers.pop(0) if hook.answers else Answer()
                if answer.first is not None:
                    answer.first()
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        return Handler


@contextmanager
def hooked(port: int = 0) -> Iterator[Hook]:
    hook = Hook(port)
    try:
        yield hook
    finally:
        hook.close()


def webhook(url: str, **fields: Any) -> dict[str, Any]:
    return {"webhook": {"url": url, "secret_env": "HOOK_SECRET", "allow_http": True, "allow_networks": ["127.0.0.1/32"], **fields}}


def write_file(folder: Path, receivers: Mapping[str, Any], routes: list[dict[str, Any]] | None = None, **delivery: str) -> Path:
    """Write a notifications file whose times suit a test."""
    quick = {"group_wait": "0s", "group_interval": "1s"}
    route = {"name": "all", "receivers": list(receivers)}
    content = {
        "dashboard_url": "https://fraud.example.com",
        "receivers": dict(receivers),
        "routes": [{**quick, **one} for one in routes or [route]],
        "delivery": {"first_delay": "1s", "longest_delay": "2s", "claim": "16s", **delivery},
    }
    path = folder / "notifications.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def environment(settings: Settings, file: Path, port: int) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {
        **clean,
        "HOOK_SECRET": SECRET,
        "VEILOCITY_MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "VEILOCITY_MONGODB_DATABASE": settings.mongodb_database,
        "VEILOCITY_NOTIFICATIONS_FILE": str(file),
        "VEILOCITY_NOTIFICATIONS_METRICS_PORT": str(port),
    }


@contextmanager
def notifier(settings: Settings, file: Path, port: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Start the command an operator starts; end it if the test did not."""
    command = [sys.executable, "-m", "veilocity.cli", "notify"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(settings, file, port), stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        if process.stderr is not None and not process.stderr.closed:
            process.communicate()


@contextmanager
def serving(settings: Settings, file: Path) -> Iterator[Service]:
    """Run the notifier in a thread of the test: all of it but the command, and seconds quicker to start."""
    stop, notifications = Event(), read_notifications(file, {"HOOK_SECRET": SECRET, "MAIL_PASSWORD": MAIL_PASSWORD})
    with ThreadPoolExecutor(1) as threads:
        service = Service(settings, notifications, stop)
        ended = threads.submit(service.run)
        try:
            yield service
        finally:
            stop.set()
            ended.result(timeout=PATIENCE_S)


def retracted(one: MaskedAlert) -> MaskedAlert:
    return msgspec.structs.replace(one, revision=one.revision + 1, state=AlertState.RETRACTED)

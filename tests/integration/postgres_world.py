"""A database of one test in a real PostgreSQL, and the programs that use it, as their users run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from devstack.ports import free_port
from devstack.postgres import PostgresServer
from privacy.identifiers.keyring import KeyRing
from tests.integration.ingest_world import eventually
from veilocity import settings as kernel_settings
from veilocity.kafka import ensure_topics, wait_for_topics
from veilocity.postgres import Connection, connect
from veilocity.settings import Settings


@contextmanager
def database(server: PostgresServer) -> Iterator[str]:
    """Make a database and yield its connection string."""
    name = f"t{uuid.uuid4().hex[:10]}"
    admin = connect(server.dsn, "test")
    admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type, unused-ignore]  # a name of our own
    try:
        yield server.dsn.replace("/postgres", f"/{name}")
    finally:
        # A slot holds its database.
        admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s AND NOT active", [name])
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type, unused-ignore]  # a name of our own
        admin.close()


@contextmanager
def opened(dsn: str) -> Iterator[Connection]:
    """Connect as a client of the test."""
    connection = connect(dsn, "test")
    try:
        yield connection
    finally:
        connection.close()


def own_settings(kafka_server: str, folder: Path, **changes: Any) -> Settings:
    """Return settings with topics, folder, ports and a key ring of their own."""
    ports = {"history_metrics_port": free_port(), "feed_postgres_metrics_port": free_port(), "rules_metrics_port": free_port()}
    mark = f"p{uuid.uuid4().hex[:8]}"
    given = {"kafka_topic_prefix": f"{mark}.", "rules_group": f"{mark}-rules", "state_dir": folder / "state", **ports, **changes}
    settings = kernel_settings.load({}, kafka_bootstrap=kafka_server, **given)
    ensure_topics(settings)
    wait_for_topics(settings)
    KeyRing.generate(settings.token_key_file)
    return settings


class Program:
    """A command of ours as a process."""

    def __init__(self, settings: Settings, port: int, log: Path, *arguments: str) -> None:
        self._port, self.log = port, log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "veilocity.cli", *arguments],
                env=shown(settings),
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def healthy(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def wait_healthy(self) -> None:
        eventually("the program works", lambda: self.process.poll() is not None or self.healthy())
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")

    def metric(self, name: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self._port}/metrics").text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"veilocity_{name}"))

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        return self.process.wait(20)


@contextmanager
def program(settings: Settings, port: int, log: Path, *arguments: str) -> Iterator[Program]:
    """Run a command until it works, and end it afterwards."""
    running = Program(settings, port, log, *arguments)
    try:
        running.wait_healthy()
        yield running
    finally:
        running.end(signal.SIGKILL)


def command(settings: Settings, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    argv = [sys.executable, "-m", "veilocity.cli", *arguments]
    return subprocess.run(argv, env=shown(settings), input=given, capture_output=True, text=True, check=False)


def shown(settings: Settings) -> dict[str, str]:
    """Return this process's environment with these settings and no others."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    texts = {name: value.get_secret_value() if name in kernel_settings.SECRETS else value for name, value in values.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(kernel_settings.PREFIX)}
    return kept | {f"{kernel_settings.PREFIX}{name.upper()}": str(value) for name, value in texts.items() if value is not None}

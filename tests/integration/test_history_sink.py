from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer

from devstack.postgres import PostgresServer
from privacy.history.names import Names
from privacy.identifiers.keyring import KeyRing
from storage.postgres import walk
from storage.postgres.readings import Reading
from tests.integration.ingest_world import eventually
from tests.integration.postgres_world import Program, command, database, opened, own_settings, program
from veilocity.contracts import DeviceId, Fix, SubjectId, encode
from veilocity.kafka import producer_config, topic_name
from veilocity.postgres import Connection
from veilocity.settings import Settings
from veilocity.topics import FIXES

pytestmark = pytest.mark.services
FAR_NS = 2**62


@dataclass
class World:
    settings: Settings
    connection: Connection
    names: Names
    log: Path

    def sink(self) -> Program:
        return Program(self.settings, self.settings.history_metrics_port, self.log, "sinks", "postgres")

    def rows(self) -> list[Reading]:
        found = self.connection.execute("SELECT to_regclass('sensor_history_layout')").fetchone()
        return [] if found == (None,) else list(walk(self.connection, 0, FAR_NS, rows=20_000))


@pytest.fixture
def world(kafka_server: str, postgres_server: PostgresServer, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        dsn = stack.enter_context(database(postgres_server))
        settings = own_settings(kafka_server, tmp_path, postgres_dsn=dsn, history_batch_readings=200)
        connection = stack.enter_context(opened(dsn))
        yield World(settings, connection, Names(KeyRing.from_file(settings.token_key_file)), tmp_path / "log")


def fixes(count: int, *, subject: str = "anna", begin_ns: int | None = None) -> list[Fix]:
    begin = time.time_ns() - 3600 * 10**9 if begin_ns is None else begin_ns
    return [
        Fix(
            subject=SubjectId(subject),
            device=DeviceId(f"{subject}-{number % 3}"),
            source="owntracks",
            fix_ns=begin + number * 10**8 + number,
            received_ms=begin // 10**6,
            lat=50.0 + number * 1e-6,
            lon=8.0,
            altitude_m=None if number % 2 else 100.5,
            accuracy_m=4.0,
        )
        for number in range(count)
    ]


def publish(settings: Settings, given: list[Fix]) -> None:
    producer = Producer(producer_config(settings))
    for fix in given:
        producer.produce(topic_name(settings, FIXES), encode(fix), fix.subject.encode())
        producer.poll(0)
    assert producer.flush(30) == 0


def test_every_fix_is_a_row_with_pseudonyms_and_the_commands_ask_for_it(world: World) -> None:
    given = fixes(50) + fixes(20, subject="ben") + fixes(5, subject="old", begin_ns=time.time_ns() - 30 * 86_400 * 10**9)
    publish(world.settings, [*given, given[0]])
    with program(world.settings, world.settings.history_metrics_port, world.log, "sinks", "postgres") as sink:
        eventually("all were read", lambda: sink.metric("history_readings_total") == 76)
        assert sink.metric('history_readings_total{outcome="repeated"}') == 1
        assert sink.metric('history_readings_total{outcome="expired"}') == 5
        assert sink.end() == 0
    assert sorted(world.rows()) == sorted(world.names.readings(given[:70]))
    shown = [
        json.loads(line) for line in command(world.settings, "sinks", "postgres-history", "latest", "--subject", "anna").stdout.splitlines()
    ]
    assert {one["device"]: one["event_ns"] for one in shown} == {world.names.device(fix.device): fix.fix_ns for fix in given[47:50]}
    first = command(world.settings, "sinks", "postgres-history", "range", "--subject", "-", "--rows", "30", given="anna\n")
    second = command(
        world.settings, "sinks", "postgres-history", "range", "--subject", "anna", "--rows", "30", "--after", first.stderr.strip()
    )
    both = [json.loads(line)["event_ns"] for line in (first.stdout + second.stdout).splitlines()]
    assert both == [fix.fix_ns for fix in given[:50]]
    assert not second.stderr
    means = json.loads(command(world.settings, "sinks", "postgres-history", "averages", "--subject", "ben").stdout)
    assert (means["readings"], means["altitude_m"]) == (20, 100.5)
    assert means["lat"] == pytest.approx(sum(fix.lat for fix in given[50:70]) / 20)
    log = world.log.read_text(encoding="utf-8")
    assert not [secret for secret in ("anna", "ben", "50.0000", world.names.subject("anna")) if secret in log]


def test_killed_in_the_middle_it_loses_and_doubles_nothing(world: World) -> None:
    given = fixes(6_000)
    publish(world.settings, given)
    first = world.sink()
    try:
        eventually("it writes", lambda: bool(world.rows()))
    finally:
        first.end(signal.SIGKILL)
    assert 0 < len(world.rows()) < len(given)
    with program(world.settings, world.settings.history_metrics_port, world.log, "sinks", "postgres"):
        eventually("all are there", lambda: len(world.rows()) >= len(given))
    assert sorted(world.rows()) == sorted(world.names.readings(given))


def test_a_forgotten_person_does_not_come_back(world: World) -> None:
    given = fixes(30) + fixes(10, subject="ben")
    publish(world.settings, given)
    with program(world.settings, world.settings.history_metrics_port, world.log, "sinks", "postgres") as sink:
        eventually("all are there", lambda: len(world.rows()) == 40)
        told = command(world.settings, "sinks", "postgres-history", "forget", "-", given="anna\n")
        assert "30 erased" in told.stdout
        publish(world.settings, given)
        eventually("it was told again", lambda: sink.metric('history_readings_total{outcome="erased"}') == 30)
    assert sorted(world.rows()) == sorted(world.names.readings(given[30:]))


def test_without_postgres_it_waits_and_goes_on(world: World, postgres_server: PostgresServer) -> None:
    publish(world.settings, fixes(5))
    with program(world.settings, world.settings.history_metrics_port, world.log, "sinks", "postgres") as sink:
        eventually("all are there", lambda: len(world.rows()) == 5)
        # Every connection of the sink is cut, as a restart of the server would.
        world.connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'veilocity history'")
        publish(world.settings, fixes(5, subject="ben"))
        eventually("it goes on", lambda: len(world.rows()) == 10)
        assert sink.process.poll() is None
    assert "waits; trying again" in world.log.read_text(encoding="utf-8")

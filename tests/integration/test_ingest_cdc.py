from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from devstack import postgres
from devstack.postgres import PostgresServer
from tests.integration.ingest_world import eventually, read_all
from tests.integration.postgres_world import Program, command, database, opened, own_settings, program
from tests.integration.rules_cluster import decisions
from tests.integration.rules_cluster import running as rules_running
from veilocity.contracts import Reject, Transaction, decode
from veilocity.errors import RejectReason
from veilocity.postgres import Connection
from veilocity.settings import Settings
from veilocity.topics import REJECTS, TRANSACTIONS

pytestmark = pytest.mark.services
TABLE = """
    CREATE TABLE payments (
        number text PRIMARY KEY, card text, paid_at timestamptz, total numeric(12, 2), shop text, kind text, channel text,
        lat double precision, lon double precision, state text DEFAULT 'captured'
    )
"""
MAPPING = (
    "id=number,card=card,authorised_at=paid_at,amount=paid|total,currency='EUR',merchant=shop,category=kind,channel=channel,lat=lat,lon=lon"
)
INSERT = """
    INSERT INTO payments SELECT 'p' || n, 'card-' || mod(n, 7), '2026-11-20 10:00:00+00'::timestamptz + n * interval '1 second',
    n + 0.25, 'Café', 'food', 'card-present', 52.5, 13.4 FROM generate_series(%s::integer, %s::integer) AS n
"""


@dataclass
class World:
    settings: Settings
    dsn: str
    connection: Connection
    log: Path
    slot: str

    def arguments(self, *more: str) -> list[str]:
        return ["feeds", "postgres", "--dsn", self.dsn, "--mapping", MAPPING, "--slot", self.slot, *more]

    def start(self) -> Program:
        return Program(self.settings, self.settings.feed_postgres_metrics_port, self.log, *self.arguments())

    @contextmanager
    def feed(self) -> Iterator[Program]:
        with program(self.settings, self.settings.feed_postgres_metrics_port, self.log, *self.arguments()) as running:
            yield running

    def insert(self, first: int, last: int) -> None:
        self.connection.execute(INSERT, [first, last])

    def transactions(self) -> list[Transaction]:
        values = [message.value() for message in read_all(self.settings, TRANSACTIONS)]
        return [decode(value, Transaction) for value in values if isinstance(value, bytes)]

    def ids(self) -> set[str]:
        return {transaction.id for transaction in self.transactions()}

    def confirmed(self) -> str:
        question = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s"
        (found,) = self.connection.execute(question, [self.slot]).fetchone() or ("",)
        return str(found)


@pytest.fixture
def world(kafka_server: str, postgres_server: PostgresServer, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        dsn = stack.enter_context(database(postgres_server))
        settings = own_settings(kafka_server, tmp_path, feed_postgres_batch_rows=50)
        connection = stack.enter_context(opened(dsn))
        connection.execute(TABLE)  # type: ignore[arg-type, unused-ignore]  # a constant
        yield World(settings, dsn, connection, tmp_path / "log", f"s{settings.kafka_topic_prefix[1:-1]}")


def numbers(first: int, last: int) -> set[str]:
    return {f"p{number}" for number in range(first, last + 1)}


def test_rows_of_before_and_changes_become_payments(world: World) -> None:
    world.insert(1, 120)
    with world.feed() as feed:
        eventually("the rows of before are read", lambda: world.ids() == numbers(1, 120))
        world.insert(121, 130)
        world.connection.execute("INSERT INTO payments (number, card, total) VALUES ('bad', 'card-1', 1)")
        eventually("the bad row is refused", lambda: feed.metric('ingest_cdc_changes_total{kind="insert",outcome="rejected"}') == 1)
        world.connection.execute(
            "UPDATE payments SET paid_at = '2026-11-20 12:00:00.25+02', shop = 'x', kind = 'y', channel = 'e-commerce' WHERE number = 'bad'"
        )
        world.connection.execute("DELETE FROM payments WHERE number = 'p3'")
        world.connection.execute("TRUNCATE payments")
        eventually("all is read", lambda: feed.metric('ingest_cdc_changes_total{kind="truncate",outcome="ignored"}') == 1)
        assert feed.metric('ingest_cdc_changes_total{kind="delete",outcome="ignored"}') == 1
        assert feed.metric("ingest_cdc_retained_bytes") > 0
        assert feed.end() == 0
    found = {transaction.id: transaction for transaction in world.transactions()}
    assert set(found) == numbers(1, 130) | {"bad"}
    one = found["p125"]
    assert (one.amount_minor, one.currency, one.merchant, one.card, one.lat) == (12525, "EUR", "Café", "card-6", 52.5)
    assert found["bad"].authorised_ms % 86_400_000 == 10 * 3_600_000 + 250
    (reject,) = [decode(value, Reject) for message in read_all(world.settings, REJECTS) if isinstance(value := message.value(), bytes)]
    assert (reject.reason, reject.source) == (RejectReason.MISSING_FIELD, "postgres")
    log = world.log.read_text(encoding="utf-8")
    assert not [secret for secret in ("card-1", "p125", "Café") if secret in log]


def test_killed_in_the_middle_every_payment_is_decided_on_once(world: World) -> None:
    world.connection.execute("ALTER TABLE payments REPLICA IDENTITY FULL")
    with rules_running(world.settings):
        world.insert(1, 1_000)
        first = world.start()
        try:
            eventually("some of the rows of before are read", lambda: len(world.ids()) > 100)
        finally:
            first.end(signal.SIGKILL)
        assert not world.ids() >= numbers(1, 1_000)
        second = world.start()
        try:
            eventually("the rows of before are read", lambda: world.ids() >= numbers(1, 1_000))
            for begin in range(1_001, 2_001, 10):
                world.insert(begin, begin + 9)
            world.insert(2_001, 4_000)
            eventually("some changes are read", lambda: len(world.ids()) > 1_100)
        finally:
            second.end(signal.SIGKILL)
        assert len(world.ids()) < 4_000
        with world.feed():
            # One was written so long ago that the rules do not remember it: the log says that it was whole before.
            world.connection.execute("UPDATE payments SET shop = 'other' WHERE number IN ('p5', 'p3999')")
            world.connection.execute("UPDATE payments SET number = 'last' WHERE number = 'p4000'")
            eventually("all is read", lambda: "last" in world.ids())
            assert world.ids() == numbers(1, 4_000) | {"last"}
            eventually("all is decided", lambda: len({one.transaction.id for one in decisions(world.settings)}) == 4_001)
    firsts = [one.transaction.id for one in decisions(world.settings) if one.revision == 1]
    assert len(firsts) == len(set(firsts)) == 4_001


def test_a_renamed_column_stops_the_feed_and_loses_nothing(world: World) -> None:
    feed = world.start()
    feed.wait_healthy()
    world.insert(1, 5)
    eventually("they are read", lambda: world.ids() == numbers(1, 5))
    world.connection.execute("ALTER TABLE payments ADD COLUMN note text, DROP COLUMN state")
    world.insert(6, 7)
    eventually("another column changes nothing", lambda: world.ids() == numbers(1, 7))
    world.connection.execute("ALTER TABLE payments RENAME COLUMN shop TO merchant_name")
    world.insert(8, 9)
    assert feed.process.wait(60) == 2
    assert "no column for merchant" in world.log.read_text(encoding="utf-8")
    changed = [part.replace("merchant=shop", "merchant=merchant_name|shop") for part in world.arguments()]
    with program(world.settings, world.settings.feed_postgres_metrics_port, world.log, *changed):
        eventually("nothing was lost", lambda: world.ids() == numbers(1, 9))


def test_a_quiet_table_holds_no_log_back_and_a_second_feed_waits(world: World) -> None:
    with world.feed():
        begin = world.confirmed()
        world.connection.execute("CREATE TABLE other AS SELECT n FROM generate_series(1, 1000) AS n")
        eventually("the slot moves on", lambda: world.confirmed() != begin)
        other = Settings(**{**world.settings.model_dump(exclude_unset=True), "feed_postgres_metrics_port": 0})
        waiting = Program(other, 0, world.log, *world.arguments())
        try:
            eventually("a second feed waits", lambda: "another feed reads this slot" in world.log.read_text(encoding="utf-8"))
        finally:
            waiting.end(signal.SIGKILL)
    assert command(world.settings, *world.arguments("--drop")).returncode == 0
    assert world.confirmed() == ""
    world.insert(1, 3)
    with world.feed():
        eventually("it begins anew", lambda: world.ids() == numbers(1, 3))


def test_what_is_not_set_up_is_said(world: World, postgres_server: PostgresServer) -> None:
    told = command(world.settings, *world.arguments("--table", "nothing"))
    assert (told.returncode, "nothing" in told.stderr) == (2, True)
    world.connection.execute("CREATE TABLE plain (id text)")
    told = command(world.settings, "feeds", "postgres", "--dsn", world.dsn, "--table", "plain")
    assert (told.returncode, "says nothing of amount" in told.stderr) == (2, True)
    assert world.confirmed() == ""


def test_a_slot_that_the_server_gave_up_is_told_and_begun_anew(kafka_server: str, postgres_server: PostgresServer, tmp_path: Path) -> None:
    limited = {"max_slot_wal_keep_size": "16MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}
    with postgres.running(postgres_server.programs, limited) as server, database(server) as dsn, opened(dsn) as connection:
        connection.execute(TABLE)  # type: ignore[arg-type, unused-ignore]  # a constant
        world = World(own_settings(kafka_server, tmp_path), dsn, connection, tmp_path / "log", "limited")
        world.insert(1, 3)
        with world.feed():
            eventually("the rows are read", lambda: world.ids() == numbers(1, 3))
        world.insert(4, 4)
        connection.execute("CREATE TABLE filler AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 60000)")
        connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")
        assert connection.execute("SELECT wal_status FROM pg_replication_slots").fetchone() == ("lost",)
        told = command(world.settings, *world.arguments())
        assert (told.returncode, "gave the slot up" in told.stderr) == (2, True)
        assert command(world.settings, *world.arguments("--drop")).returncode == 0
        with world.feed():
            eventually("it begins anew", lambda: world.ids() == numbers(1, 4))

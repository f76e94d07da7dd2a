"""The Cassandra sink on a real Cassandra: every masked payment, exact after kill -9, erased where MongoDB has erased."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient

from devstack.environment import variables
from devstack.ports import free_port
from storage.cassandra.sink import Sink
from storage.cassandra.source import Source
from storage.cassandra.table import Held, PaymentTable, _cluster
from storage.documents import MaskedBatch, MaskedTransaction
from storage.erasure import Journal, Step
from storage.kinds import PROGRESS, TRANSACTIONS, Document, from_document
from storage.mongo import MONGODB, MongoStore
from storage.mongo_erasure import MongoEraser
from tests.integration import storage_world as world
from tests.integration.ingest_world import eventually
from veilocity import settings as kernel_settings
from veilocity.errors import SettingsError, StateError, StoreUnavailableError
from veilocity.settings import Settings

pytestmark = pytest.mark.services
_KEEP_DAYS = 30
NOW_MS = world.START_MS + 3_600_000


def cluster(settings: Settings) -> Any:
    return _cluster(settings)


@pytest.fixture
def settings(mongodb_server: str, cassandra_server: tuple[str, int], tmp_path: Path) -> Iterator[Settings]:
    """Settings of one test alone: its own database and keyspace."""
    mark = f"t{uuid.uuid4().hex[:10]}"
    host, port = cassandra_server
    found = kernel_settings.load(
        {},
        state_dir=tmp_path / "state",
        mongodb_uri=mongodb_server,
        mongodb_database=mark,
        cassandra_hosts=host,
        cassandra_port=port,
        cassandra_keyspace=mark,
        cassandra_metrics_port=0,
    )
    yield found
    client: MongoClient[Document] = MongoClient(mongodb_server)
    client.drop_database(mark)
    client.close()
    with cluster(found) as opened:
        opened.connect().execute(f"DROP KEYSPACE IF EXISTS {mark}")


@pytest.fixture
def store(settings: Settings) -> Iterator[MongoStore]:
    opened = MongoStore(settings)
    yield opened
    opened.close()


def write(store: MongoStore, batch: MaskedBatch) -> None:
    assert not store.write(batch)
    store.write_progress(batch.progress)


def in_mongodb(store: MongoStore) -> dict[str, MaskedTransaction]:
    found = (from_document(TRANSACTIONS, document) for document in store.database[TRANSACTIONS.name].find())
    return {payment.id: payment for payment in found}


def in_cassandra(settings: Settings) -> dict[str, Any]:
    """Return every row by id, with when it was written and how long it lives."""
    with cluster(settings) as opened:
        session = opened.connect(settings.cassandra_keyspace)
        lives = {one.id: one for one in session.execute("SELECT id, WRITETIME(seq) AS written_us, TTL(seq) AS ttl_s FROM payments")}
        return {one.id: (one, lives[one.id].written_us, lives[one.id].ttl_s) for one in session.execute("SELECT * FROM payments")}


def shown(found: Any) -> dict[str, Any]:
    """Return a row as `shape` shows a payment."""
    fields: dict[str, Any] = found._asdict()
    fields["minute"] = int(fields["minute"].replace(tzinfo=UTC).timestamp() * 1000)
    fields["reasons"] = tuple(fields["reasons"] or ())
    return fields


def shape(payment: MaskedTransaction) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(payment)
    place = fields.pop("place") or {"cell": None, "lat": None, "lon": None}
    fields["minute"] = fields.pop("minute_ms")
    fields["reasons"] = tuple(fields["reasons"])
    return fields | {"cell": place["cell"], "cell_lat": place["lat"], "cell_lon": place["lon"]}


def assert_equal(settings: Settings, store: MongoStore) -> None:
    rows = in_cassandra(settings)
    payments = in_mongodb(store)
    assert {identity: shown(found) for identity, (found, _, _) in rows.items()} == {one.id: shape(one) for one in payments.values()}
    assert {identity: written_us for identity, (_, written_us, _) in rows.items()} == {one.id: one.seq + 1 for one in payments.values()}


def follow(settings: Settings, now_ms: int = NOW_MS) -> None:
    """Run the sink until it has nothing to do."""
    source, table = Source(settings), PaymentTable(settings)
    try:
        sink = Sink(source, table, lambda: now_ms)
        while sink.step():
            pass
    finally:
        table.close()
        source.close()


def forget(store: MongoStore, folder: Path, person: str) -> int:
    """Erase a person's payments as `veilocity privacy forget` does."""
    eraser, journal = MongoEraser(store.database), Journal(folder, store.database)
    found = eraser.found(TRANSACTIONS.name, [person], 10_000)
    step = Step(person, MONGODB, TRANSACTIONS.name, tuple((identity, index) for identity, index, _ in found), world.START_MS)
    journal.run(eraser, step)
    return len(found)


def test_all_masked_payments_arrive_once_and_amended(settings: Settings, store: MongoStore) -> None:
    follow(settings)
    write(store, world.batch(0, payments=300))
    follow(settings)
    write(store, world.batch(1, payments=300))
    amended = (world.amendment(3, 2, minute_ms=world.minute(0)), world.amendment(301, 2, minute_ms=world.minute(1)))
    write(store, msgspec.structs.replace(world.batch(2, payments=0), amendments=amended))
    store.write(world.batch(3, payments=300))  # not complete: its progress is not written
    follow(settings)
    rows = in_cassandra(settings)
    complete = {one.id: one for one in in_mongodb(store).values() if one.seq <= 2}
    assert {identity: shown(found) for identity, (found, _, _) in rows.items()} == {one.id: shape(one) for one in complete.values()}
    assert rows[amended[0].id][0].verdict == "flagged"
    assert len(rows) == 600


def test_an_older_version_and_a_repetition_change_nothing(settings: Settings, store: MongoStore) -> None:
    write(store, world.batch(0))
    before = list(in_mongodb(store).values())
    amendment = world.amendment(3, 1, minute_ms=world.minute(0))
    write(store, msgspec.structs.replace(world.batch(1), amendments=(amendment,)))
    follow(settings)
    expected = in_cassandra(settings)
    table = PaymentTable(settings)
    try:
        table.put(before, NOW_MS)
        table.put(in_mongodb(store).values(), NOW_MS + 60_000)
    finally:
        table.close()
    assert in_cassandra(settings) == expected
    assert_equal(settings, store)


def test_rows_expire_with_the_day_of_their_payment(settings: Settings, store: MongoStore) -> None:
    kept = settings.model_copy(update={"storage_keep_transactions_days": _KEEP_DAYS})
    old = msgspec.structs.replace(world.batch(0), transactions=(world.transaction(1, 0), world.transaction(2, 0, minute_ms=0)))
    write(store, old)
    follow(kept, now_ms=NOW_MS)
    ((found, _, left_s),) = in_cassandra(kept).values()
    assert found.id == world.token("transaction", 1)
    assert (_KEEP_DAYS + 1) * 86_400 - 3_600 - 600 < left_s <= (_KEEP_DAYS + 1) * 86_400 - 3_600


def test_a_forgotten_person_is_erased_and_does_not_come_back(settings: Settings, store: MongoStore, tmp_path: Path) -> None:
    write(store, world.batch(0, payments=200))
    follow(settings)
    before = list(in_mongodb(store).values())
    assert forget(store, tmp_path, world.token("subject", 7)) == 5
    follow(settings)
    assert_equal(settings, store)
    table = PaymentTable(settings)
    try:
        table.put(before, NOW_MS)
    finally:
        table.close()
    assert_equal(settings, store)


def process(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    """Start `veilocity sinks cassandra` as its user does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(kernel_settings.PREFIX)}
    argv = [sys.executable, "-m", "veilocity.cli", "sinks", "cassandra"]
    with log.open("ab") as stream:
        return subprocess.Popen(argv, env=kept | variables(settings), stdout=stream, stderr=stream, start_new_session=True)


def run_until(settings: Settings, log: Path, reached: Callable[[], bool], number: int) -> int:
    """Run the sink until it came somewhere, then send it a signal; return its exit code."""
    running = process(settings, log)
    try:
        eventually("the sink gets on", lambda: reached() or running.poll() is not None)
        assert running.poll() is None, log.read_text(encoding="utf-8")
    finally:
        os.killpg(running.pid, number)
        code = running.wait(30)
    return code


def test_killed_again_and_again_the_sink_ends_exact(settings: Settings, store: MongoStore, tmp_path: Path) -> None:
    batches, kills = 60, 3
    for seq in range(batches):
        write(store, world.batch(seq, payments=100, people=0, alerts=0))
    table, log = PaymentTable(settings), tmp_path / "sink.log"
    reached: list[int] = []
    try:
        for number in range(kills):
            target = min(table.held().seq + batches // (kills + 2), batches - 1)
            run_until(settings, log, partial(came_to, table, target), signal.SIGKILL)
            reached.append(table.held().seq)
            forget(store, tmp_path, world.token("subject", number))
        everything = Held(batches - 1, store_erased(settings))
        assert run_until(settings, log, lambda: table.held() == everything, signal.SIGTERM) == 0, log.read_text(encoding="utf-8")
    finally:
        table.close()
    assert reached[0] < batches - 1, "the first kill came after the work"
    assert_equal(settings, store)


def came_to(table: PaymentTable, seq: int) -> bool:
    return table.held().seq >= seq


def store_erased(settings: Settings) -> int:
    source = Source(settings)
    try:
        return source.erased()
    finally:
        source.close()


def test_what_cannot_be_right_is_said(settings: Settings, store: MongoStore) -> None:
    with pytest.raises(SettingsError, match="3 copies of a row need as many Cassandra nodes, and there are 1"):
        PaymentTable(settings.model_copy(update={"cassandra_replication": 3}))
    with pytest.raises(SettingsError, match="set VEILOCITY_CASSANDRA_HOSTS"):
        PaymentTable(settings.model_copy(update={"cassandra_hosts": ""}))
    with pytest.raises(StoreUnavailableError, match="is it running"):
        PaymentTable(settings.model_copy(update={"cassandra_port": free_port()}))
    write(store, world.batch(5))
    follow(settings)
    store.database[PROGRESS.name].delete_many({})
    store.write_progress(world.batch(4).progress)
    with pytest.raises(StateError, match="filled from another MongoDB"):
        follow(settings)

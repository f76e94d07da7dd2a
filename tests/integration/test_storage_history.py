from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from devstack.postgres import PostgresServer
from storage.postgres import Kept, Reading, Written, averages, erase, latest, maintain, page, prepare, walk, write
from storage.postgres.schema import FULL, LAYOUT, MINUTES, is_hypertable
from tests.integration.postgres_world import database, opened
from veilocity.errors import SettingsError, StateError, StoreUnavailableError
from veilocity.postgres import Connection, connect

pytestmark = pytest.mark.services
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_800_000_000_000 // DAY_MS * DAY_MS + 12 * HOUR_MS
FAR_NS = 2**62


@pytest.fixture
def history(postgres_server: PostgresServer) -> Iterator[Connection]:
    with database(postgres_server) as dsn, opened(dsn) as connection:
        prepare(connection, 7)
        yield connection


def reading(at_ms: int, *, device: int = 1, subject: int = 1, **changes: Any) -> Reading:
    known = Reading(f"{subject:032x}", f"{device:032x}", at_ms * 1_000_000 + 7, 50.0, 8.0, 100.0, None, 90.0, 5.0, "owntracks")
    return known._replace(**changes)


def everything(connection: Connection) -> list[Reading]:
    return list(walk(connection, 0, FAR_NS, rows=7))


def test_a_reading_is_there_once_and_whole_however_often_it_is_written(history: Connection) -> None:
    given = [reading(NOW_MS - 1000 * number, device=number % 3, lat=number / 7, altitude_m=None) for number in range(50)]
    assert write(history, given, NOW_MS, 7) == Written(50)
    assert write(history, [*given[:20], given[0]], NOW_MS, 7) == Written(0, 21)
    assert sorted(everything(history)) == sorted(given)
    # The time that people read is the exact one, rounded down to microseconds.
    wrong = history.execute(
        "SELECT count(*) FROM sensor_history WHERE extract(epoch FROM event_time) * 1000000 <> event_ns / 1000"
    ).fetchone()
    assert wrong == (0,)


def test_a_day_that_is_over_keeps_the_last_reading_of_a_minute_and_later_nothing(history: Connection) -> None:
    yesterday = NOW_MS - 36 * HOUR_MS
    old = [reading(yesterday + 10_000 * number, lat=number / 100) for number in range(60)]
    new = [reading(NOW_MS - 10_000 * number) for number in range(10)]
    write(history, [*old, *new], NOW_MS, 7)
    assert maintain(history, NOW_MS, 24, 7) == Kept()
    later_ms = NOW_MS + DAY_MS
    kept = maintain(history, later_ms, 24, 7)
    assert (kept.thinned, len(kept.dropped)) == (10, 1)
    assert sorted(everything(history)) == sorted(old[5::6] + new)
    # What comes late, or again, ends as if it had come in time.
    late = reading(yesterday + 59_999)
    assert write(history, [late, *old], later_ms, 7) == Written(61)
    assert sorted(everything(history)) == sorted([late, *old, *new])
    maintain(history, later_ms, 24, 7)
    assert sorted(everything(history)) == sorted([late, *old[11::6], *new])
    assert maintain(history, NOW_MS + 9 * DAY_MS, 24, 7).thinned == 0
    assert everything(history) == [] == latest(history)
    assert history.execute("SELECT count(*) FROM pg_inherits").fetchone() == (0,)


def test_what_is_too_old_makes_no_partition(history: Connection) -> None:
    assert write(history, [reading(NOW_MS - 8 * DAY_MS), reading(0)], NOW_MS, 7) == Written(expired=2)
    assert history.execute("SELECT count(*) FROM pg_inherits").fetchone() == (0,)


def test_the_newest_reading_of_a_device_wins_in_any_order(history: Connection) -> None:
    newest = [reading(NOW_MS - device, device=device, subject=device % 2) for device in range(5)]
    older = [one._replace(event_ns=one.event_ns - 10**9, lat=1.0) for one in newest]
    write(history, newest, NOW_MS, 7)
    write(history, older, NOW_MS, 7)
    assert latest(history) == newest
    assert latest(history, f"{1:032x}") == newest[1::2]
    assert latest(history, device=f"{4:032x}") == newest[4:]
    first = latest(history, rows=2)
    assert first + latest(history, after=first[-1].device) == newest


def test_pages_go_on_where_they_ended_whatever_is_written_meanwhile(history: Connection) -> None:
    given = [reading(NOW_MS - 10_000 + 1000 * (number // 3), device=number % 3) for number in range(30)]
    write(history, given, NOW_MS, 7)
    first = page(history, 0, FAR_NS, rows=10)
    write(history, [reading(NOW_MS - 50_000)], NOW_MS, 7)
    second = page(history, 0, FAR_NS, rows=20, after=first.after)
    assert second.after is None
    assert sorted(first.readings + second.readings) == sorted(given)
    edge = given[15].event_ns
    assert {one.event_ns for one in page(history, edge, edge + 1).readings} == {edge}
    assert page(history, edge + 1, edge + 2).readings == ()


def test_means_go_by_direction_and_leave_out_what_is_not_known(history: Connection) -> None:
    write(history, [reading(NOW_MS, lon=179.0), reading(NOW_MS - 1, lon=-179.0, altitude_m=None, lat=52.0)], NOW_MS, 7)
    found = averages(history, 0, FAR_NS)
    assert (found.readings, found.lat, found.altitude_m) == (2, 51.0, 100.0)
    assert abs(found.lon or 0.0) == pytest.approx(180.0)
    assert averages(history, 0, 1) == (0, None, None, None)


def test_who_is_erased_stays_out_of_both_tiers(history: Connection, postgres_server: PostgresServer) -> None:
    mine = [reading(NOW_MS - 36 * HOUR_MS, subject=1), reading(NOW_MS - 1000, subject=1)]
    others = [reading(NOW_MS - 1000, subject=2, device=2)]
    write(history, mine + others, NOW_MS, 7)
    maintain(history, NOW_MS + DAY_MS, 24, 7)
    assert erase(history, f"{1:032x}", NOW_MS) == 2
    assert erase(history, f"{1:032x}", NOW_MS) == 0
    assert write(history, mine, NOW_MS, 7) == Written(erased=2)
    assert (everything(history), latest(history)) == (others, others)
    # The mark goes when nothing of its time is written any more.
    maintain(history, NOW_MS + 8 * DAY_MS, 24, 7)
    assert history.execute("SELECT count(*) FROM sensor_history_erased").fetchone() == (0,)


def test_an_erasure_and_writers_at_once_leave_nothing_of_the_person(history: Connection, postgres_server: PostgresServer) -> None:
    dsn = postgres_server.dsn.replace("/postgres", f"/{history.info.dbname}")

    def keep_writing(part: int) -> None:
        with opened(dsn) as mine:
            for number in range(30):
                at_ms = NOW_MS - 1000 * (part * 100 + number + 1)
                write(mine, [reading(at_ms, subject=1), reading(at_ms, subject=2, device=2)], NOW_MS, 7)

    writers = [Thread(target=keep_writing, args=(part,)) for part in range(3)]
    for writer in writers:
        writer.start()
    erase(history, f"{1:032x}", NOW_MS)
    for writer in writers:
        writer.join()
    found = everything(history)
    assert {one.subject for one in found} == {f"{2:032x}"}
    assert len(found) == 90


def test_tables_are_made_once_and_newer_ones_refused(history: Connection) -> None:
    assert prepare(history, 7) is is_hypertable(history)
    history.execute("INSERT INTO sensor_history_layout VALUES (%s)", [LAYOUT + 1])
    with pytest.raises(StateError, match="upgrade"):
        prepare(history, 7)


def test_hypertables_where_timescale_is(history: Connection) -> None:
    if history.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone() is None:
        pytest.skip("TimescaleDB is not installed here: only its statements are tested")
    assert is_hypertable(history)
    kept = {name for (name,) in history.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")}
    assert kept == {FULL, MINUTES}


def test_what_postgres_refuses_is_told_apart_from_what_passes(history: Connection, postgres_server: PostgresServer) -> None:
    with pytest.raises(SettingsError, match="no PostgreSQL is named"):
        connect("", "test")
    with pytest.raises(SettingsError, match="cannot be read"):
        connect("nonsense", "test")
    with pytest.raises(StoreUnavailableError):
        connect("postgresql://127.0.0.1:1/nothing", "test")
    history.execute("CREATE ROLE reader LOGIN")
    try:
        with (
            opened(f"postgresql://reader@127.0.0.1:{postgres_server.port}/{history.info.dbname}") as reader,
            pytest.raises(SettingsError, match="refuses"),
        ):
            prepare(reader, 7)
    finally:
        history.execute("DROP ROLE reader")

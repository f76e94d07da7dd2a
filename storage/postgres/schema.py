"""The tables of the sensor history, made where they are missing.

    sensor_history           every reading of the last hours, by day of event time
    sensor_history_minutes   the last reading of every minute of a device, for days
    sensor_history_latest    the newest reading of every device
    sensor_history_erased    who was erased, and when: what is older is not written again

The first two are hypertables where TimescaleDB is installed, otherwise tables with a partition for each day of UTC. A table that is there
stays what it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import LiteralString

from psycopg import sql

from veilocity.errors import StateError
from veilocity.postgres import Connection, faults

__all__ = ["FULL", "LAYOUT", "MINUTES", "day_of", "ensure_days", "hypertables", "is_hypertable", "prepare"]

FULL, MINUTES = "sensor_history", "sensor_history_minutes"
LAYOUT = 1
"""Raise it when the tables change; a newer layout is refused."""
_LOCK = 7_105_423_001
"""Number of the advisory lock under which tables and partitions are made."""
_COLUMNS: LiteralString = """
    subject uuid NOT NULL,
    device uuid NOT NULL,
    event_time timestamptz NOT NULL,
    event_ns bigint NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL,
    altitude_m double precision,
    speed_mps double precision,
    bearing_deg double precision,
    accuracy_m double precision,
    source text NOT NULL
"""
_TABLES: tuple[tuple[str, str, LiteralString], ...] = (
    # The time is in every key: neither partitions nor hypertables can hold a key without it.
    (FULL, "event_time", f"CREATE TABLE {{}} ({_COLUMNS}, PRIMARY KEY (device, event_time, event_ns, lat, lon))"),
    (MINUTES, "minute", f"CREATE TABLE {{}} ({_COLUMNS}, minute timestamptz NOT NULL, PRIMARY KEY (device, minute))"),
)
_SMALL: LiteralString = f"""
    CREATE TABLE IF NOT EXISTS sensor_history_latest ({_COLUMNS}, PRIMARY KEY (device));
    CREATE TABLE IF NOT EXISTS sensor_history_erased (subject uuid PRIMARY KEY, until timestamptz NOT NULL);
    CREATE TABLE IF NOT EXISTS sensor_history_layout (layout integer PRIMARY KEY);
    CREATE INDEX IF NOT EXISTS sensor_history_latest_subject ON sensor_history_latest (subject);
"""


def prepare(connection: Connection, keep_days: int) -> bool:
    """Make what is missing and return whether the history is in hypertables.

    Args:
        connection: of a user who may create tables.
        keep_days: how long TimescaleDB keeps the rows of a minute; partitions are dropped by `storage.postgres.tiers`.

    Raises:
        StateError: the tables were made by a newer Veilocity.
        SettingsError: the user may not create tables.
        StoreUnavailableError: PostgreSQL does not answer.
    """
    with faults(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        timescale = _has_timescale(connection)
        for name, time_column, definition in _TABLES:
            if connection.execute("SELECT to_regclass(%s)", [name]).fetchone() == (None,):
                for statement in hypertables(name, time_column, definition) if timescale else _partitioned(name, time_column, definition):
                    connection.execute(statement)
        connection.execute(_SMALL)
        hyper = is_hypertable(connection)
        if hyper:
            connection.execute(sql.SQL("SELECT remove_retention_policy({}, if_exists => true)").format(MINUTES))
            connection.execute(_retention(keep_days))
        connection.execute("INSERT INTO sensor_history_layout VALUES (%s) ON CONFLICT DO NOTHING", [LAYOUT])
        found = connection.execute("SELECT max(layout) FROM sensor_history_layout").fetchone()
    if found is not None and found[0] > LAYOUT:
        raise StateError(f"the sensor history has layout {found[0]}, and this program knows {LAYOUT}: upgrade it")
    return hyper


def _has_timescale(connection: Connection) -> bool:
    if connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone() is None:
        return False
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return True


def hypertables(name: str, time_column: str, definition: LiteralString) -> list[sql.Composed]:
    """Return the statements that make a hypertable with a chunk for each day."""
    create = "SELECT create_hypertable({}, {}, chunk_time_interval => interval '1 day', create_default_indexes => false)"
    return [sql.SQL(definition).format(sql.Identifier(name)), sql.SQL(create).format(name, time_column), _index(name, time_column)]


def _partitioned(name: str, time_column: str, definition: LiteralString) -> list[sql.Composed]:
    create = sql.SQL(definition).format(sql.Identifier(name)) + sql.SQL(" PARTITION BY RANGE ({})").format(sql.Identifier(time_column))
    return [create, _index(name, time_column)]


def _index(name: str, time_column: str) -> sql.Composed:
    return sql.SQL("CREATE INDEX ON {} (subject, {})").format(sql.Identifier(name), sql.Identifier(time_column))


def _retention(keep_days: int) -> sql.Composed:
    return sql.SQL("SELECT add_retention_policy({}, drop_after => make_interval(days => {}))").format(MINUTES, keep_days)


def is_hypertable(connection: Connection) -> bool:
    """Return whether the history is in hypertables and not in partitions of ours."""
    found = connection.execute("SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", [FULL]).fetchone()
    return found is not None and found[0] in ("r", b"r")


def day_of(table: str, time_ns: int) -> str:
    """Return the name of the partition that holds a time.

    >>> day_of(FULL, 1_800_000_000_000_000_000)
    'sensor_history_d20270115'
    """
    return f"{table}_d{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y%m%d}"


def ensure_days(connection: Connection, table: str, days: set[str]) -> None:
    """Make the partitions that are missing, each in the name of `day_of`; for several programs at once.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    for name in sorted(days):
        begin = datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC)
        bounds = [begin.isoformat(), (begin + timedelta(days=1)).isoformat()]
        create = sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})")
        with faults(), connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            if connection.execute("SELECT to_regclass(%s)", [name]).fetchone() == (None,):
                connection.execute(create.format(sql.Identifier(name), sql.Identifier(table), *bounds))

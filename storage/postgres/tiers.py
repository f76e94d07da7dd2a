"""Two tiers: every reading for hours, the last of every minute for days, then nothing.

A day whose hours are over is thinned into the table of minutes and dropped as a whole, which costs no more than deleting a file. What stays
of a minute is a reading that was made, the newest, and not a mean of places where nobody was. Thinning twice, or thinning readings that
come late, gives the same: the newest of a minute wins in any order.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import LiteralString, NamedTuple

from psycopg import sql

from storage.postgres.schema import FULL, MINUTES, ensure_days, is_hypertable
from veilocity.postgres import Connection, faults

__all__ = ["Kept", "maintain"]

_LOCK = 7_105_423_002
"""Number of the advisory lock of whoever maintains: one at a time, the others leave it."""
_NAMES: LiteralString = "subject, device, event_time, event_ns, lat, lon, altitude_m, speed_mps, bearing_deg, accuracy_m, source"
_THIN: LiteralString = f"""
    INSERT INTO sensor_history_minutes AS known ({_NAMES}, minute)
    SELECT DISTINCT ON (device, minute) {_NAMES}, date_trunc('minute', event_time, 'UTC') AS minute
    FROM {{}} WHERE event_time >= %s AND event_time < %s ORDER BY device, minute, event_ns DESC, lat, lon
    ON CONFLICT (device, minute) DO UPDATE SET
        subject = excluded.subject, event_time = excluded.event_time, event_ns = excluded.event_ns, lat = excluded.lat, lon = excluded.lon,
        altitude_m = excluded.altitude_m, speed_mps = excluded.speed_mps, bearing_deg = excluded.bearing_deg,
        accuracy_m = excluded.accuracy_m, source = excluded.source
    WHERE (excluded.event_ns, known.lat, known.lon) > (known.event_ns, excluded.lat, excluded.lon)
"""
_PARTITIONS: LiteralString = """
    SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
    WHERE inhparent = to_regclass(%s) ORDER BY child.relname
"""


class Kept(NamedTuple):
    """What one maintenance did."""

    thinned: int = 0
    """Rows of minutes that were written."""
    dropped: tuple[str, ...] = ()
    """Partitions or chunks that are gone, of either tier."""


def maintain(connection: Connection, now_ms: int, full_hours: int, keep_days: int) -> Kept:
    """Thin and drop what is due; nothing where another program is at it.

    Args:
        connection: where `storage.postgres.prepare` was called.
        now_ms: the time.
        full_hours: age from which a day may be thinned, counted from its end.
        keep_days: age at which a day is dropped from both tiers, counted from its end.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer; what was done stays done.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    due, horizon = now - timedelta(hours=full_hours), now - timedelta(days=keep_days)
    with faults():
        if connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone() != (True,):
            return Kept()
        try:
            connection.execute("DELETE FROM sensor_history_latest WHERE event_time < %s", [horizon])
            # Readings from before the horizon are not written any more, whoever they are of.
            connection.execute("DELETE FROM sensor_history_erased WHERE until < %s", [horizon])
            return (_maintain_chunks if is_hypertable(connection) else _maintain_days)(connection, due, horizon)
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _maintain_days(connection: Connection, due: datetime, horizon: datetime) -> Kept:
    thinned, dropped = 0, []
    for table in (FULL, MINUTES):
        for (name,) in connection.execute(_PARTITIONS, [table]).fetchall():
            begin = datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC)
            end = begin + timedelta(days=1)
            is_old = end <= horizon
            if not is_old and (table == MINUTES or end > due):
                continue
            if table == FULL and not is_old:
                ensure_days(connection, MINUTES, {f"{MINUTES}_d{name[-8:]}"})
            with connection.transaction():
                # The parent first, as writers do: two orders of locks would be a deadlock.
                connection.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
                if table == FULL and not is_old:
                    thinned += connection.execute(sql.SQL(_THIN).format(sql.Identifier(name)), [begin, end]).rowcount
                connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            dropped.append(name)
    return Kept(thinned, tuple(dropped))


def _maintain_chunks(connection: Connection, due: datetime, horizon: datetime) -> Kept:
    # A chunk is a day: what begins before this day is whole, and nothing that is younger is thinned.
    until = due.replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.transaction():
        connection.execute("LOCK TABLE sensor_history IN ACCESS EXCLUSIVE MODE")
        thinned = connection.execute(sql.SQL(_THIN).format(sql.Identifier(FULL)), [horizon, until]).rowcount
        dropped = connection.execute("SELECT drop_chunks('sensor_history', older_than => %s)", [until]).fetchall()
    return Kept(thinned, tuple(str(name) for (name,) in dropped))

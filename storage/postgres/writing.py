"""Batches of readings into the history: all of a batch or nothing, and a second time nothing more.

A batch is copied into a table of the session, then inserted by its key; what is there already stays. So a batch that is written again,
after a crash or by another program, changes nothing, and reading at least once becomes exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from storage.postgres.readings import COLUMNS, Reading, Written
from storage.postgres.schema import FULL, day_of, ensure_days, is_hypertable
from veilocity.postgres import Connection, faults

__all__ = ["write"]

_NS_PER_MS = 1_000_000
_DAY_NS = 86_400_000_000_000
_NAMES: LiteralString = "subject, device, event_time, event_ns, lat, lon, altitude_m, speed_mps, bearing_deg, accuracy_m, source"
_BATCH: LiteralString = """
    CREATE TEMPORARY TABLE IF NOT EXISTS sensor_batch (
        subject uuid, device uuid, event_ns bigint, lat double precision, lon double precision, altitude_m double precision,
        speed_mps double precision, bearing_deg double precision, accuracy_m double precision, source text,
        -- Whole microseconds, rounded down: the float is off by less than half of one until the year 2106.
        event_time timestamptz GENERATED ALWAYS AS (to_timestamp((event_ns / 1000)::double precision / 1000000)) STORED
    ) ON COMMIT DELETE ROWS
"""
_DROP_ERASED: LiteralString = """
    DELETE FROM sensor_batch USING sensor_history_erased AS erased
    WHERE erased.subject = sensor_batch.subject AND sensor_batch.event_time <= erased.until
"""
_INSERT: LiteralString = f"INSERT INTO sensor_history ({_NAMES}) SELECT {_NAMES} FROM sensor_batch ON CONFLICT DO NOTHING"
_LATEST: LiteralString = f"""
    INSERT INTO sensor_history_latest AS known ({_NAMES})
    SELECT DISTINCT ON (device) {_NAMES} FROM sensor_batch ORDER BY device, event_ns DESC, lat, lon
    ON CONFLICT (device) DO UPDATE SET
        subject = excluded.subject, event_time = excluded.event_time, event_ns = excluded.event_ns, lat = excluded.lat, lon = excluded.lon,
        altitude_m = excluded.altitude_m, speed_mps = excluded.speed_mps, bearing_deg = excluded.bearing_deg,
        accuracy_m = excluded.accuracy_m, source = excluded.source
    WHERE excluded.event_ns > known.event_ns
"""


def write(connection: Connection, readings: Sequence[Reading], now_ms: int, keep_days: int) -> Written:
    """Write a batch and return what became of its readings, once it is committed.

    Args:
        connection: where `storage.postgres.prepare` was called.
        readings: in any order.
        now_ms: the time, to leave out what is too old to be kept.
        keep_days: how long readings are kept.

    Guarantee: after it returns each reading is in the history once, however often it is written; if it raises, none is there that was
    not there before.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer, or a partition was dropped meanwhile: write the batch again.
    """
    horizon_ns = now_ms * _NS_PER_MS - keep_days * _DAY_NS
    kept = [reading for reading in readings if reading.event_ns >= horizon_ns]
    expired = len(readings) - len(kept)
    if not kept:
        return Written(expired=expired)
    with faults():
        if not is_hypertable(connection):
            ensure_days(connection, FULL, {day_of(FULL, reading.event_ns) for reading in kept})
        connection.execute(_BATCH)
        with connection.transaction():
            return _write(connection, kept)._replace(expired=expired)


def _write(connection: Connection, readings: Sequence[Reading]) -> Written:
    cursor = connection.cursor()
    with cursor.copy(f"COPY sensor_batch ({', '.join(COLUMNS)}) FROM STDIN") as copy:
        for reading in readings:
            copy.write_row(reading)
    # Whoever erases somebody holds this table until it is done: nothing of the person slips in between.
    cursor.execute("LOCK TABLE ONLY sensor_history IN ROW EXCLUSIVE MODE")
    erased = cursor.execute(_DROP_ERASED).rowcount
    written = cursor.execute(_INSERT).rowcount
    cursor.execute(_LATEST)
    return Written(written, len(readings) - erased - written, 0, erased)

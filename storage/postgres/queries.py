"""What is asked of the sensor history: the newest reading of each device, the readings of a time range, their means.

A row is a whole reading, so latitude, longitude and altitude of one answer always belong together. A range is read from both tiers, each
reading once. Pages go by key and not by count: what is written meanwhile moves nothing. `walk` reads all pages in one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, LiteralString, NamedTuple

from storage.postgres.readings import Reading, reading_of
from veilocity.postgres import Connection, faults

__all__ = ["Averages", "Key", "Page", "averages", "latest", "page", "walk"]

Key = tuple[int, str, float, float]
"""Place of a reading in a range: time in ns, device, latitude, longitude."""
_NAMES: LiteralString = "subject, device, event_ns, lat, lon, altitude_m, speed_mps, bearing_deg, accuracy_m, source"
_BOTH: LiteralString = f"""
    SELECT {_NAMES} FROM sensor_history
    WHERE event_time >= %(from)s AND event_time <= %(until)s AND (%(subject)s::uuid IS NULL OR subject = %(subject)s)
    UNION
    SELECT {_NAMES} FROM sensor_history_minutes
    WHERE minute >= date_trunc('minute', %(from)s::timestamptz, 'UTC') AND minute <= %(until)s
        AND event_time >= %(from)s AND event_time <= %(until)s AND (%(subject)s::uuid IS NULL OR subject = %(subject)s)
"""
_INSIDE: LiteralString = "event_ns >= %(from_ns)s AND event_ns < %(until_ns)s AND (%(device)s::uuid IS NULL OR device = %(device)s)"
_PAGE: LiteralString = f"""
    SELECT {_NAMES} FROM ({_BOTH}) AS readings
    WHERE {_INSIDE} AND (event_ns, device, lat, lon) > (%(after_ns)s, %(after_device)s::uuid, %(after_lat)s, %(after_lon)s)
    ORDER BY event_ns, device, lat, lon LIMIT %(rows)s
"""
_FIRST: LiteralString = f"SELECT {_NAMES} FROM ({_BOTH}) AS readings WHERE {_INSIDE} ORDER BY event_ns, device, lat, lon LIMIT %(rows)s"
_AVERAGES: LiteralString = f"""
    SELECT count(*), avg(lat), degrees(atan2(avg(sind(lon)), avg(cosd(lon)))), avg(altitude_m)
    FROM ({_BOTH}) AS readings WHERE {_INSIDE}
"""


class Page(NamedTuple):
    """Part of a range, oldest first."""

    readings: tuple[Reading, ...]
    after: Key | None
    """Where the next page begins; None when this is the last."""


class Averages(NamedTuple):
    """Means of the readings of a range."""

    readings: int
    lat: float | None
    """None where there is no reading."""
    lon: float | None
    """Of the directions, so that 179 and -179 are 180 and not 0."""
    altitude_m: float | None
    """Of the readings that have one."""


def latest(
    connection: Connection, subject: str | None = None, *, device: str | None = None, rows: int = 1000, after: str | None = None
) -> list[Reading]:
    """Return the newest reading of each device, in the order of devices.

    Args:
        connection: where `storage.postgres.prepare` was called.
        subject: pseudonym of one person; by default of all.
        device: pseudonym of one device.
        rows: most readings to return.
        after: go on after this device.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    question: LiteralString = f"""
        SELECT {_NAMES} FROM sensor_history_latest
        WHERE (%(subject)s::uuid IS NULL OR subject = %(subject)s) AND (%(device)s::uuid IS NULL OR device = %(device)s)
            AND (%(after)s::uuid IS NULL OR device > %(after)s) ORDER BY device LIMIT %(rows)s
    """
    with faults():
        found = connection.execute(question, {"subject": subject, "device": device, "after": after, "rows": rows})
        return [reading_of(row) for row in found]


def page(
    connection: Connection,
    from_ns: int,
    until_ns: int,
    *,
    subject: str | None = None,
    device: str | None = None,
    rows: int = 1000,
    after: Key | None = None,
) -> Page:
    """Return one page of the readings from `from_ns` (inclusive) to `until_ns` (exclusive), oldest first.

    Args:
        connection: where `storage.postgres.prepare` was called.
        from_ns: nanoseconds since 1970 UTC.
        until_ns: nanoseconds since 1970 UTC.
        subject: pseudonym of one person; by default of all.
        device: pseudonym of one device; by default of all.
        rows: most readings of the page.
        after: what the page before said.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    values = _values(from_ns, until_ns, subject, device)
    if after is not None:
        values |= dict(zip(("after_ns", "after_device", "after_lat", "after_lon"), after, strict=True))
    with faults():
        # One more than asked for says whether there is another page.
        found = connection.execute(_FIRST if after is None else _PAGE, values | {"rows": rows + 1}).fetchall()
    readings = tuple(reading_of(row) for row in found[:rows])
    last = readings[-1] if len(found) > rows else None
    return Page(readings, None if last is None else (last.event_ns, last.device, last.lat, last.lon))


def walk(
    connection: Connection, from_ns: int, until_ns: int, *, subject: str | None = None, device: str | None = None, rows: int = 1000
) -> Iterator[Reading]:
    """Yield all readings of a range as they were at one moment, page by page; arguments and errors are those of `page`."""
    with faults(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        after: Key | None = None
        while True:
            found = page(connection, from_ns, until_ns, subject=subject, device=device, rows=rows, after=after)
            yield from found.readings
            after = found.after
            if after is None:
                return


def averages(connection: Connection, from_ns: int, until_ns: int, *, subject: str | None = None, device: str | None = None) -> Averages:
    """Return the means that a gauge shows; arguments and errors are those of `page`."""
    with faults():
        row = connection.execute(_AVERAGES, _values(from_ns, until_ns, subject, device)).fetchone()
    return Averages(*row) if row is not None else Averages(0, None, None, None)


def _values(from_ns: int, until_ns: int, subject: str | None, device: str | None) -> dict[str, Any]:
    # Partitions are found by the time in microseconds, readings by the exact one.
    moments = {"from": _moment(from_ns), "until": _moment(until_ns)}
    return {**moments, "from_ns": from_ns, "until_ns": until_ns, "subject": subject, "device": device}


def _moment(time_ns: int) -> datetime:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)

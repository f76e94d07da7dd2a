"""Recordings as the pushes that a phone would have sent. Pure, but for reading the file.

A Sensor Logger export is a CSV file, a JSON array of flat objects whose values are all text, a zip of CSV files, or an SQLite database with
a table for each sensor; tracks of other programs come through `ingest.tracks` in the same rows. Columns are found by their header,
as their order differs between versions. The reader judges nothing: what is wrong with a row is for the gateway to say, so that a
recording played back takes the same path as a phone. Only places and air pressure are played; the gateway would ignore the other sensors.
"""

from __future__ import annotations

import csv
import io
import json
import math
import sqlite3
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.noise import row_time_ns
from ingest.tracks import PLACE, Row, gpslogger_rows, gpx_rows, is_gpslogger, is_gpx, is_plt, plt_rows
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import NS_PER_S

__all__ = ["Row", "pushes", "read_rows", "read_sensor_logger"]

_PLACES = {"Location": "location", "LocationGps": "locationGps", "LocationNetwork": "locationNetwork", "WatchLocation": "watchLocation"}
_PLACE_COLUMNS = (
    "latitude longitude altitude altitudeAboveMeanSeaLevel ellipsoidalAltitude speed bearing course "
    "horizontalAccuracy verticalAccuracy speedAccuracy bearingAccuracy courseAccuracy mocked"
).split()
_SQLITE = b"SQLite format 3\x00"
_PRESSURE_COLUMNS = ("pressure", "relativeAltitude")


def read_sensor_logger(path: Path, device: str = "") -> list[dict[str, Any]]:
    """Return the pushes of a recording in the order in which the phone would have sent them.

    Args:
        path: the export: CSV, JSON, zip or SQLite; or a track: GPX, PLT, CSV of GPSLogger.
        device: device id to push as; by default the one the export states, else the file's name.

    Raises:
        InvalidInputError: ``malformed``, when the file is no such export.
    """
    rows, stated_device = read_rows(path)
    return pushes(rows, device or stated_device or path.stem)


def read_rows(path: Path) -> tuple[list[Row], str]:
    """Return the rows of a recording in the order of the file, and the device that it states, or nothing.

    Raises:
        InvalidInputError: ``malformed``.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_SQLITE))
        if beginning == _SQLITE:
            return _from_sqlite(path)
        if path.suffix.lower() == ".zip":
            return _from_zip(path)
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile, sqlite3.Error) as cause:
        detail = "the recording cannot be read: is it a CSV, JSON, zip, SQLite, GPX or PLT file?"
        raise InvalidInputError(RejectReason.MALFORMED, detail) from cause
    if content.lstrip().startswith("["):
        return _from_json(content)
    for is_it, rows in ((is_gpx, gpx_rows), (is_plt, plt_rows), (is_gpslogger, gpslogger_rows)):
        if is_it(content):
            return list(rows(content)), ""
    return list(_from_csv(content, PLACE if path.stem not in _PLACES else path.stem)), ""


def _from_sqlite(path: Path) -> tuple[list[Row], str]:
    known = {name.lower(): name for name in (*_PLACES, "Barometer", "Metadata")}
    rows: list[Row] = []
    # Read as it lies there: no journal is made beside it, and nothing in it can write.
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        database.row_factory = sqlite3.Row
        tables = [str(row["name"]) for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        for table in tables:
            sensor = known.get(table.lower().replace(" ", ""))
            if sensor is not None:
                quoted = table.replace('"', '""')
                found = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608  # a name that the file itself states, quoted
                rows.extend(Row(sensor, {name: str(row[name]) for name in row.keys() if row[name] is not None}) for row in found)
    finally:
        database.close()
    return [row for row in rows if row.sensor != "Metadata"], _device(rows)


def _from_zip(path: Path) -> tuple[list[Row], str]:
    rows: list[Row] = []
    device = ""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            stem = Path(name).stem
            if stem in _PLACES or stem in ("Barometer", "Metadata"):
                found = list(_from_csv(archive.read(name).decode("utf-8-sig"), stem))
                device = device or _device(found)
                rows.extend(row for row in found if row.sensor != "Metadata")
    return rows, device


def _from_csv(content: str, sensor: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(content))
    if sensor != "Metadata" and "time" not in (reader.fieldnames or ()):
        raise InvalidInputError(RejectReason.MALFORMED, "the recording has no column `time`: is it a Sensor Logger export?")
    for fields in reader:
        # A short row has None for what it lacks, a long one a list under None.
        yield Row(sensor, {name: value for name, value in fields.items() if isinstance(name, str) and isinstance(value, str)})


def _from_json(content: str) -> tuple[list[Row], str]:
    try:
        items = json.loads(content)
    except (ValueError, RecursionError) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the recording is not JSON") from cause
    rows = [
        Row(str(item.get("sensor", "")), {name: str(value) for name, value in item.items() if value is not None})
        for item in items
        if isinstance(item, dict)
    ]
    device = _device(rows)
    return [row for row in rows if row.sensor in _PLACES or row.sensor == "Barometer"], device


def _device(rows: Iterable[Row]) -> str:
    return next((row.fields["device id"] for row in rows if row.sensor == "Metadata" and row.fields.get("device id")), "")


def pushes(rows: Iterable[Row], device: str) -> list[dict[str, Any]]:
    """Return rows as pushes of one second each, `messageId` counting up.

    What the phone stamped before the recording began (a cached fix) goes into the first push, as it does on the phone.
    """
    timed = [(row_time_ns(row), row) for row in rows]
    known = [time_ns - _elapsed_ns(row) for time_ns, row in timed if time_ns is not None]
    began_ns = min(known, default=0)
    batches: dict[int, list[dict[str, Any]]] = {}
    second = 0
    for time_ns, row in timed:
        # A row whose time cannot be read travels with the row before it.
        if time_ns is not None:
            second = max(0, (time_ns - began_ns) // NS_PER_S)
        readings = list(_readings(row, time_ns))
        if readings:
            batches.setdefault(second, []).extend(readings)
    session = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{device}/{began_ns}"))
    return [
        {"messageId": number, "sessionId": session, "deviceId": device, "payload": batches[second]}
        for number, second in enumerate(sorted(batches))
    ]


def _elapsed_ns(row: Row) -> int:
    elapsed = _number(row.fields.get("seconds_elapsed", ""))
    return int(elapsed * NS_PER_S) if isinstance(elapsed, float) else 0


def _readings(row: Row, time_ns: int | None) -> Iterator[dict[str, Any]]:
    time: int | str = row.fields.get("time", "") if time_ns is None else time_ns
    place = _values(row.fields, _PLACE_COLUMNS)
    if row.sensor in _PLACES and place:
        elapsed = _values(row.fields, ("seconds_elapsed",))
        yield {"name": _PLACES[row.sensor], "time": time, "values": {**place, **elapsed}}
    pressure = _values(row.fields, _PRESSURE_COLUMNS)
    if pressure:
        yield {"name": "barometer", "time": time, "values": pressure}


def _values(fields: Mapping[str, str], names: Iterable[str]) -> dict[str, float | str]:
    """Return the fields that are stated: a blank cell is no value."""
    return {name: _number(fields[name]) for name in names if fields.get(name, "").strip()}


def _number(text: str) -> float | str:
    """Return a number where the text is a finite one, else the text, for the gateway to judge."""
    try:
        # Python reads 1_000 as a thousand; nobody who writes it means that.
        number = math.nan if "_" in text else float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text

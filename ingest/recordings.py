"""Sensor Logger exports as the pushes that the phone would have sent. Pure, but for reading the file.

An export is a CSV file, a JSON array of flat objects whose values are all text, or a zip of CSV files. Columns are found by their header,
as their order differs between versions. The reader judges nothing: what is wrong with a row is for the gateway to say, so that a
recording played back takes the same path as a phone. Only places and air pressure are played; the gateway would ignore the other sensors.
"""

from __future__ import annotations

import csv
import io
import json
import math
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import NS_PER_S, ns_from_iso

__all__ = ["Row", "pushes", "read_sensor_logger"]

_PLACES = {"Location": "location", "LocationGps": "locationGps", "LocationNetwork": "locationNetwork", "WatchLocation": "watchLocation"}
_PLACE_COLUMNS = (
    "latitude longitude altitude altitudeAboveMeanSeaLevel ellipsoidalAltitude speed bearing course "
    "horizontalAccuracy verticalAccuracy speedAccuracy bearingAccuracy courseAccuracy mocked"
).split()
_PRESSURE_COLUMNS = ("pressure", "relativeAltitude")


class Row(NamedTuple):
    """One row of an export: the sensor it came from and its fields as text."""

    sensor: str
    fields: Mapping[str, str]


def read_sensor_logger(path: Path, device: str = "") -> list[dict[str, Any]]:
    """Return the pushes of a recording in the order in which the phone would have sent them.

    Args:
        path: the export: CSV, JSON or zip.
        device: device id to push as; by default the one the export states, else the file's name.

    Raises:
        InvalidInputError: ``malformed``, when the file is no such export.
    """
    rows, stated_device = _read(path)
    return pushes(rows, device or stated_device or path.stem)


def _read(path: Path) -> tuple[list[Row], str]:
    try:
        if path.suffix.lower() == ".zip":
            return _from_zip(path)
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the recording cannot be read: is it a CSV, JSON or zip export?") from cause
    if content.lstrip().startswith("["):
        return _from_json(content)
    return list(_from_csv(content, "Location" if path.stem not in _PLACES else path.stem)), ""


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
    timed = [(_time_ns(row), row) for row in rows]
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


def _time_ns(row: Row) -> int | None:
    text = row.fields.get("time", "").strip()
    if text.isdecimal():
        return int(text)
    try:
        return ns_from_iso(text, assume_utc=True)
    except InvalidInputError:
        return None


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

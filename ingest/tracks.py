"""Tracks of other programs as rows of a Sensor Logger export: GPX, PLT of GeoLife, CSV of GPSLogger. Pure: text in, rows out.

The readers judge nothing: what is wrong with a row is for the gateway to say. A point without a time has a blank one.

Source: topografix.com/GPX/1/1; Y. Zheng et al., "GeoLife GPS trajectory dataset, user guide 1.3" (Microsoft Research); GPSLogger's
CSVFileLogger.java, whose delimiter and decimal comma are the user's choice.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["PLACE", "Row", "gpslogger_rows", "gpx_rows", "is_gpslogger", "is_gpx", "is_plt", "plt_rows"]

PLACE = "Location"
_METRES_PER_FOOT = 0.3048
_NO_ALTITUDE_FEET = -777.0
_PLT_HEADER_LINES = 6
_PLT_COLUMNS = 7
_GPX_FIELDS = {"time": "time", "ele": "altitude", "speed": "speed", "course": "bearing"}
_GPSLOGGER_FIELDS = {
    "time": "time",
    "lat": "latitude",
    "lon": "longitude",
    "elevation": "altitude",
    "accuracy": "horizontalAccuracy",
    "bearing": "bearing",
    "speed": "speed",
}
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+", re.ASCII)


class Row(NamedTuple):
    """One row of an export: the sensor it came from and its fields as text."""

    sensor: str
    fields: Mapping[str, str]


def is_gpx(content: str) -> bool:
    """Say whether a text is GPX.

    >>> is_gpx('<?xml version="1.0"?><gpx version="1.1">'), is_gpx("time,latitude")
    (True, False)
    """
    return content.lstrip().startswith("<") and "<gpx" in content[:4096]


def gpx_rows(content: str) -> Iterator[Row]:
    """Yield the points of all tracks in the order of the file; waypoints and planned routes are no places where somebody was.

    Raises:
        InvalidInputError: ``malformed``: no XML, or XML that declares entities, which could grow without bound.
    """
    if "<!" in content.replace("<!--", "").replace("<![CDATA[", ""):
        raise InvalidInputError(RejectReason.MALFORMED, "the track declares a document type, which no GPX needs: it is not read")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  # entities were refused above
    except (ElementTree.ParseError, ValueError) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the track is no XML") from cause
    for point in root.iter():
        if _local(point.tag) == "trkpt":
            fields = {"time": "", "latitude": point.get("lat", ""), "longitude": point.get("lon", "")}
            for inner in point.iter():
                name = _GPX_FIELDS.get(_local(inner.tag))
                if name is not None and inner.text:
                    fields[name] = inner.text.strip()
            yield Row(PLACE, fields)


def _local(tag: str) -> str:
    """Return a name without its namespace: extensions of several makers call speed and course the same."""
    return tag.rpartition("}")[2]


def is_plt(content: str) -> bool:
    r"""Say whether a text is a trajectory of GeoLife.

    >>> is_plt("Geolife trajectory\nWGS 84\n")
    True
    """
    return content[:64].lower().startswith("geolife trajectory")


def plt_rows(content: str) -> Iterator[Row]:
    r"""Yield the points: latitude, longitude, 0, feet, days, date, time in GMT; -777 feet is no altitude.

    >>> head = "Geolife trajectory\nWGS 84\nAltitude is in Feet\nReserved 3\n0,2,255\n0\n"
    >>> [dict(row.fields) for row in plt_rows(head + "39.984702,116.318417,0,-777,39744.12,2008-10-23,02:53:04")]
    [{'time': '2008-10-23 02:53:04Z', 'latitude': '39.984702', 'longitude': '116.318417'}]
    """
    for line in content.splitlines()[_PLT_HEADER_LINES:]:
        columns = [column.strip() for column in line.split(",")]
        if not any(columns):
            continue
        columns += [""] * (_PLT_COLUMNS - len(columns))
        date, time = columns[5], columns[6]
        fields = {"time": f"{date} {time}Z" if date and time else "", "latitude": columns[0], "longitude": columns[1]}
        try:
            feet = float(columns[3])
        except ValueError:
            feet = _NO_ALTITUDE_FEET
        if feet > _NO_ALTITUDE_FEET:
            fields["altitude"] = repr(feet * _METRES_PER_FOOT)
        yield Row(PLACE, fields)


def is_gpslogger(content: str) -> bool:
    r"""Say whether a CSV text has GPSLogger's columns.

    >>> is_gpslogger("time;lat;lon;elevation\n"), is_gpslogger("time,latitude,longitude\n")
    (True, False)
    """
    header = content.lstrip().partition("\n")[0]
    return {"time", "lat", "lon"} <= set(re.split(r"[,;\t|]", header.strip().replace('"', "")))


def gpslogger_rows(content: str) -> Iterator[Row]:
    r"""Yield the points of a CSV file, whatever its delimiter; a decimal comma becomes a point where the comma delimits nothing.

    >>> [row.fields["latitude"] for row in gpslogger_rows("time;lat;lon\n2023-11-14T22:13:19Z;52,516312;13,377712\n")]
    ['52.516312']
    """
    header = content.lstrip().partition("\n")[0]
    delimiter = next(sign for sign in (";", "\t", "|", ",") if sign in header)
    for found in csv.DictReader(io.StringIO(content.lstrip()), delimiter=delimiter):
        fields = {name: str(found.get(column) or "") for column, name in _GPSLOGGER_FIELDS.items()}
        if delimiter != ",":
            fields = {name: text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text for name, text in fields.items()}
        yield Row(PLACE, fields)

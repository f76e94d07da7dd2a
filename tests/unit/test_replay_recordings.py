"""Exports of Sensor Logger as the pushes the phone would have sent."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest import sensor_logger
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.recordings import read_sensor_logger
from veilocity.contracts import Fix, FixFlag
from veilocity.errors import InvalidInputError

NOW = Arrival(received_ms=1_800_000_000_000, future_limit_s=300.0)
ANDROID = "time,seconds_elapsed,bearingAccuracy,speedAccuracy,verticalAccuracy,horizontalAccuracy,speed,bearing,altitude,longitude,latitude"
IOS = (
    "time,seconds_elapsed,altitude,speedAccuracy,bearingAccuracy,latitude,altitudeAboveMeanSeaLevel,bearing,"
    "horizontalAccuracy,verticalAccuracy,longitude,speed"
)


def written(tmp_path: Path, name: str, content: str) -> Path:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return path


def fixes(pushes: list[dict[str, Any]]) -> list[Fix]:
    found: list[Fix] = []
    for push in pushes:
        outcome = sensor_logger.parse(msgspec.json.encode(push), NOW, Directory())
        assert outcome.rejects == []
        found.extend(item for item in outcome.accepted if isinstance(item, Fix))
    return found


def test_columns_are_found_by_their_header(tmp_path: Path) -> None:
    android = written(tmp_path, "Location.csv", f"{ANDROID}\n1655176505473572900,0.29,1,1,1,14.3,2.5,90,855.8,15.2117543,47.1291155\n")
    ios = written(tmp_path, "other.csv", f"{IOS}\n1655176505473572900,0.29,855.8,1,1,47.1291155,811.9,90,14.3,1,15.2117543,2.5\n")
    (first,), (second,) = fixes(read_sensor_logger(android, "d")), fixes(read_sensor_logger(ios, "d"))
    assert first == second
    assert (first.lat, first.lon, first.fix_ns, first.speed_mps) == (47.1291155, 15.2117543, 1_655_176_505_473_572_900, 2.5)


def test_times_as_text_are_read_exactly(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "latitude,longitude,time\n47.1291155,15.2117543,2025-06-14 21:17:02.123456789+00:00\n")
    assert fixes(read_sensor_logger(path))[0].fix_ns == 1_749_935_822_123_456_789


def test_a_second_of_recording_is_a_push_and_they_count_up(tmp_path: Path) -> None:
    rows = "\n".join(f"{1_655_176_505_000_000_000 + tenth * 100_000_000},47.12{tenth:04d}1,15.2117543" for tenth in range(25))
    pushes = read_sensor_logger(written(tmp_path, "a.csv", f"time,latitude,longitude\n{rows}\n"), "phone-1")
    assert [len(push["payload"]) for push in pushes] == [10, 10, 5]
    assert [push["messageId"] for push in pushes] == [0, 1, 2]
    assert {(push["deviceId"], push["sessionId"]) for push in pushes} == {("phone-1", pushes[0]["sessionId"])}


def test_blank_rows_are_no_readings_and_half_blank_rows_are_for_the_gateway_to_judge(tmp_path: Path) -> None:
    content = (
        "time,latitude,longitude,speed,pressure\n1655176505000000000,,,,\n1655176506000000000,,,,1005.8\n1655176507000000000,,15.2,1,\n"
    )
    names = [reading["name"] for push in read_sensor_logger(written(tmp_path, "a.csv", content)) for reading in push["payload"]]
    assert names == ["barometer", "location"]


def test_a_row_whose_time_cannot_be_read_is_sent_and_refused(tmp_path: Path) -> None:
    content = "time,latitude,longitude\n1655176505000000000,47.1291155,15.2117543\nnoon,47.1291155,15.2117543\n"
    (push,) = read_sensor_logger(written(tmp_path, "a.csv", content))
    outcome = sensor_logger.parse(msgspec.json.encode(push), NOW, Directory())
    assert (len(outcome.accepted), outcome.reasons()) == (1, {"invalid_time": 1})


def test_cached_fixes_of_a_json_export_go_into_the_first_push_and_are_flagged(tmp_path: Path) -> None:
    export = [
        {"sensor": "Accelerometer", "time": "1654847621756825900", "seconds_elapsed": "-328883.4", "z": "0", "y": "0", "x": "0"},
        {
            "sensor": "Location",
            "time": "1655176478593928000",
            "seconds_elapsed": "-26.59",
            "latitude": "47.1291155",
            "longitude": "15.2117543",
        }
        | {"speed": "-1", "bearing": "-1", "horizontalAccuracy": "14.29"},
        {
            "sensor": "Location",
            "time": "1655176505473572900",
            "seconds_elapsed": "0.29",
            "latitude": "47.1291155",
            "longitude": "15.2117543",
        },
        {
            "sensor": "Location",
            "time": "1655176506655579100",
            "seconds_elapsed": "1.47",
            "latitude": "47.1291156",
            "longitude": "15.2117543",
        },
        {"sensor": "Metadata", "version": "3", "device id": "99dac4cb-d27e-4319-9e0e-5f9067ead1d7"},
    ]
    pushes = read_sensor_logger(written(tmp_path, "a.json", json.dumps(export)))
    assert [len(push["payload"]) for push in pushes] == [2, 1]
    cached, first, second = fixes(pushes)
    assert (cached.flags, cached.speed_mps, cached.accuracy_m) == ((FixFlag.CACHED,), None, 14.29)
    assert (first.flags, second.flags) == ((), ())
    assert cached.device == "99dac4cb-d27e-4319-9e0e-5f9067ead1d7"


def test_a_zip_of_csv_files_holds_every_provider_and_the_device(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    row = "time,latitude,longitude\n1655176505000000000,47.1291155,15.2117543\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("Location", "LocationGps", "LocationNetwork", "WatchLocation"):
            archive.writestr(f"{name}.csv", row)
        archive.writestr("Gyroscope.csv", "time,x\n1,2\n")
        archive.writestr("Metadata.csv", "version,device id\n3,phone-9\n")
    found = fixes(read_sensor_logger(path))
    assert sorted(fix.source for fix in found) == ["sensor-logger", "sensor-logger/gps", "sensor-logger/network", "sensor-logger/watch"]
    assert {fix.device for fix in found} == {"phone-9"}


def test_the_device_is_the_callers_else_the_files_else_its_name(tmp_path: Path) -> None:
    export = [
        {"sensor": "Metadata", "device id": "inside"},
        {"sensor": "Location", "time": "1655176505000000000", "latitude": "47.1", "longitude": "15.2"},
    ]
    inside = written(tmp_path, "walk.json", json.dumps(export))
    outside = written(tmp_path, "walk.csv", "time,latitude,longitude\n1655176505000000000,47.1,15.2\n")
    assert [read_sensor_logger(path, name)[0]["deviceId"] for path, name in ((inside, "mine"), (inside, ""), (outside, ""))] == [
        "mine",
        "inside",
        "walk",
    ]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", "latitude,longitude\n1,2\n"), ("a.json", "[{"), ("a.zip", "no zip"), ("a.csv", "")]
)
def test_another_file_is_a_sentence(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(InvalidInputError, match=r"export|JSON"):
        read_sensor_logger(written(tmp_path, name, content))


@pytest.mark.parametrize(
    ("name", "rows", "places"),
    [("2023-08-09_16-37-41", 2581, 2580), ("2025-06-11_20-34-24", 1648, 1648), ("2025-06-14_21-17-02", 587, 145)],
)
def test_real_recordings_are_read_whole(shared_data: Path, name: str, rows: int, places: int) -> None:
    path = shared_data / "sensor_logger" / f"strapdown_{name}.csv"
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    blank = sum(1 for line in lines if all(not cell for cell in line.split(",")[1:10]))
    assert (len(lines), len(lines) - blank) == (rows, places)
    found = fixes(read_sensor_logger(path))
    assert len(found) == places
    assert len({fix.fix_ns for fix in found}) == places
    assert all(fix.flags == () for fix in found)


def database(tmp_path: Path, *statements: str) -> Path:
    path = tmp_path / "export.db"
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


def test_an_sqlite_export_has_a_table_for_each_sensor(tmp_path: Path) -> None:
    path = database(
        tmp_path,
        "CREATE TABLE Location (time INTEGER, seconds_elapsed REAL, latitude REAL, longitude REAL, speed REAL, horizontalAccuracy REAL)",
        "INSERT INTO Location VALUES (1655176505473572901, 0.29, 47.1291155, 15.2117543, -1, 14.3)",
        "INSERT INTO Location VALUES (1655176506473572901, 1.29, NULL, NULL, 1, 5)",
        "CREATE TABLE Accelerometer (time INTEGER, x REAL)",
        "INSERT INTO Accelerometer VALUES (1655176505473572901, 1)",
        'CREATE TABLE Metadata ("device id" TEXT)',
        "INSERT INTO Metadata VALUES ('phone-7')",
    )
    outcomes = [sensor_logger.parse(msgspec.json.encode(push), NOW, Directory()) for push in read_sensor_logger(path)]
    (fix,) = (item for outcome in outcomes for item in outcome.accepted if isinstance(item, Fix))
    assert (fix.device, fix.fix_ns, fix.speed_mps, fix.accuracy_m) == ("phone-7", 1_655_176_505_473_572_901, None, 14.3)
    assert [reject.reason.value for outcome in outcomes for reject in outcome.rejects] == ["missing_field"]


def test_a_damaged_database_is_said_to_be_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "export.db"
    path.write_bytes(b"SQLite format 3\x00" + b"garbage" * 40)
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_sensor_logger(path)


GPX = """<?xml version="1.0"?>
<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1" xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">
 <wpt lat="1.5" lon="2.5"><time>2023-11-14T22:13:18Z</time></wpt>
 <trk><trkseg>
  <trkpt lat="52.516312" lon="13.377712"><ele>34.5</ele><time>2023-11-14T22:13:19Z</time>
   <extensions><gpxtpx:TrackPointExtension><gpxtpx:speed>1.5</gpxtpx:speed><gpxtpx:course>90</gpxtpx:course></gpxtpx:TrackPointExtension></extensions>
  </trkpt>
  <!-- a tunnel -->
  <trkpt lat="52.516512" lon="13.377912"><time>2023-11-14T22:13:20Z</time></trkpt>
 </trkseg></trk>
</gpx>"""


def test_points_of_a_gpx_track(tmp_path: Path) -> None:
    first, second = fixes(read_sensor_logger(written(tmp_path, "walk.gpx", GPX)))
    assert (first.device, first.lat, first.lon, first.altitude_m) == ("walk", 52.516312, 13.377712, 34.5)
    assert (first.speed_mps, first.bearing_deg, first.fix_ns) == (1.5, 90.0, 1_700_000_000_000_000_000 - 1_000_000_000)
    assert (second.speed_mps, second.altitude_m) == (None, None)


def test_a_gpx_point_without_a_time_is_for_the_gateway_to_refuse(tmp_path: Path) -> None:
    path = written(tmp_path, "walk.gpx", GPX.replace("<time>2023-11-14T22:13:20Z</time>", ""))
    outcomes = [sensor_logger.parse(msgspec.json.encode(push), NOW, Directory()) for push in read_sensor_logger(path)]
    assert sum(len(outcome.accepted) for outcome in outcomes) == 1
    assert [reject.reason.value for outcome in outcomes for reject in outcome.rejects] == ["invalid_time"]


@pytest.mark.parametrize(
    "content",
    ['<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a "aaaa">]><gpx><trk>&a;</trk></gpx>', "<gpx><trk>", "<gpx>&nothing;</gpx>"],
    ids=["entities", "cut off", "unknown entity"],
)
def test_gpx_that_is_not_read(tmp_path: Path, content: str) -> None:
    with pytest.raises(InvalidInputError, match="the track"):
        read_sensor_logger(written(tmp_path, "walk.gpx", content))


def test_points_of_a_geolife_trajectory(tmp_path: Path) -> None:
    head = "Geolife trajectory\nWGS 84\nAltitude is in Feet\nReserved 3\n0,2,255,My Track,0,0,2,8421376\n0\n"
    lines = "39.984702,116.318417,0,492,39744.1201,2008-10-23,02:53:04\n39.984683,116.31845,0,-777,39744.1202,2008-10-23,02:53:10\n\n"
    first, second = fixes(read_sensor_logger(written(tmp_path, "20081023025304.plt", head + lines)))
    assert (first.lat, first.lon) == (39.984702, 116.318417)
    assert first.altitude_m == pytest.approx(149.9616)
    assert (second.fix_ns - first.fix_ns, second.altitude_m) == (6_000_000_000, None)


def test_gpslogger_csv_with_a_decimal_comma(tmp_path: Path) -> None:
    content = "time;lat;lon;elevation;accuracy;bearing;speed;satellites\n2023-11-14T22:13:19.000Z;52,516312;13,377712;34,5;4,5;;;9\n"
    (fix,) = fixes(read_sensor_logger(written(tmp_path, "track.csv", content)))
    assert (fix.lat, fix.lon, fix.accuracy_m, fix.speed_mps) == (52.516312, 13.377712, 4.5, None)
    comma = content.replace(",", ".").replace(";", ",")
    assert fixes(read_sensor_logger(written(tmp_path, "track.csv", comma))) == [fix]

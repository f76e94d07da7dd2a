"""Each phone protocol held to the app's public documentation: requests as it prints them, and the answers that it asks for.

Sources are named in the docstring of each adapter.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.outcome import Outcome
from ingest.protocols import PROTOCOLS, Request
from veilocity.contracts import DirectoryEntry, Fix, FixFilter, FixFlag, IdentifierKind, SubjectId
from veilocity.errors import RejectReason
from veilocity.eventtime import NS_PER_S, ns_from_iso

RECEIVED_MS = 1_800_000_000_000
ARRIVAL = Arrival(RECEIVED_MS, 300.0)
JANE = {"authorization": "Basic " + base64.b64encode(b"jane:s3cret").decode()}


def take(name: str, body: Any = b"", *, directory: Directory | None = None, **request: Any) -> Outcome:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return PROTOCOLS[name].adapter(Request(data, **request), ARRIVAL, directory or Directory())


def fix(outcome: Outcome) -> Fix:
    assert outcome.rejects == []
    (found,) = outcome.accepted
    assert isinstance(found, Fix)
    return found


def reason(outcome: Outcome) -> RejectReason:
    assert (outcome.accepted, outcome.ignored) == ([], 0)
    (found,) = outcome.rejects
    return found.reason


# ---- OwnTracks

OWNTRACKS: dict[str, Any] = {
    "_type": "location",
    "acc": 12,
    "alt": 55,
    "batt": 87,
    "bs": 1,
    "cog": 270,
    "conn": "w",
    "created_at": 1_600_000_007,
    "lat": 48.858331,
    "lon": 2.295132,
    "t": "u",
    "tid": "JJ",
    "topic": "owntracks/jane/phone",
    "tst": 1_600_000_000,
    "vac": 4,
    "vel": 36,
}


def test_owntracks_location() -> None:
    assert fix(take("owntracks", OWNTRACKS)) == Fix(
        subject=SubjectId("jane/phone"),
        device=fix(take("owntracks", OWNTRACKS)).device,
        source="owntracks",
        fix_ns=1_600_000_000 * NS_PER_S,
        received_ms=RECEIVED_MS,
        lat=48.858331,
        lon=2.295132,
        accuracy_m=12.0,
        speed_mps=10.0,
        bearing_deg=270.0,
        altitude_m=55.0,
    )


def test_owntracks_leaves_out_what_is_zero() -> None:
    found = fix(take("owntracks", {"_type": "location", "lat": 48.858331, "lon": 2.295132, "tst": 1_600_000_000}, topic="owntracks/a/b"))
    assert (found.device, found.accuracy_m, found.speed_mps, found.bearing_deg, found.altitude_m) == ("a/b", None, None, None, None)


@pytest.mark.parametrize(
    ("request_of", "device"),
    [
        ({"headers": {"x-limit-u": "ann", "x-limit-d": "pad"}}, "ann/pad"),
        ({"query": {"u": "ann", "d": "pad"}}, "ann/pad"),
        ({"headers": JANE}, "jane/phone"),
        ({"topic": "owntracks/ann/pad"}, "ann/pad"),
    ],
    ids=["headers", "address", "topic in the body", "topic of MQTT"],
)
def test_owntracks_names_of_the_phone(request_of: dict[str, Any], device: str) -> None:
    assert fix(take("owntracks", OWNTRACKS, **request_of)).device == device


def test_owntracks_basic_user_and_tracker_id() -> None:
    body = {name: value for name, value in OWNTRACKS.items() if name != "topic"}
    assert fix(take("owntracks", body, headers=JANE)).device == "jane/JJ"
    assert reason(take("owntracks", body)) is RejectReason.MISSING_FIELD
    assert reason(take("owntracks", body, query={"u": "a/b", "d": "c"})) is RejectReason.INVALID_FIELD


def test_owntracks_the_user_finds_the_person() -> None:
    directory = Directory()
    directory.put(DirectoryEntry(kind=IdentifierKind.USER, id="jane", subject=SubjectId("person-1")))
    assert fix(take("owntracks", OWNTRACKS, directory=directory)).subject == "person-1"


def test_owntracks_other_types_and_empty_bodies_are_fine() -> None:
    kinds = ("transition", "waypoint", "waypoints", "lwt", "status", "encrypted", "cmd", "card", "steps", "beacon", "configuration")
    assert [take("owntracks", {"_type": kind}).ignored for kind in kinds] == [1] * len(kinds)
    assert take("owntracks", b"") == take("owntracks", b" \n") == Outcome()
    assert PROTOCOLS["owntracks"].answer == b"[]"


def test_owntracks_ping_repeats_an_old_place_under_the_present_time() -> None:
    assert fix(take("owntracks", OWNTRACKS | {"t": "p"})).flags == (FixFlag.CACHED,)


def test_owntracks_backlog_is_told_by_its_two_times() -> None:
    assert fix(take("owntracks", OWNTRACKS | {"created_at": 1_600_000_601})).filters == (FixFilter.OUTDATED,)
    assert fix(take("owntracks", OWNTRACKS | {"created_at": 1_600_000_600})).filters == ()


# ---- Overland


def feature(**changes: Any) -> dict[str, Any]:
    properties = {
        "timestamp": "2015-10-01T08:00:00-0700",
        "altitude": 0,
        "speed": 4,
        "horizontal_accuracy": 30,
        "vertical_accuracy": -1,
        "motion": ["driving", "stationary"],
        "pauses": False,
        "activity": "other_navigation",
        "battery_state": "charging",
        "battery_level": 0.89,
        "device_id": "ann",
        "wifi": "",
    }
    geometry = {"type": "Point", "coordinates": [-122.030581, 37.331812]}
    return {"type": "Feature", "geometry": geometry, "properties": properties | changes}


def test_overland_feature_has_the_longitude_first() -> None:
    found = fix(take("overland", {"locations": [feature()]}))
    assert (found.lat, found.lon, found.speed_mps, found.accuracy_m) == (37.331812, -122.030581, 4.0, 30.0)
    assert found.fix_ns == ns_from_iso("2015-10-01T15:00:00Z")
    assert (found.device, found.source) == ("ann", "overland")


def test_overland_negative_is_unknown() -> None:
    found = fix(take("overland", {"locations": [feature(speed=-1, course=-1, horizontal_accuracy=-1)]}))
    assert (found.speed_mps, found.bearing_deg, found.accuracy_m) == (None, None, None)


def test_overland_trips_and_notes_without_a_place_are_ignored() -> None:
    trip = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1.5, 2.5]}, "properties": {"type": "trip", "mode": "bus"}}
    note = {"type": "Feature", "geometry": None, "properties": {"action": "will_terminate", "timestamp": "2015-10-01T08:00:00Z"}}
    outcome = take("overland", {"locations": [trip, feature(), note], "current": feature(), "trip": {"mode": "bus"}})
    assert (len(outcome.accepted), len(outcome.rejects), outcome.ignored) == (1, 0, 2)
    assert PROTOCOLS["overland"].answer == b'{"result":"ok"}'


@pytest.mark.parametrize(
    ("changes", "request_of", "device"),
    [
        ({"device_id": "", "unique_id": "A1B2"}, {}, "A1B2"),
        ({"device_id": ""}, {"query": {"device": "pad"}}, "pad"),
        ({"device_id": ""}, {"headers": JANE}, "jane"),
    ],
)
def test_overland_a_blank_device_id(changes: dict[str, Any], request_of: dict[str, Any], device: str) -> None:
    assert fix(take("overland", {"locations": [feature(**changes)]}, **request_of)).device == device
    assert reason(take("overland", {"locations": [feature(device_id="")]})) is RejectReason.MISSING_FIELD


def test_overland_swapped_coordinates_show() -> None:
    bad = feature() | {"geometry": {"type": "Point", "coordinates": [37.331812, -122.030581]}}
    assert reason(take("overland", {"locations": [bad]})) is RejectReason.INVALID_COORDINATES


def test_overland_is_no_batch() -> None:
    for body, why in (([], "malformed"), ({}, "missing_field"), ({"locations": {}}, "malformed"), (b"{", "malformed")):
        outcome = take("overland", body)
        assert (outcome.body_refused, reason(outcome).value) == (True, why)


# ---- Traccar and OsmAnd: the requests of OsmAndProtocolDecoderTest


def query(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split("&"))


def traccar(text: str) -> Outcome:
    by_query, by_form = take("traccar", query=query(text)), take("traccar", text.encode())
    assert (by_query.accepted, by_query.ignored) == (by_form.accepted, by_form.ignored)
    assert by_query.reasons() == by_form.reasons()
    return by_query


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("id=902064&lat=42.06288&lon=-88.23412&timestamp=2016-01-27T18:55:47Z&hdop=6.0&altitude=224.0&speed=0.0", "2016-01-27T18:55:47Z"),
        ("id=902064&lat=42.06288&lon=-88.23412&timestamp=1442068686579&hdop=6.0", "2015-09-12T14:38:06.579Z"),
        ("lat=49.60688&lon=6.15788&timestamp=2014-06-04 09:10:11&speed=0.0&id=353861053849681", "2014-06-04T09:10:11Z"),
        ("id=123456&timestamp=1377177267&lat=60.01&lon=30.01&speed=0.0&bearing=0.0&altitude=0&hdop=0.0", "2013-08-22T13:14:27Z"),
        ("id=123456&timestamp=1377177267&location=60.01,30.01", "2013-08-22T13:14:27Z"),
        ("lat=60.01&lon=30.01&speed=0.0&heading=0.0&vacc=0&hacc=0&altitude=0&deviceid=123456", "2027-01-15T08:00:00Z"),
    ],
)
def test_traccar_requests(text: str, time: str) -> None:
    found = fix(traccar(text))
    assert found.fix_ns == ns_from_iso(time)
    assert found.device in ("902064", "353861053849681", "123456")
    assert found.source == "traccar"


def test_traccar_speed_is_in_knots_and_osmand_may_say_otherwise() -> None:
    text = "id=1&lat=40.7232948571&lon=-74.0061408571&timestamp=1504763810&speed=40"
    assert fix(traccar(text)).speed_mps == pytest.approx(40 * 1852 / 3600)
    assert fix(traccar(f"{text}&speed_unit=mps")).speed_mps == 40.0
    assert fix(traccar(f"{text}&speed_unit=kmh")).speed_mps == pytest.approx(40 / 3.6)
    assert reason(traccar(f"{text}&speed_unit=furlongs")) is RejectReason.INVALID_FIELD


def test_traccar_cells_alone_are_no_place_and_no_id_is_refused() -> None:
    cells = "id=123456&timestamp=1377177267&cell=257,02,16,2224&wifi=00-14-22-01-23-45,-80"
    assert (traccar(cells).ignored, traccar(cells).rejects) == (1, [])
    nobody = traccar("timestamp=1377177267&lat=60.0&lon=30.0")
    assert (nobody.body_refused, reason(nobody)) == (True, RejectReason.MISSING_FIELD)


def test_traccar_says_that_a_fix_is_not_valid() -> None:
    text = "id=1&timestamp=1377177267&lat=60.01&lon=30.01"
    assert [fix(traccar(f"{text}&valid={word}")).filters for word in ("0", "false", "1", "true")] == [
        (FixFilter.INVALID,),
        (FixFilter.INVALID,),
        (),
        (),
    ]


def client_place(**location: Any) -> dict[str, Any]:
    coords = {"latitude": 37.4219983, "longitude": -122.084, "accuracy": 5, "speed": 0, "heading": -1, "altitude": 5}
    found = {"timestamp": "2025-06-15T13:45:12.862Z", "coords": coords, "is_moving": False, "event": "motionchange", "extras": {}}
    return {"location": found | location, "device_id": "48241179"}


def test_traccar_client_json() -> None:
    found = fix(take("traccar", client_place()))
    assert (found.device, found.lat, found.lon, found.speed_mps, found.bearing_deg) == ("48241179", 37.4219983, -122.084, 0.0, None)
    assert found.fix_ns == ns_from_iso("2025-06-15T13:45:12.862Z")


def test_traccar_client_mock_is_a_flag_and_negative_is_unknown() -> None:
    coords = {"speed": -1, "longitude": -122.406417, "latitude": 37.785834000000001, "accuracy": 5, "altitude": 0, "heading": -1}
    found = fix(take("traccar", client_place(mock=True, coords=coords)))
    assert (found.flags, found.speed_mps, found.bearing_deg) == ((FixFlag.MOCK,), None, None)


def test_osmand_is_the_same() -> None:
    assert PROTOCOLS["osmand"].adapter is PROTOCOLS["traccar"].adapter
    assert PROTOCOLS["osmand"].methods == ("GET", "POST")


# ---- GPSLogger


def test_gpslogger_default_template_with_its_user() -> None:
    fields = {"lat": "51.4756212", "longitude": "-0.0007123", "time": "2015-06-18T19:02:21.000Z", "s": "1.5"}
    found = fix(take("gpslogger", query=fields, headers=JANE))
    assert (found.device, found.lat, found.lon, found.speed_mps) == ("jane", 51.4756212, -0.0007123, 1.5)
    assert found.fix_ns == ns_from_iso("2015-06-18T19:02:21Z")
    assert reason(take("gpslogger", query=fields)) is RejectReason.MISSING_FIELD


ALL = (
    b"lat=51.4756212&lon=-0.0007123&sat=9&desc=&alt=45.1&acc=4.5&dir=180.0&prov=gps&spd_kph=36.0&spd=10.0&timestamp=1434654141"
    b"&timeoffset=2015-06-18T20:02:21.000%2B01:00&time=2015-06-18T19:02:21.000Z&starttimestamp=1434650000&date=2015-06-18&batt=55.0"
    b"&ischarging=false&aid=a1b2c3d4&ser=77&act=&filename=x&profile=Default&hdop=1.1&vdop=0.9&pdop=1.4&dist=10"
)


def test_gpslogger_all_parameters_as_form_and_as_json() -> None:
    found = fix(take("gpslogger", ALL))
    assert (found.device, found.source, found.speed_mps, found.bearing_deg) == ("a1b2c3d4", "gpslogger/gps", 10.0, 180.0)
    assert (found.accuracy_m, found.altitude_m, found.fix_ns) == (4.5, 45.1, 1_434_654_141 * NS_PER_S)
    body = {"lat": 51.4756212, "lon": -0.0007123, "alt": 45.1, "acc": 4.5, "dir": 180, "prov": "gps", "spd": 10, "timestamp": 1434654141}
    assert fix(take("gpslogger", body | {"aid": "a1b2c3d4"})) == found


def test_gpslogger_a_blank_speed_is_unknown_and_km_an_hour_are_converted() -> None:
    text = "aid=a&lat=51.4756212&lon=-0.0007123&timestamp=1434654141&spd="
    assert fix(take("gpslogger", text.encode())).speed_mps is None
    assert fix(take("gpslogger", f"{text}&spd_kph=36".encode())).speed_mps == 10.0


def test_gpslogger_a_blank_name_gives_way_to_the_next() -> None:
    text = b"aid=a&lat=51.4756212&lon=-0.0007123&timestamp=&time=2015-06-18T19:02:21.000Z"
    assert fix(take("gpslogger", text)).fix_ns == 1_434_654_141 * NS_PER_S


def test_gpslogger_a_placeholder_that_was_not_filled_is_one_reject() -> None:
    assert reason(take("gpslogger", b"aid=a&lat=%25LAT&lon=-0.0007123&timestamp=1434654141")) is RejectReason.INVALID_COORDINATES
    assert take("gpslogger", b"").body_refused


def test_gpslogger_network_places_keep_their_provider() -> None:
    assert fix(take("gpslogger", ALL.replace(b"prov=gps", b"prov=network"))).source == "gpslogger/network"
    assert fix(take("gpslogger", ALL.replace(b"prov=gps", b"prov=jane%40example.org"))).source == "gpslogger"


# ---- what all have in common


def test_rounded_places_are_flagged_in_every_protocol() -> None:
    found = fix(take("owntracks", OWNTRACKS | {"lat": 48.9, "lon": 2.3}))
    assert (found.flags, found.accuracy_m) == ((FixFlag.CLOAKED,), 11_144.0)

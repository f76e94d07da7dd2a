"""Every phone adapter and the gateway in front of it take anything: no crash, no 500, no neighbour lost, in any order."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from ingest import app as gateway
from ingest.intake import Intake
from ingest.mqtt import Bridge, Message
from ingest.mqtt.session import _publication
from ingest.noise import mix
from ingest.protocols import PROTOCOLS, Request
from ingest.recordings import pushes, read_rows
from tests.property.test_ingest_parsers import ARRIVAL, DIRECTORY, anything, check, near
from tests.unit.test_ingest_app import Kafka
from veilocity import settings
from veilocity.contracts import Fix, decode
from veilocity.errors import InvalidInputError
from veilocity.topics import FIXES

TIME = 1_699_999_999
PLACES: dict[str, dict[str, Any]] = {
    "owntracks": {
        "_type": "location",
        "lat": 52.516312,
        "lon": 13.377712,
        "tst": TIME,
        "acc": 5,
        "vel": 3,
        "cog": 9,
        "tid": "ab",
        "t": "u",
    },
    "traccar": {"device_id": "d", "location": {"timestamp": TIME, "coords": {"latitude": 52.516312, "longitude": 13.377712, "speed": -1}}},
    "gpslogger": {
        "aid": "d",
        "lat": 52.516312,
        "lon": "13.377712",
        "timestamp": TIME,
        "spd": "",
        "prov": "gps",
        "time": "2023-11-14T22:13:19Z",
    },
    "overland": {
        "geometry": {"type": "Point", "coordinates": [13.377712, 52.516312]},
        "properties": {"timestamp": "2023-11-14T22:13:19Z", "device_id": "d", "speed": -1, "horizontal_accuracy": 5},
    },
}
FORMS = {"id": "d", "aid": "d", "lat": "52.516312", "lon": "13.377712", "timestamp": str(TIME), "speed": "2", "valid": "1", "acc": "5"}
HEADERS = {"x-limit-u": "u", "x-limit-d": "d"}
names = st.sampled_from(sorted(PROTOCOLS))
lists = st.sampled_from(sorted(PLACES))
values = st.text(max_size=12) | st.sampled_from(["1e400", "-1", "nan", "NaN", "", "9" * 5000, "4.5E+15", "2023-11-14T22:13:19Z"])
forms = st.dictionaries(st.sampled_from(sorted(FORMS)) | st.text(max_size=6), values, max_size=6).map(lambda found: FORMS | found)


def body_of(name: str, items: list[Any]) -> bytes:
    return json.dumps({"locations": items} if name == "overland" else items).encode()


def take(name: str, body: bytes, **request: Any) -> Any:
    return PROTOCOLS[name].adapter(Request(body, **{"headers": HEADERS, **request}), ARRIVAL, DIRECTORY)


@given(names, st.binary(max_size=200))
def test_any_bytes_are_survived(name: str, body: bytes) -> None:
    outcome = take(name, body)
    check(outcome, outcome.items)


@given(names, anything)
def test_any_json_is_survived(name: str, document: Any) -> None:
    outcome = take(name, json.dumps(document).encode())
    check(outcome, outcome.items)


@given(names, forms)
def test_any_form_is_one_item(name: str, fields: dict[str, str]) -> None:
    outcome = take(name, b"", query=fields)
    check(outcome, outcome.items)
    if name in ("traccar", "osmand", "gpslogger"):
        assert outcome.items == 1


@pytest.mark.parametrize("name", PLACES)
def test_the_good_place_is_good(name: str) -> None:
    assert len(take(name, body_of(name, [PLACES[name]])).accepted) == 1


@given(st.data(), lists)
def test_no_neighbour_is_lost_in_any_order(data: st.DataObject, name: str) -> None:
    items = data.draw(st.lists(near(PLACES[name]), max_size=5))
    alone = [take(name, body_of(name, [item])) for item in items]
    together, backwards = take(name, body_of(name, items)), take(name, body_of(name, items[::-1]))
    check(together, len(items))
    accepted = [fix for outcome in alone for fix in outcome.accepted]
    assert together.accepted == accepted
    assert backwards.accepted == accepted[::-1]
    assert (together.ignored, len(together.rejects)) == (sum(one.ignored for one in alone), sum(len(one.rejects) for one in alone))


@given(names, st.text(max_size=8))
def test_the_same_bytes_give_the_same_fixes(name: str, device: str) -> None:
    place = PLACES.get(name, PLACES["gpslogger"])
    first, second = (take(name, body_of(name, [place]), query={"device": device}) for _ in range(2))
    assert first.accepted == second.accepted
    assert all(isinstance(fix, Fix) for fix in first.accepted)


@cache
def client() -> FlaskClient:
    kafka = Kafka()
    return gateway.create_app(settings.load({}), kafka, kafka).test_client()  # type: ignore[arg-type]  # plays both parts


@given(
    names,
    st.sampled_from(["GET", "POST", "PUT"]),
    st.binary(max_size=80) | anything.map(lambda document: json.dumps(document).encode()),
    st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3),
    st.sampled_from(["", "Basic x", "Basic 4pi6Og==", "Bearer \u00e9", "Basic amFuZTpzM2NyZXQ="]),
)
def test_the_gateway_never_answers_500(name: str, method: str, body: bytes, query: dict[str, str], header: str) -> None:
    answer = client().open(f"/v1/{name}", method=method, data=body, query_string=query, headers={"Authorization": header})
    assert answer.status_code in (200, 400, 405), answer.text


topics = st.sampled_from(
    ["owntracks/a/b", "owntracks", "owntracks/a", "owntracks//", "sensor-logger", "traccar/x", "gpslogger", "overland/y", ""]
)
bodies = st.binary(max_size=60) | anything.map(lambda document: json.dumps(document).encode())
messages = st.lists(st.builds(Message, topics | st.text(max_size=8), bodies, st.just(1), st.just(1), st.booleans(), st.just(1)), max_size=5)


@given(messages, messages)
def test_a_good_message_survives_its_neighbours(before: list[Message], after: list[Message]) -> None:
    good = Message("owntracks/jane/phone", json.dumps(PLACES["owntracks"]).encode(), 1, 1, False, 1)
    sent = Bridge(Intake(settings.load({}), DIRECTORY), 10_000).judge([*before, good, *after], ARRIVAL).records
    fixes = [decode(record.value, Fix) for record in sent if record.topic is FIXES and record.value is not None]
    assert [fix.lat for fix in fixes if fix.device == "jane/phone"] == [52.516312]


@given(st.integers(0, 255), st.binary(max_size=40))
def test_any_packet_is_a_message_or_told_to_be_none(first: int, packet: bytes) -> None:
    try:
        topic, body, _, number, _ = _publication(first, packet)
    except (IndexError, ValueError):
        return
    assert len(body) <= len(packet)
    assert 0 <= number < 2**16
    assert topic.isprintable() or topic


tracks = st.sampled_from(
    [
        "time,lat,lon\n",
        "time;lat;lon\n",
        "time,latitude,longitude\n",
        "Geolife trajectory\na\nb\nc\nd\ne\n",
        "<gpx><trk><trkseg>",
        '<gpx><trkpt lat="1.5" lon="x"/>',
        "[{",
        "[",
        "",
    ]
)
pieces = st.text("0123456789.,;:-TZ<>/\"'{}[]\n abgeimnostlpkrdx", max_size=60) | st.text(max_size=20)


@given(tracks, pieces, st.floats(0.0, 0.8), st.sampled_from(["", "</trkseg></trk></gpx>", "</gpx>", "}]"]))
def test_any_recording_is_played_or_told_to_be_none(head: str, text: str, rate: float, tail: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "track.txt"
        file.write_text(head + text + tail, encoding="utf-8", errors="replace")
        try:
            rows, device = read_rows(file)
        except InvalidInputError:
            return
    mixed = mix(rows, rate, seed=1)
    assert len(mixed.rows) == len(rows) + len(mixed.labels)
    for push in pushes(mixed.rows, device or "d"):
        outcome = take("sensor-logger", json.dumps(push).encode())
        check(outcome, len(push["payload"]))

"""Every quirk of the Sensor Logger push, each with its own name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ingest import sensor_logger
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.outcome import MAXIMUM_RECORDS, Outcome
from veilocity.contracts import DirectoryEntry, Fix, FixFlag, IdentifierKind, SubjectId
from veilocity.errors import RejectReason

RECEIVED_MS = 1_698_501_146_000
NOW_NS = 1_698_501_145_514_000_000
ARRIVAL = Arrival(received_ms=RECEIVED_MS, future_limit_s=300.0)


def location(**changes: Any) -> dict[str, Any]:
    values = {"latitude": 47.129115537827396, "longitude": 15.211754321810043, "horizontalAccuracy": 14.3} | changes
    return {"name": "location", "time": NOW_NS, "values": {name: value for name, value in values.items() if value is not ...}}


def push(*readings: Any, **changes: Any) -> Outcome:
    body = {"messageId": 7, "sessionId": "s-1", "deviceId": "phone-1", "payload": list(readings)} | changes
    return parse({name: value for name, value in body.items() if value is not ...})


def parse(body: Any, directory: Directory | None = None) -> Outcome:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return sensor_logger.parse(data, ARRIVAL, directory or Directory())


def only_fix(outcome: Outcome) -> Fix:
    assert outcome.rejects == []
    (fix,) = outcome.accepted
    assert isinstance(fix, Fix)
    return fix


def only_reason(outcome: Outcome) -> RejectReason:
    assert outcome.accepted == []
    (reject,) = outcome.rejects
    return reject.reason


def test_nested_values_become_a_fix() -> None:
    fix = only_fix(push(location(speed=1.5, bearing=210.0, altitude=855.8)))
    assert fix == Fix(
        subject=SubjectId("phone-1"),
        device=fix.device,
        source="sensor-logger",
        fix_ns=NOW_NS,
        received_ms=RECEIVED_MS,
        lat=47.129115537827396,
        lon=15.211754321810043,
        accuracy_m=14.3,
        speed_mps=1.5,
        bearing_deg=210.0,
        altitude_m=855.8,
        session="s-1",
        sequence=7,
    )


def test_flat_values_of_older_versions_become_the_same_fix() -> None:
    nested = location(speed=1.5)
    flat = {"name": "location", "time": NOW_NS, **nested["values"]}
    assert push(flat) == push(nested)


@pytest.mark.parametrize("time", [1_698_501_145_514_000_001, "1698501145514000001"])
def test_nanoseconds_above_2_to_the_53_stay_exact(time: int | str) -> None:
    assert only_fix(push(location() | {"time": time})).fix_ns == 1_698_501_145_514_000_001


@pytest.mark.parametrize("time", [1.698501145514e18, "1.698501145514e18", "soon", "", None, True, [], "2023-10-28T13:52:25Z"])
def test_a_time_that_may_have_been_rounded_is_refused(time: Any) -> None:
    assert only_reason(push(location() | {"time": time})) is RejectReason.INVALID_TIME


@pytest.mark.parametrize("divisor", [1_000, 1_000_000, 1_000_000_000])
def test_a_time_in_the_wrong_unit_is_refused(divisor: int) -> None:
    assert only_reason(push(location() | {"time": NOW_NS // divisor})) is RejectReason.INVALID_TIME


def test_a_time_in_the_future_is_refused_beyond_the_limit_only() -> None:
    latest = RECEIVED_MS * 1_000_000 + 300 * 10**9
    assert only_fix(push(location() | {"time": latest})).fix_ns == latest
    assert only_reason(push(location() | {"time": latest + 1})) is RejectReason.FUTURE_TIME


def test_negative_speed_bearing_and_accuracy_mean_unknown() -> None:
    fix = only_fix(push(location(speed=-1, bearing=-1, horizontalAccuracy=-1, speedAccuracy=-1, bearingAccuracy=-1)))
    assert (fix.speed_mps, fix.bearing_deg, fix.accuracy_m) == (None, None, None)


def test_zero_accuracy_means_unknown_but_zero_speed_means_standing() -> None:
    fix = only_fix(push(location(speed=0, horizontalAccuracy=0)))
    assert (fix.speed_mps, fix.accuracy_m) == (0.0, None)


def test_the_android_grade_beside_the_name_is_not_metres() -> None:
    assert only_fix(push(location(horizontalAccuracy=...) | {"accuracy": 3})).accuracy_m is None


def test_integers_and_text_are_read_as_numbers() -> None:
    fix = only_fix(push(location(altitude=583, speed="1.5", latitude="47.1291155", horizontalAccuracy="1.4e1")))
    assert (fix.altitude_m, fix.speed_mps, fix.lat, fix.accuracy_m) == (583.0, 1.5, 47.1291155, 14.0)


def test_nulls_and_blanks_mean_not_stated() -> None:
    fix = only_fix(push(location(altitude=None, speed="", bearing=" ", horizontalAccuracy=None)))
    assert (fix.altitude_m, fix.speed_mps, fix.bearing_deg, fix.accuracy_m) == (None, None, None, None)


@pytest.mark.parametrize("field", ["speed", "bearing", "horizontalAccuracy", "altitude"])
@pytest.mark.parametrize("value", ["fast", True, [], {}, "nan", "1_000"])
def test_a_field_that_is_no_number_is_refused(field: str, value: Any) -> None:
    assert only_reason(push(location(**{field: value}))) is RejectReason.INVALID_FIELD


def test_a_number_too_large_for_a_float_costs_its_own_reading_only() -> None:
    good, bad = msgspec.json.encode(location()).decode(), msgspec.json.encode(location(speed=77)).decode().replace("77", "1e400")
    outcome = parse(f'{{"deviceId": "d", "payload": [{good}, {bad}, {good}]}}'.encode())
    assert (len(outcome.accepted), [reject.reason for reject in outcome.rejects]) == (2, [RejectReason.INVALID_FIELD])


@pytest.mark.parametrize(
    ("lat", "lon"), [(91, 0), (-90.0001, 0), (10, 180.5), ("nan", 5), ("x", 5), (10, ...), (..., 10), (10, None), (0, 0), (0.0, -0.0)]
)
def test_impossible_coordinates_are_refused(lat: Any, lon: Any) -> None:
    assert only_reason(push(location(latitude=lat, longitude=lon))) is RejectReason.INVALID_COORDINATES


def test_the_equator_and_the_meridian_are_places() -> None:
    assert only_fix(push(location(latitude=0.0, longitude=6.6131234567))).lat == 0.0
    assert only_fix(push(location(latitude=51.4772123456, longitude=0.0))).lon == 0.0


def test_a_location_without_coordinates_is_refused_as_missing() -> None:
    assert only_reason(push(location(latitude=..., longitude=...))) is RejectReason.MISSING_FIELD


def test_a_batch_without_a_location_is_ignored() -> None:
    outcome = push({"name": "accelerometer", "time": NOW_NS, "values": {"x": 1, "y": None}}, {"name": "camera", "image": "…"})
    assert (outcome.accepted, outcome.rejects, outcome.ignored) == ([], [], 2)


def test_the_test_push_writes_nothing() -> None:
    outcome = push({"name": "test"}, location(), deviceId=...)
    assert (outcome.accepted, outcome.rejects, outcome.ignored) == ([], [], 2)


def test_an_empty_payload_writes_nothing() -> None:
    outcome = push(deviceId=...)
    assert (outcome.items, outcome.body_refused) == (0, False)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("Location", "sensor-logger"),
        ("LocationGps", "sensor-logger/gps"),
        ("location gps", "sensor-logger/gps"),
        ("location_network", "sensor-logger/network"),
        ("watch location", "sensor-logger/watch"),
        ("WatchLocation", "sensor-logger/watch"),
    ],
)
def test_location_providers_are_told_apart(name: str, source: str) -> None:
    assert only_fix(push(location() | {"name": name})).source == source


def test_the_watch_names_its_fields_differently() -> None:
    fix = only_fix(push(location(altitude=811.9, ellipsoidalAltitude=855.8, course=12.5) | {"name": "watchLocation"}))
    assert (fix.altitude_m, fix.bearing_deg) == (855.8, 12.5)


def test_cloaked_to_a_thousandth_of_a_degree_adds_a_hundred_metres() -> None:
    fix = only_fix(push(location(latitude=47.129, longitude=15.212, horizontalAccuracy=5)))
    assert fix.flags == (FixFlag.CLOAKED,)
    assert fix.accuracy_m == pytest.approx(116.32)


def test_cloaked_to_a_tenth_of_a_degree_adds_ten_kilometres() -> None:
    fix = only_fix(push(location(latitude=47.1, longitude=15.2, horizontalAccuracy=-1)))
    assert fix.flags == (FixFlag.CLOAKED,)
    assert fix.accuracy_m == pytest.approx(11_132.0)


def test_cloaking_by_multiplication_is_seen_through_its_rounding_error() -> None:
    assert only_fix(push(location(latitude=47129 * 0.001, longitude=15212 * 0.001))).flags == (FixFlag.CLOAKED,)


def test_one_round_coordinate_is_chance_and_not_cloaking() -> None:
    assert only_fix(push(location(latitude=47.1))).flags == ()


def test_a_fix_from_before_the_recording_is_flagged_as_cached() -> None:
    assert only_fix(push(location(seconds_elapsed=-26.59))).flags == (FixFlag.CACHED,)
    assert only_fix(push(location() | {"seconds_elapsed": "-108.2"})).flags == (FixFlag.CACHED,)
    assert only_fix(push(location(seconds_elapsed=0.29))).flags == ()


def test_a_fix_much_older_than_the_motion_beside_it_is_flagged_as_cached() -> None:
    def seen_with_motion(age_s: int) -> Fix:
        return only_fix(push(location() | {"time": NOW_NS - age_s * 10**9}, {"name": "gyroscope", "time": NOW_NS, "values": {}}))

    assert seen_with_motion(18).flags == (FixFlag.CACHED,)
    assert seen_with_motion(9).flags == ()


def test_motion_stamped_days_earlier_flags_nothing() -> None:
    readings = [{"name": "accelerometer", "time": time, "values": {}} for time in (NOW_NS - 328_883 * 10**9, NOW_NS)]
    assert only_fix(push(location() | {"time": NOW_NS - 18 * 10**9}, *readings)).flags == ()


@pytest.mark.parametrize("field", ["mock", "mocked", "isMock", "isMocked"])
def test_a_mocked_place_is_flagged(field: str) -> None:
    assert only_fix(push(location(**{field: True}))).flags == (FixFlag.MOCK,)
    assert only_fix(push(location(**{field: False}))).flags == ()


@pytest.mark.parametrize("device", ["4.5E+15", "4,5e+15", "45e+15", 4.5e15, "4539148803436467.0"])
def test_a_damaged_device_id_refuses_the_push(device: Any) -> None:
    outcome = push(location(), location(), deviceId=device)
    assert only_reason(outcome) is RejectReason.DAMAGED_IDENTIFIER
    assert outcome.body_refused


@pytest.mark.parametrize("device", ["12e5", "1E10", "99dac4cb-d27e-4319-9e0e-5f9067ead1d7", "0.5.1", 4539148803436467])
def test_identifiers_that_only_look_like_numbers_are_kept(device: Any) -> None:
    assert only_fix(push(location(), deviceId=device)).device == str(device)


@pytest.mark.parametrize("device", [..., None, "", "  "])
def test_a_push_without_a_device_is_refused(device: Any) -> None:
    assert only_reason(push(location(), deviceId=device)) is RejectReason.MISSING_FIELD


@pytest.mark.parametrize("device", [{}, [], True, "x" * 257, "a\x00b", "line\nbreak"])
def test_a_device_that_is_no_identifier_is_refused(device: Any) -> None:
    assert only_reason(push(location(), deviceId=device)) is RejectReason.INVALID_FIELD


def test_message_and_session_only_help_and_never_cost_a_fix() -> None:
    fix = only_fix(push(location(), messageId="x", sessionId=...))
    assert (fix.session, fix.sequence) == (None, None)
    assert only_fix(push(location(), messageId="12")).sequence == 12
    assert only_fix(push(location(), messageId=2**70)).sequence is None


def test_the_directory_says_whose_phone_it_is() -> None:
    directory = Directory()
    directory.put(DirectoryEntry(kind=IdentifierKind.DEVICE, id="phone-1", subject=SubjectId("p-device")))
    directory.put(DirectoryEntry(kind=IdentifierKind.USER, id="u-1", subject=SubjectId("p-user")))
    body = {"deviceId": "phone-1", "payload": [location()]}
    assert only_fix(parse(body, directory)).subject == "p-device"
    assert only_fix(parse(body | {"userId": "u-1"}, directory)).subject == "p-user"
    assert only_fix(parse(body | {"userId": "unknown"}, directory)).subject == "p-device"


def test_a_bad_reading_costs_nothing_but_itself() -> None:
    bad = ("not an object", {"time": NOW_NS}, {"name": 5}, location(latitude=99), {"name": "location", "values": 3})
    outcome = push(location(), *bad, location())
    assert len(outcome.accepted) == 2
    assert outcome.reasons() == {"malformed": 4, "invalid_coordinates": 1}


def test_a_reject_says_what_was_refused_and_why() -> None:
    (reject,) = push(location(latitude=99)).rejects
    assert (reject.source, reject.received_ms) == ("sensor-logger", RECEIVED_MS)
    assert msgspec.json.decode(reject.payload)["values"]["latitude"] == 99
    assert "-90..90" in reject.detail


def test_a_refused_item_is_kept_to_4096_characters() -> None:
    (reject,) = push({"name": "location", "time": 1, "values": {"latitude": "é" * 10_000}}).rejects
    assert len(reject.payload) == 4096
    (reject,) = parse(b'"' + "é".encode() * 10_000).rejects
    assert len(reject.payload) == 4096


@pytest.mark.parametrize(
    "body", [b"", b"garbage", b"\xff\xfe", b"null", b"[]", b"7", b'{"payload": {}}', b'{"payload": null}', b"[" * 100_000]
)
def test_a_body_that_is_no_push_is_one_reject(body: bytes) -> None:
    outcome = parse(body)
    assert only_reason(outcome) is RejectReason.MALFORMED
    assert outcome.body_refused


def test_a_body_without_payload_is_refused_as_missing() -> None:
    assert only_reason(parse(b'{"deviceId": "d"}')) is RejectReason.MISSING_FIELD


def test_an_integer_of_thousands_of_digits_is_survived() -> None:
    assert parse(b'{"deviceId": "d", "payload": [{"name": "location", "time": ' + b"9" * 5_000 + b"}]}").accepted == []


def test_too_many_records_refuse_the_body() -> None:
    outcome = push(*[{"name": "location"}] * (MAXIMUM_RECORDS + 1))
    assert only_reason(outcome) is RejectReason.TOO_LARGE
    ignored = push(*[{"name": "gyroscope"}] * (MAXIMUM_RECORDS + 1))
    assert ignored.ignored == MAXIMUM_RECORDS + 1

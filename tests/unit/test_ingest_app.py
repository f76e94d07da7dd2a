"""What the gateway answers, with Kafka played by a list."""

from __future__ import annotations

import base64
import io
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from ingest import app as gateway
from ingest.directory import Directory
from ingest.outcome import Record
from ingest.telemetry import FILTERED, ITEMS
from veilocity import logs, settings
from veilocity.contracts import Fix, FixFilter, Reject, decode
from veilocity.errors import BrokerUnavailableError, RejectReason, SettingsError
from veilocity.topics import DIRECTORY, FIXES, REJECTS, SESSIONS, TRANSACTIONS


class Kafka:
    """Takes records as the sender would; `down` makes it refuse."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.down = False
        self.waited: list[Mapping[int, int]] = []
        self.ready = True
        self.directory = Directory()

    def send_all(self, records: Sequence[Record], _timeout_s: float | None = None) -> dict[int, int]:
        if self.down:
            raise BrokerUnavailableError("Kafka did not acknowledge in time: repeat the request in a few seconds")
        self.records.extend(records)
        return {0: 41} if any(record.topic is DIRECTORY for record in records) else {}

    def wait_for(self, offsets: Mapping[int, int], _timeout_s: float) -> None:
        self.waited.append(offsets)


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


def client_of(kafka: Kafka, **changes: Any) -> FlaskClient:
    loaded = settings.load({}, **changes)
    return gateway.create_app(loaded, kafka, kafka).test_client()  # type: ignore[arg-type]  # plays both parts


@pytest.fixture
def client(kafka: Kafka) -> FlaskClient:
    return client_of(kafka)


def push_body(*readings: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"messageId": 1, "deviceId": "phone-1", "payload": list(readings)})


def location(**changes: Any) -> dict[str, Any]:
    return {"name": "location", "time": time.time_ns(), "values": {"latitude": 52.516312, "longitude": 13.377712} | changes}


PAYMENT = {
    "id": "t-1",
    "card": "c-1",
    "authorised_ms": 1_700_000_000_000,
    "amount": "1.50",
    "currency": "EUR",
    "merchant": "m",
    "category": "c",
    "channel": "e-commerce",
}


def test_a_push_is_written_and_counted(client: FlaskClient, kafka: Kafka) -> None:
    before = {outcome: ITEMS.labels("sensor-logger", outcome)._value.get() for outcome in ("accepted", "rejected", "ignored")}
    answer = client.post("/v1/sensor-logger", data=push_body(location(), location(latitude=99), {"name": "gyroscope"}))
    assert answer.status_code == 200
    assert answer.json == {
        "accepted": 1,
        "rejected": 1,
        "ignored": 1,
        "reasons": {"invalid_coordinates": 1},
        "error": "latitude must be within -90..90 and longitude within -180..180 degrees: are they swapped?",
    }
    assert [(record.topic, record.key) for record in kafka.records] == [(FIXES, b"phone-1"), (REJECTS, None)]
    after = {outcome: ITEMS.labels("sensor-logger", outcome)._value.get() for outcome in before}
    assert {outcome: after[outcome] - before[outcome] for outcome in before} == {"accepted": 1, "rejected": 1, "ignored": 1}


def test_payments_are_written_by_subject(client: FlaskClient, kafka: Kafka) -> None:
    answer = client.post("/v1/transactions", json=[PAYMENT, PAYMENT | {"id": "t-2", "user": "u-1"}])
    assert answer.json == {"accepted": 2, "rejected": 0, "ignored": 0}
    assert [(record.topic, record.key) for record in kafka.records] == [(TRANSACTIONS, b"c-1"), (TRANSACTIONS, b"u-1")]


def test_browsing_events_are_written_by_subject_and_a_bad_line_alone_is_refused(client: FlaskClient, kafka: Kafka) -> None:
    line = b'{"session": "s-1", "user": "u-1", "type": "ATC", "event_ms": 1700000000000}'
    answer = client.post("/v1/sessions", data=line + b"\nnothing\n" + line)
    assert answer.json is not None
    assert (answer.status_code, answer.json["accepted"], answer.json["reasons"]) == (200, 2, {"malformed": 1})
    assert [(record.topic, record.key) for record in kafka.records] == [(SESSIONS, b"u-1"), (SESSIONS, b"u-1"), (REJECTS, None)]


def test_a_directory_change_is_answered_only_when_it_was_read_back(client: FlaskClient, kafka: Kafka) -> None:
    assert client.put("/v1/directory", json={"kind": "card", "id": "c-1", "subject": "p-1"}).status_code == 200
    assert kafka.waited == [{0: 41}]
    client.post("/v1/transactions", json=PAYMENT)
    assert kafka.waited == [{0: 41}]


def test_the_test_push_and_the_empty_payload_write_nothing(client: FlaskClient, kafka: Kafka) -> None:
    for body in (push_body({"name": "test"}), push_body()):
        assert client.post("/v1/sensor-logger", data=body).status_code == 200
    assert kafka.records == []


@pytest.mark.parametrize("path", ["/v1/sensor-logger", "/v1/transactions", "/v1/sessions"])
def test_a_malformed_body_is_400_and_one_reject(client: FlaskClient, kafka: Kafka, path: str) -> None:
    answer = client.post(path, data=b"garbage")
    assert answer.status_code == 400
    assert answer.json is not None
    assert (answer.json["accepted"], answer.json["rejected"], answer.json["ignored"]) == (0, 1, 0)
    (record,) = kafka.records
    assert record.value is not None
    reject = decode(record.value, Reject)
    assert (reject.reason, reject.payload) == (RejectReason.MALFORMED, "garbage")


def test_kafka_down_is_503_with_retry_after_and_nothing_counted(client: FlaskClient, kafka: Kafka) -> None:
    kafka.down = True
    before = ITEMS.labels("sensor-logger", "accepted")._value.get()
    for body in (push_body(location()), b"garbage"):
        answer = client.post("/v1/sensor-logger", data=body)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert ITEMS.labels("sensor-logger", "accepted")._value.get() == before


def test_until_the_directory_is_read_everything_is_503(client: FlaskClient, kafka: Kafka) -> None:
    kafka.ready = False
    assert client.post("/v1/sensor-logger", data=push_body(location())).status_code == 503
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert kafka.records == []


@pytest.mark.parametrize("method", ["POST /v1/sensor-logger", "POST /v1/transactions", "POST /v1/sessions", "PUT /v1/directory"])
def test_without_the_token_nothing_is_read_or_written(kafka: Kafka, method: str) -> None:
    client = client_of(kafka, ingest_token="s3cret")  # noqa: S106  # a made-up token
    verb, path = method.split()
    answer = client.open(path, method=verb, data=b"[]")
    assert answer.status_code == 401
    assert answer.json is not None
    assert "token" in answer.json["error"]
    assert client.open(path, method=verb, data=b"[]", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.open(path, method=verb, data=b"[]", headers={"Authorization": "Bearer s3cret"}).status_code != 401
    assert client.open(path, method=verb, data=b"[]", headers={"Authorization": "s3cret"}).status_code != 401
    assert client.open(f"{path}?token=s3cret", method=verb, data=b"[]").status_code != 401


@pytest.mark.parametrize("name", ["owntracks", "overland", "traccar", "osmand", "gpslogger", "sensor-logger"])
def test_a_phone_states_the_token_where_its_app_can(kafka: Kafka, name: str) -> None:
    client = client_of(kafka, ingest_token="s3cret")  # noqa: S106  # a made-up token
    path = f"/v1/{name}"
    basic = "Basic " + base64.b64encode(b"jane:s3cret").decode()
    assert client.post(path, data=b"{}").status_code == 401
    assert client.post(f"{path}/guess", data=b"{}").status_code == 401
    assert client.post(path, data=b"{}", headers={"Authorization": basic.replace("M", "N")}).status_code == 401
    assert client.post(path, data=b"{}", headers={"Authorization": basic}).status_code in (200, 400)
    assert client.post(f"{path}/s3cret", data=b"{}").status_code in (200, 400)
    assert client.post(f"{path}?token=s3cret", data=b"{}").status_code in (200, 400)


def test_a_query_that_is_refused_is_kept_without_the_token(kafka: Kafka) -> None:
    client = client_of(kafka, ingest_token="s3cret")  # noqa: S106  # a made-up token
    assert client.get("/v1/traccar?token=s3cret&id=7&lat=91&lon=1&timestamp=1700000000").status_code == 200
    assert client.get("/v1/traccar?token=s3cret&lat=91").status_code == 400
    rejects = [decode(record.value, Reject) for record in kafka.records if record.value is not None]
    assert [reject.reason for reject in rejects] == [RejectReason.INVALID_COORDINATES, RejectReason.MISSING_FIELD]
    assert "91" in rejects[0].payload
    assert not [reject for reject in rejects if "s3cret" in reject.payload]


def test_each_app_reads_the_answer_it_waits_for(client: FlaskClient, kafka: Kafka) -> None:
    place = {"_type": "location", "lat": 52.516312, "lon": 13.377712, "tst": 1_700_000_000}
    assert client.post("/v1/owntracks?u=jane&d=phone", json=place).data == b"[]"
    assert client.post("/v1/owntracks", data=b"").data == b"[]"
    assert client.post("/v1/overland", json={"locations": []}).data == b'{"result":"ok"}'
    assert client.get("/v1/gpslogger?aid=a&lat=52.516312&lon=13.377712&timestamp=1700000000").json == {
        "accepted": 1,
        "rejected": 0,
        "ignored": 0,
    }
    assert [(record.topic, record.key) for record in kafka.records] == [(FIXES, b"jane/phone"), (FIXES, b"a")]
    kafka.down = True
    assert client.post("/v1/overland", json={"locations": [{}]}).status_code == 503


def test_who_only_looks_sends_no_place(client: FlaskClient, kafka: Kafka) -> None:
    assert client.head("/v1/gpslogger?aid=a&lat=52.516312&lon=13.377712&timestamp=1700000000").status_code == 200
    assert kafka.records == []


def test_filters_are_named_across_requests_and_counted(client: FlaskClient, kafka: Kafka) -> None:
    before = FILTERED.labels("gpslogger", "duplicate")._value.get()
    for _ in range(2):
        client.get("/v1/gpslogger?aid=still&lat=52.516312&lon=13.377712&timestamp=1700000000")
    fixes = [decode(record.value, Fix) for record in kafka.records if record.value is not None]
    assert [fix.filters for fix in fixes] == [(), (FixFilter.DUPLICATE, FixFilter.DISTANCE)]
    assert FILTERED.labels("gpslogger", "duplicate")._value.get() == before + 1


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413_and_one_reject(kafka: Kafka, chunked: bool) -> None:
    client = client_of(kafka, ingest_max_body_bytes=1024)
    body = b" " * 2000 + b"[]"
    if chunked:
        answer = client.post(
            "/v1/transactions",
            input_stream=io.BytesIO(body),
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
    else:
        answer = client.post("/v1/transactions", data=body)
    assert answer.status_code == 413
    (record,) = kafka.records
    assert record.value is not None
    assert decode(record.value, Reject).reason is RejectReason.TOO_LARGE


def test_other_addresses_and_methods_say_what_to_do(client: FlaskClient) -> None:
    assert "Push URL" in client.get("/v1/sensor-logger").text
    missing, wrong = client.get("/nowhere"), client.get("/v1/transactions")
    assert missing.json is not None
    assert wrong.json is not None
    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert "/v1/sensor-logger" in missing.json["error"]
    assert "POST" in wrong.headers["Allow"]


def test_metrics_hold_no_identifier(client: FlaskClient) -> None:
    client.post("/v1/sensor-logger", data=push_body(location()))
    client.post("/v1/transactions", json=PAYMENT | {"card": "4539148803436467"})
    text = client.get("/metrics").text
    assert "veilocity_ingest_items_total" in text
    assert "phone-1" not in text
    assert "4539148803436467" not in text


def test_an_unexpected_failure_is_500_without_a_word_about_the_body(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(kafka, "send_all", fail)
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("ingest", stream=stream)
    try:
        answer = client_of(kafka).post("/v1/transactions?token=s3cret", json=PAYMENT | {"card": "4539148803436467"})
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert answer.status_code == 500
    assert answer.json is not None
    assert "4539148803436467" not in answer.text + stream.getvalue()
    assert "s3cret" not in stream.getvalue()
    assert "broken" in stream.getvalue()


def test_an_open_gateway_without_a_token_does_not_start(kafka: Kafka) -> None:
    with pytest.raises(SettingsError, match="VEILOCITY_INGEST_TOKEN"):
        client_of(kafka, ingest_host="0.0.0.0")  # noqa: S104  # what is refused

"""The gateway as users run it, on a real Kafka: what is answered is what is on the topics."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from devstack.ports import free_port
from ingest import replay
from tests.integration.ingest_world import eventually, gateway, murmur2_partition, read_all, start
from veilocity import settings as kernel_settings
from veilocity.contracts import Fix, Reject, Transaction, decode
from veilocity.errors import RejectReason
from veilocity.kafka import ensure_topics, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import DIRECTORY, FIXES, REJECTS, TRANSACTIONS

pytestmark = pytest.mark.services
TOKEN = "s3cret-token"  # noqa: S105  # a made-up token


@pytest.fixture
def settings(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of one gateway with topics of its own, and nothing but Kafka."""
    loaded = kernel_settings.load(
        {}, kafka_bootstrap=kafka_server, kafka_topic_prefix=f"g{uuid.uuid4().hex[:8]}.", state_dir=tmp_path, ingest_port=free_port()
    )
    ensure_topics(loaded)
    wait_for_topics(loaded)
    yield loaded


def location(seconds_ago: float = 1.0, **changes: Any) -> dict[str, Any]:
    values = {"latitude": 52.516312, "longitude": 13.377712, "horizontalAccuracy": 5.0} | changes
    return {"name": "location", "time": time.time_ns() - int(seconds_ago * 1e9), "values": values}


def payment(number: int | str, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"t-{number}",
        "card": "4539148803436467",
        "authorised_ms": time.time_ns() // 1_000_000,
        "amount": "12.50",
        "currency": "EUR",
        "merchant": "Bakery",
        "category": "grocery",
        "channel": "card-present",
        "lat": 52.5163,
        "lon": 13.3777,
    } | changes


def value(message: Any) -> bytes:
    found = message.value()
    assert isinstance(found, bytes)
    return found


def test_every_item_is_on_its_topic_under_its_subject(settings: Settings, tmp_path: Path) -> None:
    before_ms = time.time_ns() // 1_000_000
    with gateway(settings, tmp_path / "log") as running:
        for number in range(20):
            answer = running.push(f"phone-{number}", location(), {"name": "gyroscope"}, location(latitude=95)).json()
            assert (answer["accepted"], answer["rejected"], answer["ignored"]) == (1, 1, 1)
            paid = running.client.post("/v1/transactions", json=[payment(number, device=f"phone-{number}"), 5])
            assert (paid.status_code, paid.json()["accepted"], paid.json()["rejected"]) == (200, 1, 1)
    fixes, payments, rejects = (read_all(settings, topic) for topic in (FIXES, TRANSACTIONS, REJECTS))
    assert sorted(decode(value(message), Fix).device for message in fixes) == sorted(f"phone-{number}" for number in range(20))
    assert sorted(decode(value(message), Transaction).id for message in payments) == sorted(f"t-{number}" for number in range(20))
    reasons = [decode(value(message), Reject).reason for message in rejects]
    assert sorted(reasons) == sorted([RejectReason.INVALID_COORDINATES, RejectReason.MALFORMED] * 20)
    for message in fixes + payments:
        key = message.key()
        assert isinstance(key, bytes)
        assert message.partition() == murmur2_partition(key, settings.kafka_partitions)
    for message in fixes:
        fix = decode(value(message), Fix)
        assert message.key() == fix.subject.encode()
        assert before_ms <= fix.received_ms <= time.time_ns() // 1_000_000
    assert {message.partition() for message in fixes} == {0, 1}


def test_a_directory_change_is_in_force_for_the_next_push_and_after_a_restart(settings: Settings, tmp_path: Path) -> None:
    with gateway(settings, tmp_path / "log") as running:
        for number in range(30):
            entry = {"kind": "device", "id": "phone", "subject": f"person-{number}"}
            assert running.client.put("/v1/directory", json=entry).status_code == 200
            assert running.push("phone", location()).status_code == 200
        entry = {"kind": "device", "id": "left", "subject": "gone"}
        running.client.put("/v1/directory", json=[entry, entry | {"subject": None}])
    with gateway(settings, tmp_path / "log") as running:
        assert running.client.get("/readyz").json() == {"ready": True, "directory_entries": 1}
        running.push("phone", location())
        running.push("left", location())
    found = sorted((decode(value(message), Fix) for message in read_all(settings, FIXES)), key=lambda fix: fix.received_ms)
    subjects = [fix.subject for fix in found if fix.device == "phone"]
    assert subjects == [f"person-{number}" for number in range(30)] + ["person-29"]
    assert [fix.subject for fix in found if fix.device == "left"] == ["left"]


def test_the_directory_file_is_loaded_once(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "directory.csv"
    file.write_text("kind,id,subject\n" + "".join(f"card,c-{number},p-{number}\n" for number in range(500)), encoding="utf-8")
    loaded = settings.model_copy(update={"ingest_directory_file": str(file)})
    for _ in range(2):
        with gateway(loaded, tmp_path / "log") as running:
            assert running.client.post("/v1/transactions", json=payment(1, card="c-7")).status_code == 200
    assert len(read_all(settings, DIRECTORY)) == 500
    assert {decode(value(message), Transaction).subject for message in read_all(settings, TRANSACTIONS)} == {"p-7"}


def test_nothing_that_identifies_is_logged(settings: Settings, tmp_path: Path) -> None:
    guarded = settings.model_copy(update={"ingest_token": SecretStr(TOKEN), "log_level": "DEBUG"})
    log = tmp_path / "log"
    with gateway(guarded, log) as running:
        client = running.client
        assert running.push("phone-of-jo", location()).status_code == 401
        assert client.post(f"/v1/transactions?token={TOKEN}", json=payment(1)).status_code == 200
        assert client.post(f"/v1/transactions?token={TOKEN}", content=b"garbage 4539148803436467").status_code == 400
        assert client.post("/v1/transactions", json=[payment(2)], headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        with socket.create_connection(("127.0.0.1", guarded.ingest_port), 10) as raw:
            raw.sendall(f"NONSENSE /v1/transactions?token={TOKEN}&card=4539148803436467 x\r\n\r\n".encode())
            raw.recv(4096)
        eventually("the refused line is logged", lambda: "Invalid request" in log.read_text(encoding="utf-8"))
    written = log.read_text(encoding="utf-8")
    assert '"service": "ingest"' in written
    for secret in (TOKEN, "4539148803436467", "phone-of-jo", "127.0.0.1", "52.5163"):
        assert secret not in written


def test_sigterm_ends_it_with_what_was_under_way_answered(settings: Settings, tmp_path: Path) -> None:
    with gateway(settings, tmp_path / "log") as running:
        assert running.push("phone", location()).status_code == 200
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0
        assert running.status("/healthz") == 0
    assert len(read_all(settings, FIXES)) == 1


def test_kill_9_loses_nothing_that_was_answered(settings: Settings, tmp_path: Path) -> None:
    answered: list[str] = []
    with gateway(settings, tmp_path / "log") as running:
        numbers = iter(range(10**6))
        for number in numbers:
            try:
                response = running.client.post("/v1/transactions", json=payment(number))
            except httpx.TransportError:
                break
            assert response.status_code == 200
            answered.append(f"t-{number}")
            if number == 50:
                os.killpg(running.process.pid, signal.SIGKILL)
    assert len(answered) > 50
    assert set(answered) <= {decode(value(message), Transaction).id for message in read_all(settings, TRANSACTIONS)}
    with gateway(settings, tmp_path / "log") as running:
        assert running.push("phone", location()).status_code == 200


def test_a_recording_and_a_card_file_arrive_whole(settings: Settings, shared_data: Path, tmp_path: Path) -> None:
    recording = shared_data / "sensor_logger" / "strapdown_2025-06-14_21-17-02.csv"
    cards = shared_data / "cards" / "sparkov_kaggle_head_intellisense.csv"
    with gateway(settings, tmp_path / "log") as running:
        assert replay.run(settings, recording, running.url, speed=0.0, device="phone-1", rebase=True) == 0
        assert replay.run(settings, cards, running.url, speed=0.0, device="", rebase=False) == 0
    fixes = [decode(value(message), Fix) for message in read_all(settings, FIXES)]
    assert len(fixes) == len({fix.fix_ns for fix in fixes}) == 145
    assert all(fix.fix_ns <= fix.received_ms * 1_000_000 + 10**6 for fix in fixes)
    payments = [decode(value(message), Transaction) for message in read_all(settings, TRANSACTIONS)]
    assert len(payments) == len({found.id for found in payments}) == 2001
    assert read_all(settings, REJECTS) == []


def test_without_topics_it_lives_but_is_not_ready(settings: Settings, tmp_path: Path) -> None:
    waiting = settings.model_copy(update={"kafka_topic_prefix": f"g{uuid.uuid4().hex[:8]}."})
    log = tmp_path / "log"
    process = start(waiting, log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{waiting.ingest_port}", timeout=10.0) as client:

            def alive() -> bool:
                try:
                    return client.get("/healthz").status_code == 200
                except httpx.TransportError:
                    return False

            eventually("the gateway answers", alive)
            assert client.get("/readyz").status_code == 503
            assert client.post("/v1/transactions", json=payment(1)).status_code == 503
            ensure_topics(waiting)
            eventually("the gateway is ready", lambda: client.get("/readyz").status_code == 200)
            assert client.post("/v1/transactions", json=payment(1)).status_code == 200
    finally:
        process.terminate()
        process.wait(10)


def said(settings: Settings, log: Path) -> tuple[int, str]:
    """Return exit code and output of a gateway that does not start."""
    process = start(settings, log)
    try:
        return process.wait(60), log.read_text(encoding="utf-8")
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def test_a_taken_port_is_a_sentence(settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", settings.ingest_port)):
        code, output = said(settings, tmp_path / "log")
    assert code == 2
    assert "VEILOCITY_INGEST_PORT" in output
    assert "Traceback" not in output


def test_an_open_gateway_without_a_token_is_a_sentence(settings: Settings, tmp_path: Path) -> None:
    code, output = said(settings.model_copy(update={"ingest_host": "0.0.0.0"}), tmp_path / "log")  # noqa: S104  # what is refused
    assert code == 2
    assert "VEILOCITY_INGEST_TOKEN" in output
    assert "Traceback" not in output


def test_every_phone_protocol_ends_in_one_form(settings: Settings, tmp_path: Path) -> None:
    now_s = int(time.time()) - 5
    message = {"_type": "location", "lat": 52.516312, "lon": 13.377712, "tst": now_s, "acc": 5}
    feature = {
        "geometry": {"type": "Point", "coordinates": [13.377712, 52.516312]},
        "properties": {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s)), "device_id": "c", "horizontal_accuracy": 5},
    }
    place = f"lat=52.516312&lon=13.377712&timestamp={now_s}&accuracy=5"
    protected = settings.model_copy(update={"ingest_token": SecretStr(TOKEN)})
    with gateway(protected, tmp_path / "log") as running:
        client = running.client
        answers = [
            client.post("/v1/owntracks", json=message, headers={"X-Limit-D": "b"}, auth=("a", TOKEN)),
            client.post("/v1/overland", json={"locations": [feature]}, headers={"Authorization": f"Bearer {TOKEN}"}),
            client.get(f"/v1/traccar/{TOKEN}?id=d&{place}"),
            client.post(f"/v1/osmand/{TOKEN}", content=f"id=e&{place}"),
            client.get(f"/v1/gpslogger?token={TOKEN}&aid=f&{place}"),
        ]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert [answer.json() for answer in answers[:2]] == [[], {"result": "ok"}]
        assert client.get(f"/v1/traccar?id=x&{place}").status_code == 401
    fixes = [decode(value(message), Fix) for message in read_all(settings, FIXES)]
    assert sorted(fix.device for fix in fixes) == ["a/b", "c", "d", "e", "f"]
    assert {(fix.lat, fix.lon, fix.fix_ns, fix.accuracy_m) for fix in fixes} == {(52.516312, 13.377712, now_s * 10**9, 5.0)}
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert not [secret for secret in (TOKEN, "52.516", "13.377") if secret in log]

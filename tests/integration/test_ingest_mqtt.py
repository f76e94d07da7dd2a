"""The MQTT bridge as users run it: a real Mosquitto, a real Kafka, and everything that can break between them."""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from devstack import Stack, mosquitto
from devstack.ports import free_port
from tests.integration.ingest_world import eventually, read_all
from tests.integration.mqtt_world import ROOT, BridgeProcess, bridge, broker, phone, publish
from veilocity import settings as kernel_settings
from veilocity.contracts import Fix, FixFilter, Reject, decode
from veilocity.errors import RejectReason
from veilocity.kafka import ensure_topics, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import FIXES, REJECTS

pytestmark = pytest.mark.services
TOPIC = "owntracks/jane/phone"


@pytest.fixture
def settings(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings with topics of their own."""
    loaded = kernel_settings.load({}, kafka_bootstrap=kafka_server, kafka_topic_prefix=f"m{uuid.uuid4().hex[:8]}.", state_dir=tmp_path)
    ensure_topics(loaded)
    wait_for_topics(loaded)
    yield loaded


def place(number: int = 0, **changes: Any) -> dict[str, Any]:
    known = {"_type": "location", "lat": 52.516312, "lon": 13.377712, "tst": int(time.time()) - 100_000 + number, "acc": 5, "t": "u"}
    return known | changes


def fixes(settings: Settings) -> list[Fix]:
    values = [message.value() for message in read_all(settings, FIXES)]
    return [decode(value, Fix) for value in values if isinstance(value, bytes)]


def identities(found: list[Fix]) -> set[tuple[str, int]]:
    return {(fix.device, fix.fix_ns) for fix in found}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_what_phones_publish_is_in_kafka(settings: Settings, tmp_path: Path, tls: bool) -> None:
    now_ns = time.time_ns() - 10**9
    push = {"deviceId": "pad", "payload": [{"name": "location", "time": now_ns, "values": {"latitude": 1.512345, "longitude": 2.512345}}]}
    with (
        broker(tmp_path / "broker", tls=tls) as running,
        bridge(running.settings(settings), tmp_path / "log") as ours,
        phone(running) as client,
    ):
        for number in range(30):
            publish(client, TOPIC, place(number))
        publish(client, "sensor-logger", push, qos=0)
        publish(client, "owntracks/jane/phone/event", place(99))
        publish(client, TOPIC, b"\xffgarbage")
        publish(client, TOPIC, place(lat=91)).wait_for_publish(10)
        eventually("all is taken", lambda: ours.metric("ingest_mqtt_messages_total") == 33)
        assert ours.metric('ingest_items_total{kind="owntracks",outcome="accepted"}') == 30
        assert ours.end() == 0
    found = fixes(settings)
    assert sorted((fix.device, fix.source) for fix in found) == [("jane/phone", "owntracks")] * 30 + [("pad", "sensor-logger")]
    rejects = [decode(value, Reject).reason for message in read_all(settings, REJECTS) if isinstance(value := message.value(), bytes)]
    assert sorted(rejects) == [RejectReason.INVALID_COORDINATES, RejectReason.MALFORMED]
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert not [secret for secret in ("52.516", "13.377", "jane", "bridge-secret") if secret in log]


def test_killed_at_any_moment_it_loses_nothing_of_qos_1(settings: Settings, tmp_path: Path) -> None:
    count = 3_000
    with broker(tmp_path / "broker") as running, phone(running) as client:
        ours = running.settings(settings, mqtt_batch_messages=50)
        first = BridgeProcess(ours, tmp_path / "log")
        first.wait_healthy()
        told = [publish(client, TOPIC, place(number)) for number in range(count)]
        eventually("some are taken", lambda: first.metric("ingest_mqtt_messages_total") > count / 20)
        first.end(signal.SIGKILL)
        told[-1].wait_for_publish(30)
        with bridge(ours, tmp_path / "log"):
            eventually("all are in Kafka", lambda: len(identities(fixes(settings))) == count)
    found = fixes(settings)
    # What was given again is there twice, and the same but for when it came.
    again = len(found) - count
    assert 0 <= again <= 2 * 50 + 100
    assert len({(fix.device, fix.fix_ns, fix.lat, fix.lon) for fix in found}) == count


def test_the_broker_goes_and_comes_back(settings: Settings, tmp_path: Path) -> None:
    with broker(tmp_path / "broker") as running:
        with bridge(running.settings(settings), tmp_path / "log") as ours:
            with phone(running) as client:
                publish(client, TOPIC, place(1)).wait_for_publish(10)
            running.stop()
            eventually("the loss is told", lambda: not ours.healthy())
            running.start()
            eventually("the bridge is back", ours.healthy)
            with phone(running) as client:
                publish(client, TOPIC, place(2)).wait_for_publish(10)
            eventually("both are taken", lambda: ours.metric("ingest_mqtt_messages_total") >= 2)
            assert ours.metric("ingest_mqtt_connections_total") == 2
    assert len(identities(fixes(settings))) == 2


def test_a_retained_message_comes_once_with_its_name_and_its_own_time(settings: Settings, tmp_path: Path) -> None:
    kept = place(5)
    with broker(tmp_path / "broker") as running:
        with phone(running) as client:
            publish(client, TOPIC, kept, retain=True).wait_for_publish(10)
        for _ in range(2):
            with bridge(running.settings(settings), tmp_path / "log") as ours:
                with phone(running) as client:
                    publish(client, "owntracks/john/phone", place(int(ours.process.pid) % 1000)).wait_for_publish(10)
                eventually("the live one is taken", lambda: ours.metric('ingest_mqtt_messages_total{state="live"}') == 1)
                ours.end()
    (found,) = (fix for fix in fixes(settings) if fix.device == "jane/phone")
    assert (found.filters, found.fix_ns) == ((FixFilter.RETAINED,), kept["tst"] * 10**9)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"mqtt_password": "wrong"}, "refuses the user"), ({"mqtt_username": mosquitto.PHONES, "mqtt_password": "phones-secret"}, "")],
    ids=["wrong password", "a user who may not read"],
)
def test_who_may_not_read_is_told(settings: Settings, tmp_path: Path, changes: dict[str, str], told: str) -> None:
    with broker(tmp_path / "broker") as running:
        ours = BridgeProcess(running.settings(settings, **changes), tmp_path / "log")
        try:
            if told:
                assert ours.process.wait(60) == 2
                assert told in (tmp_path / "log").read_text(encoding="utf-8")
            else:
                # Mosquitto lets such a user subscribe, and gives it nothing.
                ours.wait_healthy()
                with phone(running) as client:
                    publish(client, TOPIC, place()).wait_for_publish(10)
                assert ours.metric("ingest_mqtt_messages_total") == 0
        finally:
            ours.end(signal.SIGKILL)


def test_a_certificate_of_nobody_we_know_is_refused(settings: Settings, tmp_path: Path) -> None:
    with broker(tmp_path / "broker", tls=True) as running:
        ours = BridgeProcess(running.settings(settings, mqtt_ca_file=""), tmp_path / "log")
        try:
            eventually("it is told", lambda: "does not answer" in (tmp_path / "log").read_text(encoding="utf-8"))
            assert not ours.healthy()
        finally:
            ours.end(signal.SIGKILL)


def test_the_launcher_brings_a_broker_and_its_bridge(settings: Settings, tmp_path: Path) -> None:
    prepared = subprocess.run([str(ROOT / "devstack" / "bootstrap.sh"), "mosquitto"], capture_output=True, text=True, check=False)
    wanted = kernel_settings.load(
        {},
        cache_dir=kernel_settings.load().cache_dir,
        kafka_bootstrap=settings.kafka_bootstrap,
        kafka_topic_prefix=settings.kafka_topic_prefix,
        state_dir=tmp_path / "state",
        mqtt_metrics_port=free_port(),
    )
    if mosquitto.find(wanted) is None:
        pytest.skip(prepared.stderr.strip() or "no Mosquitto was found")
    with Stack(wanted, servers=("mosquitto",), services=("mqtt",)) as stack:
        password = (stack.settings.state_dir / "keys" / f"mqtt-{mosquitto.PHONES}.password").read_text(encoding="ascii")
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set(mosquitto.PHONES, password)
        client.connect("127.0.0.1", stack.settings.mqtt_port)
        client.loop_start()
        publish(client, TOPIC, place()).wait_for_publish(10)
        eventually("the fix is in Kafka", lambda: len(fixes(settings)) == 1)
        client.disconnect()
        client.loop_stop()
        assert stack.restarts("mqtt") == 0

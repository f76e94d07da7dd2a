"""The simulator as users run it, against the real gateway on a real Kafka."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from devstack.ports import free_port
from ingest.simulator import CityPlan, Push, directory, simulate
from tests.integration.ingest_world import START_PATIENCE_S, environment, eventually, gateway, read_all
from veilocity import settings as kernel_settings
from veilocity.contracts import DirectoryEntry, Fix, Transaction, decode
from veilocity.eventtime import format_ms
from veilocity.kafka import end_offsets, ensure_topics, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import DIRECTORY, FIXES, REJECTS, TRANSACTIONS

pytestmark = pytest.mark.services
START_MS = 1_750_000_000_000
PLAN = CityPlan(seed=11, people=24)
HOURS = 0.5


@pytest.fixture
def settings(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    loaded = kernel_settings.load(
        {},
        kafka_bootstrap=kafka_server,
        kafka_topic_prefix=f"s{uuid.uuid4().hex[:8]}.",
        state_dir=tmp_path / "state",
        ingest_port=free_port(),
    )
    ensure_topics(loaded)
    wait_for_topics(loaded)
    yield loaded


def _feed(settings: Settings, speed: float) -> subprocess.Popen[bytes]:
    options = {
        "--url": f"http://127.0.0.1:{settings.ingest_port}",
        "--people": PLAN.people,
        "--seed": PLAN.seed,
        "--start": format_ms(START_MS),
        "--hours": HOURS,
        "--speed": speed,
    }
    argv = [sys.executable, "-m", "veilocity.cli", "simulate", *(str(part) for option in options.items() for part in option)]
    return subprocess.Popen(argv, env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


class _Sent(NamedTuple):
    fixes: set[tuple[str, int]]
    fix_count: int
    payments: set[str]


def _sent() -> _Sent:
    fixes: list[tuple[str, int]] = []
    payments: set[str] = set()
    for event in simulate(PLAN, START_MS, HOURS):
        content = msgspec.json.decode(event.body)
        if isinstance(event, Push):
            fixes += [(content["deviceId"], reading["time"]) for reading in content["payload"] if reading["name"] == "location"]
        else:
            payments.add(content["id"])
    return _Sent(set(fixes), len(fixes), payments)


def test_everything_the_city_sends_is_in_kafka_under_its_person(settings: Settings, tmp_path: Path) -> None:
    with gateway(settings, tmp_path / "gateway.log"):
        feed = _feed(settings, speed=3600.0)
        output, _ = feed.communicate(timeout=START_PATIENCE_S * 2)
        assert feed.returncode == 0, output.decode()
        fixes = [decode(message.value() or b"", Fix) for message in read_all(settings, FIXES)]
        payments = [decode(message.value() or b"", Transaction) for message in read_all(settings, TRANSACTIONS)]
        entries = {decode(message.value() or b"", DirectoryEntry) for message in read_all(settings, DIRECTORY)}
        assert read_all(settings, REJECTS) == []
    sent = _sent()
    assert {(fix.device, fix.fix_ns) for fix in fixes} == sent.fixes
    assert len(fixes) == sent.fix_count
    assert sorted(payment.id for payment in payments) == sorted(sent.payments)
    assert entries == set(directory(PLAN))
    subjects = {entry.id: entry.subject for entry in entries}
    assert all(fix.subject == subjects[fix.device] for fix in fixes)
    assert all(payment.card is not None and payment.subject == subjects[payment.card] for payment in payments)


def test_a_gateway_that_is_killed_in_the_middle_costs_nothing(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    with gateway(settings, log) as running:
        feed = _feed(settings, speed=100.0)
        try:
            eventually("some fixes are in Kafka", lambda: sum(end_offsets(settings, FIXES).values()) > 60)
            assert feed.poll() is None, "the feed must still be running when its gateway dies"
            os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()
            with gateway(settings, log):
                output, _ = feed.communicate(timeout=START_PATIENCE_S * 2)
                assert feed.returncode == 0, output.decode()
        finally:
            if feed.poll() is None:
                feed.kill()
                feed.communicate()
    sent = _sent()
    assert {
        (fix.device, fix.fix_ns) for fix in (decode(message.value() or b"", Fix) for message in read_all(settings, FIXES))
    } == sent.fixes
    assert {decode(message.value() or b"", Transaction).id for message in read_all(settings, TRANSACTIONS)} == sent.payments

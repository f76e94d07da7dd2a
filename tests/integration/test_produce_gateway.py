"""The producers as users run them, against the real gateway on a real Kafka."""

from __future__ import annotations

import csv
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.ports import free_port
from tests.integration.ingest_world import START_PATIENCE_S, Gateway, environment, eventually, gateway, read_all
from veilocity import settings as kernel_settings
from veilocity.contracts import Fix, Transaction, decode
from veilocity.kafka import end_offsets, ensure_topics, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import FIXES, REJECTS, TRANSACTIONS

pytestmark = pytest.mark.services
ROWS = 2_600


@pytest.fixture
def settings(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    loaded = kernel_settings.load(
        {},
        kafka_bootstrap=kafka_server,
        kafka_topic_prefix=f"p{uuid.uuid4().hex[:8]}.",
        state_dir=tmp_path / "state",
        ingest_port=free_port(),
    )
    ensure_topics(loaded)
    wait_for_topics(loaded)
    yield loaded


@pytest.fixture
def running(settings: Settings, tmp_path: Path) -> Iterator[Gateway]:
    with gateway(settings, tmp_path / "gateway.log") as found:
        yield found


def produce(settings: Settings, *arguments: object) -> subprocess.Popen[bytes]:
    url = f"http://127.0.0.1:{settings.ingest_port}"
    argv = [sys.executable, "-m", "veilocity.cli", "produce", *(str(one) for one in arguments), "--url", url]
    return subprocess.Popen(argv, env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def finished(process: subprocess.Popen[bytes]) -> str:
    output, _ = process.communicate(timeout=START_PATIENCE_S)
    assert process.returncode == 0, output.decode()
    return output.decode()


def payments(settings: Settings) -> list[Transaction]:
    return [decode(message.value() or b"", Transaction) for message in read_all(settings, TRANSACTIONS)]


def card_file(path: Path) -> None:
    columns = ["trans_date_trans_time", "cc_num", "merchant", "category", "amt", "merch_lat", "merch_long", "trans_num", "is_fraud"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for number in range(ROWS):
            place = (f"{40 + number % 7}.125", f"{-80 - number % 5}.5")
            writer.writerow(
                ["2019-01-01 00:00:18", f"27{number % 90:014d}", "m", "gas", f"{number}.50", *place, f"row-{number}", number % 2]
            )


def test_a_file_killed_in_the_middle_goes_on_and_every_row_is_there(settings: Settings, running: Gateway, tmp_path: Path) -> None:
    file, position = tmp_path / "cards.csv", tmp_path / "position.json"
    card_file(file)
    paced = ("csv", file, "--rows", "200-500", "--seed", 3, "--position", position)
    first = produce(settings, *paced, "--every", 1)
    eventually("a batch is in Kafka and kept", lambda: position.exists() and sum(end_offsets(settings, TRANSACTIONS).values()) > 200)
    first.kill()
    first.communicate()
    assert running.status("/healthz") == 200
    finished(produce(settings, *paced, "--start", "-1h", "--speed", 100_000))
    found = payments(settings)
    assert {one.id for one in found} == {f"row-{number}" for number in range(ROWS)}
    # Only the batch under way at the kill may be there twice.
    assert len(found) - ROWS <= 500
    assert read_all(settings, REJECTS) == []
    # A stamped row keeps no time of 2019, and no second holds much more of a batch than its fifth.
    stamps = Counter(one.authorised_ms for one in found if one.authorised_ms % 1000 == 0)
    assert sum(stamps.values()) == len(found)
    assert min(stamps) > 1_700_000_000_000


def test_eighty_a_second_are_reached_and_no_label_is_sent(settings: Settings, running: Gateway, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    output = finished(produce(settings, "profile", "--profile", "mixed", "--rate", 80, "--count", 400, "--seed", 5, "--labels", labels))
    assert "400 payments" in output and "400 accepted, 0 rejected" in output, output
    assert running.status("/healthz") == 200
    found = payments(settings)
    with labels.open(encoding="utf-8") as file:
        truth = {row["id"]: row["label"] for row in csv.DictReader(file)}
    assert {one.id for one in found} == set(truth)
    assert set(truth.values()) == {"normal", "hacker"}
    assert all(95_000 <= one.amount_minor <= 150_000 for one in found if truth[one.id] == "hacker")
    raw = b"".join(message.value() or b"" for message in read_all(settings, TRANSACTIONS))
    assert b"hacker" not in raw and b"normal" not in raw


def test_the_persona_is_one_phone_among_a_crowd(settings: Settings, running: Gateway, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    finished(produce(settings, "persona", "--rate", 200, "--count", 200, "--seed", 5, "--fraud-share", 0.3, "--labels", labels))
    assert running.status("/healthz") == 200
    fixes = [decode(message.value() or b"", Fix) for message in read_all(settings, FIXES)]
    found = payments(settings)
    assert len(found) == 200 and len({fix.device for fix in fixes}) == 1
    device = fixes[0].device
    assert len([one for one in found if one.device == device]) == 20
    assert all(fix.speed_mps is None and fix.bearing_deg is None for fix in fixes), "-1 means unknown"
    assert b"Per Sona" not in b"".join(message.value() or b"" for message in read_all(settings, TRANSACTIONS))
    assert read_all(settings, REJECTS) == []

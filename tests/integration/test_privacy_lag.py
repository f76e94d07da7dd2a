"""How many records wait for the privacy stage, from a real Kafka and the log that Spark leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from privacy.lag import Lag
from tests.integration.rules_cluster import own_topics, write
from tests.unit.rules_world import fix
from veilocity.errors import StateError
from veilocity.kafka import end_offsets, topic_name
from veilocity.settings import Settings
from veilocity.topics import FIXES

pytestmark = pytest.mark.services


@pytest.fixture
def cluster(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    with own_topics(kafka_server, tmp_path) as settings:
        yield settings


def read_up_to(checkpoint: Path, batch: int, places: dict[str, dict[int, int]]) -> None:
    """Write what Spark writes before and after a micro-batch."""
    for kind, text in (("offsets", f"v1\n{{}}\n{json.dumps(places)}"), ("commits", "v1\n{}")):
        (checkpoint / kind).mkdir(parents=True, exist_ok=True)
        (checkpoint / kind / str(batch)).write_text(text, encoding="utf-8")


def waiting(topic: str) -> float | None:
    return REGISTRY.get_sample_value("veilocity_privacy_lag_records", {"topic": topic})


def test_what_no_finished_micro_batch_has_read_waits(cluster: Settings, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    lag = Lag(cluster, checkpoint)
    write(cluster, [fix(30.0 * step) for step in range(7)])
    lag.tell()
    assert (waiting("fixes"), waiting("decisions"), waiting("alerts")) == (7.0, 0.0, 0.0)
    name = topic_name(cluster, FIXES)
    read_up_to(checkpoint, 0, {name: {partition: max(0, end - 2) for partition, end in end_offsets(cluster, FIXES).items()}})
    lag.tell()
    assert waiting("fixes") == 2.0
    read_up_to(checkpoint, 1, {name: end_offsets(cluster, FIXES)})
    lag.tell()
    assert waiting("fixes") == 0.0


def test_a_log_that_is_tidied_away_meanwhile_is_told(cluster: Settings, tmp_path: Path) -> None:
    read_up_to(tmp_path, 3, {})
    (tmp_path / "offsets" / "3").unlink()
    with pytest.raises(StateError):
        Lag(cluster, tmp_path).tell()

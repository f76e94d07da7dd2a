"""When the service of segments starts Spark: after the first payment, when a window has closed, once each, and again after a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from privacy.segments import service
from storage.segments import SegmentsDocument
from veilocity import settings as kernel_settings
from veilocity.errors import BrokerUnavailableError, RetryableError
from veilocity.metrics import exposition
from veilocity.settings import Settings

HOUR_MS = 3_600_000


class World:
    """Stands for Kafka, the store and Spark."""

    def __init__(self) -> None:
        self.newest: SegmentsDocument | None = None
        self.oldest_ms: int | None = None
        self.closed_ms = 0
        self.runs = 0
        self.fault: RetryableError | None = None

    def run(self, _settings: Settings) -> list[SegmentsDocument]:
        self.runs += 1
        if self.fault is not None:
            raise self.fault
        return []


class Store:
    def __init__(self, world: World) -> None:
        self.world = world

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def newest(self) -> SegmentsDocument | None:
        return self.world.newest

    def expire(self, _before_ms: int) -> int:
        return 0


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(service, "SegmentStore", lambda _settings: Store(made))
    monkeypatch.setattr(service, "oldest_payment_ms", lambda _settings: made.oldest_ms)
    monkeypatch.setattr(service, "closed_until_ms", lambda *_: made.closed_ms)
    monkeypatch.setattr(service, "run_once", made.run)
    return made


@pytest.fixture
def looks(tmp_path: Path) -> service.Looks:
    return service.Looks(kernel_settings.load({}, state_dir=tmp_path, segments_window_hours=4, segments_every_s=30.0))


def test_spark_starts_once_for_each_window_that_closes(world: World, looks: service.Looks) -> None:
    assert looks.look() == 30.0
    # The window of the first payment is open, however many empty ones ended before it.
    world.oldest_ms, world.closed_ms = 101 * HOUR_MS, 100 * HOUR_MS
    looks.look()
    assert world.runs == 0
    world.closed_ms = 104 * HOUR_MS
    looks.look()
    looks.look()
    assert world.runs == 1
    world.closed_ms = 108 * HOUR_MS
    looks.look()
    assert world.runs == 2


def test_a_service_that_starts_again_goes_on_after_the_newest_release(world: World, looks: service.Looks) -> None:
    world.newest = SegmentsDocument(100 * HOUR_MS, 104 * HOUR_MS, 9, 7, 5, ())
    world.oldest_ms, world.closed_ms = 90 * HOUR_MS, 104 * HOUR_MS
    looks.look()
    assert world.runs == 0
    assert b"veilocity_segments_newest_suppressed_people 7.0" in exposition()[0]


@pytest.mark.parametrize(
    ("fault", "reason", "wait_s"), [(BrokerUnavailableError("gone"), "kafka", 30.0), (RetryableError("spark"), "spark", 300.0)]
)
def test_a_failed_run_is_counted_and_tried_again(
    world: World, looks: service.Looks, fault: RetryableError, reason: str, wait_s: float
) -> None:
    world.oldest_ms, world.closed_ms, world.fault = 100 * HOUR_MS, 104 * HOUR_MS, fault
    assert looks.look() == wait_s
    assert f'veilocity_segments_failures_total{{reason="{reason}"}}'.encode() in exposition()[0]
    world.fault = None
    looks.look()
    looks.look()
    assert world.runs == 2

"""The poller: what it asks, how often, and what it tells when the store is gone."""

from __future__ import annotations

import io
from collections.abc import Callable
from threading import Event

import pytest

from dashboard.events import Hub
from dashboard.picture import Limits, Source
from dashboard.poller import FRAME_INTERVAL_S, Poller
from storage.documents import Progress
from storage.queries import ChangeLimits
from tests.e2e.dashboard_world import World, WorldChanges
from veilocity import logs
from veilocity.errors import StoreUnavailableError


class Counting(World):
    """Remembers the questions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked: list[str] = []

    def progress(self) -> Progress | None:
        self.asked.append("progress")
        return super().progress()

    def changes(self, after_seq: int, up_to_seq: int, limits: ChangeLimits) -> WorldChanges:
        self.asked.append(f"changes {after_seq} {up_to_seq}")
        return super().changes(after_seq, up_to_seq, limits)


def started(world: World, limits: Limits | None = None) -> tuple[Hub, Poller]:
    hub = Hub()
    connect: Callable[[], Source] = lambda: world  # noqa: E731  # the annotation makes the fake a Source for mypy
    return hub, Poller(connect, hub, 0.05, limits)


def test_without_news_only_the_progress_is_asked() -> None:
    world = Counting(people=3)
    world.write(positions=world.move(3))
    _, poller = started(world)
    poller.step(0.0)
    world.asked.clear()
    poller.step(1.0)
    assert world.asked == ["progress"]


def test_batches_within_a_quarter_of_a_second_come_as_one_frame() -> None:
    world = Counting(people=3)
    hub, poller = started(world)
    poller.step(0.0)
    world.asked.clear()
    now_s = 0.0
    for _ in range(20):
        world.write(positions=world.move(1))
        now_s += FRAME_INTERVAL_S / 4
        poller.step(now_s)
    frames = [question for question in world.asked if question.startswith("changes")]
    assert frames == ["changes -1 4", "changes 4 8", "changes 8 12", "changes 12 16", "changes 16 20"]
    assert hub.seq == 20


def test_empty_stores_are_a_picture_too() -> None:
    hub, poller = started(World())
    poller.step(0.0)
    content = hub.content()
    assert (hub.seq, hub.store) == (-1, "up")
    assert content is not None and content.progress is None


def test_a_store_that_began_anew_is_read_anew() -> None:
    world = World(people=3)
    for _ in range(5):
        world.write(positions=world.move(3))
    hub, poller = started(world)
    poller.step(0.0)
    world.seq = 0
    world._positions.clear()
    world.write()
    poller.step(1.0)
    content = hub.content()
    assert hub.seq == 1
    assert content is not None and content.positions == ()


def test_changes_that_were_cut_off_are_replaced_by_the_whole_picture() -> None:
    world = Counting(people=4)
    world.write()
    hub, poller = started(world, Limits(people=3))
    poller.step(0.0)

    def cut(after_seq: int, up_to_seq: int, limits: ChangeLimits) -> WorldChanges:
        whole = World.changes(world, after_seq, up_to_seq, limits)
        return WorldChanges(whole.positions[: limits.positions], (), (), complete=False)

    world.changes = cut  # type: ignore[method-assign]  # this store leaves something out
    stream = hub.subscribe()
    stream.waiting.clear()
    world.write(positions=world.move(4))
    poller.step(1.0)
    assert next(stream).split(b"\n")[1] == b"event: snapshot"


def test_a_dead_store_is_told_and_its_return_too() -> None:
    world = World(people=3)
    world.write(positions=world.move(3))
    hub, poller = started(world)
    poller.step(0.0)
    world.down = True
    waits = [poller.step(float(number)) for number in range(1, 8)]
    assert hub.store == "down"
    assert hub.seq == 1
    assert max(waits) <= 2.0
    world.down = False
    world.write(positions=world.move(1))
    poller.step(10.0)
    assert (hub.store, hub.seq) == ("up", 2)


def test_a_store_that_cannot_be_opened_is_opened_later() -> None:
    world = World()
    attempts: list[int] = []

    def connect() -> Source:
        attempts.append(1)
        if len(attempts) < 3:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")
        return world

    hub = Hub()
    poller = Poller(connect, hub, 0.05)
    for number in range(3):
        poller.step(float(number))
    assert (len(attempts), hub.store) == (3, "up")


def test_an_unexpected_fault_is_logged_and_shown_and_does_not_end_the_thread() -> None:
    stream = io.StringIO()
    logs.configure("test", "INFO", stream)
    world = World()

    def broken(limit: int) -> list[object]:
        raise KeyError("minute_ms")

    world.positions = broken  # type: ignore[method-assign,assignment]  # a document nobody expected
    hub, poller = started(world)
    poller.step(0.0)
    assert hub.store == "down"
    assert "KeyError" in stream.getvalue()


def test_the_thread_stops_when_told() -> None:
    asked = Event()

    class Telling(World):
        def progress(self) -> Progress | None:
            asked.set()
            return super().progress()

    _, poller = started(Telling())
    poller.start()
    assert asked.wait(5.0)
    assert poller.alive
    poller.stop()
    assert not poller.alive


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    logs.configure("test", "INFO", io.StringIO())

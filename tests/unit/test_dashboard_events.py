"""The hub: what a viewer gets at first, after a pause, when it is slow, and at the end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from dashboard import events as module
from dashboard.events import Hub, Stream
from storage.documents import Progress
from storage.queries import Changes
from tests.e2e.dashboard_world import World
from veilocity.errors import ServiceUnavailableError


def loaded_hub(**options: Any) -> tuple[World, Hub]:
    world = World(people=5)
    world.write(positions=world.move(5))
    hub = Hub(clock_ms=lambda: 1_000, **options)
    hub.load(world.progress(), world.positions(100), world.alerts(100), world.recent_transactions(100))
    return world, hub


def advance(world: World, hub: Hub, batches: int = 1) -> None:
    for _ in range(batches):
        world.write(positions=world.move(1))
        progress = world.progress()
        assert progress is not None
        positions = tuple(position for position in world.positions(100) if position.seq == world.seq)
        hub.advance(progress, Changes(positions=positions))


def parse(event: bytes) -> tuple[str, str, dict[str, Any]]:
    fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    return fields.get("event", ""), fields.get("id", ""), msgspec.json.decode(fields.get("data", "{}"))


def drain(stream: Stream) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    while stream.waiting or stream.overflowed:
        found.append(parse(next(stream)))
    return found


def test_a_new_viewer_gets_a_status_and_a_snapshot_first() -> None:
    _, hub = loaded_hub()
    kinds = [kind for kind, _, _ in drain(hub.subscribe())]
    assert kinds == ["", "status", "snapshot"]


def test_metrics_tell_how_old_the_picture_is() -> None:
    world, hub = loaded_hub()
    advance(world, hub)
    assert REGISTRY.get_sample_value("veilocity_dashboard_written_seconds") == 0.0
    progress = world.progress()
    assert progress is not None
    hub.advance(msgspec.structs.replace(progress, written_ms=5_500), Changes())
    assert REGISTRY.get_sample_value("veilocity_dashboard_written_seconds") == 5.5
    hub.load(msgspec.structs.replace(progress, written_ms=7_000), (), (), ())
    assert REGISTRY.get_sample_value("veilocity_dashboard_written_seconds") == 7.0


def test_before_the_first_picture_a_viewer_gets_only_the_status_and_later_the_snapshot() -> None:
    hub = Hub()
    stream = hub.subscribe()
    assert [kind for kind, _, _ in drain(stream)] == ["", "status"]
    hub.load(None, (), (), ())
    assert [kind for kind, _, _ in drain(stream)] == ["snapshot"]


def test_a_viewer_that_comes_back_gets_exactly_what_it_missed() -> None:
    world, hub = loaded_hub()
    first = hub.subscribe()
    advance(world, hub, 2)
    seen = drain(first)[-1][1]
    first.close()
    advance(world, hub, 3)
    resumed = drain(hub.subscribe(seen))
    assert [(kind, body.get("progress", {}).get("seq")) for kind, _, body in resumed[2:]] == [("delta", 4), ("delta", 5), ("delta", 6)]


def test_a_viewer_that_missed_nothing_gets_no_snapshot() -> None:
    world, hub = loaded_hub()
    advance(world, hub)
    identity = drain(hub.subscribe())[-1][1]
    assert [kind for kind, _, _ in drain(hub.subscribe(identity))] == ["", "status"]


def test_a_viewer_that_was_away_longer_than_the_ring_gets_a_snapshot() -> None:
    world, hub = loaded_hub(ring_frames=3)
    identity = drain(hub.subscribe())[-1][1]
    advance(world, hub, 4)
    assert [kind for kind, _, _ in drain(hub.subscribe(identity))][2:] == ["snapshot"]


@pytest.mark.parametrize("identity", ["", "1", "x.1", "x.-1", ".", "1.1.1", "é.٣", "\n"])
def test_an_id_that_is_not_ours_means_a_snapshot(identity: str) -> None:
    _, hub = loaded_hub()
    assert drain(hub.subscribe(identity))[-1][0] == "snapshot"


def test_batch_numbers_of_another_picture_are_never_continued() -> None:
    world, hub = loaded_hub()
    advance(world, hub, 3)
    identity = drain(hub.subscribe())[-1][1]
    hub.load(world.progress(), world.positions(100), (), ())
    advance(world, hub, 3)
    assert drain(hub.subscribe(identity))[-1][0] == "snapshot"


def test_a_new_picture_replaces_what_was_waiting() -> None:
    world, hub = loaded_hub()
    stream = hub.subscribe()
    drain(stream)
    advance(world, hub, 3)
    hub.load(world.progress(), world.positions(100), (), ())
    assert [kind for kind, _, _ in drain(stream)] == ["snapshot"]


def test_a_slow_viewer_loses_its_queue_and_gets_the_newest_picture() -> None:
    world, hub = loaded_hub(queue_frames=4)
    stream = hub.subscribe()
    advance(world, hub, 20)
    assert len(stream.waiting) <= 4
    events = drain(stream)
    assert [kind for kind, _, _ in events] == ["snapshot"]
    assert events[0][2]["progress"]["seq"] == world.seq
    advance(world, hub)
    assert [kind for kind, _, _ in drain(stream)] == ["delta"]


def test_whether_the_store_answers_is_told_once_per_change() -> None:
    _, hub = loaded_hub()
    stream = hub.subscribe()
    drain(stream)
    hub.set_store("down")
    hub.set_store("down")
    hub.set_store("up")
    assert [body["store"] for _, _, body in drain(stream)] == ["down", "up"]


def test_a_silent_stream_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.01)
    _, hub = loaded_hub()
    stream = hub.subscribe()
    drain(stream)
    kind, identity, body = parse(next(stream))
    assert (kind, identity, body["now_ms"]) == ("status", "", 1_000)


def test_streams_end_when_the_hub_closes() -> None:
    _, hub = loaded_hub()
    stream = hub.subscribe()
    hub.close()
    assert list(stream) == []


def test_there_are_only_so_many_places_and_leaving_gives_one_back() -> None:
    _, hub = loaded_hub(max_streams=2)
    first = hub.subscribe()
    hub.subscribe()
    with pytest.raises(ServiceUnavailableError, match="2 pages watch already"):
        hub.subscribe()
    first.close()
    assert hub.subscribe() is not None
    assert hub.streams == 2


def test_a_picture_cannot_advance_before_it_began() -> None:
    with pytest.raises(ValueError, match="load a picture"):
        Hub().advance(Progress(id="privacy", seq=1), Changes())

"""The flow of one partition's input: what is waited for, held back and handed on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Message, TopicPartition

from rules import telemetry
from rules.merge import ENOUGH_WAITING, FIX, MAX_RUN, PAYMENT, Run
from rules.owned import Owned
from rules.partition import INPUTS, Position
from rules.recovery import Recovered
from rules.store import Limits, StateStore
from veilocity.settings import load

BATCH = 500


class FakeMessage:
    """A record that Kafka took at the time that is its offset, or the end of a topic."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 1, self._offset

    def value(self) -> bytes:
        return b"{}"

    def key(self) -> bytes:
        return b"anna"


class FakeConsumer:
    """Two topics of which `ends` is known, and what the client was told not to read."""

    def __init__(self, ends: list[int]) -> None:
        self.ends = ends
        self.paused: set[str] = set()

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {at.topic for at in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {at.topic for at in partitions}

    def get_watermark_offsets(self, at: TopicPartition, *, cached: bool) -> tuple[int, int]:
        assert cached, "asking Kafka would stop the loop"
        return 0, self.ends[[topic.name for topic in INPUTS].index(at.topic)]


class FakePartition:
    """Takes runs and remembers them."""

    number = 7
    position = Position(0, (0, 0))
    is_saved = True

    def __init__(self, work: Callable[[], None]) -> None:
        self.runs: list[Run] = []
        self._work = work

    @property
    def is_dirty(self) -> bool:
        return bool(self.runs)

    def look(self, now_s: float) -> None:
        """No learned rules."""

    def score(self) -> None:
        """Nothing waits for it."""

    def process(self, run: Run) -> None:
        self.runs.append(run)
        self._work()

    @property
    def times(self) -> list[int]:
        return [record.timestamp_ms for run in self.runs for record in run.records]


class World:
    """A partition at work between a client and an engine that do as they are told."""

    def __init__(self, folder: Path, ends: list[int], work: Callable[[], None] = lambda: None) -> None:
        self.consumer, self.partition = FakeConsumer(ends), FakePartition(work)
        recovered = Recovered(cast(Any, self.partition), StateStore(Limits(1, 1)), cast(Any, None))
        self.owned = Owned(load({}, state_dir=folder, kafka_topic_prefix=""), cast(Any, self.consumer), recovered)
        self.given = [0, 0]

    def give(self, rank: int, count: int) -> None:
        """Hand out the next records of a topic, and go on."""
        if INPUTS[rank].name not in self.consumer.paused:
            for _ in range(count):
                self.owned.add(cast(Message, FakeMessage(self.given[rank])), rank)
                self.given[rank] += 1
        self.owned.process(time.monotonic(), is_drained=True)
        self.owned.control_flow()


@pytest.fixture(autouse=True)
def _forget_metrics() -> Iterator[None]:
    yield
    telemetry.released(FakePartition.number)


def test_nothing_is_handed_on_before_the_other_topic_is_known(tmp_path: Path) -> None:
    world = World(tmp_path, [1_000, 1_000])
    world.give(FIX, BATCH)
    assert world.partition.times == []
    world.give(PAYMENT, 10)
    assert world.partition.times == sorted([*range(10), *range(10)])


def test_an_idle_topic_holds_nothing_back_once_its_end_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, [3, 2])
    world.give(FIX, 3)
    # The other topic holds no records but marks of transactions.
    world.owned.reach_end(cast(Message, FakeMessage(2)), PAYMENT)
    world.give(FIX, 0)
    assert world.partition.times == [0, 1, 2]
    world.consumer.ends[FIX] = 4
    world.give(FIX, 1)
    assert world.partition.times == [0, 1, 2, 3]


def test_what_waits_is_bounded_by_holding_back_the_topic_that_is_ahead(tmp_path: Path) -> None:
    count = 3 * ENOUGH_WAITING
    world = World(tmp_path, [count, count])
    for _ in range(count // BATCH):
        world.give(PAYMENT, BATCH)
    assert ENOUGH_WAITING <= world.given[PAYMENT] < ENOUGH_WAITING + BATCH
    assert world.consumer.paused == {INPUTS[PAYMENT].name}
    assert world.partition.times == []
    while world.given != [count, count]:
        world.give(FIX, min(BATCH, count - world.given[FIX]))
        world.give(PAYMENT, min(BATCH, count - world.given[PAYMENT]))
        assert sum(world.given) - len(world.partition.times) < 2 * (ENOUGH_WAITING + BATCH)
    world.give(FIX, 0)
    assert world.consumer.paused == set()
    assert world.partition.times == sorted([*range(count), *range(count)])


def test_slow_work_is_committed_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = [100.0]
    monkeypatch.setattr("rules.owned.time.monotonic", lambda: clock_s[0])

    def work() -> None:
        clock_s[0] += 1.0

    world = World(tmp_path, [4 * MAX_RUN, 0], work)
    world.owned.reach_end(cast(Message, FakeMessage(0)), PAYMENT)
    world.give(FIX, 4 * MAX_RUN)
    assert len(world.partition.times) == MAX_RUN
    # By the time of the last poll nothing is due; by now it is.
    assert world.owned.is_due(100.0, 30.0)

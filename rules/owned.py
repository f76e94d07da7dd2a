"""One partition of this process: the records that wait, the work, its commits and the flow of its input."""

from __future__ import annotations

import time
from concurrent.futures import Future
from math import inf

from confluent_kafka import Consumer, Message, TopicPartition

from rules import telemetry
from rules.merge import Merge, Reach, Record
from rules.partition import INPUTS
from rules.recovery import Recovered
from rules.snapshots import Pace
from veilocity.kafka import topic_name
from veilocity.settings import Settings

__all__ = ["Owned"]

_TURN_S = 0.5
"""After so much work the results are committed and the other partitions have their turn: an open transaction lives for seconds only."""


class Owned:
    """A partition at work."""

    def __init__(self, settings: Settings, consumer: Consumer, recovered: Recovered) -> None:
        """Begin where recovery ended.

        Args:
            settings: of the service.
            consumer: that the records come from.
            recovered: partition, its states and where its results go.
        """
        self.partition, self._store, self._outbox = recovered
        self.committing: Future[None] | None = None
        """The commit that is under way."""
        self._consumer = consumer
        self._topics = [topic_name(settings, topic) for topic in INPUTS]
        self._reach = [Reach(offset) for offset in self.partition.position.offsets]
        self._merge = Merge()
        self._oldest_ms: list[int] = []
        self._opened_s = inf
        self._worked_s = time.monotonic()
        telemetry.remembered(self.partition.number, self._store)

    def start(self) -> list[TopicPartition]:
        """Return where the consumer begins."""
        return [self._at(rank, reach.next_offset) for rank, reach in enumerate(self._reach)]

    def add(self, message: Message, rank: int) -> None:
        """Take one record; one that was taken before is passed over."""
        offset = message.offset() or 0
        if self._reach[rank].take(offset):
            record = Record(message.timestamp()[1], rank, offset, message.value() or b"", message.key() or b"")
            self._merge.lanes[rank].append(record)

    def reach_end(self, message: Message, rank: int) -> None:
        """Take the word of the client that it has read a topic to its end."""
        self._reach[rank].reach_end(message.offset() or 0)

    def process(self, now_s: float, *, is_drained: bool) -> None:
        """Judge the records whose turn it is, for a limited time.

        Args:
            now_s: monotonic time at which the client was last asked for records.
            is_drained: whether it then handed out all it had.
        """
        self.partition.look(now_s)
        while (run := self._merge.ready(self._holds_more, now_s, is_drained=is_drained)) is not None:
            if not self.partition.is_dirty:
                self._opened_s = now_s
            self.partition.process(run)
            self._oldest_ms.append(run.records[0].timestamp_ms)
            self._worked_s = time.monotonic()
            if self._worked_s - now_s > _TURN_S:
                break
        self.partition.score()

    def is_committing(self) -> bool:
        """Say whether a commit is under way; raise what one that ended failed of."""
        if self.committing is None:
            return False
        if not self.committing.done():
            return True
        self.settle()
        return False

    def settle(self) -> None:
        """Wait for the commit that is under way; raise what it failed of."""
        committing, self.committing = self.committing, None
        if committing is not None:
            committing.result()

    def due_in_s(self, now_s: float, limit_s: float) -> float:
        """Return how long results may still wait; infinite when there are none, or their commit is under way."""
        if self.committing is not None or not self.partition.is_dirty:
            return inf
        return self._opened_s + limit_s - now_s

    def is_due(self, now_s: float, limit_s: float) -> bool:
        """Say whether something must be committed: results, or the states of a partition that has gone quiet."""
        if self.partition.is_dirty:
            return self.due_in_s(now_s, limit_s) <= 0.0 or self._worked_s - self._opened_s > _TURN_S
        return not self.partition.is_saved and now_s - self._worked_s > Pace().seconds

    def refresh(self) -> None:
        """Prepare a commit; in the thread that polls the consumer."""
        self._outbox.refresh()

    def commit(self, *, save_all: bool) -> None:
        """Commit what was processed, and tell about it."""
        begun = time.monotonic()
        self.partition.commit(begun, save_all=save_all)
        now_ms = time.time() * 1000.0
        telemetry.committed(time.monotonic() - begun, [(now_ms - at_ms) / 1000.0 for at_ms in self._oldest_ms])
        telemetry.counted(self.partition.take_tally())
        telemetry.remembered(self.partition.number, self._store)
        self._oldest_ms.clear()

    def control_flow(self) -> None:
        """Hold back the topic that is far ahead of the other, and let it flow again."""
        for rank, reach in enumerate(self._reach):
            if not reach.is_held_back and self._merge.is_full(rank):
                self._consumer.pause([self._at(rank)])
                reach.hold_back()
            elif reach.is_held_back and self._merge.is_low(rank):
                self._consumer.resume([self._at(rank)])
                reach.let_flow()

    def tell_lag(self) -> None:
        """Tell how many records wait."""
        for rank, topic in enumerate(INPUTS):
            end = self._end(rank)
            if end >= 0:
                telemetry.lag(topic.name, self.partition.number, max(0, end - self._reach[rank].read_offset))

    def drop(self) -> None:
        """Give up without a commit: another process has the partition already."""
        self.settle()
        self._outbox.abort()
        self.close()

    def close(self) -> None:
        """Let go of the producer, and stop telling."""
        self._outbox.close()
        telemetry.released(self.partition.number)

    def _holds_more(self, rank: int) -> bool:
        return self._reach[rank].holds_more(self._end(rank))

    def _end(self, rank: int) -> int:
        _, end = self._consumer.get_watermark_offsets(self._at(rank), cached=True)
        return end

    def _at(self, rank: int, offset: int = -1001) -> TopicPartition:
        return TopicPartition(self._topics[rank], self.partition.number, offset)

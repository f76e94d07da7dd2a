"""Feeds the privacy soak: blocks into Kafka as the rules service writes, some of them first in a transaction that is aborted.

It never runs farther ahead of the stage than `lead_blocks`, so that what lags does so for minutes and not for days of event time; it keeps
silent where the plan says so until the stage has drained, and adds partitions to `decisions` while the stage reads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from benchmarks.privacy_soak_world import Block, Plan
from storage.documents import Progress
from veilocity.kafka import client_config, producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

__all__ = ["Feeder", "events_read"]

_ABORTED_EVERY = 20
"""Every so many blocks are written once in vain: nobody may ever see that."""
_POLL_S = 0.05
_ANSWER_S = 60.0
_QUEUE_RECORDS = 500_000


def events_read(progress: Progress) -> int:
    """Return how many records of the stage's topics it has counted; undecodable fixes are not among them."""
    return progress.decisions + progress.fixes + progress.alert_revisions


class Feeder(threading.Thread):
    """Writes the plan's blocks. Its figures may be read at any time by any thread."""

    def __init__(self, settings: Settings, plan: Plan, lead_blocks: int, progress: Callable[[], Progress]) -> None:
        """Begin with nothing written.

        Args:
            settings: where Kafka is; the topics are there.
            plan: what to write.
            lead_blocks: most blocks ahead of the stage.
            progress: of the stage.
        """
        super().__init__(name="feeder", daemon=True)
        self.blocks = 0
        """Blocks that are in Kafka."""
        self.silent = False
        """Whether it waits for the stage to drain."""
        self.silences = 0
        """How often the stage has drained."""
        self.growths = 0
        self.error: BaseException | None = None
        self._settings, self._plan, self._lead, self._progress = settings, plan, lead_blocks * plan.block_events, progress
        self._enough = threading.Event()
        self._readable = [0]
        """After each block, how many records `events_read` must count."""

    @property
    def readable(self) -> int:
        """How many records the stage must have counted when it has read all that is written."""
        return self._readable[self.blocks]

    def enough(self) -> None:
        """Write no further block."""
        self._enough.set()

    def run(self) -> None:
        """Write until the plan is done, or it is enough."""
        try:
            producer = self._producer()
            for number in range(self._plan.blocks):
                if number in self._plan.silences:
                    self._wait_until_drained()
                if number in self._plan.growths:
                    self._grow(number)
                    producer = self._producer()
                while not self._enough.is_set() and self.readable - events_read(self._progress()) > self._lead:
                    self._enough.wait(_POLL_S)
                if self._enough.is_set():
                    return
                self._write(producer, Block(self._plan, number))
        except BaseException as error:
            self.error = error
            raise

    def drained(self) -> bool:
        """Say whether the stage has read everything that is written and holds nothing back."""
        progress = self._progress()
        return events_read(progress) >= self.readable and progress.pending == 0

    def _wait_until_drained(self) -> None:
        self.silent = True
        while not self._enough.wait(_POLL_S):
            if self.drained():
                self.silences += 1
                break
        self.silent = False

    def _producer(self) -> Producer:
        """Return a producer that knows every partition there is now."""
        name = f"{self._settings.kafka_topic_prefix}soak"
        options = {"transactional.id": name, "queue.buffering.max.messages": _QUEUE_RECORDS, "linger.ms": 20}
        producer = Producer(producer_config(self._settings, **options))
        producer.init_transactions(_ANSWER_S)
        return producer

    def _grow(self, number: int) -> None:
        topic, wanted = topic_name(self._settings, DECISIONS), self._plan.partitions_at(number)
        admin = AdminClient(client_config(self._settings))
        for done in admin.create_partitions([NewPartitions(topic, wanted)]).values():
            done.result(_ANSWER_S)
        while len(admin.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions) < wanted:
            time.sleep(_POLL_S)
        self.growths += 1

    def _write(self, producer: Producer, block: Block) -> None:
        records = list(block.records())
        base, decisions = self._plan.partitions, self._plan.partitions_at(block.number)
        for committed in (False, True) if block.number % _ABORTED_EVERY == 1 else (True,):
            producer.begin_transaction()
            for record in records:
                partition = record.person % (decisions if record.topic is DECISIONS else base)
                producer.produce(
                    topic_name(self._settings, record.topic), record.value, self._plan.population.subject(record.person), partition
                )
            if committed:
                producer.commit_transaction(_ANSWER_S)
            else:
                producer.flush(_ANSWER_S)
                producer.abort_transaction(_ANSWER_S)
        self._readable.append(self._readable[-1] + len(records) - block.uncounted)
        self.blocks += 1

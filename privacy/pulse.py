"""The thread that writes heartbeats: when the stage has read all of `decisions`, and holds payments back or is asked to forget somebody.

A request to forget is carried out by micro-batches (`privacy.erasure_requests`), and a heartbeat is what makes one when nothing else comes.

What it writes decides when windows are drained, so it must never tell of records as read that are not: it compares where the last finished
micro-batch ended with where the partitions end now, and says nothing unless they are equal. A heartbeat that Kafka does not take is left
out; the next one follows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from confluent_kafka import Producer

from privacy.erasure_requests import Requests
from privacy.heartbeat import Heartbeat
from veilocity.contracts import encode
from veilocity.errors import BrokerUnavailableError
from veilocity.kafka import end_offsets, producer_config, topic_name
from veilocity.logs import get_logger
from veilocity.settings import Settings
from veilocity.topics import DECISIONS, HEARTBEATS

__all__ = ["Pulse"]

_LOG = get_logger(__name__)
_STOP_WITHIN_S = 1.0


class Pulse:
    """Heartbeats of one stage; `at` tells it where the stage is, from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._requests = Requests(settings.privacy_dir)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._positions: dict[int, int] = {}
        self._pending = 0
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)

    def at(self, positions: Mapping[int, int], pending: int) -> None:
        """Note where the last finished micro-batch ended on each partition of `decisions`, and how many payments are held back."""
        with self._lock:
            self._positions, self._pending = dict(positions), pending

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_WITHIN_S)

    def _run(self) -> None:
        producer = Producer(producer_config(self._settings, **{"message.timeout.ms": 5_000}))
        while not self._stop.wait(self._settings.privacy_heartbeat_s):
            try:
                self._beat(producer)
            except BrokerUnavailableError:
                _LOG.info("Kafka does not answer: no heartbeat was written.")
        producer.purge()

    def _beat(self, producer: Producer) -> None:
        with self._lock:
            positions, pending = self._positions, self._pending
        # The time before the question: nothing is told of what comes after it.
        wall_ms = time.time_ns() // 1_000_000
        # A stage that never drains has nothing to tell of payments that wait.
        waits = pending and self._settings.privacy_drain_s
        if not (waits or self._requests.ids()) or end_offsets(self._settings, DECISIONS) != positions:
            return
        producer.produce(topic_name(self._settings, HEARTBEATS), encode(Heartbeat(wall_ms, positions)), partition=0)
        producer.flush(_STOP_WITHIN_S)

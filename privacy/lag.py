"""How many records wait for the privacy stage: asked by a thread of its own, so that a stage that hangs is told from an idle one.

It compares where the last finished micro-batch ended, by Spark's own log, with where the topics end now. Marks of Kafka transactions count
as records on both sides. A Kafka that does not answer leaves the last figures standing.
"""

from __future__ import annotations

import threading
from pathlib import Path

from privacy.heartbeat import newest_batch, read_positions
from veilocity import metrics
from veilocity.errors import BrokerUnavailableError, StateError
from veilocity.kafka import end_offsets, topic_name
from veilocity.logs import get_logger
from veilocity.settings import Settings
from veilocity.topics import ALERTS, DECISIONS, FIXES, Topic

__all__ = ["Lag"]

_LOG = get_logger(__name__)
_LAG = metrics.gauge("privacy_lag_records", "Records of an input topic that no finished micro-batch has read.", "topic")
_EVERY_S = 5.0
_STOP_WITHIN_S = 1.0
_TOPICS = (DECISIONS, ALERTS, FIXES)


class Lag:
    """Tells the lag every few seconds between `start` and `stop`; or a test calls `tell`."""

    def __init__(self, settings: Settings, checkpoint: Path) -> None:
        """Do nothing yet.

        Args:
            settings: where Kafka is.
            checkpoint: Spark's folder.
        """
        self._settings = settings
        self._checkpoint = checkpoint
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_WITHIN_S)

    def tell(self) -> None:
        """Ask once.

        Raises:
            BrokerUnavailableError: Kafka does not answer.
            StateError: Spark tidied its log away while it was read.
        """
        committed = newest_batch(self._checkpoint / "commits")
        for topic in _TOPICS:
            reached = read_positions(self._checkpoint, committed, topic_name(self._settings, topic)) if committed >= 0 else {}
            _LAG.labels(topic.name).set(self._behind(topic, reached))

    def _behind(self, topic: Topic, reached: dict[int, int]) -> int:
        return sum(max(0, end - reached.get(partition, 0)) for partition, end in end_offsets(self._settings, topic).items())

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                self.tell()
            except (BrokerUnavailableError, StateError) as cause:
                _LOG.info("The lag of the privacy stage is not known for now.", cause=str(cause))

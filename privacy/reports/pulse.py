"""The thread that lets a silent partition's time go on: it writes marks, as `privacy.reports.clock` describes them.

A partition is silent when everything on it has been processed and nothing came for a while. While another partition has records, the
silent one gets the time of the newest of them. When all are silent, time goes on from the newest record as the clock on the wall does.

A mark must be known before any record at or after the ends it names is processed, or a replay would count otherwise. So micro-batches and
marks take turns: one lock, the ends are compared under it, and the mark is in Kafka before it is let go. A mark that Kafka may or may not
have taken ends the process, and the next one reads what is there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import msgspec
from confluent_kafka import Producer

from privacy.reports.clock import Clock, Mark, known_before
from privacy.reports.events import DECISIONS, SESSIONS, source_of
from privacy.reports.publishing import read_all
from veilocity import topics
from veilocity.contracts import encode
from veilocity.errors import BrokerUnavailableError
from veilocity.kafka import end_offsets, producer_config, topic_name
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["Marks", "Silence", "next_mark"]

_LOG = get_logger(__name__)
_STOP_WITHIN_S = 1.0
_ACKNOWLEDGED_WITHIN_S = 20.0
_BEATS = 3
"""Looks at Kafka during the time after which a partition counts as silent."""


class Silence(msgspec.Struct):
    """Since when each partition ends where it does, by the clock on the wall."""

    ends: dict[str, int] = {}
    since_s: dict[str, float] = {}

    def look(self, ends: dict[str, int], now_s: float) -> None:
        """Note where the partitions end now."""
        for partition, end in ends.items():
            if self.ends.get(partition) != end:
                self.since_s[partition] = now_s
        self.ends = ends


def next_mark(clock: Clock, silence: Silence, now_s: float, idle_s: float, stretch: int) -> Mark | None:
    """Return the mark that is due, or None.

    Args:
        clock: after the last micro-batch.
        silence: as of now.
        now_s: the clock on the wall.
        idle_s: how long a partition must be silent.
        stretch: seconds of events in a second on the wall.

    >>> clock = Clock(newest_ms={"decisions/0": 5_000}, positions={"decisions/0": 3, "decisions/1": 0}, event_ms=5_000)
    >>> silence = Silence()
    >>> silence.look({"decisions/0": 3, "decisions/1": 0}, 100.0)
    >>> next_mark(clock, silence, 104.0, idle_s=5.0, stretch=1)
    >>> next_mark(clock, silence, 106.0, idle_s=5.0, stretch=1)
    Mark(ends={'decisions/0': 3, 'decisions/1': 0}, clock_ms=11000, schema=1)
    >>> silence.look({"decisions/0": 4, "decisions/1": 0}, 107.0)
    >>> next_mark(clock, silence, 107.0, idle_s=5.0, stretch=1)
    Mark(ends={'decisions/1': 0}, clock_ms=5000, schema=1)
    """
    silent = [
        partition
        for partition, end in silence.ends.items()
        if clock.positions.get(partition) == end and now_s - silence.since_s[partition] >= idle_s
    ]
    if not silent or not clock.event_ms:
        return None
    time_ms = clock.event_ms
    if len(silent) == len(silence.ends):
        time_ms += int((now_s - max(silence.since_s.values())) * 1_000) * stretch
    behind = {partition: silence.ends[partition] for partition in silent if clock.newest_ms.get(partition, -1) < time_ms}
    return Mark(behind, time_ms) if behind else None


class Marks:
    """All marks that matter, and the thread that writes new ones."""

    def __init__(self, settings: Settings, failed: Callable[[BaseException], None]) -> None:
        """Read what is there.

        Args:
            settings: Kafka, and how long silence is.
            failed: is told when a mark may or may not be in Kafka.

        Raises:
            BrokerUnavailableError: Kafka does not answer.
        """
        self._settings = settings
        self._failed = failed
        self.turn = threading.Lock()
        """Held by whoever processes a micro-batch or writes a mark."""
        self._known = [msgspec.json.decode(value, type=Mark) for value in read_all(settings, topics.REPORT_MARKS)]
        self._clock = Clock()
        self._waits = False
        self._silence = Silence()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="marks", daemon=True)

    def known(self) -> Sequence[Mark]:
        """Return the marks; to be called by whoever holds `turn`."""
        return self._known

    def at(self, clock: Clock, waits: bool) -> None:
        """Note where the last micro-batch ended; to be called by whoever holds `turn`."""
        self._clock, self._waits = clock, waits
        self._known = known_before(self._known, clock.positions)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_WITHIN_S)

    def _run(self) -> None:
        producer = Producer(producer_config(self._settings, **{"message.timeout.ms": round(_ACKNOWLEDGED_WITHIN_S * 1_000)}))
        while not self._stop.wait(self._settings.reports_idle_s / _BEATS):
            try:
                with self.turn:
                    self._beat(producer)
            except BrokerUnavailableError:
                _LOG.info("Kafka does not answer: no mark was written.")

    def _beat(self, producer: Producer) -> None:
        if not self._waits:
            return
        ends = {
            source_of(source, partition): end
            for source, topic in ((DECISIONS, topics.DECISIONS), (SESSIONS, topics.SESSIONS))
            for partition, end in end_offsets(self._settings, topic).items()
        }
        now_s = time.monotonic()
        self._silence.look(ends, now_s)
        mark = next_mark(self._clock, self._silence, now_s, self._settings.reports_idle_s, self._settings.reports_stretch)
        if mark is None:
            return
        told: list[object] = []
        producer.produce(
            topic_name(self._settings, topics.REPORT_MARKS), encode(mark), partition=0, on_delivery=lambda error, _: told.append(error)
        )
        producer.flush(_ACKNOWLEDGED_WITHIN_S + _STOP_WITHIN_S)
        if told != [None]:
            self._failed(BrokerUnavailableError("Kafka may or may not have a mark: the reports begin anew from what it has"))
            self._stop.set()
            return
        self._known.append(mark)

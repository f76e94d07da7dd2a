"""Reads the topic `fixes` from its end while somebody looks at a phone, and gives each fix to the room. Keeps nothing itself.

It belongs to no consumer group that counts: it is assigned every partition at its end, commits nothing, and holds no place that anybody
waits for. When the last page has gone its thread ends within a second and its connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from dashboard.phone_room import Room
from veilocity.contracts import Fix, decode
from veilocity.errors import ContractError
from veilocity.kafka import consumer_config, topic_name
from veilocity.logs import get_logger
from veilocity.settings import Settings
from veilocity.topics import FIXES

__all__ = ["Reader", "read_fixes"]

_RECORDS = 500
_WAIT_S = 0.25
_PATIENCE_S = 2.0
_PAUSE_S = 1.0

_log = get_logger(__name__)


def read_fixes(settings: Settings, take: Callable[[Fix], None], wanted: Callable[[], bool], ready: Callable[[], None]) -> None:
    """Give every fix that arrives from now on, until nobody wants more.

    Args:
        settings: where Kafka is.
        take: called for each fix.
        wanted: asked several times a second.
        ready: called once the ends of all partitions are known: what arrives afterwards is given.

    Raises:
        KafkaException: no broker answers.
    """
    name = topic_name(settings, FIXES)
    consumer = Consumer(consumer_config(settings, f"{settings.kafka_topic_prefix}veilocity-phone"))
    try:
        partitions = consumer.list_topics(name, timeout=_PATIENCE_S).topics[name].partitions
        # Asked, not left to the client: a record between the assignment and its first fetch would be behind "the end".
        ends = {p: consumer.get_watermark_offsets(TopicPartition(name, p), timeout=_PATIENCE_S)[1] for p in sorted(partitions)}
        consumer.assign([TopicPartition(name, p, end if end >= 0 else OFFSET_END) for p, end in ends.items()])
        if ends:
            ready()
        while wanted():
            for message in consumer.consume(_RECORDS, _WAIT_S):
                error, value = message.error(), message.value()
                if error is not None:
                    if error.fatal() or not error.retriable():
                        raise KafkaException(error)
                elif value is not None:
                    _give(value, take)
    finally:
        consumer.close()


def _give(value: bytes, take: Callable[[Fix], None]) -> None:
    try:
        take(decode(value, Fix))
    except ContractError:
        # Whoever must not lose a record counts it; a page only shows what it can read.
        return


class Reader:
    """One thread for all pages, there while there is one."""

    def __init__(self, settings: Settings, room: Room) -> None:
        """Nothing is read before `wake`."""
        self._settings = settings
        self._room = room
        self._thread: Thread | None = None
        self._starting = Lock()
        self._stopped = Event()
        self.store = "unknown"
        """`up` while Kafka is read, `down` while it does not answer, `unknown` before."""

    def wake(self) -> None:
        """Read, if nobody does; called whenever a page asks."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="phone-reader", daemon=True)
                self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _wanted(self) -> bool:
        return not self._stopped.is_set() and self._room.viewers > 0

    def _run(self) -> None:
        while self._wanted():
            try:
                read_fixes(self._settings, self._room.take, self._wanted, self._ready)
            except KafkaException as cause:
                if self.store != "down":
                    _log.warning("Kafka does not answer the page of the phone; asking again until it does", cause=cause.args[0].name())
                self.store = "down"
            self._stopped.wait(_PAUSE_S if self._wanted() else 0.0)
        self.store = "unknown"

    def _ready(self) -> None:
        self.store = "up"

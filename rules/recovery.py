"""Taking over a partition: from what is committed to a partition that can go on.

The order matters. First the producer, which fences the former owner and ends its open transaction; only then are the committed offsets, the
snapshots, the journal and the counters final. They were written in one transaction, so they belong together whatever the former owner
died of. What was processed since the snapshots is then processed again, silently.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from rules import telemetry
from rules.hosting import Engine
from rules.journal import Entry, is_entry, unpack
from rules.partition import INPUTS, Judge, Learned, Partition, Position
from rules.replay import Inputs, check_engine, needed, repeat
from rules.snapshots import join, read_key
from rules.store import Limits, StateStore
from rules.transactions import KafkaOutbox, group_name
from veilocity.contracts import RulesProgress, decode
from veilocity.errors import BrokerUnavailableError, StateError
from veilocity.kafka import consumer_config, topic_name
from veilocity.logs import get_logger
from veilocity.settings import Settings
from veilocity.topics import RULES_PROGRESS, RULES_STATE, Topic

__all__ = ["Recovered", "Saved", "read_to_end", "recover"]

_log = get_logger(__name__)
_T = TypeVar("_T")
_TIMEOUT_S = 10.0
_TAIL_RECORDS = 64
"""Every commit writes the counters: the newest are among the last few records unless a transaction was aborted again and again."""


class Recovered(NamedTuple):
    """A partition that can go on."""

    partition: Partition
    store: StateStore
    outbox: KafkaOutbox


def recover(settings: Settings, consumer: Consumer, number: int, engine: Engine, learned: Learned | None = None) -> Recovered:
    """Take over one partition.

    Args:
        settings: of the service.
        consumer: member of the group that was assigned the partition.
        number: of the partition.
        engine: that judges.
        learned: rules that score beside it; None for none.

    Raises:
        BrokerUnavailableError: Kafka did not answer.
        StateError: what was saved is damaged, of a newer version, of another engine, or needs inputs that have expired.
    """
    outbox = KafkaOutbox(settings, consumer, number)
    committed, earliest = _offsets(settings, number)
    saved = Saved()
    read_to_end(settings, RULES_STATE, number, lambda message: saved.take(message.key() or b"", message.value()))
    store = StateStore(Limits(settings.rules_state_ttl_s * 1_000_000_000, settings.rules_subjects_max))
    judge = Judge(engine, store)
    last = saved.restore(store, committed)
    if last is not None:
        _repeat(settings, number, judge, saved, earliest)
    position = Position(0, earliest) if last is None else Position(last.sequence, _unexpired(number, last.ends, earliest))
    return Recovered(Partition(judge, outbox, _progress(settings, number), position, learned=learned), store, outbox)


class Saved:
    """What `rules-state` holds of one partition: the newest parts of every bucket, and the journal."""

    def __init__(self) -> None:
        """Start empty."""
        self._parts: dict[int, dict[int, bytes]] = {}
        self._entries: dict[bytes, bytes] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take one record; later ones win.

        Raises:
            StateError: it is of an earlier program.
        """
        if is_entry(key):
            self._entries[key] = value or b""
            return
        place = read_key(key)
        if place is None:
            raise StateError("rules-state is of an earlier version that this one cannot go on from: begin anew (docs/operations.md)")
        bucket, part = place
        if value is None:
            self._parts.get(bucket, {}).pop(part, None)
        else:
            self._parts.setdefault(bucket, {})[part] = value

    def entries(self) -> dict[int, Entry]:
        """Return the journal by sequence."""
        return {entry.sequence: entry for entry in map(unpack, self._entries.values())}

    def restore(self, store: StateStore, committed: tuple[int, int]) -> Entry | None:
        """Fill the store as it was saved; return the last entry of the journal, None before the first.

        Args:
            store: to fill.
            committed: offsets of the group, negative where there are none.

        Raises:
            StateError: snapshots, journal and offsets do not belong together.
        """
        entries = self.entries()
        if not entries:
            if max(committed) > 0:
                raise StateError("rules-state is empty, yet inputs were processed: restore the topic, or begin anew (docs/operations.md)")
            return None
        last = entries[max(entries)]
        # Offsets that expired with an idle group are known from the journal; those that someone has moved are no accident.
        if any(offset not in (end, -1) for offset, end in zip(committed, last.ends, strict=True)):
            raise StateError("the offsets of the rules group were changed by hand: set them back, or begin anew (docs/operations.md)")
        store.newest_ns, store.forgotten = last.newest_ns, last.forgotten
        for bucket, parts in self._parts.items():
            store.restore(bucket, join(parts))
        if any(store.saved_at(bucket) != sequence for bucket, sequence in last.behind.items()):
            raise StateError("rules-state lacks a snapshot: restore the topic, or begin anew (docs/operations.md)")
        return last


def _repeat(settings: Settings, number: int, judge: Judge, saved: Saved, earliest: tuple[int, int]) -> None:
    entries = needed(saved.entries())
    if not any(entry.runs for entry in entries):
        return
    check_engine(entries, judge.engine.version)
    starts, ends = entries[0].starts, entries[-1].ends
    if any(start < first and start < end for start, first, end in zip(starts, earliest, ends, strict=True)):
        raise StateError(
            "inputs that must be processed again have expired: lengthen the retention of fixes and transactions, restore them, "
            "or begin anew (docs/operations.md)"
        )
    begun = time.monotonic()
    inputs = Inputs(settings, number, (max(starts[0], earliest[0]), max(starts[1], earliest[1])))
    try:
        count = repeat(entries, inputs, judge)
    finally:
        inputs.close()
    _log.info("Processed again what was not saved", partition=number, records=count, duration_ms=round((time.monotonic() - begun) * 1000))


def _unexpired(number: int, offsets: tuple[int, int], earliest: tuple[int, int]) -> tuple[int, int]:
    """Return where to go on: records that expired unread are lost, and that is said."""
    for topic, offset, first in zip(INPUTS, offsets, earliest, strict=True):
        if offset < first:
            telemetry.expired(topic.name, first - offset)
            _log.error("Records expired before they were judged", topic=topic.name, partition=number, records=first - offset)
    return max(offsets[0], earliest[0]), max(offsets[1], earliest[1])


def _offsets(settings: Settings, number: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the group's committed offsets (-1 where there is none) and the first offsets that Kafka still holds."""
    # A client of its own: the member may not be asked from another thread while its group rebalances.
    asker = Consumer(consumer_config(settings, group_name(settings)))
    wanted = [TopicPartition(topic_name(settings, topic), number) for topic in INPUTS]
    try:
        found = _asked_again(lambda: asker.committed(wanted, timeout=_TIMEOUT_S), "the committed offsets")
        committed = {at.topic: max(-1, at.offset) for at in found}
        first = [_asked_again(lambda at=at: asker.get_watermark_offsets(at, timeout=_TIMEOUT_S), "the first offsets")[0] for at in wanted]  # type: ignore[misc]  # a default argument binds the loop's value
    finally:
        asker.close()
    return (committed[wanted[0].topic], committed[wanted[1].topic]), (first[0], first[1])


def _progress(settings: Settings, number: int) -> RulesProgress:
    newest = [RulesProgress(partition=number)]

    def take(message: Message) -> None:
        if message.key() == str(number).encode():
            newest[0] = decode(message.value() or b"", RulesProgress)

    end = read_to_end(settings, RULES_PROGRESS, number, take, tail=_TAIL_RECORDS)
    if newest[0].fixes_read + newest[0].transactions_read == 0 and end > _TAIL_RECORDS:
        read_to_end(settings, RULES_PROGRESS, number, take)
    return newest[0]


def read_to_end(settings: Settings, topic: Topic, number: int, take: Callable[[Message], None], tail: int | None = None) -> int:
    """Hand every committed record of one partition to `take`, up to the end it had at the start; return that end.

    The end is reached when the position says so: the last offsets of a partition may hold no record but the marks of transactions.

    Args:
        settings: of the service.
        topic: to read.
        number: of the partition.
        take: called with each record.
        tail: only so many offsets before the end; by default all.

    Raises:
        BrokerUnavailableError: Kafka did not answer.
    """
    extra = {"enable.partition.eof": True, "fetch.queue.backoff.ms": 1, "queued.min.messages": 100_000}
    at = TopicPartition(topic_name(settings, topic), number)
    reader = Consumer(consumer_config(settings, f"{group_name(settings)}-restore", **extra))
    try:
        first, end = _asked_again(lambda: reader.get_watermark_offsets(at, timeout=_TIMEOUT_S), f"the end of {topic.name}")
        position = first if tail is None else max(first, end - tail)
        if position < end:
            reader.assign([TopicPartition(at.topic, number, position)])
            _read(reader, position, end, take)
        return end
    finally:
        reader.close()


def _read(reader: Consumer, position: int, end: int, take: Callable[[Message], None]) -> None:
    heard = time.monotonic()
    while position < end:
        for message in reader.consume(2_000, 0.01):
            reached = _take(message, take)
            if reached is not None:
                position, heard = reached, time.monotonic()
        if time.monotonic() - heard > _TIMEOUT_S:
            raise BrokerUnavailableError("Kafka stopped giving back what was saved: is it running?")


def _asked_again(ask: Callable[[], _T | None], what: str) -> _T:
    """Ask until Kafka answers: of a topic just made, a broker may not know for a moment that it leads it."""
    deadline = time.monotonic() + _TIMEOUT_S
    reason = "no answer in time"
    while time.monotonic() < deadline:
        try:
            answer = ask()
        except KafkaException as cause:
            reason = cause.args[0].name()
            time.sleep(0.1)
        else:
            if answer is not None:
                return answer
    raise BrokerUnavailableError(f"Kafka does not tell {what} ({reason}): is it running?")


def _take(message: Message, take: Callable[[Message], None]) -> int | None:
    """Handle one message and return the position after it; None when it only tells of trouble."""
    error, offset = message.error(), message.offset()
    if error is None and offset is not None:
        take(message)
        return offset + 1
    if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's name for the end of a partition
        return offset
    _log.warning("Kafka reports a passing error", error=error.name() if error is not None else "no offset")
    return None

"""Processing again what was committed but not yet saved: silently, in exactly the order of the journal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from confluent_kafka import Consumer, TopicPartition

from rules.journal import Entry
from rules.merge import Record, in_order, take_until
from rules.partition import INPUTS, Judge
from veilocity.errors import BrokerUnavailableError, StateError
from veilocity.kafka import consumer_config, topic_name
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["Inputs", "Source", "check_engine", "needed", "repeat"]

_log = get_logger(__name__)
_TIMEOUT_S = 10.0


class Source(Protocol):
    """The inputs of one partition, read again."""

    @property
    def lanes(self) -> tuple[deque[Record], deque[Record]]:
        """Records of both topics that wait, in offset order."""

    def fill(self, ends: tuple[int, int]) -> None:
        """Read until the lanes hold every record before these offsets."""


def needed(entries: dict[int, Entry]) -> list[Entry]:
    """Return the entries that must be processed again, in order.

    Args:
        entries: what the journal holds, by sequence; not empty.

    Raises:
        StateError: one is missing.
    """
    last = entries[max(entries)]
    found = [entries.get(sequence) for sequence in range(last.oldest_saved + 1, last.sequence + 1)]
    present = [entry for entry in found if entry is not None]
    if len(present) != len(found):
        raise StateError("rules-state lacks journal entries: restore the topic, or begin anew (docs/operations.md)")
    return present


def check_engine(entries: Sequence[Entry], version: str) -> None:
    """Refuse to process again with another engine than the first time: the states would not be those that the results came from.

    Raises:
        StateError: an entry with records is of another version.
    """
    others = {entry.engine for entry in entries if entry.runs} - {version}
    if others:
        raise StateError(
            f"the rules service was not stopped cleanly before its version or settings changed ({'/'.join(sorted(others))} to {version}): "
            "start it once as it was, stop it with SIGTERM, then change it (docs/operations.md)"
        )


def repeat(entries: Sequence[Entry], inputs: Source, judge: Judge) -> int:
    """Bring the states up to the last entry; return how many records were read again.

    Args:
        entries: of `needed`, at least one.
        inputs: that begin where the first entry does.
        judge: with the states as they were saved.

    Raises:
        BrokerUnavailableError: Kafka did not answer.
        StateError: a saved state cannot be read.
    """
    behind, count = entries[-1].behind, 0
    for entry in entries:
        inputs.fill(entry.ends)
        for run in entry.runs:
            records = in_order([record for lane, end in zip(inputs.lanes, run, strict=True) for record in take_until(lane, end)])
            count += len(records)
            for record in records:
                judge.repeat(record, entry.sequence, behind)
    return count


class Inputs:
    """Both input topics of one partition, read again from given offsets."""

    def __init__(self, settings: Settings, number: int, starts: tuple[int, int]) -> None:
        """Begin to read.

        Args:
            settings: of the service.
            number: of the partition.
            starts: offsets of fixes and payments.
        """
        names = [topic_name(settings, topic) for topic in INPUTS]
        self.lanes: tuple[deque[Record], deque[Record]] = (deque(), deque())
        self._ranks = {name: rank for rank, name in enumerate(names)}
        self._reached = list(starts)
        extra = {"auto.offset.reset": "error", "fetch.queue.backoff.ms": 1}
        self._reader = Consumer(consumer_config(settings, f"{settings.kafka_topic_prefix}{settings.rules_group}-repeat", **extra))
        self._reader.assign([TopicPartition(name, number, start) for name, start in zip(names, starts, strict=True)])

    def fill(self, ends: tuple[int, int]) -> None:
        """Read until the lanes hold every record before these offsets.

        Raises:
            BrokerUnavailableError: Kafka did not answer.
        """
        heard = time.monotonic()
        while any(reached < end for reached, end in zip(self._reached, ends, strict=True)):
            for message in self._reader.consume(2_000, 0.01):
                error, offset = message.error(), message.offset()
                if error is not None or offset is None:
                    _log.warning("Kafka reports a passing error", error=error.name() if error is not None else "no offset")
                    continue
                rank = self._ranks[message.topic() or ""]
                record = Record(message.timestamp()[1], rank, offset, message.value() or b"", message.key() or b"")
                self.lanes[rank].append(record)
                self._reached[rank] = offset + 1
                heard = time.monotonic()
            if time.monotonic() - heard > _TIMEOUT_S:
                raise BrokerUnavailableError("Kafka stopped giving back the inputs: is it running?")

    def close(self) -> None:
        """Stop reading."""
        self._reader.close()

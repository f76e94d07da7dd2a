"""The topics from the beginning of a visit on: what the running system says to what the visitor sends."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import Consumer, TopicPartition

from veilocity.contracts import Alert, Decision, Fix, Reject, decode
from veilocity.kafka import consumer_config, end_offsets, topic_name
from veilocity.settings import Settings
from veilocity.topics import ALERTS, DECISIONS, FIXES, REJECTS

__all__ = ["Tail"]

_KINDS = ((DECISIONS, Decision), (ALERTS, Alert), (REJECTS, Reject), (FIXES, Fix))


class Tail:
    """Reads decisions, alerts, rejects and fixes that come after it was made. It belongs to no group and moves nobody's offsets."""

    def __init__(self, settings: Settings) -> None:
        self.decisions: dict[str, Decision] = {}
        """By transaction, the highest revision."""
        self.alerts: dict[str, Alert] = {}
        """By id, the highest revision."""
        self.alert_records: list[tuple[str, int]] = []
        """Id and revision of every record on the topic, to see that none comes twice."""
        self.rejects: list[Reject] = []
        self.devices: set[str] = set()
        """Devices that a fix was heard of."""
        self._consumer = Consumer(consumer_config(settings, f"{settings.kafka_topic_prefix}tour"))
        self._kinds = {topic_name(settings, topic): kind for topic, kind in _KINDS}
        places = [
            TopicPartition(topic_name(settings, topic), partition, end)
            for topic, _ in _KINDS
            for partition, end in end_offsets(settings, topic).items()
        ]
        self._consumer.assign(places)

    def until(self, holds: Callable[[], bool], patience_s: float) -> bool:
        """Read on until something holds; say whether it did in time."""
        deadline = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > deadline:
                return False
            self._read()
        return True

    def _read(self) -> None:
        for message in self._consumer.consume(500, 0.2):
            value, topic = message.value(), message.topic()
            if message.error() is not None or value is None or topic is None:
                continue
            record = decode(value, self._kinds[topic])
            if isinstance(record, Decision):
                known = self.decisions.get(record.transaction.id)
                if known is None or known.revision < record.revision:
                    self.decisions[record.transaction.id] = record
            elif isinstance(record, Alert):
                self.alert_records.append((record.id, record.revision))
                held = self.alerts.get(record.id)
                if held is None or held.revision < record.revision:
                    self.alerts[record.id] = record
            elif isinstance(record, Reject):
                self.rejects.append(record)
            elif isinstance(record, Fix):
                self.devices.add(record.device)

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

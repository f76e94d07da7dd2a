"""Messages of a batch into records, and a batch that is in Kafka into metrics, which are those of the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from ingest.door import count
from ingest.fields import Arrival
from ingest.intake import Intake
from ingest.mqtt.session import Message
from ingest.mqtt.topics import protocol_of
from ingest.outcome import Outcome, Record, records, refuse_body
from ingest.protocols import Protocol, Request
from ingest.telemetry import MQTT_MESSAGES
from veilocity.errors import RejectError, RejectReason

__all__ = ["Batch", "Bridge"]


class Batch(NamedTuple):
    """Messages that were read together, and what became of them."""

    messages: Sequence[Message]
    judged: Sequence[tuple[Protocol, Outcome]]
    records: Sequence[Record]
    """In the order of the messages."""

    @property
    def accepted(self) -> int:
        """Return how many fixes were accepted."""
        return sum(len(outcome.accepted) for _, outcome in self.judged)


class Bridge:
    """Reads messages."""

    def __init__(self, intake: Intake, max_body_bytes: int) -> None:
        """Keep the parts.

        Args:
            intake: reads a phone's request.
            max_body_bytes: a larger message is one reject.
        """
        self._intake = intake
        self._max_body_bytes = max_body_bytes

    def judge(self, messages: Sequence[Message], arrival: Arrival) -> Batch:
        """Return what to write for the messages; nothing is counted yet and nothing is raised."""
        judged = [(protocol, self._judge(message, protocol, arrival)) for message in messages if (protocol := protocol_of(message.topic))]
        return Batch(messages, judged, list(chain.from_iterable(records(outcome) for _, outcome in judged)))

    def count(self, batch: Batch) -> None:
        """Add a batch that is in Kafka to the metrics: once for each protocol and end, as a message holds one item or two."""
        retained = sum(message.retained for message in batch.messages)
        MQTT_MESSAGES.labels("retained").inc(retained)
        MQTT_MESSAGES.labels("live").inc(len(batch.messages) - retained)
        judged = batch.judged
        for protocol in {protocol.name: protocol for protocol, _ in judged}.values():
            for refused, status in ((False, 200), (True, 400)):
                mine = [outcome for owner, outcome in judged if owner is protocol and outcome.body_refused is refused]
                total = Outcome(
                    [item for outcome in mine for item in outcome.accepted],
                    [item for outcome in mine for item in outcome.rejects],
                    sum(outcome.ignored for outcome in mine),
                )
                count(protocol.name, total, status, requests=len(mine))
                self._intake.count(protocol, total)

    def _judge(self, message: Message, protocol: Protocol, arrival: Arrival) -> Outcome:
        if len(message.body) > self._max_body_bytes:
            too_large = RejectError(RejectReason.TOO_LARGE, f"a message may have {self._max_body_bytes} bytes at most")
            return refuse_body(too_large, message.body, protocol.name, arrival)
        return self._intake.take(protocol, Request(message.body, topic=message.topic, retained=message.retained), arrival)

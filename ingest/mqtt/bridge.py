"""Messages of a batch into Kafka, all or none acknowledged. What it is given, it counts: metrics are those of the gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from ingest.door import count
from ingest.fields import Arrival
from ingest.intake import Intake
from ingest.mqtt.session import Message
from ingest.mqtt.topics import protocol_of
from ingest.outcome import Outcome, Record, records, refuse_body
from ingest.protocols import Protocol, Request
from ingest.telemetry import MQTT_MESSAGES
from veilocity.errors import RejectError, RejectReason

__all__ = ["Bridge"]


class Bridge:
    """Reads messages and writes what they hold."""

    def __init__(self, intake: Intake, send_all: Callable[[Sequence[Record]], object], max_body_bytes: int) -> None:
        """Keep the parts.

        Args:
            intake: reads a phone's request.
            send_all: returns when Kafka has acknowledged every record, and raises otherwise.
            max_body_bytes: a larger message is one reject.
        """
        self._intake = intake
        self._send_all = send_all
        self._max_body_bytes = max_body_bytes

    def take(self, messages: Sequence[Message], arrival: Arrival) -> int:
        """Return how many fixes were accepted, once all of the batch is in Kafka.

        Raises:
            BrokerUnavailableError: it is not, or nobody knows: take the same batch again. Nothing was counted.
        """
        judged = [(protocol, self._judge(message, protocol, arrival)) for message in messages if (protocol := protocol_of(message.topic))]
        self._send_all(list(chain.from_iterable(records(outcome) for _, outcome in judged)))
        retained = sum(message.retained for message in messages)
        MQTT_MESSAGES.labels("retained").inc(retained)
        MQTT_MESSAGES.labels("live").inc(len(messages) - retained)
        self._count(judged)
        return sum(len(outcome.accepted) for _, outcome in judged)

    def _count(self, judged: Sequence[tuple[Protocol, Outcome]]) -> None:
        """Add a batch to the metrics: once for each protocol and end, as a message holds one item or two."""
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

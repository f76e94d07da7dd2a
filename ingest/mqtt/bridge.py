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
        for message in messages:
            MQTT_MESSAGES.labels("retained" if message.retained else "live").inc()
        for protocol, outcome in judged:
            count(protocol.name, outcome, 400 if outcome.body_refused else 200)
            self._intake.count(protocol, outcome)
        return sum(len(outcome.accepted) for _, outcome in judged)

    def _judge(self, message: Message, protocol: Protocol, arrival: Arrival) -> Outcome:
        if len(message.body) > self._max_body_bytes:
            too_large = RejectError(RejectReason.TOO_LARGE, f"a message may have {self._max_body_bytes} bytes at most")
            return refuse_body(too_large, message.body, protocol.name, arrival)
        return self._intake.take(protocol, Request(message.body, topic=message.topic, retained=message.retained), arrival)

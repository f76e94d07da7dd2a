"""One adapter for each phone protocol, and one normal form.

An adapter is pure: it takes a `Request` (bytes, query, headers, topic) and says what became of every item, as `ingest.outcome.Outcome`. It
raises nothing, reads no clock, and writes nothing; token, size, encryption, filters, Kafka and counters are the gateway's part. `PROTOCOLS`
is the list that the gateway's addresses and the topics of the MQTT bridge are made from.
"""

from ingest.protocols.catalogue import PROTOCOLS, Protocol
from ingest.protocols.normal import Reading, Request

__all__ = ["PROTOCOLS", "Protocol", "Reading", "Request"]

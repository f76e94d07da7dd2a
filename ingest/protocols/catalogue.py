"""The phone protocols by name: adapter, methods, and the answer that the app waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingest import sensor_logger
from ingest.fields import Arrival, Resolver
from ingest.outcome import Outcome
from ingest.protocols import gpslogger, overland, owntracks, traccar
from ingest.protocols.normal import Request

__all__ = ["PROTOCOLS", "Protocol"]

Adapter = Callable[[Request, Arrival, Resolver], Outcome]


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one app talks. `name` is its address, the first level of its topics, and its label in metrics."""

    name: str
    adapter: Adapter
    methods: tuple[str, ...] = ("POST",)
    answer: bytes | None = None
    """What the app must read in an answer of 200; None for the counts of the items."""


def _sensor_logger(request: Request, arrival: Arrival, resolver: Resolver) -> Outcome:
    return sensor_logger.parse(request.body, arrival, resolver)


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(sensor_logger.SOURCE, _sensor_logger),
        Protocol(owntracks.SOURCE, owntracks.parse, answer=b"[]"),
        Protocol(overland.SOURCE, overland.parse, answer=b'{"result":"ok"}'),
        Protocol(traccar.SOURCE, traccar.parse, ("GET", "POST")),
        Protocol("osmand", traccar.parse, ("GET", "POST")),
        Protocol(gpslogger.SOURCE, gpslogger.parse, ("GET", "POST", "PUT")),
    )
}

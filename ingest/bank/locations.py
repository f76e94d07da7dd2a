"""The bank's places of phones, read as they are. Pure.

Keys: ``Time, Speed, Altitude, Longitude, Latitude, DeviceId, MessageId, SessionId, BearingAccuracy, SpeedAccuracy, VerticalAccuracy,
HorizontalAccuracy, Bearing``. ``Time`` is a local time in whole seconds; the -1 of Sensor Logger means unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingest.bank.hiding import hide_all
from ingest.bank.localtime import ns_from_local
from ingest.bank.profile import Bank
from ingest.fields import Arrival, Resolver, identifier, required_identifier
from ingest.outcome import Outcome
from ingest.protocols import Protocol, Request
from ingest.protocols.normal import Reading, judge, refused, reported
from ingest.transactions import items_of
from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["BANK_LOCATIONS", "locations_of"]

BANK_LOCATIONS = "bank-locations"


def locations_of(bank: Bank) -> Protocol:
    """Return the bank's phones as a protocol: encryption, filters and counters are those of every phone."""
    return Protocol(BANK_LOCATIONS, _adapter(bank))


def _adapter(bank: Bank) -> Callable[[Request, Arrival, Resolver], Outcome]:
    def parse(request: Request, arrival: Arrival, resolver: Resolver) -> Outcome:
        try:
            here = bank.at(request.query.get("zone"))
            items = items_of(request.body, "locations")
        except InvalidInputError as cause:
            return hide_all(refused(cause, request, BANK_LOCATIONS, arrival))
        return hide_all(judge(items, lambda item: _reading(item, here), BANK_LOCATIONS, arrival, resolver, request.body))

    return parse


def _reading(item: Any, bank: Bank) -> Reading:
    if not isinstance(item, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "a location must be a JSON object")
    time = item.get("Time")
    if time is None or time == "":
        raise InvalidInputError(RejectReason.MISSING_FIELD, "Time is missing")
    if not isinstance(time, str):
        raise InvalidInputError(RejectReason.INVALID_TIME, "Time must be text such as 2024-04-20 13:05:01")
    return Reading(
        device=required_identifier(item.get("DeviceId"), "DeviceId"),
        source=BANK_LOCATIONS,
        fix_ns=ns_from_local(time, bank.zone),
        lat=item.get("Latitude"),
        lon=item.get("Longitude"),
        accuracy_m=item.get("HorizontalAccuracy"),
        speed_mps=reported(item.get("Speed"), "Speed"),
        bearing_deg=item.get("Bearing"),
        altitude_m=item.get("Altitude"),
        session=identifier(item.get("SessionId"), "SessionId"),
    )

"""The bank's two addresses of the gateway."""

from __future__ import annotations

from flask import Flask, Response, request

from ingest.bank.hiding import hide_all
from ingest.bank.locations import locations_of
from ingest.bank.profile import bank_of
from ingest.bank.transactions import BANK_TRANSACTIONS, parse
from ingest.door import Door
from ingest.fields import Arrival, Resolver
from ingest.outcome import Outcome, refuse_body
from veilocity.errors import InvalidInputError
from veilocity.settings import Settings

__all__ = ["serve"]


def serve(app: Flask, door: Door, people: Resolver, settings: Settings) -> None:
    """Give the bank its addresses; `?zone=` states the zone of a request's local times.

    Raises:
        SettingsError: no such zone as VEILOCITY_BANK_ZONE.
    """
    bank = bank_of(settings)
    phones = locations_of(bank)

    def read(body: bytes, arrival: Arrival) -> Outcome:
        try:
            here = bank.at(request.args.get("zone"))
        except InvalidInputError as cause:
            return hide_all(refuse_body(cause, body, BANK_TRANSACTIONS, arrival))
        return parse(body, arrival, people, here)

    @app.post("/v1/bank/transactions")
    def bank_transactions() -> Response:
        return door.take(BANK_TRANSACTIONS, read)

    @app.post("/v1/bank/locations")
    def bank_locations() -> Response:
        return door.take_phone(phones)

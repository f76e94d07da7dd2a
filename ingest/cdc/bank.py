"""A made-up bank that writes a payment into a table every other second, so that a trial's feed has something to read.

Run by `veilocity up --extras` on a table of its own; no table of yours is touched.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event
from typing import Any, NamedTuple

from ingest.simulator.chance import Dice, card_number, generator
from ingest.simulator.places import METROPOLIS, offset
from ingest.simulator.player import read_position
from veilocity import logs, settings
from veilocity.errors import RetryableError
from veilocity.postgres import Connection, connect, faults
from veilocity.processes import stop_on_signals

__all__ = ["Payment", "keep_writing", "payments"]

_SEED = 7
_CUSTOMERS = 12
_AROUND_M = 2_000.0
_EVERY_S = 2.0
_AGAIN_S = 1.0
_SHOPS = (("Corner Grocery", "grocery"), ("Old Mill Bakery", "restaurant"), ("Harbour Books", "retail"), ("Station Pharmacy", "health"))
_INSERT = (
    "INSERT INTO payments (card, authorised_at, amount, currency, merchant, category, channel, lat, lon) "
    "VALUES (%s, %s, %s, %s, %s, %s, 'card-present', %s, %s)"
)
# The history of a bank would be longer; a trial's disk is not.
_FORGET = "DELETE FROM payments WHERE authorised_at < %s - interval '2 days'"
_logger = logs.get_logger(__name__)


class Payment(NamedTuple):
    """What a row says besides its number and its time."""

    card: str
    amount: Decimal
    currency: str
    merchant: str
    category: str
    lat: float
    lon: float


def payments(seed: int) -> Iterator[Payment]:
    """Yield payments of a dozen customers near the middle of a city, without end; the same seed gives the same ones.

    >>> first = next(payments(7))
    >>> first.card[:3], first.amount > 0
    ('999', True)
    """
    dice = Dice(generator(seed, "bank"))
    middle = METROPOLIS.districts[0].place
    while True:
        shop, category = dice.pick(_SHOPS)
        where = offset(middle, dice.between(-_AROUND_M, _AROUND_M), dice.between(-_AROUND_M, _AROUND_M))
        card = card_number(seed, "customer of the bank", dice.whole(0, _CUSTOMERS - 1))
        amount = Decimal(dice.whole(150, 9_000)) / 100
        yield Payment(card, amount, METROPOLIS.currency, shop, category, round(where[0], 6), round(where[1], 6))


def keep_writing(loaded: settings.Settings, stop: Event, *, with_city: bool) -> None:
    """Write until told to stop; a server that is away is asked again.

    Args:
        loaded: `postgres_dsn` holds the table.
        stop: ends it.
        with_city: take the time at which the simulated city is, so that these payments are no later and no earlier than its own.

    Raises:
        SettingsError: the server refuses, or has no such table.
    """
    source = payments(_SEED)
    while not stop.is_set():
        try:
            connection = connect(loaded.postgres_dsn.get_secret_value(), "veilocity bank")
            try:
                while not stop.wait(_EVERY_S):
                    moment = _moment(loaded, with_city)
                    if moment is not None:
                        _write(connection, next(source), moment)
            finally:
                connection.close()
        except RetryableError as away:
            _logger.warning("The bank waits for its database", cause=str(away), retry_in_s=_AGAIN_S)
            stop.wait(_AGAIN_S)


def _moment(loaded: settings.Settings, with_city: bool) -> datetime | None:
    """Return the time of a payment; None while the city sleeps: a payment of today would make all of its yesterday late."""
    if not with_city:
        return datetime.now(UTC)
    at_ms = read_position(loaded.data_dir / "simulator.json")
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)


def _write(connection: Connection, payment: Payment, moment: datetime) -> None:
    values: list[Any] = [payment.card, moment, *payment[1:]]
    with faults():
        connection.execute(_INSERT, values)
        connection.execute(_FORGET, [moment])


def main() -> None:
    """Write into the table of the settings in force, until SIGTERM or SIGINT."""
    loaded = settings.load()
    logs.configure("bank", loaded.log_level)
    keep_writing(loaded, stop_on_signals(), with_city="--city" in sys.argv[1:])


if __name__ == "__main__":
    main()

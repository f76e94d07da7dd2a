"""What the bank's messages leave unsaid: zone, currency, and how an online payment made on a phone is judged."""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingest.bank.localtime import zone_named
from veilocity.contracts import Channel
from veilocity.errors import InvalidInputError, SettingsError
from veilocity.settings import Settings

__all__ = ["Bank", "bank_of"]


class Bank(NamedTuple):
    """How to read what the messages do not state."""

    zone: ZoneInfo | None = None
    """Of times without an offset; None refuses them."""
    currency: str = "USD"
    placed: Channel = Channel.CARD_PRESENT
    """Channel of an online payment that was made on a phone and states where the phone was."""

    def at(self, zone_name: str | None) -> Bank:
        """Return the same bank in the zone that a request states, if it states one.

        Raises:
            InvalidInputError: ``invalid_field``, no such zone.
        """
        return self._replace(zone=zone_named(zone_name)) if zone_name else self


def bank_of(settings: Settings) -> Bank:
    """Return the bank that the settings describe.

    Raises:
        SettingsError: no such zone.
    """
    try:
        zone = zone_named(settings.bank_zone)
    except InvalidInputError as cause:
        raise SettingsError(f"VEILOCITY_BANK_ZONE: {cause.detail}") from cause
    return Bank(zone, settings.bank_currency, Channel(settings.bank_online_channel))

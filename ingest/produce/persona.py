"""One persona with a phone of its own among a crowd, in the bank's own messages.

Every tenth payment is the persona's: three cards, one device, near home, and the phone says so beside. Some of them are made far away with
a stolen card while the phone is at home: those are labelled. The crowd pays around the same town with devices that no phone is heard of.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from ingest.produce.sustained import Item, Label, Made
from ingest.simulator.chance import Dice, card_number, generator, hexadecimal, uuid_like
from ingest.simulator.places import CITIES, Point, metres_between, offset

__all__ = ["CROWD", "FRAUD", "PERSONA", "PersonaAmongCrowd"]

CROWD, PERSONA, FRAUD = "crowd", "persona", "fraud"
_PAYMENTS, _PLACES = "/v1/bank/transactions?zone=UTC", "/v1/bank/locations?zone=UTC"
_PERSONA_EVERY = 10
_CATEGORIES = ("Retail", "Restaurant", "Travel", "Online", "Entertainment")
_FIRST, _LAST = ("Ada", "Ben", "Cleo", "Dov", "Eva", "Finn", "Gro", "Hugo"), ("Adler", "Berg", "Costa", "Diaz", "Eder", "Fuchs", "Gil")
_KNOWN_FOR_S, _PLACE_EVERY_S = 1800, 60
"""A phone that was never heard of before a payment proves little: this one has been there for half an hour."""
_NEAR_M, _CROWD_M, _FAR_M = 100.0, 10_000.0, 500_000.0


class PersonaAmongCrowd:
    """An endless source of the bank's payments, and of the places of the persona's phone."""

    def __init__(self, seed: int, fraud_share: float = 0.1) -> None:
        """Prepare.

        Args:
            seed: of all randomness; the persona depends on it alone.
            fraud_share: of the persona's payments.
        """
        self._seed, self._fraud_share = seed, fraud_share
        self._dice = Dice(generator(seed, "persona"))
        home = Dice(generator(seed, "home of the persona"))
        self._city = home.pick(CITIES)
        self._home = offset(self._city.districts[0].place, home.between(-2000, 2000), home.between(-2000, 2000))
        self._far = [city.airport for city in CITIES if metres_between(city.airport, self._home) > _FAR_M]
        self.device = uuid_like(seed, "device of the persona")
        self.user = hexadecimal(seed, "user of the persona", size=4).upper()
        self._cards = tuple(card_number(seed, "card of the persona", ordinal) for ordinal in range(3))
        self._messages = 0

    def make(self, number: int, at_ms: int) -> Made:
        """Return payment `number`; before each of the persona's comes what the phone says, and before the first one where it has been."""
        items = [] if self._messages else [self.place(at_ms - 1000 * back_s) for back_s in range(_KNOWN_FOR_S, 0, -_PLACE_EVERY_S)]
        name = uuid_like(self._seed, "payment of the bank", number, at_ms)
        if number % _PERSONA_EVERY != _PERSONA_EVERY - 1:
            items.append(self._payment(name, at_ms, self._somebody(number), self._around(_CROWD_M)))
            return Made(items, Label(name, CROWD, at_ms))
        fraud = self._dice.happens(self._fraud_share)
        where = self._dice.pick(self._far) if fraud else self._around(_NEAR_M)
        who = {"User ID": self.user, "Device ID": self.device, "Name": "Per Sona", "Card Number": self._dice.pick(self._cards)}
        items += [self.place(at_ms), self._payment(name, at_ms, who, where)]
        return Made(items, Label(name, FRAUD if fraud else PERSONA, at_ms))

    def _somebody(self, number: int) -> dict[str, str]:
        return {
            "User ID": hexadecimal(self._seed, "crowd", number, size=4).upper(),
            "Device ID": uuid_like(self._seed, "crowd", number),
            "Name": f"{self._dice.pick(_FIRST)} {self._dice.pick(_LAST)}",
            "Card Number": card_number(self._seed, "crowd", number),
        }

    def _around(self, metres: float) -> Point:
        return offset(self._home, self._dice.between(-metres, metres), self._dice.between(-metres, metres))

    def _payment(self, name: str, at_ms: int, who: dict[str, str], where: Point) -> Item:
        dice = self._dice
        message: dict[str, Any] = {
            "Transaction ID": name,
            **who,
            "Timestamp": _wall(at_ms).isoformat(timespec="milliseconds"),
            "Amount": round(dice.between(5.0, 500.0), 2),
            "Merchant ID": f"M{dice.whole(1, 400):04d}",
            "Merchant": f"Shop {dice.whole(1, 400)}",
            "Merchant_category": dice.pick(_CATEGORIES),
            "Location Latitude": f"{where[0]:.7f}",
            "Location Longitude": f"{where[1]:.7f}",
            "Transaction Type": "online",
            "Transaction_device": dice.pick(("mobile", "tablet")),
        }
        return Item(_PAYMENTS, msgspec.json.encode(message))

    def place(self, at_ms: int) -> Item:
        """Return what the persona's phone says at a moment."""
        self._messages += 1
        where = self._around(_NEAR_M)
        message: dict[str, Any] = {
            "Time": _wall(at_ms).strftime("%Y-%m-%d %H:%M:%S"),
            "Speed": -1,
            "Altitude": 61.0,
            "Longitude": round(where[1], 7),
            "Latitude": round(where[0], 7),
            "DeviceId": self.device,
            "MessageId": self._messages,
            "SessionId": uuid_like(self._seed, "session of the persona"),
            "BearingAccuracy": -1,
            "SpeedAccuracy": -1,
            "VerticalAccuracy": 4.0,
            "HorizontalAccuracy": round(self._dice.between(4.0, 30.0), 1),
            "Bearing": -1,
        }
        return Item(_PLACES, msgspec.json.encode(message))


def _wall(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).replace(tzinfo=None)

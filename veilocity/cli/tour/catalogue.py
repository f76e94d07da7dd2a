"""All stops of the tour, in the order of the coverage table."""

from __future__ import annotations

from veilocity.cli.tour import bank, learning, released, sensors, shop
from veilocity.cli.tour.stops import Stop

__all__ = ["STOPS"]

STOPS: tuple[Stop, ...] = (*sensors.STOPS, *bank.STOPS, *released.STOPS, *learning.STOPS, *shop.STOPS)

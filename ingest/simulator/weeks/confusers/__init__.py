"""What makes honest people look like thieves: one idea, one file, one row in a table.

A passing confuser is planted at a moment of its own; a lasting one is settled once and goes on from the cold start to the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.confusers import (
    broken_coordinates,
    cached_fix,
    cell_fixes,
    cloaked,
    forgotten_phone,
    gps_glitch,
    head_office,
    merchant_clock,
    mobile_terminal,
    mock_location,
    online,
    phone_clock,
    ping_pong,
    second_device,
    settlement,
    shared_card,
)
from ingest.simulator.weeks.story import Story

__all__ = ["LASTING", "PASSING", "Lasting", "Passing"]


class Passing(NamedTuple):
    """A confuser that comes and goes."""

    name: str
    weight: float
    """How often, relative to the others."""
    plant: Callable[[Story, Dice], bool]


class Lasting(NamedTuple):
    """A confuser that belongs to a person."""

    name: str
    settle: Callable[[Story, Dice], None]


PASSING = (
    Passing(gps_glitch.NAME, 3.0, gps_glitch.plant),
    Passing(ping_pong.NAME, 1.0, ping_pong.plant),
    Passing(cell_fixes.NAME, 1.0, cell_fixes.plant),
    Passing(phone_clock.MINUTES, 1.0, phone_clock.plant_minutes),
    Passing(phone_clock.HOURS, 1.0, phone_clock.plant_hours),
    Passing(merchant_clock.NAME, 1.0, merchant_clock.plant),
    Passing(settlement.BATCH, 1.0, settlement.plant_batch),
    Passing(settlement.OFFLINE, 1.0, settlement.plant_offline),
    Passing(mobile_terminal.NAME, 1.0, mobile_terminal.plant),
    Passing(cached_fix.NAME, 1.5, cached_fix.plant),
    Passing(cloaked.FLAGGED, 0.7, cloaked.plant_flagged),
    Passing(cloaked.UNFLAGGED, 0.7, cloaked.plant_unflagged),
    Passing(broken_coordinates.NAME, 1.0, broken_coordinates.plant),
    Passing(online.NAME, 2.0, online.plant),
    Passing(mock_location.NAME, 0.4, mock_location.plant),
    # No rule can tell these two from fraud by what it sees, so they are as rare here as they are in life.
    Passing(head_office.NEW, 0.04, head_office.plant_new),
    Passing(forgotten_phone.NAME, 0.08, forgotten_phone.plant),
)
"""Every passing confuser."""

LASTING = {
    lasting.name: lasting
    for lasting in (
        Lasting(head_office.LASTING, head_office.settle),
        Lasting(shared_card.NAME, shared_card.settle),
        Lasting(second_device.TABLET, second_device.settle_tablet),
        Lasting(second_device.CARRIED, second_device.settle_carried),
    )
}
"""Every lasting confuser, by name."""

"""How cards and accounts are stolen: one idea, one file, one row in a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.frauds import short, simultaneous, spree, takeover, teleport
from ingest.simulator.weeks.labels import FraudKind
from ingest.simulator.weeks.story import Story

__all__ = ["CRIMES", "Crime"]


class Crime(NamedTuple):
    """One way to commit fraud."""

    kind: FraudKind
    weight: float
    """How often, relative to the others."""
    commit: Callable[[Story, Dice], bool]


CRIMES = (
    Crime(FraudKind.TELEPORT, 3.0, teleport.phone_on),
    Crime(FraudKind.TELEPORT_PHONE_OFF, 2.0, teleport.phone_off),
    Crime(FraudKind.ATM, 1.5, teleport.atm),
    Crime(FraudKind.SIMULTANEOUS, 1.0, simultaneous.at_once),
    Crime(FraudKind.TAKEOVER, 1.5, takeover.take_over),
    Crime(FraudKind.RUN, 1.5, spree.run_elsewhere),
    Crime(FraudKind.CARD_TESTING, 1.0, spree.try_card),
    Crime(FraudKind.SHORT, 1.0, short.near_miss),
    Crime(FraudKind.DURING_CONFUSER, 0.5, teleport.during_confuser),
)
"""Every kind of fraud."""

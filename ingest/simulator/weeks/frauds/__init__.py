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
    share: int
    """How many of each round of frauds."""
    commit: Callable[[Story, Dice], bool]


CRIMES = (
    Crime(FraudKind.TELEPORT, 5, teleport.phone_on),
    Crime(FraudKind.TELEPORT_PHONE_OFF, 4, teleport.phone_off),
    Crime(FraudKind.TELEPORT_PHONE_OFF, 1, teleport.phone_off_for_hours),
    Crime(FraudKind.ATM, 3, teleport.atm),
    Crime(FraudKind.SIMULTANEOUS, 2, simultaneous.at_once),
    Crime(FraudKind.TAKEOVER, 3, takeover.take_over),
    Crime(FraudKind.RUN, 3, spree.run_elsewhere),
    Crime(FraudKind.CARD_TESTING, 2, spree.try_card),
    Crime(FraudKind.SHORT, 2, short.near_miss),
    Crime(FraudKind.DURING_CONFUSER, 1, teleport.during_confuser),
)
"""Every kind of fraud."""

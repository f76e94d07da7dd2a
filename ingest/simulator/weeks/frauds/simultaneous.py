"""A cloned card is used far away in the very millisecond in which its owner pays at home."""

from __future__ import annotations

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.frauds.scene import SHOPS, far_shop, note, quiet
from ingest.simulator.weeks.labels import FraudKind
from ingest.simulator.weeks.story import Story

__all__ = ["at_once"]


def at_once(story: Story, dice: Dice) -> bool:
    """Pay together with an honest payment; False where nothing fits."""
    honest = story.payment_near(story.moment(dice))
    if honest is None:
        return False
    at_s = honest.authorised_ms / 1000.0
    if not quiet(story, at_s, at_s):
        return False
    shop, city = far_shop(story, at_s, dice.pick(SHOPS), dice)
    made = story.pay(at_s, shop, city, dice, card=honest.card, times=2.5)
    made = story.change(made, authorised_ms=honest.authorised_ms)
    return note(story, FraudKind.SIMULTANEOUS, (at_s, at_s), (made,))

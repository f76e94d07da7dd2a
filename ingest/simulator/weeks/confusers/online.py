"""Payments without a place whose records carry one: the shop's, a proxy's or a VPN's, anywhere in the world."""

from __future__ import annotations

from ingest.simulator.chance import Dice
from ingest.simulator.routes import Mode
from ingest.simulator.weeks.story import Story

__all__ = ["NAME", "plant"]

NAME = "online payment with a place far away"


def plant(story: Story, dice: Dice) -> bool:
    """Pay online one to three times within ten minutes; False where nothing fits."""
    at_s = story.moment(dice, by_leg=0.1)
    if not story.is_free(at_s, at_s + 600.0, 60.0) or story.mode(at_s) is Mode.ASLEEP:
        return False
    made = []
    for _ in range(dice.whole(1, 3)):
        shop = story.market.online(dice, "online" if dice.happens(0.8) else "subscription")
        made.append(story.pay(at_s + dice.between(0.0, 600.0), shop, shop.city, dice))
    story.taken.append((at_s, at_s + 600.0))
    story.label(NAME, at_s, at_s + 600.0, made)
    return True

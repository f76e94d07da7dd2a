"""A terminal that moves states where its owner is registered: a taxi's company, an airline's or a railway's head office."""

from __future__ import annotations

import math

from ingest.simulator.chance import Dice
from ingest.simulator.routes import Mode
from ingest.simulator.weeks.places import anywhere
from ingest.simulator.weeks.story import Story

__all__ = ["NAME", "plant"]

NAME = "terminal that moves"


def plant(story: Story, dice: Dice) -> bool:
    """Pay on board where the person travels between cities, else in a taxi; False where nothing fits."""
    at_s = story.moment(dice, by_leg=0.6)
    if not story.is_free(at_s, at_s, 120.0) or story.mode(at_s) is Mode.ASLEEP:
        return False
    leg = next((leg for leg in story.legs if leg.from_s <= at_s <= leg.until_s), None)
    city = story.person.city if leg is None else leg.start
    if leg is None:
        kind, distance_m = "taxi", dice.between(2_000.0, 30_000.0)
    elif "train" in leg.confuser:
        kind, distance_m = "rail", dice.between(30_000.0, 500_000.0)
    else:
        kind, distance_m = "airline", 200_000.0 * 40.0 ** dice.unit()
    place = anywhere(city.centre, distance_m, dice.between(0.0, 2.0 * math.pi))
    owner = story.merchant(f"{kind}-{dice.whole(100, 999)}", "transport", city, place, round(dice.between(50.0, 300.0)))
    payment = story.pay(at_s, owner, city, dice, category=kind)
    story.taken.append((at_s, at_s))
    story.label(NAME, at_s, at_s, [payment])
    return True

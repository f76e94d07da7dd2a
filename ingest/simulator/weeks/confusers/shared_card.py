"""A second person pays with a card of the same subject, again and again at places of their own, 90 to 500 km away."""

from __future__ import annotations

import math

from ingest.simulator.chance import Dice
from ingest.simulator.places import offset
from ingest.simulator.weeks.places import anywhere
from ingest.simulator.weeks.story import Story

__all__ = ["NAME", "settle"]

NAME = "shared or supplementary card"
_DAY_S = 86_400.0


def settle(story: Story, dice: Dice) -> None:
    """Let the second person pay one to three times a day at three shops near their own home."""
    city = story.person.city
    home = anywhere(city.centre, dice.between(90_000.0, 500_000.0), dice.between(0.0, 2.0 * math.pi))
    places = [offset(home, dice.between(-2500.0, 2500.0), dice.between(-2500.0, 2500.0)) for _ in range(3)]
    shops = [
        story.merchant(f"shop-{dice.whole(10_000, 99_999)}", kind, city, place, round(dice.between(20.0, 150.0)))
        for kind, place in zip(("groceries", "cafe", "cash"), places, strict=True)
    ]
    card = story.person.identity.cards[-1]
    day_s = story.course.from_s
    while day_s + _DAY_S <= story.course.until_s:
        for _ in range(dice.whole(1, 3)):
            at_s = day_s + dice.between(0.15, 0.75) * _DAY_S
            payment = story.pay(at_s, dice.pick(shops), city, dice, card=card)
            story.label(NAME, at_s, at_s, [payment])
        day_s += _DAY_S

"""A chain states its head office, 30 to 600 km away, as the place of every terminal, and a small radius with it."""

from __future__ import annotations

import math

from ingest.simulator.chance import Dice
from ingest.simulator.merchants import Merchant
from ingest.simulator.routes import Mode
from ingest.simulator.weeks.places import anywhere
from ingest.simulator.weeks.story import Story

__all__ = ["LASTING", "NEW", "plant_new", "settle"]

LASTING = "chain that states its head office"
NEW = "head office of a chain never seen before"
_DAY_S = 86_400.0


def settle(story: Story, dice: Dice) -> None:
    """Make a person a customer of one chain: once a day in the cold start, four days in five afterwards."""
    chain = _chain(story, dice)
    day_s = story.course.from_s
    while day_s + _DAY_S <= story.course.until_s:
        cold = day_s < story.course.cold_until_s
        for _ in range(12 if cold or dice.happens(0.8) else 0):
            if _visit(story, chain, day_s + dice.between(0.15, 0.75) * _DAY_S, LASTING, dice):
                break
        day_s += _DAY_S


def plant_new(story: Story, dice: Dice) -> bool:
    """Pay once at a chain that nobody has heard of; False where nothing fits."""
    at_s = story.moment(dice)
    return story.is_free(at_s, at_s) and _visit(story, _chain(story, dice), at_s, NEW, dice)


def _chain(story: Story, dice: Dice) -> Merchant:
    city = story.person.city
    place = anywhere(city.centre, 30_000.0 * 20.0 ** dice.unit(), dice.between(0.0, 2.0 * math.pi))
    return story.merchant(f"chain-{dice.whole(10_000, 99_999)}", "groceries", city, place, round(dice.between(50.0, 200.0)))


def _visit(story: Story, chain: Merchant, at_s: float, name: str, dice: Dice) -> bool:
    if story.mode(at_s) is not Mode.INDOORS or story.on_a_leg(at_s, at_s, 600.0) or story.city(at_s) is not story.person.city:
        return False
    payment = story.pay(at_s, chain, chain.city, dice)
    story.taken.append((at_s, at_s))
    story.label(name, at_s, at_s, [payment])
    return True

"""A stolen card is used 12 to 45 km from its owner's phone, 40 seconds after one of many fixes at home."""

from __future__ import annotations

import math

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.frauds.scene import SHOPS, note, quiet, shop_at
from ingest.simulator.weeks.labels import FraudKind
from ingest.simulator.weeks.phone import still
from ingest.simulator.weeks.places import anywhere
from ingest.simulator.weeks.story import Story

__all__ = ["near_miss"]

_DENSE_S = 600.0


def near_miss(story: Story, dice: Dice) -> bool:
    """Let the phone record densely for twenty minutes, and pay in the middle of them; False where nothing fits."""
    at_s = story.moment(dice)
    span = at_s - _DENSE_S, at_s + _DENSE_S
    if not quiet(story, *span) or not story.still(*span):
        return False
    times = []
    moment_s = span[0]
    while moment_s < span[1]:
        # Every 20 s, but 40 s around the payment.
        if abs(moment_s - at_s) >= 40.0:
            times.append(moment_s)
        moment_s += 20.0
    here = story.where(at_s)
    story.rewrite(story.between(*span), still(story.subject, story.phone, here, times, dice))
    place = anywhere(here, dice.between(12_000.0, 45_000.0), dice.between(0.0, 2.0 * math.pi))
    city = story.city(at_s)
    payment = story.pay(at_s, shop_at(story, dice.pick(SHOPS), place, city, dice), city, dice, times=2.5)
    return note(story, FraudKind.SHORT, span, (payment,))

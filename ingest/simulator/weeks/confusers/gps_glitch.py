"""A receiver errs by 50 to 3,000 km for one fix or a few, states a good accuracy, and comes back; sometimes just as a card is used."""

from __future__ import annotations

import math

import msgspec

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.phone import odd
from ingest.simulator.weeks.places import anywhere
from ingest.simulator.weeks.story import Story

__all__ = ["NAME", "plant"]

NAME = "GPS glitch"
_LONGEST_S = 300.0


def plant(story: Story, dice: Dice) -> bool:
    """Throw one to five fixes of at most five minutes somewhere else; False where nothing fits."""
    at_s = story.moment(dice)
    if dice.happens(0.35):
        near = story.payment_near(at_s)
        at_s = near.authorised_ms / 1000.0 - 45.0 if near is not None else at_s
    first = story.index(at_s)
    count = 1 if dice.happens(0.6) else dice.whole(2, 5)
    hit = story.fixes[first : first + count]
    if len(hit) < count or not first:
        return False
    from_s, until_s = hit[0].fix_ns / 1e9, hit[-1].fix_ns / 1e9
    if until_s - from_s > _LONGEST_S or not story.is_free(from_s, until_s) or story.on_a_leg(from_s, until_s, 600.0):
        return False
    place = anywhere((hit[0].lat, hit[0].lon), 50_000.0 * 60.0 ** dice.unit(), dice.between(0.0, 2.0 * math.pi))
    wrong = [
        msgspec.structs.replace(
            fix,
            lat=odd(place[0] + 1e-4 * dice.normal()),
            lon=odd(place[1] + 1e-4 * dice.normal()),
            accuracy_m=round(dice.between(4.0, 30.0), 3),
        )
        for fix in hit
    ]
    story.rewrite(slice(first, first + count), wrong)
    story.taken.append((from_s, until_s))
    story.label(NAME, from_s, until_s, wrong)
    return True

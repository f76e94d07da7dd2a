"""A phone is placed by two wireless networks, one of which has moved house: it jumps between two places for 5 to 40 minutes."""

from __future__ import annotations

import math

import msgspec

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.phone import odd
from ingest.simulator.weeks.places import anywhere
from ingest.simulator.weeks.story import Story

__all__ = ["NAME", "plant"]

NAME = "ping-pong between two places"


def plant(story: Story, dice: Dice) -> bool:
    """Throw every second run of one to three among 10 to 24 fixes to one other place; False where nothing fits."""
    first = story.index(story.moment(dice))
    hit = story.fixes[first : first + dice.whole(10, 24)]
    if len(hit) < 10 or not first:
        return False
    from_s, until_s = hit[0].fix_ns / 1e9, hit[-1].fix_ns / 1e9
    if until_s - from_s > 2400.0 or not story.is_free(from_s, until_s) or not story.still(from_s, until_s):
        return False
    lat, lon = anywhere((hit[0].lat, hit[0].lon), 60_000.0 * 13.0 ** dice.unit(), dice.between(0.0, 2.0 * math.pi))
    wrong, away, left = [], True, dice.whole(1, 3)
    for number, fix in enumerate(hit):
        if away:
            jitter = 3e-4 * dice.normal(), 3e-4 * dice.normal()
            hit[number] = msgspec.structs.replace(fix, lat=odd(lat + jitter[0]), lon=odd(lon + jitter[1]))
            wrong.append(hit[number])
        left -= 1
        if not left:
            away, left = not away, dice.whole(1, 3)
    story.rewrite(slice(first, first + len(hit)), hit)
    story.taken.append((from_s, until_s))
    story.label(NAME, from_s, until_s, wrong)
    return True

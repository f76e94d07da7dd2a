"""Without satellites and wireless networks a phone knows only its radio cell: fixes one to three kilometres wide, and they say so."""

from __future__ import annotations

import math

import msgspec

from ingest.simulator.chance import Dice
from ingest.simulator.places import offset
from ingest.simulator.weeks.phone import odd
from ingest.simulator.weeks.story import Story

__all__ = ["NAME", "plant"]

NAME = "fixes from the radio cell"


def plant(story: Story, dice: Dice) -> bool:
    """Blur 5 to 20 fixes by up to the accuracy they state; False where nothing fits."""
    first = story.index(story.moment(dice))
    hit = story.fixes[first : first + dice.whole(5, 20)]
    if len(hit) < 5 or not story.is_free(hit[0].fix_ns / 1e9, hit[-1].fix_ns / 1e9):
        return False
    for number, fix in enumerate(hit):
        accuracy_m = round(dice.between(800.0, 3000.0), 1)
        error_m, angle = accuracy_m * math.sqrt(dice.unit()), dice.between(0.0, 2.0 * math.pi)
        lat, lon = offset((fix.lat, fix.lon), error_m * math.cos(angle), error_m * math.sin(angle))
        hit[number] = msgspec.structs.replace(fix, lat=odd(lat), lon=odd((lon + 180.0) % 360.0 - 180.0), accuracy_m=accuracy_m)
    story.rewrite(slice(first, first + len(hit)), hit)
    span = hit[0].fix_ns / 1e9, hit[-1].fix_ns / 1e9
    story.taken.append(span)
    story.label(NAME, *span, hit, misplaced=False)
    return True

"""Coordinates that are missing, zero, or the wrong way round, in payments and in fixes."""

from __future__ import annotations

import msgspec

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.story import Story

__all__ = ["NAME", "plant"]

NAME = "missing, zero or swapped coordinates"


def plant(story: Story, dice: Dice) -> bool:
    """Break the coordinates of one payment or of one to three fixes; False where nothing fits."""
    at_s = story.moment(dice)
    payment = story.payment_near(at_s) if dice.happens(0.6) else None
    if payment is not None:
        return _break_payment(story, dice, payment.id)
    first = story.index(at_s)
    hit = story.fixes[first : first + dice.whole(1, 3)]
    if not hit or not story.is_free(hit[0].fix_ns / 1e9, hit[-1].fix_ns / 1e9):
        return False
    swapped = dice.happens(0.5) and abs(hit[0].lon) <= 90.0
    broken = [msgspec.structs.replace(fix, lat=fix.lon if swapped else 0.0, lon=fix.lat if swapped else 0.0) for fix in hit]
    story.rewrite(slice(first, first + len(hit)), broken)
    span = hit[0].fix_ns / 1e9, hit[-1].fix_ns / 1e9
    story.taken.append(span)
    story.label(NAME, *span, broken)
    return True


def _break_payment(story: Story, dice: Dice, name: str) -> bool:
    payment = next(one for one in story.payments if one.id == name)
    at_s = payment.authorised_ms / 1000.0
    if not story.is_free(at_s, at_s, 60.0):
        return False
    choices: list[tuple[float | None, float | None]] = [(None, None), (0.0, 0.0)]
    if payment.lon is not None and abs(payment.lon) <= 90.0:
        choices.append((payment.lon, payment.lat))
    lat, lon = dice.pick(choices)
    broken = story.change(payment, lat=lat, lon=lon)
    story.taken.append((at_s, at_s))
    story.label(NAME, at_s, at_s, [broken])
    return True

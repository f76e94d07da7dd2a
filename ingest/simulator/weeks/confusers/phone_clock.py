"""A phone's clock is wrong by minutes for some hours, or by whole hours for one recording: a time zone mistaken for universal time."""

from __future__ import annotations

import msgspec

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.story import Story

__all__ = ["HOURS", "MINUTES", "plant_hours", "plant_minutes"]

MINUTES = "phone clock wrong by minutes"
HOURS = "recording off by whole hours"


def plant_minutes(story: Story, dice: Dice) -> bool:
    """Shift one to three hours of fixes by 10 minutes back to 4 minutes ahead; False where nothing fits."""
    at_s = story.moment(dice, by_leg=0.5)
    return _shift(story, MINUTES, at_s, at_s + 3600.0 * dice.between(1.0, 3.0), dice.between(-600.0, 240.0))


def plant_hours(story: Story, dice: Dice) -> bool:
    """Shift 20 to 90 minutes of fixes by one to three hours back; False where nothing fits."""
    at_s = story.moment(dice, by_leg=0.7)
    return _shift(story, HOURS, at_s, at_s + 60.0 * dice.between(20.0, 90.0), -3600.0 * dice.whole(1, 3))


def _shift(story: Story, name: str, from_s: float, until_s: float, by_s: float) -> bool:
    span = min(from_s, from_s + by_s), max(until_s, until_s + by_s)
    where = story.between(from_s, until_s)
    if where.stop - where.start < 5 or not story.is_free(*span):
        return False
    shifted = [msgspec.structs.replace(fix, fix_ns=fix.fix_ns + int(by_s * 1e9)) for fix in story.fixes[where]]
    story.rewrite(where, shifted)
    story.taken.append(span)
    story.label(name, *span, shifted)
    return True

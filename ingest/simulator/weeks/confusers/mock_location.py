"""A program sets the phone's place, for a game or a test, and the phone says so."""

from __future__ import annotations

import math

import msgspec

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.phone import odd
from ingest.simulator.weeks.places import anywhere
from ingest.simulator.weeks.story import Story
from veilocity.contracts import FixFlag

__all__ = ["NAME", "plant"]

NAME = "mock location"


def plant(story: Story, dice: Dice) -> bool:
    """Set 10 to 40 minutes of fixes to one far place, flagged; False where nothing fits."""
    from_s = story.moment(dice)
    until_s = from_s + 60.0 * dice.between(10.0, 40.0)
    where = story.between(from_s, until_s)
    if where.stop - where.start < 3 or not story.is_free(from_s, until_s) or story.on_a_leg(from_s, until_s):
        return False
    lat, lon = anywhere(story.where(from_s), dice.between(100e3, 9000e3), dice.between(0.0, 2.0 * math.pi))
    mocked = [msgspec.structs.replace(fix, lat=odd(lat), lon=odd(lon), accuracy_m=5.0, flags=(FixFlag.MOCK,)) for fix in story.fixes[where]]
    story.rewrite(where, mocked)
    story.taken.append((from_s, until_s))
    story.label(NAME, from_s, until_s, mocked)
    return True

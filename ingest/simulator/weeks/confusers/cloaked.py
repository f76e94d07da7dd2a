"""An app rounds coordinates on purpose, to a tenth of a degree or to whole degrees, and not every gateway notices."""

from __future__ import annotations

import msgspec

from ingest.sensor_logger import cloaking_m
from ingest.simulator.chance import Dice
from ingest.simulator.weeks.story import Story
from veilocity.contracts import FixFlag

__all__ = ["FLAGGED", "UNFLAGGED", "plant_flagged", "plant_unflagged"]

FLAGGED = "rounded coordinates, flagged"
UNFLAGGED = "rounded coordinates, not flagged"


def plant_flagged(story: Story, dice: Dice) -> bool:
    """Round 20 to 120 minutes of fixes and say so, with the radius widened as the gateway does; False where nothing fits."""
    return _round(story, FLAGGED, dice, flagged=True)


def plant_unflagged(story: Story, dice: Dice) -> bool:
    """Round 20 to 120 minutes of fixes and keep the stated accuracy; False where nothing fits."""
    return _round(story, UNFLAGGED, dice, flagged=False)


def _round(story: Story, name: str, dice: Dice, *, flagged: bool) -> bool:
    from_s = story.moment(dice)
    until_s = from_s + 60.0 * dice.between(20.0, 120.0)
    where = story.between(from_s, until_s)
    if where.stop - where.start < 3 or not story.is_free(from_s, until_s):
        return False
    decimals = 0 if dice.happens(0.4) else 1
    rounded = []
    for fix in story.fixes[where]:
        lat, lon = round(fix.lat, decimals), round(fix.lon, decimals)
        changed = msgspec.structs.replace(fix, lat=lat, lon=lon)
        if flagged:
            accuracy_m = (fix.accuracy_m or 0.0) + (cloaking_m(lat, lon) or 0.0)
            changed = msgspec.structs.replace(changed, accuracy_m=accuracy_m, flags=(FixFlag.CLOAKED,))
        rounded.append(changed)
    story.rewrite(where, rounded)
    story.taken.append((from_s, until_s))
    # The gateway widens by a tenth of a degree at most: whole degrees lie outside even the widened radius.
    story.label(name, from_s, until_s, rounded, misplaced=not flagged or decimals == 0)
    return True

"""The first fixes of a recording are old ones that the phone remembered: after a journey they lie where it began."""

from __future__ import annotations

import msgspec

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.phone import still
from ingest.simulator.weeks.story import Story
from veilocity.contracts import FixFlag

__all__ = ["NAME", "plant"]

NAME = "cached first fixes"


def plant(story: Story, dice: Dice) -> bool:
    """Put one to three fixes of hours ago right before a recording goes on; False where nothing fits."""
    if story.legs and dice.happens(0.6):
        leg = dice.pick(story.legs)
        at_s, old_s = leg.until_s - dice.between(0.0, 600.0), leg.from_s
    else:
        at_s = story.moment(dice)
        old_s = at_s - 3600.0 * dice.between(2.0, 12.0)
    first = story.index(at_s)
    if first >= len(story.fixes) or not story.is_free(at_s - 60.0, at_s):
        return False
    # The recording begins with the cached ones, seconds before the first true one.
    next_s = story.fixes[first].fix_ns / 1e9
    times = [next_s - 2.0 - 3.0 * number for number in range(dice.whole(1, 3))]
    old = still(story.subject, story.phone, story.where(old_s), times, dice)
    flags = (FixFlag.CACHED,) if dice.happens(0.5) else ()
    # One old fix repeated: the same coordinates every time.
    cached = [msgspec.structs.replace(fix, lat=old[0].lat, lon=old[0].lon, accuracy_m=old[0].accuracy_m, flags=flags) for fix in old]
    story.rewrite(slice(first, first), cached)
    story.taken.append((times[-1], next_s))
    story.label(NAME, times[-1], next_s, cached)
    return True

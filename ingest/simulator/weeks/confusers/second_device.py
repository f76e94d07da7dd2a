"""More than one device of one person: a tablet that stays at home while the person travels, and a second phone in the same pocket."""

from __future__ import annotations

from ingest.simulator.chance import Dice, uuid_like
from ingest.simulator.weeks.phone import Post, record, still
from ingest.simulator.weeks.story import Story
from veilocity.contracts import DeviceId

__all__ = ["CARRIED", "TABLET", "settle_carried", "settle_tablet"]

TABLET = "tablet left at home"
CARRIED = "second phone carried along"
_DAY_S = 86_400.0


def settle_tablet(story: Story, dice: Dice) -> None:
    """Let a tablet report from home every 6 to 15 minutes for as long as the story lasts; each journey is an episode."""
    person = story.person
    device = DeviceId(uuid_like(story.plan.seed, "tablet", person.number))
    times, at_s = [], story.course.from_s
    while at_s < story.course.until_s:
        times.append(at_s)
        at_s += 60.0 * dice.between(6.0, 15.0)
    fixes = still(story.subject, device, person.home, times, dice, delay_s=20.0)
    story.others += fixes
    story.misplaced.update(f"{device}@{fix.fix_ns}" for fix in fixes)
    # Out and back are two legs of one journey.
    for out, back in zip(story.legs[::2], story.legs[1::2], strict=True):
        span = out.from_s, back.until_s
        story.label(TABLET, *span, [fix for fix in fixes if span[0] <= fix.fix_ns / 1e9 <= span[1]])


def settle_carried(story: Story, dice: Dice) -> None:
    """Let a second phone report from wherever the person is; each day is an episode."""
    person, course = story.person, story.course
    device = DeviceId(uuid_like(story.plan.seed, "second phone", person.number))
    story.others += record(story.plan, person, course.pieces, device, Post(course.from_s, course.until_s, 180.0, dice))
    day_s = course.cold_until_s
    while day_s < course.until_s:
        end_s = min(course.until_s, day_s + _DAY_S)
        story.label(CARRIED, day_s, end_s)
        day_s += _DAY_S

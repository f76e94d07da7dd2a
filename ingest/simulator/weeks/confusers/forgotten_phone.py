"""Somebody goes out and leaves the phone at home: the card is used some kilometres from it."""

from __future__ import annotations

from ingest.simulator.chance import Dice
from ingest.simulator.places import metres_between
from ingest.simulator.weeks.phone import still
from ingest.simulator.weeks.story import Story

__all__ = ["NAME", "plant"]

NAME = "phone forgotten at home"
_STEP_S = 120.0
_LONGEST_S = 14 * 3600.0


def plant(story: Story, dice: Dice) -> bool:
    """Let the phone report from home from when its owner leaves until the return; False where nothing fits."""
    payment = story.payment_near(story.moment(dice))
    if payment is None:
        return False
    at_s = payment.authorised_ms / 1000.0
    left_s, back_s = _edge(story, at_s, -_STEP_S), _edge(story, at_s, _STEP_S)
    if left_s is None or back_s is None or not story.is_free(left_s, back_s, 60.0) or story.on_a_leg(left_s, back_s):
        return False
    times, moment_s = [], left_s
    while moment_s < back_s:
        times.append(moment_s)
        moment_s += dice.between(60.0, 240.0)
    where = story.between(left_s, back_s)
    lying = still(story.subject, story.phone, story.person.home, times, dice)
    story.rewrite(where, lying)
    story.taken.append((left_s, back_s))
    story.label(NAME, left_s, back_s, lying)
    return True


def _edge(story: Story, at_s: float, step_s: float) -> float | None:
    """Return the nearest moment before or after at which the person is at home."""
    moment_s = at_s
    while abs(moment_s - at_s) < _LONGEST_S:
        if metres_between(story.where(moment_s), story.person.home) < 50.0:
            return moment_s
        moment_s += step_s
    return None

"""A terminal's clock is off by some minutes: the payment is stamped when its owner was already, or still, somewhere else."""

from __future__ import annotations

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.story import Story

__all__ = ["NAME", "plant"]

NAME = "terminal clock wrong by minutes"


def plant(story: Story, dice: Dice) -> bool:
    """Shift one payment by 8 minutes back to 4 minutes ahead; False where nothing fits."""
    payment = story.payment_near(story.moment(dice, by_leg=0.6))
    if payment is None:
        return False
    at_s = payment.authorised_ms / 1000.0
    if not story.is_free(at_s - 480.0, at_s + 240.0, 60.0):
        return False
    stamped_ms = payment.authorised_ms + int(1000.0 * (dice.between(-480.0, -60.0) if dice.happens(0.6) else dice.between(60.0, 240.0)))
    changed = story.change(payment, authorised_ms=stamped_ms)
    span = min(at_s, stamped_ms / 1000.0), max(at_s, stamped_ms / 1000.0)
    story.taken.append(span)
    story.label(NAME, *span, [changed])
    return True

"""Settlement takes its time: a terminal states the time of its nightly batch, or was offline and reports the right time hours later."""

from __future__ import annotations

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.story import Story

__all__ = ["BATCH", "OFFLINE", "plant_batch", "plant_offline"]

BATCH = "settlement stamped hours later"
OFFLINE = "offline terminal"


def plant_batch(story: Story, dice: Dice) -> bool:
    """Stamp and send one payment one to ten hours late; False where nothing fits."""
    payment = story.payment_near(story.moment(dice, by_leg=0.5))
    if payment is None:
        return False
    at_s, late_s = payment.authorised_ms / 1000.0, 3600.0 * dice.between(1.0, 10.0)
    stamped_s = at_s + late_s
    if not story.is_free(at_s, at_s, 60.0) or not story.is_free(stamped_s, stamped_s, 600.0):
        return False
    changed = story.change(payment, authorised_ms=int(stamped_s * 1000.0), received_ms=int(stamped_s * 1000.0) + 1500)
    story.taken += [(at_s, at_s), (stamped_s, stamped_s)]
    story.label(BATCH, at_s, stamped_s, [changed])
    return True


def plant_offline(story: Story, dice: Dice) -> bool:
    """Send one payment two to ten hours late, rightly stamped; False where nothing fits."""
    payment = story.payment_near(story.moment(dice, by_leg=0.5))
    if payment is None:
        return False
    at_s = payment.authorised_ms / 1000.0
    if not story.is_free(at_s, at_s, 60.0):
        return False
    changed = story.change(payment, received_ms=payment.received_ms + int(3_600_000.0 * dice.between(2.0, 10.0)))
    story.taken.append((at_s, at_s))
    story.label(OFFLINE, at_s, at_s, [changed], misplaced=False)
    return True

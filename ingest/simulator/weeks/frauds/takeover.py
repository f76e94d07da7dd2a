"""Another device reports as the same person from far away for 10 to 60 minutes."""

from __future__ import annotations

from ingest.simulator.chance import Dice, uuid_like
from ingest.simulator.weeks.frauds.scene import note, phone_is_on, quiet
from ingest.simulator.weeks.labels import FraudKind
from ingest.simulator.weeks.phone import still
from ingest.simulator.weeks.places import far_place
from ingest.simulator.weeks.story import Story
from veilocity.contracts import DeviceId

__all__ = ["take_over"]


def take_over(story: Story, dice: Dice) -> bool:
    """Report from elsewhere; in half of the cases the owner's phone falls silent meanwhile. False where nothing fits."""
    from_s = story.moment(dice)
    until_s = from_s + 60.0 * dice.between(10.0, 60.0)
    if not quiet(story, from_s, until_s) or not phone_is_on(story, from_s, until_s):
        return False
    if dice.happens(0.5):
        # As after a swapped SIM: it reports again once the intruder is gone.
        story.rewrite(story.between(from_s, until_s), [])
    place, _ = far_place(story.city(from_s), 0.0, dice)
    device = DeviceId(uuid_like(story.plan.seed, "intruder", story.person.number, int(from_s)))
    times, at_s = [], from_s + 1.0
    while at_s < until_s:
        times.append(at_s)
        at_s += dice.between(15.0, 60.0)
    story.others += still(story.subject, device, place, times, dice)
    return note(story, FraudKind.TAKEOVER, (from_s, until_s), device=device)

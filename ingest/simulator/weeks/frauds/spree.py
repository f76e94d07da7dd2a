"""Many payments with one stolen card: a run through shops far away, and the testing of a card number online."""

from __future__ import annotations

from ingest.simulator.chance import Dice
from ingest.simulator.places import offset
from ingest.simulator.weeks.frauds.scene import SHOPS, note, phone_is_on, quiet, shop_at
from ingest.simulator.weeks.labels import FraudKind
from ingest.simulator.weeks.places import far_place
from ingest.simulator.weeks.story import Story

__all__ = ["run_elsewhere", "try_card"]


def run_elsewhere(story: Story, dice: Dice) -> bool:
    """Pay three to eight times within 20 to 40 minutes in one far place; False where nothing fits."""
    from_s = story.moment(dice)
    lasts_s = 60.0 * dice.between(20.0, 40.0)
    if not quiet(story, from_s, from_s + lasts_s) or not phone_is_on(story, from_s, from_s + lasts_s):
        return False
    place, city = far_place(story.city(from_s), 0.0, dice)
    card = dice.pick(story.person.identity.cards)
    shops = [
        shop_at(story, dice.pick((*SHOPS, "cash")), offset(place, dice.between(-800.0, 800.0), dice.between(-800.0, 800.0)), city, dice)
        for _ in range(dice.whole(1, 4))
    ]
    times = sorted(from_s + lasts_s * dice.unit() for _ in range(dice.whole(3, 8)))
    payments = tuple(story.pay(at_s, dice.pick(shops), city, dice, card=card, times=2.0) for at_s in times)
    return note(story, FraudKind.RUN, (times[0], times[-1]), payments)


def try_card(story: Story, dice: Dice) -> bool:
    """Pay small amounts online 6 to 15 times within five minutes and a large one after that; False where nothing fits."""
    from_s = story.moment(dice)
    if not quiet(story, from_s, from_s + 900.0):
        return False
    card = dice.pick(story.person.identity.cards)
    shops = [story.market.online(dice) for _ in range(dice.whole(1, 3))]
    times = sorted(from_s + 300.0 * dice.unit() for _ in range(dice.whole(6, 15)))
    small = [story.pay(at_s, dice.pick(shops), shops[0].city, dice, card=card, times=0.02) for at_s in times]
    shop = story.market.online(dice)
    large = story.pay(times[-1] + dice.between(60.0, 500.0), shop, shop.city, dice, card=card, times=8.0)
    return note(story, FraudKind.CARD_TESTING, (times[0], large.authorised_ms / 1000.0), (*small, large))

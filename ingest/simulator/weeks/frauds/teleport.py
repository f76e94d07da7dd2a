"""A cloned card is used far away: in a shop or at a cash machine, while the owner's phone is on, off for a while, or itself in doubt."""

from __future__ import annotations

from ingest.simulator.chance import Dice
from ingest.simulator.weeks.frauds.scene import SHOPS, far_shop, note, phone_is_on, quiet
from ingest.simulator.weeks.labels import FraudKind
from ingest.simulator.weeks.story import Story

__all__ = ["atm", "during_confuser", "phone_off", "phone_off_for_hours", "phone_on"]

_SENSOR = ("GPS glitch", "ping-pong between two places", "phone clock wrong by minutes", "rounded coordinates, not flagged")


def phone_on(story: Story, dice: Dice) -> bool:
    """Use the card in a shop far away; False where nothing fits."""
    return _strike(story, FraudKind.TELEPORT, dice.pick(SHOPS), dice)


def atm(story: Story, dice: Dice) -> bool:
    """Draw cash far away; False where nothing fits."""
    return _strike(story, FraudKind.ATM, "cash", dice)


def phone_off(story: Story, dice: Dice) -> bool:
    """Use the card while the owner's phone records nothing for 2 to 40 minutes before and after; False where nothing fits."""
    at_s, before_s, after_s = story.moment(dice), 60.0 * dice.between(2.0, 40.0), 60.0 * dice.between(2.0, 40.0)
    # Far enough that the nearer end mostly proves it.
    return _strike_unseen(story, at_s, at_s - before_s, at_s + after_s, 306.0 * min(before_s, after_s) + 150_000.0, dice)


def phone_off_for_hours(story: Story, dice: Dice) -> bool:
    """Use the card while the owner's phone records nothing for 40 minutes to 3 hours before and after: often nothing is proved by that."""
    at_s = story.moment(dice)
    return _strike_unseen(story, at_s, at_s - 60.0 * dice.between(40.0, 180.0), at_s + 60.0 * dice.between(40.0, 180.0), 0.0, dice)


def _strike_unseen(story: Story, at_s: float, from_s: float, until_s: float, at_least_m: float, dice: Dice) -> bool:
    if not quiet(story, from_s, until_s) or not phone_is_on(story, from_s, until_s):
        return False
    story.rewrite(story.between(from_s, until_s), [])
    shop, city = far_shop(story, at_s, dice.pick((*SHOPS, "cash")), dice, at_least_m)
    payment = story.pay(at_s, shop, city, dice, times=2.5)
    return note(story, FraudKind.TELEPORT_PHONE_OFF, (from_s, until_s), (payment,))


def during_confuser(story: Story, dice: Dice) -> bool:
    """Use the card while the owner flies, or while the owner's phone errs; False where nothing fits."""
    spans = [(one.from_ms / 1000.0, one.until_ms / 1000.0) for one in story.episodes if one.confuser in _SENSOR]
    spans += [(leg.from_s, leg.until_s) for leg in story.legs]
    if not spans:
        return False
    from_s, until_s = dice.pick(spans)
    at_s = dice.between(from_s - 120.0, until_s + 120.0)
    if not story.judged[0] <= at_s <= story.judged[1]:
        return False
    shop, city = far_shop(story, at_s, dice.pick(SHOPS), dice)
    payment = story.pay(at_s, shop, city, dice, times=2.5)
    return note(story, FraudKind.DURING_CONFUSER, (at_s, at_s), (payment,))


def _strike(story: Story, kind: FraudKind, category: str, dice: Dice) -> bool:
    at_s = story.moment(dice)
    if not quiet(story, at_s, at_s) or not phone_is_on(story, at_s, at_s):
        return False
    shop, city = far_shop(story, at_s, category, dice)
    payment = story.pay(at_s, shop, city, dice, times=2.5)
    return note(story, kind, (at_s, at_s), (payment,))

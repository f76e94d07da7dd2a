"""What every fraud needs: a moment at which nothing else happens to the victim, a shop, and a payment with the stolen card."""

from __future__ import annotations

from ingest.simulator.chance import Dice
from ingest.simulator.merchants import Merchant
from ingest.simulator.places import City, Point
from ingest.simulator.weeks.labels import Fraud, FraudKind
from ingest.simulator.weeks.places import far_place
from ingest.simulator.weeks.story import Story
from veilocity.contracts import Transaction

__all__ = ["SHOPS", "far_shop", "note", "phone_is_on", "quiet", "shop_at"]

SHOPS = ("electronics", "clothing", "groceries", "fuel", "restaurant")
_MARGIN_S = 1200.0


def quiet(story: Story, from_s: float, until_s: float) -> bool:
    """Say whether the victim is on no journey, with no confuser going on; in the home city or away from it."""
    return story.is_free(from_s, until_s, _MARGIN_S) and not story.on_a_leg(from_s, until_s, 3600.0)


def phone_is_on(story: Story, from_s: float, until_s: float, within_s: float = 600.0) -> bool:
    """Say whether the victim's phone reports shortly before and after a span."""
    before, after = story.index(from_s) - 1, story.index(until_s)
    if before < 0 or after >= len(story.fixes):
        return False
    return from_s - story.fixes[before].fix_ns / 1e9 < within_s and story.fixes[after].fix_ns / 1e9 - until_s < within_s


def far_shop(story: Story, at_s: float, category: str, dice: Dice, at_least_m: float = 0.0) -> tuple[Merchant, City]:
    """Return a shop far from where the victim is, and the city whose country and prices hold there."""
    place, city = far_place(story.city(at_s), at_least_m, dice)
    return shop_at(story, category, place, city, dice), city


def shop_at(story: Story, category: str, place: Point, city: City, dice: Dice) -> Merchant:
    """Return a shop at a place."""
    return story.merchant(f"far-{category}-{dice.whole(10_000, 99_999)}", category, city, place, round(dice.between(20.0, 250.0)))


def note(
    story: Story, kind: FraudKind, span: tuple[float, float], payments: tuple[Transaction, ...] = (), device: str | None = None
) -> bool:
    """Label a fraud; whether it is provable is worked out once the week is whole."""
    story.taken.append(span)
    times = [payment.authorised_ms for payment in payments]
    from_ms, until_ms = (min(times), max(times)) if times else (int(span[0] * 1000.0), int(span[1] * 1000.0))
    names = tuple(payment.id for payment in payments)
    story.frauds.append(Fraud(kind, story.subject, from_ms, until_ms, names, device, provable=False))
    return True

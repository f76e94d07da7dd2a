"""What people of a lively city do in its few large online shops: look around, and often buy.

A day of it is drawn by the person and the day alone, apart from the rest of the person's life: a city that shops holds the same walks,
flights and other payments as one that does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ingest.simulator.chance import Dice, generator, uuid_like
from ingest.simulator.days import Purchase, day_start_s
from ingest.simulator.events import Browsing
from ingest.simulator.merchants import Market
from ingest.simulator.people import Person
from ingest.simulator.places import METROPOLIS
from ingest.simulator.plan import CityPlan
from veilocity.contracts import SessionEventType

__all__ = ["Shopping", "shopping"]

_LARGE_SHOPS = 5
_WINDOW_SHOPPERS = 0.3
"""Of all sessions, those that end without a purchase."""
_AWAKE_S = (3.5 * 3600.0, 19.0 * 3600.0)
"""From the beginning of a local day, which is four in the morning."""
_SOURCES = ("organic", "email", "advertising", "direct")
_LOOKS = (
    SessionEventType.SEARCH,
    SessionEventType.VIEW_ITEM,
    SessionEventType.SCROLL,
    SessionEventType.CLICK,
    SessionEventType.VIEW_PROMOTION,
    SessionEventType.ADD_PROMOTION,
)
_TO_THE_TILL = (SessionEventType.ADD_TO_CART, SessionEventType.VIEW_CART, SessionEventType.CHECKOUT)


@dataclass(frozen=True, slots=True)
class Shopping:
    """One person's shopping of one local day, in order of time."""

    purchases: tuple[Purchase, ...] = ()
    browsing: tuple[Browsing, ...] = ()


def shopping(plan: CityPlan, person: Person, day: int, market: Market) -> Shopping:
    """Return what the person looks at and buys in the large shops on a local day.

    Guarantee: the same arguments give the same day; a session's events lie before the payment they lead to.
    """
    if not plan.large_shop_visits:
        return Shopping()
    dice = Dice(generator(plan.seed, "shopping", person.number, day))
    shops = market.shops(METROPOLIS, "online")[:_LARGE_SHOPS]
    start_s = day_start_s(person.city, day)
    purchases: list[Purchase] = []
    browsing: list[Browsing] = []
    for at_s in sorted(start_s + dice.between(*_AWAKE_S) for _ in range(plan.large_shop_visits)):
        buys = not dice.happens(_WINDOW_SHOPPERS)
        if dice.happens(plan.browse_chance):
            browsing += _session(plan, person, at_s, dice, buys=buys)
        if buys:
            purchases.append(Purchase(at_s, dice.pick(shops)))
    return Shopping(tuple(purchases), tuple(sorted(browsing, key=_due)))


def _session(plan: CityPlan, person: Person, until_s: float, dice: Dice, *, buys: bool) -> list[Browsing]:
    """Return two to five events of the ten minutes before `until_s`."""
    kinds = [SessionEventType.HOME_PAGE, dice.pick(_LOOKS)]
    kinds += _TO_THE_TILL[dice.whole(0, 1) :] if buys else [dice.pick(_LOOKS) for _ in range(dice.whole(0, 2))]
    session = uuid_like(plan.seed, "browsing", person.number, int(until_s * 1000.0))
    source, at_ms = dice.pick(_SOURCES), int((until_s - dice.between(240.0, 600.0)) * 1000.0)
    step_ms = (until_s * 1000.0 - at_ms) / (len(kinds) + 1)
    found = []
    for ordinal, kind in enumerate(kinds):
        event_ms = at_ms + int(step_ms * (ordinal + dice.unit()))
        stated = {"session": session, "user": person.identity.user, "device": person.identity.device, "type": kind.value}
        stated |= {"traffic_source": source, "device_type": "mobile"}
        found.append(Browsing(event_ms + dice.whole(200, 900), msgspec.json.encode({**stated, "event_ms": event_ms})))
    return found


def _due(event: Browsing) -> int:
    return event.due_ms

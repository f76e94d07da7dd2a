"""A glance at a payment: few figures that are quick to get, by which most rules can tell that they have nothing to say.

Nine payments in ten are made beside the owner's phone. For those the phones need not be read, and no scene be set. Each rule states the
bounds within which it is silent about such a payment; a book takes the tightest. A glance is never an answer: beyond one bound, all rules
judge the whole scene.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from rules.profile import Profile
from rules.sight import Sight
from rules.subject import SubjectState
from veilocity.contracts import Transaction

if TYPE_CHECKING:
    from rules.book import RuleBook

__all__ = ["BESIDE_E7", "Quiet", "is_ordinary", "tightest"]

BESIDE_E7 = 85_000
"""Sum of the differences in latitude and longitude up to which two places are less than a kilometre apart."""
_BESIDE_NS = 900_000_000_000


class Quiet(NamedTuple):
    """Bounds within which a rule has nothing to say of a payment beside the owner's phone; by default it never has."""

    payments: tuple[tuple[int, int], ...] = ()
    """Fewer payments than so many, this one counted, within so many nanoseconds."""
    merchants: tuple[tuple[int, int], ...] = ()
    """They are at fewer merchants than so many, within so many nanoseconds."""
    amount_minor: float = math.inf
    """The payment is of less."""
    spent_minor: float = math.inf
    """Less was spent on the day up to it, with it."""
    countries: float = math.inf
    """It says no country, or those of the day before, each counted, and its own are fewer."""
    silent_ns: float = math.inf
    """The phone's last fix is not as old."""
    kinds: int = 0
    """Its kind is none of these bits (1 << kind)."""
    devices: bool = False
    """It names no device."""
    steady: bool = False
    """The phone's last two fixes differ in accuracy, as those of real receivers do."""


def tightest(bounds: Iterable[Quiet | None]) -> Quiet | None:
    """Return the bounds within which all of some rules are silent; None where one of them (None) never is.

    >>> tightest([Quiet(amount_minor=9), Quiet(amount_minor=5, kinds=4), Quiet(kinds=1)]) == Quiet(amount_minor=5, kinds=5)
    True
    """
    least = Quiet()
    for one in bounds:
        if one is None:
            return None
        least = Quiet(
            _needed(least.payments + one.payments),
            _needed(least.merchants + one.merchants),
            min(least.amount_minor, one.amount_minor),
            min(least.spent_minor, one.spent_minor),
            min(least.countries, one.countries),
            min(least.silent_ns, one.silent_ns),
            least.kinds | one.kinds,
            least.devices or one.devices,
            least.steady or one.steady,
        )
    return least


def _needed(limits: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Leave out what follows from a lower limit in a longer time."""
    kept: list[tuple[int, int]] = []
    for most, window_ns in sorted(limits, key=lambda limit: (limit[0], -limit[1])):
        if not any(longer_ns >= window_ns for _, longer_ns in kept):
            kept.append((most, window_ns))
    return tuple(kept)


def is_ordinary(state: SubjectState, sight: Sight, transaction: Transaction, profile: Profile, book: RuleBook) -> bool:
    """Say whether a payment is beside the one, calm phone of the person, and no rule in force has anything to say of it.

    Guarantee: where it is, `Scene.phone_beside` holds, and no fix around the payment can be held against it.
    """
    quiet, lanes = book.quiet, state.lanes
    if quiet is None or len(lanes) != 1 or sight.accuracy_dm < 0:
        return False
    lane, event_ns = lanes[0], sight.event_ns
    history = lane.history
    before = history.find(event_ns + 1) - 1
    if not lane.calm or before < 0:
        return False
    silent_ns, lat_e7, lon_e7 = event_ns - history.time_at(before), sight.lat_e7, sight.lon_e7
    if silent_ns > _BESIDE_NS or silent_ns >= quiet.silent_ns or history.apart_e7(before, lat_e7, lon_e7) > BESIDE_E7:
        return False
    if before + 1 < len(history) and history.apart_e7(before + 1, lat_e7, lon_e7) > book.near_payment_e7:
        return False
    if quiet.steady and before > 0 and history.accuracy_dm_at(before) == history.accuracy_dm_at(before - 1):
        return False
    return _is_quiet(quiet, sight, transaction, profile)


def _is_quiet(quiet: Quiet, sight: Sight, transaction: Transaction, profile: Profile) -> bool:
    """Say whether the payment itself lies within the bounds."""
    amount_minor = transaction.amount_minor
    if amount_minor >= quiet.amount_minor or profile.spent_minor + max(0, amount_minor) >= quiet.spent_minor:
        return False
    if quiet.kinds >> sight.kind & 1 or (quiet.devices and transaction.device):
        return False
    if transaction.country and len(profile.recent_countries()) + 1 >= quiet.countries:
        return False
    event_ns = sight.event_ns
    for most, window_ns in quiet.payments:
        if profile.reaches(most, event_ns - window_ns):
            return False
    for most, window_ns in quiet.merchants:
        if profile.reaches(most, event_ns - window_ns):
            known = {one.merchant for one in profile.since(event_ns - window_ns)}
            if len(known) + 1 >= most:
                return False
    return True

"""A glance at a payment: few figures that are quick to get, by which most rules can tell that they have nothing to say.

Nine payments in ten are made beside the owner's phone. For those the phones need not be read, and no scene be set. A glance is never an
answer: where one rule cannot rule itself out, all of them judge the whole scene.
"""

from __future__ import annotations

from struct import Struct

from rules.book import RuleBook
from rules.packed import RECORD_BYTES
from rules.profile import Profile
from rules.sight import Sight
from rules.subject import Lane, SubjectState
from veilocity.contracts import Transaction

__all__ = ["BESIDE_E7", "Glance", "glance", "is_ordinary"]

_PLACE = Struct("<qiiI")
_place = _PLACE.unpack_from
BESIDE_E7 = 85_000
"""Sum of the differences in latitude and longitude up to which two places are less than a kilometre apart."""
_BESIDE_NS = 900_000_000_000


class Glance:
    """One payment of a person with one calm phone, beside that phone."""

    __slots__ = ("is_unsteady", "kind", "profile", "silent_ns", "transaction")

    def __init__(self, transaction: Transaction, kind: int, profile: Profile, silent_ns: int, is_unsteady: bool) -> None:
        self.transaction = transaction
        self.kind = kind
        self.profile = profile
        self.silent_ns = silent_ns
        """Time since the phone's last fix."""
        self.is_unsteady = is_unsteady
        """The last two fixes differ in accuracy, as those of real receivers do."""


def glance(state: SubjectState, sight: Sight, transaction: Transaction, profile: Profile, book: RuleBook) -> Glance | None:
    """Return what one sees at a glance; None where the payment is not beside the one, calm phone of the person.

    Guarantee: where there is a glance, `Scene.phone_beside` holds, and no fix around the payment can be held against it.
    """
    lanes = state.lanes
    if len(lanes) != 1 or sight.accuracy_dm < 0:
        return None
    lane: Lane = lanes[0]
    data, event_ns = lane.history.data, sight.event_ns
    at = (lane.history.find(event_ns + 1) - 1) * RECORD_BYTES
    if not lane.calm or at < 0:
        return None
    before_ns, lat_e7, lon_e7, accuracy_dm = _place(data, at)
    silent_ns = event_ns - before_ns
    if silent_ns > _BESIDE_NS or abs(lat_e7 - sight.lat_e7) + abs(lon_e7 - sight.lon_e7) > BESIDE_E7:
        return None
    if at + RECORD_BYTES < len(data):
        _, lat_e7, lon_e7, _ = _place(data, at + RECORD_BYTES)
        if abs(lat_e7 - sight.lat_e7) + abs(lon_e7 - sight.lon_e7) > book.near_payment_e7:
            return None
    is_unsteady = at == 0 or accuracy_dm != _place(data, at - RECORD_BYTES)[3]
    return Glance(transaction, sight.kind, profile, silent_ns, is_unsteady)


def is_ordinary(seen: Glance, book: RuleBook) -> bool:
    """Say whether no rule in force has anything to say of a payment."""
    for rule in book.rule_list:
        if not rule.is_idle(seen):
            return False
    return True

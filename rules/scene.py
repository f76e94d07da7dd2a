"""What a rule may look at when it judges a payment: the payment, the phones around it in time, and the habits of the person."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rules.profile import Profile
from rules.sight import ATM, Sight
from rules.travel import gap_m
from veilocity.contracts import Transaction

__all__ = ["PhoneView", "Scene"]


class PhoneView(NamedTuple):
    """One phone of the person around the moment of a payment."""

    device: str
    before: Sight | None
    """Last trusted fix before (or at) the payment."""
    after: Sight | None
    """First trusted fix after it, within the look-ahead."""
    seen: int
    """All its fixes up to the payment."""
    support: Callable[[], tuple[int, float]]
    """Return how many fixes the track that it is on has up to the look-ahead, and the seconds from the first to the last."""
    disputed: bool
    """The phone contradicts itself around this time."""
    established: bool
    """The phone has been the person's for a day, or it is the first one."""
    moves: bool
    """The phone goes where the person goes: it is the only one, or was seen on the move. A tablet that lies at home is no witness."""
    around: Callable[[], tuple[Sight | None, Sight | None]]
    """Return the fix before `before` and the one after `after`."""
    window: Callable[[int], list[Sight]]
    """Return all its fixes, doubtful ones too, from so many nanoseconds before the payment up to it."""
    visited: Callable[[int, float], int | None]
    """Return until when it last stayed so near (metres) to the place within so many nanoseconds before the payment; else None."""


class Scene:
    """One payment and what surrounds it."""

    __slots__ = ("_beside", "has_place", "history_ns", "payments", "phones", "profile", "sight", "transaction")

    def __init__(
        self,
        sight: Sight,
        transaction: Transaction,
        profile: Profile,
        phones: tuple[PhoneView, ...],
        payments: Iterable[Sight] = (),
    ) -> None:
        """Set the scene.

        Args:
            sight: of the payment.
            transaction: the payment.
            profile: of the person before this payment.
            phones: the established ones first.
            payments: earlier ones of the history, in order.
        """
        self.sight = sight
        self.transaction = transaction
        self.profile = profile
        self.phones = phones
        self.payments = payments
        self.has_place = sight.kind <= ATM and sight.accuracy_dm >= 0
        self._beside: bool | None = None

    @property
    def phone_beside(self) -> bool:
        """Whether a phone that is the person's own was at the place of the payment, minutes before or after."""
        if self._beside is None:
            self._beside = self.has_place and any(phone.established and self._is_beside(phone) for phone in self.phones)
        return self._beside

    @property
    def witnesses(self) -> tuple[PhoneView, ...]:
        """The person's own phones that go where the person goes, the undisputed first; all of them where none was seen moving."""
        own = tuple(phone for phone in self.phones if phone.established)
        if len(own) < 2:
            return own
        moving = tuple(phone for phone in own if phone.moves)
        return tuple(sorted(moving or own, key=lambda phone: phone.disputed))

    def _is_beside(self, phone: PhoneView) -> bool:
        for sight in (phone.before, phone.after):
            near_in_time = sight is not None and abs(sight.event_ns - self.sight.event_ns) <= 900_000_000_000
            if near_in_time and sight is not None and gap_m(sight, self.sight) <= 1_000.0:
                return True
        return False

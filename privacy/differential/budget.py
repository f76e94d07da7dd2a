"""How much privacy is spent: a budget per release and per person, charged once per closed window.

A person may be in every window. So a person's loss over some stretch of time is the composition of all releases of windows that touch it.
The budget holds for every stretch of `horizon_ms` of event time, wherever it begins (not only for calendar weeks): whatever is charged, in
whatever order, for the set S of charges whose windows touch a stretch the smaller of

    basic composition    sum of epsilon_i                                       with delta  sum of delta_i
    zCDP composition     rho + 2 sqrt(rho ln(1 / d)),  rho = sum epsilon_i^2 / 2   with delta  sum of delta_i + d = person_delta

is at most `person_epsilon`, and delta at most `person_delta`. Basic is the smaller one for few releases, zCDP for many small ones.
The figures of a charge come from the policy, never from the data; composition is proven for that.

A charge is named by what is released and its window. The same charge again is free and returns the same; another figure for the same name
is refused, because the first one may have been published. A charge that does not fit raises and leaves the budget as it was.

References: Dwork and Roth, "The algorithmic foundations of differential privacy" (2014), theorem 3.16; Bun and Steinke, "Concentrated
differential privacy", TCC 2016, propositions 1.3 and 1.4, lemma 1.7, and section 8 for delta.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from privacy.differential.saved import from_saved, to_saved
from veilocity.errors import BudgetExhaustedError, StateError, UnsafePolicyError

__all__ = ["Budget", "BudgetPolicy", "Charge", "Spent", "composed"]

_KIND = b"DPBU"
_STEPS = 60
_NOBODY = "\x00"
"""Names a charge that is only tried."""


class BudgetPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What may be spent.

    Raises:
        UnsafePolicyError: a figure out of its range; the sentence names it.
    """

    release_epsilon: float
    """Most that one charge may cost."""
    release_delta: float
    person_epsilon: float
    """Most that one person loses in any stretch of `horizon_ms`."""
    person_delta: float
    horizon_ms: int

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not 0.0 < self.release_epsilon <= self.person_epsilon < math.inf:
            raise UnsafePolicyError("release_epsilon must be above 0 and at most person_epsilon")
        if not 0.0 <= self.release_delta <= self.person_delta < 1.0:
            raise UnsafePolicyError("release_delta must be at most person_delta, and both from 0 to below 1")
        if self.horizon_ms < 1:
            raise UnsafePolicyError("horizon_ms must be positive")


class Charge(NamedTuple):
    """What one release of one window costs every person in it."""

    window_start_ms: int
    window_end_ms: int
    what: str
    """Name of the policy it is released under."""
    epsilon: float
    delta: float = 0.0


class Spent(NamedTuple):
    """What a set of charges costs one person in all."""

    epsilon: float
    delta: float
    composition: str
    """`basic` or `zCDP`: which of the two gave the smaller epsilon."""


def composed(charges: Iterable[Charge], person_delta: float) -> Spent:
    """Return what the charges cost together: the smaller of basic and zCDP composition; the order does not matter, to the last bit.

    Args:
        charges: any number.
        person_delta: what zCDP may use up in all, with the deltas of the charges; basic composition adds those alone.

    >>> composed([Charge(hour, hour + 1, "counts", 1.0) for hour in range(3)], person_delta=1e-6)
    Spent(epsilon=3.0, delta=0.0, composition='basic')
    >>> composed([Charge(hour, hour + 1, "counts", 0.01) for hour in range(1000)], person_delta=1e-6)
    Spent(epsilon=1.71225813626911, delta=1e-06, composition='zCDP')
    """
    held = list(charges)
    # fsum rounds once, whatever the order: the same charges must never fit in one order only.
    epsilon, delta = math.fsum(one.epsilon for one in held), math.fsum(one.delta for one in held)
    left = person_delta - delta
    if left > 0.0:
        rho = math.fsum(one.epsilon**2 for one in held) / 2.0
        concentrated = rho + 2.0 * math.sqrt(rho * math.log(1.0 / left))
        if concentrated < epsilon:
            return Spent(concentrated, person_delta, "zCDP")
    return Spent(epsilon, delta, "basic")


class Budget(msgspec.Struct, frozen=True):
    """Everything that was charged: pure state, which the caller writes together with what was drawn.

    >>> policy = BudgetPolicy(release_epsilon=0.5, release_delta=0.0, person_epsilon=1.0, person_delta=0.0, horizon_ms=7_200_000)
    >>> budget = Budget(policy)
    >>> for hour in range(24):
    ...     budget = budget.charge(Charge(hour * 3_600_000, (hour + 1) * 3_600_000, "counts", epsilon=0.25))
    >>> budget.spent()
    Spent(epsilon=0.75, delta=0.0, composition='basic')
    >>> budget.charge(Charge(0, 3_600_000, "counts", epsilon=0.25)) is budget
    True
    >>> round(budget.remaining(3_600_000, 7_200_000), 12)
    0.25
    """

    policy: BudgetPolicy
    charges: tuple[Charge, ...] = ()
    """Sorted by window and name."""
    forgotten_before_ms: int = 0
    """Windows that start before this are never charged any more."""

    def charge(self, charge: Charge) -> Budget:
        """Return the budget with a charge; the same budget where it is charged already.

        Guarantee: what comes back costs no person more than the policy allows, in any stretch of the horizon.

        Raises:
            BudgetExhaustedError: it would cost more than is left: publish nothing of it.
            UnsafePolicyError: the same release was charged with another figure, or the charge is no charge at all.
            StateError: the window is so old that its charges were forgotten.
        """
        self._check(charge)
        if self.find(charge) is not None:
            return self
        if charge.window_start_ms < self.forgotten_before_ms:
            raise StateError("the budget of this window was forgotten already: nothing of it can be published any more")
        if charge.epsilon > self.policy.release_epsilon or charge.delta > self.policy.release_delta:
            raise BudgetExhaustedError("one release would cost more than a release may: raise release_epsilon or publish less")
        charges = list(self.charges)
        insort(charges, charge)
        if not all(self._fits(together) for together in self._stretches(charges, charge)):
            raise BudgetExhaustedError(
                "the privacy budget of this stretch of time is spent, so nothing was published: publish less often, or with less epsilon"
            )
        return msgspec.structs.replace(self, charges=tuple(charges))

    def find(self, charge: Charge) -> Charge | None:
        """Return the charge of the same release that is held already, None where there is none.

        Raises:
            UnsafePolicyError: it was charged with another figure.
        """
        held = next((one for one in self.charges if one[:3] == charge[:3]), None)
        if held is not None and held != charge:
            raise UnsafePolicyError("this window was charged with another epsilon or delta: a changed policy needs a new name")
        return held

    def spent(self) -> Spent:
        """Return what the costliest stretch of the horizon cost one person so far."""
        stretches = (self._stretch(self.charges, at_ms) for at_ms in {self._reach(one) for one in self.charges})
        return max((composed(together, self.policy.person_delta) for together in stretches), default=Spent(0.0, 0.0, "basic"))

    def remaining(self, window_start_ms: int, window_end_ms: int, delta: float = 0.0) -> float:
        """Return the largest epsilon that a new release of a window may still cost; 0 where nothing fits.

        Args:
            window_start_ms: of the window that would be released.
            window_end_ms: its end.
            delta: what the release would cost in delta.
        """
        new = Charge(window_start_ms, window_end_ms, _NOBODY, 0.0, delta)
        self._check(new)
        if delta > self.policy.release_delta:
            return 0.0
        others = [[one for one in together if one.what != _NOBODY] for together in self._stretches([*self.charges, new], new)]

        def fits(epsilon: float) -> bool:
            return all(self._fits([*together, new._replace(epsilon=epsilon)]) for together in others)

        low, high = 0.0, self.policy.release_epsilon
        if fits(high):
            return high
        for _ in range(_STEPS):
            middle = (low + high) / 2.0
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low

    def forget(self, before_ms: int) -> Budget:
        """Return the budget without what no later window needs; windows that start before `before_ms` cannot be charged any more."""
        before_ms = max(before_ms, self.forgotten_before_ms)
        needed = tuple(one for one in self.charges if one.window_end_ms > before_ms - self.policy.horizon_ms)
        return msgspec.structs.replace(self, charges=needed, forgotten_before_ms=before_ms)

    def to_bytes(self) -> bytes:
        """Return the budget as bytes."""
        return to_saved(_KIND, self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Budget:
        """Return the budget that `to_bytes` wrote.

        Raises:
            StateError: damaged, cut, of another kind or newer.
        """
        return from_saved(_KIND, data, cls)

    def _check(self, charge: Charge) -> None:
        """Refuse what is no charge: written so that NaN is refused as well."""
        if not (charge.epsilon >= 0.0 and charge.delta >= 0.0 and charge.window_start_ms < charge.window_end_ms):
            raise UnsafePolicyError("a charge needs a window, and an epsilon and a delta that are not negative")

    def _fits(self, together: Iterable[Charge]) -> bool:
        cost = composed(together, self.policy.person_delta)
        return cost.epsilon <= self.policy.person_epsilon and cost.delta <= self.policy.person_delta

    def _reach(self, charge: Charge) -> int:
        """Return the earliest begin of a stretch that touches the charge's window."""
        return charge.window_start_ms - self.policy.horizon_ms + 1

    def _stretch(self, charges: Iterable[Charge], at_ms: int) -> list[Charge]:
        """Return the charges whose windows touch the stretch that begins at a time."""
        return [one for one in charges if self._reach(one) <= at_ms < one.window_end_ms]

    def _stretches(self, charges: Iterable[Charge], touched: Charge) -> list[list[Charge]]:
        """Return every largest set of charges that share a stretch with one of them.

        Windows are intervals, so the largest sets that share a stretch are found where a stretch begins to touch one of them.
        """
        first_ms, last_ms = self._reach(touched), touched.window_end_ms
        near = [one for one in charges if self._reach(one) < last_ms and one.window_end_ms > first_ms]
        begins = sorted({max(first_ms, self._reach(one)) for one in near})
        return [self._stretch(near, at_ms) for at_ms in begins]

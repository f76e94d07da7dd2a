"""The rules in force with everything that is set about them: what a rule file says, typed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from rules.glance import Quiet, tightest
from rules.hits import Hit, severity_rank
from rules.motion.limits import MotionLimits
from veilocity.contracts import Severity, Transaction
from veilocity.geo import EARTH_RADIUS_M, SPHERE_ERROR

if TYPE_CHECKING:
    from rules.rule import Rule

__all__ = ["Allowed", "Memory", "Places", "RuleBook", "RuleEntry"]

ENGINE_VERSION = 2
"""Raised whenever the engine, under the same rule book, would judge the same input differently."""
_DEGREE_M = EARTH_RADIUS_M * math.pi / 180.0
_NS = 1_000_000_000


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Payments that a rule must not accuse."""

    merchants: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()

    def covers(self, transaction: Transaction) -> bool:
        """Say whether a payment is on a list."""
        return (
            transaction.merchant in self.merchants
            or transaction.category in self.categories
            or transaction.card in self.cards
            or transaction.subject in self.subjects
            or transaction.country in self.countries
        )

    @property
    def is_empty(self) -> bool:
        """Whether no list has an entry."""
        return not any(getattr(self, name) for name in self.__struct_fields__)


class Memory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long and how finely the past is remembered, and how far apart observations may be to be compared."""

    history_s: int = 3600
    """How late an event may be, in event time, and still be placed exactly."""
    look_ahead_s: int = 1800
    """Latest fix after a payment by which it is judged; so long a payment stays in the history once nothing can come before it."""
    slot_s: int = 15
    """One fix per phone is kept for each slot of this length, aligned to 1970."""
    neighbour_s: int = 86_400
    """Oldest fix or payment by which a payment is judged."""
    episode_s: int = 21_600
    """Hits of one cause at most this far apart are one alert."""
    future_s: int = 600
    """How far a clock may run ahead of the gateway's."""


class Places(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of where payments are made."""

    default_accuracy_m: float = 100.0
    """Radius of a fix that states none."""
    default_place_accuracy_m: float = 1000.0
    """Radius of a payment's place that states none."""
    moving_categories: tuple[str, ...] = ("airline", "taxi", "rail", "ferry", "cruise")
    """Terminals of these merchants move, so their stated place says nothing."""
    terminals: dict[str, float] = {}
    """Spread in metres of the terminals of a merchant: what its stated place (perhaps a head office) is worth."""


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """One rule in force."""

    rule: Rule  # type: ignore[type-arg]  # a rule of any parameters
    severity_cap: Severity | None = None
    allowed: Allowed = field(default_factory=Allowed)

    def admits(self, hit: Hit, transaction: Transaction) -> Hit | None:
        """Return the hit as the book wants it: capped, or None where the payment is on an allow-list."""
        if not self.allowed.is_empty and self.allowed.covers(transaction):
            return None
        return self.capped(hit)

    def capped(self, hit: Hit) -> Hit:
        """Return the hit with its severity capped."""
        if self.severity_cap is None or severity_rank(hit.severity) <= severity_rank(self.severity_cap):
            return hit
        return msgspec.structs.replace(hit, severity=self.severity_cap)


@dataclass(frozen=True)
class RuleBook:
    """Rules, memory and places."""

    entries: tuple[RuleEntry, ...]
    memory: Memory = field(default_factory=Memory)
    places: Places = field(default_factory=Places)
    motion: MotionLimits = field(default_factory=MotionLimits)
    fallback: dict[str, Severity] = field(default_factory=dict)
    """Severity of a decision that is not scorable, by its reason."""

    @cached_property
    def rules(self) -> dict[str, Rule]:  # type: ignore[type-arg]  # rules of any parameters
        """The rules by id."""
        return {entry.rule.id: entry.rule for entry in self.entries}

    @cached_property
    def quiet(self) -> Quiet | None:
        """Bounds within which no rule in force has anything to say of a payment beside the owner's phone; None where there are none."""
        return tightest(entry.rule.quiet() for entry in self.entries)

    @cached_property
    def version(self) -> str:
        """A hash of all that decides a judgement: rules, their versions and parameters, memory, places."""
        said = (
            [(one.rule.id, one.rule.version, one.rule.parameters, one.severity_cap, one.allowed) for one in self.entries],
            (self.memory, self.places, self.motion, sorted(self.fallback.items()), ENGINE_VERSION),
        )
        return blake2b(msgspec.json.encode(said), digest_size=6).hexdigest()

    @cached_property
    def history_ns(self) -> int:
        """How late an event may be."""
        return self.memory.history_s * _NS

    @cached_property
    def look_ahead_ns(self) -> int:
        """Latest fix after a payment by which it is judged."""
        return self.memory.look_ahead_s * _NS

    @cached_property
    def slot_ns(self) -> int:
        """Length of a slot."""
        return self.memory.slot_s * _NS

    def horizon_ns(self, newest_ns: int) -> int:
        """Return the start of the history: an event before it is late. Whole slots, so that a slot is never half inside."""
        return (newest_ns - self.history_ns) // self.slot_ns * self.slot_ns

    @cached_property
    def near_fix_e7(self) -> int:
        """Sum of the differences in latitude and longitude up to which two fixes of a phone cannot be a jump.

        Going along the meridian and then along the parallel is never shorter than the great circle, and a degree of a parallel is never
        longer than one of the meridian. Wrapping at 180 degrees only makes the sum too large, which is safe.
        """
        return _within_e7(self.motion.jump_m)

    @cached_property
    def near_payment_e7(self) -> int:
        """Such a sum up to which no rule in force can hold a fix against a payment."""
        least_m = [getattr(entry.rule.parameters, "minimum_distance_m", math.inf) for entry in self.entries]
        return _within_e7(min(least_m, default=math.inf))


def _within_e7(distance_m: float) -> int:
    return 2**31 if math.isinf(distance_m) else int(distance_m / (_DEGREE_M * (1.0 + SPHERE_ERROR)) * 1e7) - 1

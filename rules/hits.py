"""What a rule found, what it stands on, and what follows from that."""

from __future__ import annotations

import msgspec

from rules.sight import Sight
from veilocity.contracts import Check, Item, Severity

__all__ = ["Evidence", "Hit", "Proof", "severity_rank"]

_RANKS = {Severity.LOW: 0, Severity.MEDIUM: 1, Severity.HIGH: 2}


def severity_rank(severity: Severity) -> int:
    """Return 0, 1 or 2.

    >>> severity_rank(Severity.MEDIUM)
    1
    """
    return _RANKS[severity]


class Evidence(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that the grade, the figures and the sentence of a finding are computed from, besides the rule's parameters."""

    first: Sight
    second: Sight
    facts: dict[str, float] = {}
    """Counts, sums and answers (1 for yes), by name."""
    items: tuple[Item, ...] = ()
    """Payments that a window rule counted."""


class Proof(msgspec.Struct, frozen=True, gc=False):
    """What follows from evidence and parameters."""

    severity: Severity | None
    """None: nothing is claimed (the evidence is not, or no longer, enough)."""
    score: float
    """0 (surely fine) to 1 (surely not)."""
    cause: str
    """The reason code."""
    sentence: str = ""
    fine_with_s: float | None = None
    probability: float | None = None
    """That a person could have made the trip."""
    checks: tuple[Check, ...] = ()
    """Reasons to stay silent that were examined, and whether they applied."""


class Hit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One finding of one rule at one event."""

    rule: str
    anchor_ns: int
    anchor: str
    """`Observation.id` of the odd event."""
    group: str
    """Hits of one rule and group within the episode gap are one alert."""
    severity: Severity
    score: float
    cause: str
    evidence: Evidence
    place: tuple[int, int] | None = None
    """Where the odd event claims to be (1e-7 degrees); hits of one episode are near each other."""

"""What a rule is: a small class with typed parameters, an id, a version and the reason codes it may give."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

import msgspec

from rules.glance import Quiet
from rules.hits import Evidence, Hit, Proof
from rules.motion.trace import Jump
from rules.scene import Scene
from rules.sight import FIX, Sight
from veilocity.contracts import Check

__all__ = ["Parameters", "Rule", "check"]


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of one rule; the schema of its part of a rule file."""


P = TypeVar("P", bound=Parameters)


class Rule(Generic[P]):
    """One rule with its parameters.

    A rule says what it found as evidence; `prove` turns evidence into grade, figures and sentence, and does it again from the alert alone.
    Rules keep no state: what they may remember is the person's `Profile` and history, which the engine keeps in event-time order. So a rule
    cannot depend on the order of arrival, on time or on chance.
    """

    id: ClassVar[str]
    version: ClassVar[str]
    """Raised whenever the same input would be judged differently."""
    title: ClassVar[str]
    reasons: ClassVar[tuple[str, ...]]
    """Every reason code it may give."""
    false_positives: ClassVar[str]
    """When it is wrong, for the analyst."""
    parameter_type: ClassVar[type[Parameters]]

    def __init__(self, parameters: P) -> None:
        self.parameters = parameters

    def quiet(self) -> Quiet | None:
        """Return the bounds within which `judge` finds nothing at a payment beside the owner's phone; None where there are none."""
        return None

    def judge(self, scene: Scene) -> Evidence | None:
        """Return the evidence against a payment, or None; most rules look at payments only."""
        return None

    def judge_jump(self, jump: Jump) -> Evidence | None:
        """Return the evidence that a phone's jump is, or None."""
        return None

    def judge_devices(self, sight: Sight, others: tuple[Sight | None, Sight | None], facts: dict[str, float]) -> Evidence | None:
        """Return the evidence against a fix of one phone, given the fixes of an established phone before and after it."""
        return None

    def prove(self, evidence: Evidence) -> Proof:
        """Return what follows from evidence; pure, so that an alert can be recomputed from itself."""
        raise NotImplementedError

    def group(self, evidence: Evidence) -> str:
        """Return what hits must share, besides rule and nearness in time and place, to be one episode."""
        return "phone " + evidence.second.source if evidence.first.kind == evidence.second.kind == FIX else ""

    def hit(self, evidence: Evidence, anchor: Sight) -> Hit | None:
        """Return the finding at an event; None where the evidence proves nothing."""
        proof = self.prove(evidence)
        if proof.severity is None:
            return None
        name = f"{anchor.source}@{anchor.event_ns}" if anchor.kind == FIX else anchor.source
        place = (anchor.lat_e7, anchor.lon_e7) if anchor.has_place else None
        return Hit(self.id, anchor.event_ns, name, self.group(evidence), proof.severity, proof.score, proof.cause, evidence, place)


def check(**answers: bool) -> tuple[Check, ...]:
    """Return the suppression trace: every reason to stay silent that was examined, and whether it applied.

    >>> check(flight=False)
    (Check(name='flight', applied=False),)
    """
    return tuple(Check(name, applied) for name, applied in answers.items())

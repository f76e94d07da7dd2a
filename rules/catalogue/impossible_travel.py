"""Rule `impossible-travel`: two observations of one person that no means of travel connects.

A pair contradicts itself when the lower bound of its distance reaches the minimum, and either both happened at the same time or the lower
bound of the speed is over the limit. Pairs are card and phone (both neighbours in time), card and card, and two fixes of one phone whose
jump none of the causes in `rules.motion` explains.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from rules.catalogue.travel_rule import DOUBTS, cap, doubts, is_impossible, phone_facts, prove_trip
from rules.glance import Quiet
from rules.hits import Evidence, Proof
from rules.motion.trace import Jump
from rules.rule import Parameters, Rule
from rules.scene import PhoneView, Scene
from rules.sight import FIX, Sight
from rules.travel import gap_m
from veilocity.contracts import Severity

__all__ = ["ImpossibleTravel", "ImpossibleTravelParameters"]


class ImpossibleTravelParameters(Parameters, frozen=True):
    """Distances in metres, times in seconds, speeds in km/h."""

    speed_limit_kmh: Annotated[float, Meta(gt=0)] = 1100.0
    minimum_distance_m: float = 50_000.0
    time_slack_s: float = 30.0
    phone_fixes: int = 3
    """Fixes of the phone's track that make its word count in full against a card."""
    phone_s: float = 60.0
    jump_high_m: float = 100_000.0
    low_fixes: int = 3
    low_s: float = 60.0
    short_fixes: int = 5
    short_s: float = 300.0
    high_fixes: int = 10
    high_s: float = 600.0


class ImpossibleTravel(Rule[ImpossibleTravelParameters]):
    """See the module."""

    id: ClassVar[str] = "impossible-travel"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Travel that no person could have made"
    reasons: ClassVar[tuple[str, ...]] = (
        "impossible_travel",
        "phone_not_confirmed",
        "pending",
        "confirmed_low",
        "excursion_returned",
        "two_sources",
        "clock_shift",
        *DOUBTS,
    )
    false_positives: ClassVar[str] = (
        "The phone stayed at home while its owner flew; a merchant's address is a head office and the rule book does not say so; a family "
        "member uses the card for the first times; a phone whose whole segment carries a wrong clock."
    )
    parameter_type: ClassVar[type[Parameters]] = ImpossibleTravelParameters

    @property
    def limits(self) -> tuple[float, float, float]:
        """Least distance (metres), highest speed (km/h), clock slack (seconds)."""
        return self.parameters.minimum_distance_m, self.parameters.speed_limit_kmh, self.parameters.time_slack_s

    def quiet(self) -> Quiet:
        """A phone beside the card contradicts nothing."""
        return Quiet()

    def judge(self, scene: Scene) -> Evidence | None:
        """Compare a payment with the phones around it, then with the payment before it."""
        if not scene.has_place:
            return None
        contradicted = self._against_phones(scene)
        if contradicted is None:
            # A phone beside the card clears it, whatever an earlier payment says.
            return None if scene.phone_beside else self._against_payment(scene)
        # Of two phones one may lie at home: the one beside the card counts.
        return None if len(scene.phones) > 1 and scene.phone_beside else contradicted

    def _contradicted(self, phone: PhoneView, sight: Sight) -> list[tuple[Sight, Sight]]:
        found = []
        if phone.before is not None and is_impossible(phone.before, sight, gap_m(phone.before, sight), self.limits):
            found.append((phone.before, sight))
        if phone.after is not None and is_impossible(sight, phone.after, gap_m(sight, phone.after), self.limits):
            found.append((sight, phone.after))
        return found

    def _against_phones(self, scene: Scene) -> Evidence | None:
        for phone in scene.witnesses:
            pairs = self._contradicted(phone, scene.sight)
            if pairs:
                first, second = min(pairs, key=lambda pair: (pair[1].event_ns - pair[0].event_ns, pair[0].event_ns))
                facts = {**phone_facts(phone), **doubts(scene, phone), "sides": float(len(pairs))}
                return Evidence(first, second, facts)
        return None

    def _against_payment(self, scene: Scene) -> Evidence | None:
        reference, sight = scene.profile.reference, scene.sight
        if reference is None or not is_impossible(reference, sight, gap_m(reference, sight), self.limits):
            return None
        return Evidence(reference, sight, doubts(scene, None))

    def judge_jump(self, jump: Jump) -> Evidence | None:
        """Take a jump of a phone, with what became of it."""
        facts = {
            "left_fixes": float(jump.left_fixes),
            "left_s": float(round(jump.left_s)),
            "right_fixes": float(jump.right_fixes),
            "right_s": float(round(jump.right_s)),
        }
        if jump.cause:
            facts[jump.cause] = 1.0
        return Evidence(jump.origin, jump.destination, facts)

    def prove(self, evidence: Evidence) -> Proof:
        """Grade a contradiction: high needs a phone whose word counts, or two payments; low where a cause may explain it."""
        if evidence.first.kind == FIX and evidence.second.kind == FIX:
            severity, cause = self._grade_jump(evidence)
        else:
            severity, cause = self._grade_payment(evidence.facts)
        return prove_trip(evidence, self.limits, severity, cause)

    def _grade_payment(self, facts: dict[str, float]) -> tuple[Severity, str]:
        lowered = cap(facts)
        if lowered is not None:
            return Severity.LOW, lowered
        fixes, span_s = facts.get("phone_fixes"), facts.get("phone_s", 0.0)
        if fixes is not None and (fixes < self.parameters.phone_fixes or span_s < self.parameters.phone_s):
            return Severity.LOW, "phone_not_confirmed"
        return Severity.HIGH, "impossible_travel"

    def _grade_jump(self, evidence: Evidence) -> tuple[Severity | None, str]:
        facts, own = evidence.facts, self.parameters
        fixes = min(facts["left_fixes"], facts["right_fixes"])
        span_s = min(facts["left_s"], facts["right_s"])
        if facts.get("two_sources"):
            return Severity.LOW, "two_sources"
        if fixes < own.low_fixes or span_s < own.low_s:
            return None, "pending"
        if facts.get("clock_shift"):
            return Severity.LOW, "clock_shift"
        if facts.get("glitch"):
            return Severity.LOW, "excursion_returned"
        confirmed = (fixes >= own.high_fixes and span_s >= own.high_s) or (fixes >= own.short_fixes and span_s >= own.short_s)
        if confirmed and gap_m(evidence.first, evidence.second) >= own.jump_high_m:
            return Severity.HIGH, "impossible_travel"
        return Severity.LOW, "confirmed_low"

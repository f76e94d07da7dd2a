"""Rule `simultaneous-use`: one person in two places at once, by two payments of the same minute or by a new phone that is elsewhere.

A second phone far away is no fraud by itself: a tablet may lie at home. What counts is a phone that is new to the person, whose place the
person's own phone contradicts: one fix is low, three over a minute are high.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from rules.catalogue.travel_rule import cap, doubts, prove_trip
from rules.glance import Quiet
from rules.hits import Evidence, Proof
from rules.rule import Parameters, Rule
from rules.scene import Scene
from rules.sight import FIX, Sight
from rules.travel import gap_m, slack_s
from veilocity.contracts import Severity

__all__ = ["SimultaneousUse", "SimultaneousUseParameters"]


class SimultaneousUseParameters(Parameters, frozen=True):
    """Distances in metres, times in seconds, speeds in km/h."""

    speed_limit_kmh: Annotated[float, Meta(gt=0)] = 1100.0
    minimum_distance_m: float = 2_000.0
    within_s: Annotated[float, Meta(ge=0, le=3600)] = 60.0
    """Payments at most this far apart in time are simultaneous."""
    time_slack_s: float = 5.0
    device_distance_m: float = 50_000.0
    device_slack_s: float = 30.0
    device_fixes: int = 3
    device_s: float = 60.0


class SimultaneousUse(Rule[SimultaneousUseParameters]):
    """See the module."""

    id: ClassVar[str] = "simultaneous-use"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "In two places at the same time"
    reasons: ClassVar[tuple[str, ...]] = (
        "two_payments_at_once",
        "new_phone_elsewhere",
        "new_phone_one_fix",
        "swapped_coordinates",
        "terminal_place",
        "shared_card",
        "settled_late",
    )
    false_positives: ClassVar[str] = (
        "A family member pays with a card of the same person; a new phone is set up by somebody else far away; the clocks of two terminals "
        "differ."
    )
    parameter_type: ClassVar[type[Parameters]] = SimultaneousUseParameters

    def quiet(self) -> Quiet:
        """A phone beside the card clears it."""
        return Quiet()

    def judge(self, scene: Scene) -> Evidence | None:
        """Compare a payment with the others of the same minute."""
        if not scene.has_place or scene.phone_beside:
            return None
        for other in scene.payments:
            apart_s = (scene.sight.event_ns - other.event_ns) / 1e9
            if 0.0 <= apart_s <= self.parameters.within_s and other.has_place and self._is_apart(other, scene.sight, apart_s):
                phone = scene.phones[0] if scene.phones else None
                return Evidence(other, scene.sight, doubts(scene, phone))
        return None

    def _is_apart(self, first: Sight, second: Sight, apart_s: float) -> bool:
        gap = gap_m(first, second)
        if gap < self.parameters.minimum_distance_m:
            return False
        # Nobody drives this fast in a town: over a minute 160 km/h is 2.7 km.
        return gap > 160.0 / 3.6 * (apart_s + slack_s(first, second, self.parameters.time_slack_s))

    def judge_devices(self, sight: Sight, others: tuple[Sight | None, Sight | None], facts: dict[str, float]) -> Evidence | None:
        """Compare a fix of a phone that is new with the person's own phone around it."""
        own = self.parameters
        pairs: list[tuple[Sight, Sight]] = []
        if others[0] is not None:
            pairs.append((others[0], sight))
        if others[1] is not None:
            pairs.append((sight, others[1]))
        for first, second in pairs:
            elapsed_s = (second.event_ns - first.event_ns) / 1e9 + own.device_slack_s
            gap = gap_m(first, second)
            if gap >= own.device_distance_m and gap * 3.6 > own.speed_limit_kmh * elapsed_s:
                return Evidence(first, second, facts)
        return None

    def prove(self, evidence: Evidence) -> Proof:
        """Grade: payments medium, or high from 50 km on; a new phone high from three fixes over a minute on."""
        own, facts = self.parameters, evidence.facts
        if evidence.first.kind == FIX and evidence.second.kind == FIX:
            confirmed = facts["new_fixes"] >= own.device_fixes and facts["new_s"] >= own.device_s
            severity, cause = (Severity.HIGH, "new_phone_elsewhere") if confirmed else (Severity.LOW, "new_phone_one_fix")
            return prove_trip(evidence, (own.device_distance_m, own.speed_limit_kmh, own.device_slack_s), severity, cause)
        lowered = cap(facts)
        far = gap_m(evidence.first, evidence.second) >= own.device_distance_m
        severity = Severity.LOW if lowered else Severity.HIGH if far else Severity.MEDIUM
        return prove_trip(evidence, (0.0, own.speed_limit_kmh, own.time_slack_s), severity, lowered or "two_payments_at_once")

    def group(self, evidence: Evidence) -> str:
        """All fixes of one new phone are one episode, and all payments are."""
        return "device" if evidence.second.kind == FIX and evidence.first.kind == FIX else "payments"

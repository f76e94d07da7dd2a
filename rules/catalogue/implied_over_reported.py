"""Rule `implied-over-reported`: the course rule, kept for comparison and off by default.

Two fixes in a row imply a speed; the phone reports one. The rule fires where implied > reported + `margin_kmh`, implied being the great
circle over the time between the two fixes before a payment: the alert stands for what the phone did when the card was used. It knows no
accuracy, so on honest phones it fires at every poor fix: docs/quality.md shows how often.
"""

from __future__ import annotations

from typing import ClassVar

from rules.hits import Evidence, Proof
from rules.rule import Parameters, Rule, check
from rules.scene import Scene
from rules.sight import NO_SPEED
from rules.travel import trip
from veilocity.contracts import Severity

__all__ = ["ImpliedOverReported", "ImpliedOverReportedParameters"]


class ImpliedOverReportedParameters(Parameters, frozen=True):
    """The margin in km/h."""

    margin_kmh: float = 50.0


class ImpliedOverReported(Rule[ImpliedOverReportedParameters]):
    """See the module."""

    id: ClassVar[str] = "implied-over-reported"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Implied speed over reported speed"
    reasons: ClassVar[tuple[str, ...]] = ("implied_over_reported",)
    false_positives: ClassVar[str] = "Every poor fix: accuracy is not asked for."
    parameter_type: ClassVar[type[Parameters]] = ImpliedOverReportedParameters

    def judge(self, scene: Scene) -> Evidence | None:
        """Compare the speed between the two last fixes with the reported one."""
        if not scene.phones:
            return None
        window = scene.phones[0].window(900_000_000_000)
        if len(window) < 2 or window[-1].speed_dms == NO_SPEED:
            return None
        evidence = Evidence(window[-2], window[-1], {"reported_kmh": round(window[-1].speed_dms * 0.36, 2)})
        return evidence if self.prove(evidence).severity is not None else None

    def prove(self, evidence: Evidence) -> Proof:
        """Compare the likely speed with the reported one."""
        speed = trip(evidence.first, evidence.second, 0.0).speed_kmh
        implied = 0.0 if speed is None else speed.likely
        reported = evidence.facts["reported_kmh"]
        fires = implied > reported + self.parameters.margin_kmh
        sentence = f"The fixes imply {implied:,.0f} km/h, the phone reports {reported:,.0f} km/h."
        return Proof(Severity.LOW if fires else None, 0.5, "implied_over_reported", sentence, checks=check(accuracy=False))

    def group(self, evidence: Evidence) -> str:
        """One episode for all payments of one phone."""
        return ""

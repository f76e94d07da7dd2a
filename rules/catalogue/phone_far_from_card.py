"""Rule `phone-far-from-card`: a card is used at a place that its owner's phone cannot have come from, or cannot have got to.

The space-time prism: with a fix before and a fix after the payment, the place must lie within reach of both, at the speed the person could
have had. Where a person was seen moving fast, that speed counts; a flight needs time for boarding. So 12 km in 40 seconds is found, and a
flight is not.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from rules.catalogue.travel_rule import DOUBTS, cap, checks_of, doubts, is_impossible, phone_facts
from rules.glance import Quiet
from rules.hits import Evidence, Proof
from rules.rule import Parameters, Rule
from rules.scene import PhoneView, Scene
from rules.sight import Sight
from rules.travel import Mobility, gap_m, possibility, reach_m, seen_kmh, slack_s, trip
from veilocity.contracts import Severity
from veilocity.evidence import tell_duration

__all__ = ["PhoneFarFromCard", "PhoneFarParameters"]


class PhoneFarParameters(Parameters, frozen=True):
    """Distances in metres, times in seconds, speeds in km/h."""

    minimum_distance_m: float = 8_000.0
    time_slack_s: float = 60.0
    ground_kmh: Annotated[float, Meta(gt=0)] = 160.0
    air_kmh: Annotated[float, Meta(gt=0)] = 1000.0
    boarding_s: float = 1200.0
    seen_factor: float = 1.3
    fix_age_s: float = 7_200.0
    """Older and later fixes say nothing of a short way."""
    phone_fixes: int = 3
    phone_s: float = 60.0
    impossible_m: float = 50_000.0
    """From here on `impossible-travel` speaks where no means of travel connects the two."""
    impossible_kmh: Annotated[float, Meta(gt=0)] = 1100.0


class PhoneFarFromCard(Rule[PhoneFarParameters]):
    """See the module."""

    id: ClassVar[str] = "phone-far-from-card"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "The card is used where its owner's phone is not"
    reasons: ClassVar[tuple[str, ...]] = (
        "out_of_reach",
        "out_of_reach_both_sides",
        "phone_not_confirmed",
        *DOUBTS,
    )
    false_positives: ClassVar[str] = (
        "The owner left the phone at home; a family member uses the card; the merchant's address is its head office; the terminal told the "
        "time of the batch, not of the payment."
    )
    parameter_type: ClassVar[type[Parameters]] = PhoneFarParameters

    @property
    def mobility(self) -> Mobility:
        """How fast people move."""
        own = self.parameters
        return Mobility(own.ground_kmh, own.air_kmh, own.boarding_s, own.seen_factor)

    def quiet(self) -> Quiet:
        """A phone beside the card is not far from it."""
        return Quiet()

    def judge(self, scene: Scene) -> Evidence | None:
        """Compare a payment with the phones before and after it."""
        if not scene.has_place:
            return None
        for phone in scene.witnesses:
            found = self._out_of_reach(phone, scene.sight)
            if not found:
                continue
            if len(scene.phones) > 1 and scene.phone_beside:
                return None
            (first, second), speed = found[0]
            facts = {**phone_facts(phone), **doubts(scene, phone), "sides": float(len(found)), "seen_kmh": round(speed, 1)}
            return Evidence(first, second, facts)
        return None

    def _out_of_reach(self, phone: PhoneView, sight: Sight) -> list[tuple[tuple[Sight, Sight], float]]:
        found = []
        sides = ((phone.before, sight), (sight, phone.after))
        speed = seen_kmh(*(one for one in (phone.before, phone.after) if one is not None))
        for first, second in sides:
            if first is None or second is None:
                continue
            gap = gap_m(first, second)
            if gap < self.parameters.minimum_distance_m or self._is_old(first, second):
                continue
            if is_impossible(first, second, gap, self._physical):
                # Said by `impossible-travel`, with the stronger claim.
                return []
            if gap > self._reach_m(first, second, speed):
                found.append(((first, second), speed))
        return found

    @property
    def _physical(self) -> tuple[float, float, float]:
        return self.parameters.impossible_m, self.parameters.impossible_kmh, self.parameters.time_slack_s

    def _is_old(self, first: Sight, second: Sight) -> bool:
        return second.event_ns - first.event_ns > self.parameters.fix_age_s * 1e9

    def _reach_m(self, first: Sight, second: Sight, speed_kmh: float) -> float:
        elapsed_s = (second.event_ns - first.event_ns) / 1e9 + slack_s(first, second, self.parameters.time_slack_s)
        return reach_m(elapsed_s, self.mobility, speed_kmh)

    def prove(self, evidence: Evidence) -> Proof:
        """Grade: medium out of reach on one side, high on both; low where a cause may explain it."""
        first, second, facts = evidence.first, evidence.second, evidence.facts
        reach = self._reach_m(first, second, facts["seen_kmh"])
        journey = trip(first, second, self.parameters.time_slack_s)
        severity, cause = self._grade(facts)
        probability = possibility(first, second, reach)
        return Proof(
            severity=severity,
            score=0.5 if severity is Severity.LOW else round(1.0 - 0.5 * reach / max(journey.distance_m.low, reach, 1.0), 6),
            cause=cause,
            sentence=(
                f"Card used {journey.distance_m.likely / 1000:,.0f} km from the owner's phone within {tell_duration(journey.elapsed_s)}; "
                f"a person gets {reach / 1000:,.0f} km far in that time."
            ),
            fine_with_s=self._fine_s(journey.distance_m.low, facts["seen_kmh"]),
            probability=probability,
            checks=checks_of(evidence),
        )

    def _grade(self, facts: dict[str, float]) -> tuple[Severity, str]:
        lowered = cap(facts)
        if lowered is not None:
            return Severity.LOW, lowered
        if facts["phone_fixes"] < self.parameters.phone_fixes or facts["phone_s"] < self.parameters.phone_s:
            return Severity.LOW, "phone_not_confirmed"
        if facts["sides"] > 1:
            return Severity.HIGH, "out_of_reach_both_sides"
        return Severity.MEDIUM, "out_of_reach"

    def _fine_s(self, distance_m: float, speed_kmh: float) -> float:
        """Return the time from which the way is within reach."""
        own = self.parameters
        kmh = max(own.ground_kmh, min(speed_kmh * own.seen_factor, own.air_kmh))
        by_air_s = distance_m * 3.6 / own.air_kmh + own.boarding_s
        return max(0.0, min(distance_m * 3.6 / kmh, by_air_s) - own.time_slack_s)

"""Rule `atm-hop`: cash is drawn at several machines one after the other, or at two that are out of reach of each other by road."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from rules.catalogue.travel_rule import cap, doubts
from rules.glance import Quiet
from rules.hits import Evidence, Proof
from rules.rule import Parameters, Rule, check
from rules.scene import Scene
from rules.sight import ATM, Sight
from rules.travel import gap_m, slack_s, trip
from veilocity.contracts import Severity
from veilocity.evidence import tell_duration

__all__ = ["AtmHop", "AtmHopParameters"]


class AtmHopParameters(Parameters, frozen=True):
    """Distances in metres, times in seconds, speeds in km/h."""

    window_s: Annotated[float, Meta(gt=0, le=3600)] = 3600.0
    """Payments are neighbours of each other for an hour."""
    machines: int = 4
    """Different machines within the window."""
    machine_m: float = 150.0
    """Closer ones are taken for one machine."""
    minimum_distance_m: float = 5_000.0
    ground_kmh: Annotated[float, Meta(gt=0)] = 160.0
    time_slack_s: float = 60.0


class AtmHop(Rule[AtmHopParameters]):
    """See the module."""

    id: ClassVar[str] = "atm-hop"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Cash from machine to machine"
    reasons: ClassVar[tuple[str, ...]] = (
        "many_machines",
        "machines_out_of_reach",
        "swapped_coordinates",
        "terminal_place",
        "shared_card",
        "settled_late",
    )
    false_positives: ClassVar[str] = "Machines out of order one after the other; two family members with cards of one account."
    parameter_type: ClassVar[type[Parameters]] = AtmHopParameters

    def quiet(self) -> Quiet:
        """Only cash is looked at."""
        return Quiet(kinds=1 << ATM)

    def judge(self, scene: Scene) -> Evidence | None:
        """Look at the machines of the last hour."""
        if scene.sight.kind != ATM or not scene.has_place:
            return None
        start_ns = scene.sight.event_ns - int(self.parameters.window_s * 1e9)
        draws = [one for one in scene.payments if one.kind == ATM and one.has_place and one.event_ns >= start_ns]
        if not draws:
            return None
        phone = scene.phones[0] if scene.phones else None
        if self._is_out_of_reach(draws[-1], scene.sight) and not scene.phone_beside:
            return Evidence(draws[-1], scene.sight, {**doubts(scene, phone), "machines": 2.0, "out_of_reach": 1.0})
        machines: list[Sight] = []
        for sight in (*draws, scene.sight):
            if all(gap_m(sight, other._replace(accuracy_dm=0)) > self.parameters.machine_m for other in machines):
                machines.append(sight)
        if len(machines) < self.parameters.machines:
            return None
        return Evidence(machines[0], scene.sight, {"machines": float(len(machines)), "phone_beside": float(scene.phone_beside)})

    def _is_out_of_reach(self, first: Sight, second: Sight) -> bool:
        own = self.parameters
        gap = gap_m(first, second)
        elapsed_s = (second.event_ns - first.event_ns) / 1e9 + slack_s(first, second, own.time_slack_s)
        return gap >= own.minimum_distance_m and gap * 3.6 > own.ground_kmh * elapsed_s

    def prove(self, evidence: Evidence) -> Proof:
        """Grade: out of reach medium, many machines medium, or low with the phone beside the card."""
        facts, own = evidence.facts, self.parameters
        journey = trip(evidence.first, evidence.second, own.time_slack_s)
        elapsed = tell_duration(journey.elapsed_s)
        if facts.get("out_of_reach"):
            lowered = cap(facts)
            return Proof(
                severity=Severity.LOW if lowered else Severity.MEDIUM,
                score=0.5 if lowered else 0.75,
                cause=lowered or "machines_out_of_reach",
                sentence=f"Cash from two machines {journey.distance_m.likely / 1000:,.0f} km apart within {elapsed}.",
                fine_with_s=journey.distance_m.low * 3.6 / own.ground_kmh,
                checks=check(**{name: bool(facts.get(name)) for name in ("terminal_place", "shared_card", "settled_late")}),
            )
        enough = facts["machines"] >= own.machines
        severity = Severity.LOW if facts.get("phone_beside") else Severity.MEDIUM
        return Proof(
            severity=severity if enough else None,
            score=0.5 if facts.get("phone_beside") else 0.7,
            cause="many_machines",
            sentence=f"Cash from {facts['machines']:.0f} machines within {elapsed}; from {own.machines} on it is unusual.",
            checks=check(phone_beside=bool(facts.get("phone_beside"))),
        )

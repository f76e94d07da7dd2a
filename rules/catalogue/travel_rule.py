"""What the rules about travel share: the figures of a contradiction, and the reasons to believe it less."""

from __future__ import annotations

import math
from itertools import pairwise

from rules.hits import Evidence, Proof
from rules.profile import name_hash
from rules.rule import check
from rules.scene import PhoneView, Scene
from rules.sight import CLOAKED, LATE_CLOCK, Sight
from rules.travel import gap_m, possibility, seen_kmh, slack_s, trip
from veilocity.contracts import Check, Severity
from veilocity.evidence import tell

__all__ = ["DOUBTS", "cap", "checks_of", "doubts", "is_impossible", "phone_facts", "prove_trip"]

DOUBTS = ("disputed_phone", "swapped_coordinates", "terminal_place", "shared_card", "settled_late")
"""Facts that lower a contradiction between a card and a phone to low, in the order in which they name the cause."""
_VISITED_NS = 12 * 3_600_000_000_000
_VISITED_M = 2_000.0
_SWAPPED_M = 25_000.0
_UNSTEADY_M = 3_000.0
_ROAD_KMH = 200.0
_FLIGHT_S = 1_800.0
_ENOUGH_FIXES, _ENOUGH_S = 5, 120
_REPEAT_NS = 20 * 3_600_000_000_000


def is_impossible(first: Sight, second: Sight, gap: float, limits: tuple[float, float, float]) -> bool:
    """Say whether no person could have made the trip.

    Args:
        first: earlier observation.
        second: later observation.
        gap: lower bound of their distance, metres.
        limits: least distance (metres), highest speed (km/h) and clock slack (seconds).

    >>> here, there = Sight(0, 0, 0, 0), Sight(0, 0, 10_000_000, 0)
    >>> is_impossible(here, there, 110_000.0, (50_000.0, 1100.0, 30.0))
    True
    """
    minimum_m, limit_kmh, clock_slack_s = limits
    if gap < minimum_m:
        return False
    elapsed_s = (second.event_ns - first.event_ns) / 1e9 + slack_s(first, second, clock_slack_s)
    return elapsed_s <= 0.0 or gap * 3.6 > limit_kmh * elapsed_s


def phone_facts(phone: PhoneView) -> dict[str, float]:
    """Return what the grade needs to know of the phone."""
    fixes, span_s = phone.support()
    return {
        # More than this says nothing more, and would amend an alert at every fix.
        "phone_fixes": float(min(fixes, _ENOUGH_FIXES)),
        "phone_s": float(min(round(span_s), _ENOUGH_S)),
        "disputed_phone": float(phone.disputed or _is_unsteady(phone)),
        "cloaked_place": float(any(one is not None and one.flags & CLOAKED for one in (phone.before, phone.after))),
    }


def doubts(scene: Scene, phone: PhoneView | None) -> dict[str, float]:
    """Return the reasons to believe a contradiction at this payment less, 1 where one applies.

    - `terminal_place`: the same merchant contradicted this person's phone before, over a day ago: its address is a head office.
    - `shared_card`: the same card did so at the same place: somebody else of the family has it.
    - `swapped_coordinates`: with latitude and longitude exchanged the payment is beside the phone.
    - `settled_late`: the phone was at the place in the hours before: the terminal, or a clock, told the time late.
    """
    sight, transaction, profile = scene.sight, scene.transaction, scene.profile
    merchant = profile.habit(name_hash("merchant " + transaction.merchant), None)
    card = profile.habit(name_hash(transaction.card), sight) if transaction.card else None
    return {
        "swapped_coordinates": float(phone is not None and _is_swapped(sight, phone)),
        "terminal_place": float(merchant is not None and merchant.times >= 2 and sight.event_ns - merchant.first_ns >= _REPEAT_NS),
        "shared_card": float(card is not None and card.times >= 2 and sight.event_ns - card.first_ns >= _REPEAT_NS),
        "settled_late": float(phone is not None and phone.visited(_VISITED_NS, _VISITED_M) is not None),
    }


def _is_swapped(sight: Sight, phone: PhoneView) -> bool:
    exchanged = sight._replace(lat_e7=sight.lon_e7, lon_e7=sight.lat_e7)
    valid = abs(sight.lon_e7) <= 900_000_000
    return valid and any(one is not None and gap_m(one, exchanged) <= _SWAPPED_M for one in (phone.before, phone.after))


def _is_unsteady(phone: PhoneView) -> bool:
    """Say whether the fixes beside the payment are out of reach by road from each other or from the next ones: the receiver jumps."""
    earlier, later = phone.around()
    chain = [one for one in (earlier, phone.before, phone.after, later) if one is not None]
    if any(one.flags & LATE_CLOCK for one in chain):
        return True
    for first, second in pairwise(chain):
        gap = gap_m(first, second)
        elapsed_s = (second.event_ns - first.event_ns) / 1e9
        if gap > _UNSTEADY_M and gap * 3.6 > 1.3 * max(seen_kmh(first, second), _ROAD_KMH) * (elapsed_s + 30.0) and elapsed_s < _FLIGHT_S:
            return True
    return False


def cap(facts: dict[str, float]) -> str | None:
    """Return the cause that lowers the finding, or None."""
    return next((name for name in DOUBTS if facts.get(name)), None)


def checks_of(evidence: Evidence) -> tuple[Check, ...]:
    """Return the suppression trace of a contradiction."""
    facts = evidence.facts
    return check(
        doubtful_fix=False,
        cloaked_place=bool(facts.get("cloaked_place")),
        **{name: bool(facts.get(name)) for name in DOUBTS},
    )


def prove_trip(evidence: Evidence, limits: tuple[float, float, float], severity: Severity | None, cause: str) -> Proof:
    """Return the proof of a contradiction whose severity is known: score, sentence, counterfactual and probability."""
    first, second = evidence.first, evidence.second
    _, limit_kmh, clock_slack_s = limits
    journey = trip(first, second, clock_slack_s)
    slack = slack_s(first, second, clock_slack_s)
    fine_s = max(0.0, journey.distance_m.low / limit_kmh * 3.6 - slack)
    probability = possibility(first, second, limit_kmh / 3.6 * max(0.0, journey.elapsed_s + slack))
    speed = journey.speed_kmh
    score = 1.0 if speed is None else speed.low / (speed.low + limit_kmh)
    if severity is Severity.LOW:
        score = min(score, 0.5)
    return Proof(
        severity=severity,
        score=math.floor(score * 1e6) / 1e6,
        cause=cause,
        sentence=tell(journey.distance_m, journey.elapsed_s, speed, limit_kmh, fine_s),
        fine_with_s=fine_s,
        probability=probability,
        checks=checks_of(evidence),
    )

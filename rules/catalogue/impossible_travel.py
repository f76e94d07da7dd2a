"""Rule `impossible-travel`: two neighbouring observations of one person that no means of travel connects.

A pair is a contradiction when its lower-bound distance (great circle on the safe side, minus both accuracy radii) reaches the minimum
distance, and both happened at the same time or the lower-bound speed (clocks given their slack) is over the limit.

Which of the two is the odd one, the anchor: a payment against a phone fix; of two payments or two fixes the later one, unless the earlier
one is already the anchor of its own predecessor. So a single wrong observation between good ones gives one anchor, not two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from rules.catalogue.rule import Contradiction
from rules.entries import Entry, is_payment
from rules.parameters import EngineParameters
from veilocity.contracts import RuleParameters
from veilocity.evidence import speed_bounds_kmh
from veilocity.geo import Interval, distance_bounds_m

__all__ = ["ImpossibleTravel", "Trip", "is_impossible", "trip"]


class Trip(NamedTuple):
    """What it would take to be at both places."""

    distance_m: Interval
    elapsed_s: float
    speed_kmh: Interval | None
    """None when both happened at the same time."""


def trip(first: Entry, second: Entry, parameters: RuleParameters) -> Trip:
    """Return the trip between two entries in event-time order.

    >>> from rules.entries import FIX
    >>> limits = RuleParameters(1000.0, 50_000.0, 0.0, 100.0, 1000.0)
    >>> london, lagos = Entry(0, FIX, 0, 515_074_000, -1_278_000, 0), Entry(3_600_000_000_000, FIX, 0, 65_244_000, 33_792_000, 0)
    >>> round(trip(london, lagos, limits).speed_kmh.low)
    4984
    """
    distance_m = distance_bounds_m(
        first.lat_e7 / 1e7,
        first.lon_e7 / 1e7,
        first.accuracy_dm / 10.0,
        second.lat_e7 / 1e7,
        second.lon_e7 / 1e7,
        second.accuracy_dm / 10.0,
    )
    elapsed_s = (second.event_ns - first.event_ns) / 1e9
    return Trip(distance_m, elapsed_s, speed_bounds_kmh(distance_m, elapsed_s, parameters.time_slack_s))


def is_impossible(journey: Trip, parameters: RuleParameters) -> bool:
    """Say whether the trip contradicts itself."""
    if journey.distance_m.low < parameters.minimum_distance_m:
        return False
    return journey.speed_kmh is None or journey.speed_kmh.low > parameters.speed_limit_kmh


@lru_cache(maxsize=8)
def _near_e7(parameters: EngineParameters) -> int:
    return parameters.near_e7


class ImpossibleTravel:
    """See the module."""

    id = "impossible-travel"
    version = "1"

    def is_unaffected(self, before: Entry | None, entry: Entry, after: Entry | None, parameters: EngineParameters) -> bool:
        """Say whether `entry` contradicts neither neighbour, and they did not contradict each other.

        Anchors are chained only through contradictions that follow each other, so then no chain is touched either.
        """
        near = _near_e7(parameters)
        pairs = ((before, entry), (entry, after), (before, after))
        return not any(
            first is not None and second is not None and _contradict(first, second, near, parameters.rule) for first, second in pairs
        )

    def contradictions(self, history: Sequence[Entry], carried: int, parameters: EngineParameters) -> list[Contradiction]:
        """Return the contradictions; `carried` is 1 when the first entry is already the anchor of its own predecessor."""
        near, is_anchor, found = _near_e7(parameters), bool(carried), []
        for first, second in pairwise(history):
            if not _contradict(first, second, near, parameters.rule):
                is_anchor = False
                continue
            anchor = _anchor(first, second, is_anchor)
            found.append(Contradiction(first, second, anchor))
            is_anchor = anchor is second
        return found

    def carry(self, history: Sequence[Entry], carried: int, parameters: EngineParameters) -> int:
        """Return 1 when the last entry is the anchor of its own predecessor."""
        if len(history) < 2:
            return carried
        found = self.contradictions(history, carried, parameters)
        return int(bool(found) and found[-1].anchor is history[-1])

    def strength(self, contradiction: Contradiction, parameters: EngineParameters) -> tuple[float, float]:
        """Return lower-bound speed (infinite when simultaneous) and lower-bound distance."""
        journey = trip(contradiction.first, contradiction.second, parameters.rule)
        return (math.inf if journey.speed_kmh is None else journey.speed_kmh.low), journey.distance_m.low

    def score(self, before: Entry | None, entry: Entry, after: Entry | None, parameters: EngineParameters) -> float:
        """Return v / (v + limit) for the larger lower-bound speed v; 1 when simultaneous, 0 below the minimum distance."""
        pairs = [pair for pair in ((before, entry), (entry, after)) if pair[0] is not None and pair[1] is not None]
        return max((_score(trip(first, second, parameters.rule), parameters.rule) for first, second in pairs), default=0.0)  # type: ignore[arg-type]  # None was left out


def _contradict(first: Entry, second: Entry, near_e7: int, parameters: RuleParameters) -> bool:
    if abs(first.lat_e7 - second.lat_e7) + abs(first.lon_e7 - second.lon_e7) <= near_e7:
        return False
    return is_impossible(trip(first, second, parameters), parameters)


def _anchor(first: Entry, second: Entry, first_is_anchor: bool) -> Entry:
    if is_payment(first) != is_payment(second):
        return first if is_payment(first) else second
    return first if first_is_anchor else second


def _score(journey: Trip, parameters: RuleParameters) -> float:
    if journey.distance_m.low < parameters.minimum_distance_m:
        return 0.0
    if journey.speed_kmh is None:
        return 1.0
    return journey.speed_kmh.low / (journey.speed_kmh.low + parameters.speed_limit_kmh)

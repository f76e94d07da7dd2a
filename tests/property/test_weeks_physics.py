"""Honest people of the labelled weeks obey physics, and what is called provable is: judged on the ellipsoid, apart from the generator."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.simulator.weeks import Fraud, Week, WeekPlan, fix_id, labelled_week
from ingest.simulator.weeks.places import anywhere
from ingest.simulator.weeks.proof import Sighting, contradict
from veilocity.contracts import Channel, Fix, Transaction

SEEDS = (1, 2, 9)
FASTEST_MPS = 1100.0 / 3.6
WORST_ERROR = 2.5
"""Errors are cut at so many times the stated accuracy."""


class Seen(NamedTuple):
    at_s: float
    lat: float
    lon: float
    radius_m: float
    name: str


def seen(event: Fix | Transaction) -> Seen | None:
    if isinstance(event, Fix):
        return Seen(event.fix_ns / 1e9, event.lat, event.lon, event.accuracy_m or 100.0, fix_id(event))
    if event.channel not in (Channel.CARD_PRESENT, Channel.ATM) or event.lat is None or event.lon is None:
        return None
    return Seen(event.authorised_ms / 1e3, event.lat, event.lon, event.place_accuracy_m or 1000.0, event.id)


def metres(first: Seen, second: Seen) -> float:
    found: float = Geodesic.WGS84.Inverse(first.lat, first.lon, second.lat, second.lon)["s12"]
    return found


def truthful(week: Week) -> dict[str, list[Seen]]:
    """Return what honest people and their devices say of where they are, by subject, without what the labels call misplaced."""
    stolen = {name for fraud in week.labels.frauds for name in fraud.transactions}
    intruders = {fraud.device for fraud in week.labels.frauds if fraud.device}
    found: dict[str, dict[str, Seen]] = defaultdict(dict)
    for event in week.events:
        one = seen(event)
        if one is None or one.name in week.labels.misplaced or one.name in stolen or (isinstance(event, Fix) and event.device in intruders):
            continue
        found[event.subject][one.name] = one
    return {subject: sorted(by_name.values()) for subject, by_name in found.items()}


@pytest.fixture(scope="module", params=SEEDS)
def week(request: pytest.FixtureRequest) -> Week:
    return labelled_week(WeekPlan(seed=request.param, people=10, days=6))


def test_honest_people_obey_physics(week: Week) -> None:
    pairs = 0
    for history in truthful(week).values():
        for first, second in pairwise(history):
            # Cheap bound first: the ellipsoid is asked only where it matters.
            if abs(first.lat - second.lat) + abs(first.lon - second.lon) < 0.01:
                continue
            pairs += 1
            allowed_m = FASTEST_MPS * (second.at_s - first.at_s + 30.0) + WORST_ERROR * (first.radius_m + second.radius_m)
            assert metres(first, second) <= allowed_m, (first, second)
    assert pairs > 500


@given(
    start=st.tuples(st.floats(-89, 89), st.floats(-180, 180)),
    bearing=st.floats(0, 360),
    radii_m=st.tuples(st.floats(0, 5000), st.floats(0, 5000)),
    elapsed_s=st.floats(-30_000, 30_000),
    factor=st.floats(0.5, 2.0),
)
def test_a_contradiction_is_one_on_the_ellipsoid(
    start: tuple[float, float], bearing: float, radii_m: tuple[float, float], elapsed_s: float, factor: float
) -> None:
    """The generator judges by a sphere on the safe side, which may be 1.12 % short of the ellipsoid."""
    possible_m = max(50_000.0, FASTEST_MPS * (abs(elapsed_s) + 120.0)) + sum(radii_m)
    assume(possible_m * factor < 1.9e7)
    end = anywhere(start, possible_m * factor, math.radians(bearing))
    needed = Geodesic.WGS84.Inverse(*start, *end)["s12"] / possible_m
    assume(not 1.0 < needed < 1.0112)
    first, second = Sighting(10**15, *start, radii_m[0]), Sighting(10**15 + round(elapsed_s * 1e9), *end, radii_m[1])
    assert contradict(first, second) == (needed > 1.0)


def margin_m(fraud: Fraud, week: Week, history: list[Seen], shortened: float = 1.0) -> float:
    """Return by how many metres the best pair of the fraud and an honest neighbour exceeds what is possible; negative where none does."""
    best = -1e9
    for event in week.events:
        one = seen(event)
        mine = event.device == fraud.device if isinstance(event, Fix) else event.id in fraud.transactions
        if one is None or not mine or event.subject != fraud.subject:
            continue
        before = [other for other in history if other.at_s <= one.at_s][-1:]
        after = [other for other in history if other.at_s > one.at_s][:1]
        for other in before + after:
            low_m = shortened * metres(other, one) - other.radius_m - one.radius_m
            best = max(best, min(low_m - 50_000.0, low_m - FASTEST_MPS * (abs(one.at_s - other.at_s) + 120.0)))
    return best


def test_what_is_called_provable_is_proved_on_the_ellipsoid(week: Week) -> None:
    histories = truthful(week)
    assert week.labels.frauds
    for fraud in week.labels.frauds:
        if fraud.provable:
            assert margin_m(fraud, week, histories[fraud.subject]) > 0.0, fraud
        else:
            # The generator judges by a sphere on the safe side, which may be 1.12 % short of the ellipsoid.
            assert margin_m(fraud, week, histories[fraud.subject], 1.0 - 0.0112) <= 0.0, fraud

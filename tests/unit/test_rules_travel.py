"""Interval, probability and reach, with the ellipsoid as the judge."""

from __future__ import annotations

import math
from random import Random

import pytest
from geographiclib.geodesic import Geodesic

from rules.sight import ATM, CARD_PRESENT, FIX, NO_SPEED, Sight
from rules.travel import Mobility, gap_m, possibility, reach_m, seen_kmh, slack_s, trip
from tests.unit.rules_world import APIA, LAGOS, LONDON, SUVA

PEOPLE = Mobility(ground_kmh=160.0, air_kmh=1000.0, boarding_s=1200.0, seen_factor=1.3)
NS = 1_000_000_000


def sight(at_s: float, place: tuple[float, float], radius_m: float = 0.0, kind: int = FIX, speed_dms: int = NO_SPEED) -> Sight:
    return Sight(round(at_s * NS), round(place[0] * 1e7), round(place[1] * 1e7), round(radius_m * 10), speed_dms, kind=kind)


def geodesic_m(first: Sight, second: Sight) -> float:
    found = Geodesic.WGS84.Inverse(first.lat_e7 / 1e7, first.lon_e7 / 1e7, second.lat_e7 / 1e7, second.lon_e7 / 1e7)
    return float(found["s12"])


def pairs(seed: int, count: int) -> list[tuple[Sight, Sight]]:
    random = Random(seed)  # noqa: S311  # a seeded test, nothing secret
    found = []
    for _ in range(count):
        first = sight(0.0, (random.uniform(-90, 90), random.uniform(-180, 180)), random.choice((0.0, 5.0, 5_000.0)))
        spread = random.choice((0.001, 0.1, 5.0, 180.0))
        place = (
            max(-90.0, min(90.0, first.lat_e7 / 1e7 + random.uniform(-spread, spread))),
            (first.lon_e7 / 1e7 + random.uniform(-spread, spread) + 180.0) % 360.0 - 180.0,
        )
        found.append((first, sight(random.choice((0.0, 40.0, 9_000.0)), place, random.choice((0.0, 20.0, 90_000.0)))))
    return found


def test_the_distance_on_the_ellipsoid_lies_in_the_interval_and_above_the_gap() -> None:
    for first, second in pairs(seed=4, count=3_000):
        exact, radii = geodesic_m(first, second), (first.accuracy_dm + second.accuracy_dm) / 10.0
        journey = trip(first, second, 30.0)
        assert journey.distance_m.low <= max(0.0, exact - radii) + 1e-6
        assert journey.distance_m.high >= exact + radii - 1e-6
        assert gap_m(first, second) == pytest.approx(journey.distance_m.low, abs=1e-6)


def test_the_speed_of_any_true_trip_lies_in_the_interval() -> None:
    for first, second in pairs(seed=5, count=2_000):
        exact, radii = geodesic_m(first, second), (first.accuracy_dm + second.accuracy_dm) / 10.0
        elapsed_s = (second.event_ns - first.event_ns) / 1e9
        speed = trip(first, second, 30.0).speed_kmh
        if elapsed_s == 0.0:
            assert speed is None
            continue
        assert speed is not None
        assert speed.low <= max(0.0, exact - radii) / (elapsed_s + 30.0) * 3.6 + 1e-6
        assert speed.high >= (exact + radii) / elapsed_s * 3.6 - 1e-6
        assert speed.low <= speed.likely <= speed.high


@pytest.mark.parametrize(
    ("first", "second", "exact_km"),
    [
        ((0.0, 180.0), (0.0, -180.0), 0.0),
        ((0.0, 179.9999999), (0.0, -179.9999999), 2.2e-5),
        ((90.0, 0.0), (90.0, 137.0), 0.0),
        ((-90.0, 5.0), (-90.0, -175.0), 0.0),
        ((89.9, 0.0), (89.9, 180.0), 22.34),
        (SUVA, APIA, 1_149.5),
        ((0.0, 0.1), (0.0, -179.9), 20_003.9),
    ],
)
def test_antimeridian_poles_and_antipodes(first: tuple[float, float], second: tuple[float, float], exact_km: float) -> None:
    here, there = sight(0, first), sight(60, second)
    assert trip(here, there, 0.0).distance_m.likely / 1000 == pytest.approx(exact_km, rel=0.0057, abs=1e-4)
    assert gap_m(here, there) == gap_m(there, here)


def test_equal_times_have_no_speed_and_neither_a_division_nor_a_made_up_second() -> None:
    journey = trip(sight(5, LONDON), sight(5, LAGOS), 30.0)
    assert (journey.elapsed_s, journey.speed_kmh) == (0.0, None)
    same = trip(sight(5, LONDON), sight(5, LONDON), 30.0)
    assert (same.distance_m.low, same.distance_m.high) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("first", "second", "slack"),
    [
        (sight(0, LONDON), sight(60, LONDON), 30.0),  # fixes are never in whole minutes on purpose
        (sight(0, LONDON), sight(60, LONDON, kind=CARD_PRESENT), 90.0),
        (sight(0, LONDON, kind=ATM), sight(120, LONDON, kind=CARD_PRESENT), 150.0),
        (sight(1, LONDON, kind=ATM), sight(119, LONDON, kind=CARD_PRESENT), 30.0),
    ],
)
def test_a_payment_in_whole_minutes_may_be_a_minute_off(first: Sight, second: Sight, slack: float) -> None:
    assert slack_s(first, second, 30.0) == slack


def test_slack_longer_than_the_time_widens_the_speed_to_that_of_the_time_alone() -> None:
    speed = trip(sight(0, LONDON), sight(20, LAGOS), 30.0).speed_kmh
    assert speed is not None
    assert speed.high == pytest.approx(5_012_317 * 1.0056 / 20 * 3.6, rel=1e-3)
    assert speed.low == pytest.approx(5_012_317 * 0.9944 / 50 * 3.6, rel=1e-3)


@pytest.mark.parametrize(
    ("elapsed_s", "seen", "reach_km"),
    [
        (0.0, 0.0, 0.0),
        (40.0 + 60.0, 0.0, 4.444),  # 12 km in 40 s is out of reach
        (3600.0, 0.0, 666.667),  # by air, after boarding
        (1428.0, 0.0, 63.467),  # here road and air are equally fast
        (1430.0, 0.0, 63.889),
        (90.0, 200.0, 6.5),  # on a train
        (90.0, 50.0, 4.0),  # somebody who walks may take a car
        (90.0, 900.0, 25.0),  # nobody is faster than a plane
    ],
)
def test_the_reach_is_what_ground_and_air_allow(elapsed_s: float, seen: float, reach_km: float) -> None:
    assert reach_m(elapsed_s, PEOPLE, seen) / 1000 == pytest.approx(reach_km, abs=0.01)


def test_the_reach_never_shrinks_with_time_or_speed() -> None:
    times = [reach_m(seconds * 10.0, PEOPLE) for seconds in range(1_000)]
    assert times == sorted(times)
    speeds = [reach_m(600.0, PEOPLE, kmh * 10.0) for kmh in range(150)]
    assert speeds == sorted(speeds)


def test_the_highest_reported_speed_counts() -> None:
    assert seen_kmh() == 0.0
    assert seen_kmh(sight(0, LONDON)) == 0.0
    assert seen_kmh(sight(0, LONDON), sight(0, LONDON, speed_dms=500), sight(0, LONDON, speed_dms=20)) == pytest.approx(180.0)


def test_the_probability_is_that_of_a_normal_distance() -> None:
    """Simulated: n = 40,000, seed 6; the share is off by more than 0.02 with a probability below 1e-14 (Hoeffding)."""
    random = Random(6)  # noqa: S311  # a seeded test, nothing secret
    here, there = sight(0, (10.0, 10.0), 3_000.0), sight(60, (10.1, 10.0), 4_000.0)
    distance = trip(here, there, 0.0).distance_m.likely
    within = 14_000.0
    sigma = math.sqrt(3_000.0**2 + 4_000.0**2 + (0.0056 * distance) ** 2)
    share = sum(random.gauss(distance, sigma) <= within for _ in range(40_000)) / 40_000
    assert possibility(here, there, within) == pytest.approx(share, abs=0.02)


def test_the_probability_of_exact_places_is_no_or_yes() -> None:
    here = sight(0, LONDON)
    assert possibility(here, here, 0.0) == 1.0
    assert possibility(here, sight(0, LAGOS), 1_000_000.0) == 0.0
    assert possibility(here, sight(0, LAGOS), 6_000_000.0) == 1.0
    assert 0.0 < possibility(here, sight(0, LAGOS), 5_010_000.0) < 1.0


def test_the_gap_below_the_radii_is_exactly_nothing() -> None:
    near = sight(0, (51.5, -0.1), 100.0), sight(0, (51.5005, -0.1005), 20.0)
    assert gap_m(*near) == 0.0
    random = Random(7)  # noqa: S311  # a seeded test, nothing secret
    for _ in range(2_000):
        lat = random.uniform(-89.9, 89.9)
        first = sight(0, (lat, 3.0), random.uniform(0, 500))
        second = sight(0, (lat + random.uniform(-0.01, 0.01), 3.0 + random.uniform(-0.01, 0.01)), random.uniform(0, 500))
        assert gap_m(first, second) == pytest.approx(trip(first, second, 0.0).distance_m.low, abs=1e-6)

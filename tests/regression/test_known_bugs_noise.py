"""Bugs of noise that others ship, held against ours, and against ours with the bug put in.

Noise in Earth-centred coordinates or in degrees: it shrinks with the sine or the cosine of the latitude (a published planar Laplace adds
nothing north to south at the equator). Noise that is drawn anew per question: the mean of the answers is the exact figure. Noisy places
that are moved back to land: they tell which shore they came from.

Places are keyed: their figures are fixed. Counts draw from the operating system: each chance of a false alarm stands at its test.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from geographiclib.geodesic import Geodesic
from numpy.typing import NDArray

from privacy.differential.budget import Budget, BudgetPolicy
from privacy.differential.counts import HOUR_MS, CountsPolicy, Payment, Window, draw
from privacy.differential.places import destination, noisy_amount, noisy_place
from privacy.differential.publication import publish
from privacy.differential.publications import PublicationLog
from privacy.differential.tree import Tree, TreePolicy

KEY = bytes(range(32))
PER_M = 0.001
RECORDS = 1_500
ISLAND = (-15.965, -5.712)
"""St Helena: 17 km long, and nothing but sea for 1,100 km around."""

Place = tuple[float, float]
Noise = Callable[[float, float, str], Place]


def ours(lat: float, lon: float, record: str) -> Place:
    return noisy_place(lat, lon, epsilon_per_m=PER_M, key=KEY, record=record)


def flat_move_m(record: str) -> tuple[float, float]:
    """Return east and north of a planar Laplace draw."""
    lat, lon = ours(0.0, 0.0, record)
    line = Geodesic.WGS84.Inverse(0.0, 0.0, lat, lon)
    turn = math.radians(line["azi1"])
    return line["s12"] * math.sin(turn), line["s12"] * math.cos(turn)


def in_earth_centred(lat: float, lon: float, record: str) -> Place:
    """Add the draw to x and y of Earth-centred coordinates and go back."""
    radius_m, (east, north) = 6_371_008.8, flat_move_m(record)
    phi, lam = math.radians(lat), math.radians(lon)
    x, y = radius_m * math.cos(phi) * math.cos(lam) + north, radius_m * math.cos(phi) * math.sin(lam) + east
    z = radius_m * math.sin(phi)
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))


def in_degrees(lat: float, lon: float, record: str) -> Place:
    """Add the draw as if a degree were as long everywhere."""
    east, north = flat_move_m(record)
    return lat + north / 111_195.0, lon + east / 111_195.0


def spread_m(noise: Noise, lat: float, lon: float) -> NDArray[np.float64]:
    """Return the standard deviations east to west and north to south, in metres on the ellipsoid."""
    moves = []
    for number in range(RECORDS):
        line = Geodesic.WGS84.Inverse(lat, lon, *noise(lat, lon, f"{number}"))
        turn = math.radians(line["azi1"])
        moves.append((line["s12"] * math.sin(turn), line["s12"] * math.cos(turn)))
    found: NDArray[np.float64] = np.std(np.array(moves), axis=0)
    return found


# Bug 23: noise in degrees or in Earth-centred coordinates


def is_as_wide_everywhere(noise: Noise) -> bool:
    """Say whether both standard deviations are sqrt(3) / epsilon, to 15 % (six standard errors), at four latitudes."""
    wanted = math.sqrt(3.0) / PER_M
    return all(bool(np.all(np.abs(spread_m(noise, lat, 12.0) / wanted - 1.0) < 0.15)) for lat in (0.0, 41.0, 60.0, 85.0))


def test_noise_is_as_wide_north_to_south_as_east_to_west_at_every_latitude() -> None:
    assert is_as_wide_everywhere(ours)


def test_noise_in_earth_centred_coordinates_is_caught() -> None:
    assert not is_as_wide_everywhere(in_earth_centred)
    # What the published library does at the equator.
    assert spread_m(in_earth_centred, 0.0, 0.0)[1] < 2.0


def test_noise_in_degrees_is_caught() -> None:
    assert not is_as_wide_everywhere(in_degrees)
    east, north = spread_m(in_degrees, 60.0, 0.0)
    assert east < 0.6 * north


# Bug 23: noise that is drawn anew for every question


def test_asking_for_a_place_again_tells_nothing_new() -> None:
    assert len({ours(48.2, 16.4, "t-1") for _ in range(200)}) == 1


def test_noise_drawn_anew_averages_away() -> None:
    asked = [ours(48.2, 16.4, f"t-1/{number}") for number in range(RECORDS)]
    mean_lat, mean_lon = np.mean([lat for lat, _ in asked]), np.mean([lon for _, lon in asked])
    assert Geodesic.WGS84.Inverse(48.2, 16.4, float(mean_lat), float(mean_lon))["s12"] < 150.0
    assert Geodesic.WGS84.Inverse(48.2, 16.4, *ours(48.2, 16.4, "t-1"))["s12"] > 500.0


def test_a_corrected_place_does_not_show_the_correction() -> None:
    first, second = ours(48.2, 16.4, "t-1"), ours(48.2005, 16.4, "t-1")
    assert abs(second[0] - first[0] - 0.0005) > 1e-4


def test_two_epsilons_of_one_record_cannot_be_solved_for_the_place() -> None:
    fine, coarse = (noisy_place(0.0, 0.0, epsilon_per_m=epsilon, key=KEY, record="t-1") for epsilon in (0.002, 0.001))
    # With one draw at two scales, the coarse move would be the fine one twice.
    assert 2.0 * fine[0] - coarse[0] != pytest.approx(0.0, abs=1e-4)


EMPTY_HOUR = Window(0, HOUR_MS)
POLICY = CountsPolicy(name="p", epsilon=0.5, payments_per_person=2, public_cells=("a",))
PEOPLE = [Payment(f"t{number}", f"p{number}", 0, "a", flagged=False) for number in range(37)]


def test_a_window_that_is_drawn_again_for_every_replay_gives_its_count_away() -> None:
    # 400 draws of scale 5: their mean has a standard error of 0.35; false failure below 1e-9.
    anew = [draw(PEOPLE, EMPTY_HOUR, POLICY, KEY).bins[0].unflagged for _ in range(400)]
    assert np.mean(anew) == pytest.approx(37.0, abs=2.5)
    assert np.std(anew) > 4.0


def test_a_window_that_is_remembered_is_published_alike_after_every_crash() -> None:
    week = BudgetPolicy(release_epsilon=0.5, release_delta=0.0, person_epsilon=0.5, person_delta=0.0, horizon_ms=7 * 24 * HOUR_MS)
    log, record = PublicationLog(Budget(week)).drawn(PEOPLE, EMPTY_HOUR, POLICY, KEY)
    saved = log.to_bytes()
    for _ in range(50):
        log, again = PublicationLog.from_bytes(saved).drawn(PEOPLE, EMPTY_HOUR, POLICY, KEY)
        assert publish(again) == publish(record)
        assert log.to_bytes() == saved


def test_a_running_total_that_is_asked_again_is_the_same() -> None:
    tree = Tree(TreePolicy(name="p", epsilon=0.1, payments_per_person=5, window_ms=1), 0)
    for number in range(9):
        tree = tree.add(number, 10)
    for _ in range(50):
        tree = Tree.from_bytes(tree.to_bytes()).add(8, 10)
        assert len({tree.total(8) for _ in range(3)}) == 1
    assert len(tree.nodes) == 9


# Bug 23: noisy places that are moved back to land


def is_on_the_island(place: Place) -> bool:
    return float(Geodesic.WGS84.Inverse(*ISLAND, *place)["s12"]) < 9_000.0


def truncated(lat: float, lon: float, record: str) -> Place:
    """Move what fell into the sea to the shore on the way back."""
    place = noisy_place(lat, lon, epsilon_per_m=1e-4, key=KEY, record=record)
    line = Geodesic.WGS84.Inverse(*ISLAND, *place)
    return place if is_on_the_island(place) else destination(*ISLAND, 8_900.0, line["azi1"])


def at_sea(noise: Noise) -> float:
    return sum(not is_on_the_island(noise(*ISLAND, f"{number}")) for number in range(RECORDS)) / RECORDS


def test_places_in_the_sea_stay_there() -> None:
    # A move of 20 km on average goes beyond 9 km with a chance of (1 + 0.9) exp(-0.9) = 0.772; 0.06 are five standard errors.
    assert at_sea(lambda lat, lon, record: noisy_place(lat, lon, epsilon_per_m=1e-4, key=KEY, record=record)) == pytest.approx(
        0.772, abs=0.06
    )
    assert at_sea(truncated) == 0.0


def test_amounts_below_zero_stay_there() -> None:
    noisy = [noisy_amount(0, epsilon_per_minor=0.01, key=KEY, record=f"{number}") for number in range(RECORDS)]
    assert sum(amount < 0 for amount in noisy) / RECORDS == pytest.approx(0.5, abs=0.07)

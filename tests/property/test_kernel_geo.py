"""Distances against the ellipsoid (Karney's geodesics) and against the haversine package."""

from __future__ import annotations

import math

import numpy as np
import pytest
from geographiclib.geodesic import Geodesic
from haversine import Unit, haversine
from hypothesis import example, given
from hypothesis import strategies as st

from veilocity.distances import great_circle_many_m
from veilocity.geo import EARTH_RADIUS_M, SPHERE_ERROR, distance_bounds_m, great_circle_m, interpolate, valid_coordinates

Place = tuple[float, float]

latitudes = st.floats(-90, 90) | st.sampled_from([-90.0, 0.0, 90.0])
longitudes = st.floats(-180, 180) | st.sampled_from([-180.0, 0.0, 180.0])
places = st.tuples(latitudes, longitudes)
JUDGE_ERROR_M = 1e-6
"""Karney's geodesics are good to 15 nm; the rest is rounding of degrees."""


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Place, Place]:
    """Two places: anywhere, a few metres apart, or almost opposite."""
    lat, lon = draw(places)
    kind = draw(st.sampled_from(["anywhere", "near", "opposite"]))
    if kind == "anywhere":
        return (lat, lon), draw(places)
    step = 10 ** draw(st.floats(-8, 1))
    other_lat = (lat if kind == "near" else -lat) + step * draw(st.floats(-1, 1))
    other_lon = lon + step * draw(st.floats(-1, 1)) + (180 if kind == "opposite" else 0)
    return (lat, lon), (max(-90.0, min(90.0, other_lat)), (other_lon + 540) % 360 - 180)


def ellipsoid_m(first: Place, second: Place) -> float:
    return Geodesic.WGS84.Inverse(*first, *second, Geodesic.DISTANCE)["s12"]


@given(pairs(), st.floats(0, 5000), st.floats(0, 5000))
@example(((0.0, 0.0), (0.001, 0.0)), 0.0, 0.0)  # steepest: along a meridian at the equator
@example(((90.0, 0.0), (89.999, 77.0)), 0.0, 0.0)  # flattest: at a pole
@example(((0.0, 179.999), (0.0, -179.999)), 0.0, 0.0)
@example(((90.0, 0.0), (-90.0, 0.0)), 0.0, 0.0)
@example(((0.0, 0.0), (0.0, 180.0)), 0.0, 0.0)
@example(((30.0, 0.0), (-30.0, 179.9)), 0.0, 0.0)  # where Vincenty's formula does not converge
def test_the_bounds_hold_the_distance_on_the_ellipsoid(pair: tuple[Place, Place], accuracy_1_m: float, accuracy_2_m: float) -> None:
    first, second = pair
    true_m = ellipsoid_m(first, second)
    bounds = distance_bounds_m(*first, accuracy_1_m, *second, accuracy_2_m)
    assert 0.0 <= bounds.low <= bounds.likely <= bounds.high
    assert bounds.low - JUDGE_ERROR_M <= true_m <= bounds.high + JUDGE_ERROR_M
    # The accuracy is worth its metres and not one more.
    assert bounds.high - bounds.likely * (1 + SPHERE_ERROR) == pytest.approx(accuracy_1_m + accuracy_2_m, abs=1e-6)


def test_the_sphere_error_is_the_ellipsoids_own_and_not_padded() -> None:
    steepest = ellipsoid_m((0.0, 0.0), (1e-3, 0.0)) / great_circle_m(0.0, 0.0, 1e-3, 0.0)
    flattest = ellipsoid_m((90.0, 0.0), (90.0 - 1e-3, 0.0)) / great_circle_m(90.0, 0.0, 90.0 - 1e-3, 0.0)
    assert 1 - steepest == pytest.approx(0.005583, abs=2e-6)
    assert flattest - 1 == pytest.approx(0.004487, abs=2e-6)
    assert 0.005583 < SPHERE_ERROR < 0.00562


@given(pairs())
def test_the_distance_is_the_haversine_packages(pair: tuple[Place, Place]) -> None:
    first, second = pair
    try:
        reference_m = haversine(first, second, unit=Unit.METERS)
    except ValueError:  # its arcsine has no value a few ulp beyond the antipode; ours has
        reference_m = math.pi * EARTH_RADIUS_M
    # The haversine loses half its digits near the antipode: there both are right to 0.3 m.
    assert great_circle_m(*first, *second) == pytest.approx(reference_m, rel=1e-9, abs=1e-6 if reference_m < 2.0e7 else 0.3)


@given(st.lists(pairs(), max_size=30))
def test_many_distances_at_once_are_the_same(many: list[tuple[Place, Place]]) -> None:
    batch = great_circle_many_m([first for first, _ in many], [second for _, second in many])
    one_by_one = [great_circle_m(*first, *second) for first, second in many]
    assert batch.shape == (len(many),)
    for together, alone in zip(batch.tolist(), one_by_one, strict=True):
        assert together == pytest.approx(alone, rel=1e-9, abs=1e-6 if alone < 2.0e7 else 0.3)


@pytest.mark.parametrize("bad", [(91.0, 0.0), (0.0, 181.0), (math.nan, 0.0), (0.0, math.inf)])
def test_many_distances_refuse_what_is_no_place(bad: Place) -> None:
    assert not valid_coordinates(*bad)
    with pytest.raises(ValueError, match="out of range"):
        great_circle_many_m([(0.0, 0.0), bad], [(0.0, 0.0), (0.0, 0.0)])
    with pytest.raises(ValueError, match="paired"):
        great_circle_many_m([(0.0, 0.0)], np.zeros((2, 2)))


@given(pairs())
def test_the_distance_is_symmetric_and_finite(pair: tuple[Place, Place]) -> None:
    (lat_1, lon_1), (lat_2, lon_2) = pair
    there = great_circle_m(lat_1, lon_1, lat_2, lon_2)
    assert 0.0 <= there <= math.pi * EARTH_RADIUS_M
    assert there == great_circle_m(lat_2, lon_2, lat_1, lon_1)
    # Longitudes 360 degrees apart are one meridian.
    assert there == pytest.approx(great_circle_m(lat_1, lon_1 - 360.0, lat_2, lon_2), abs=0.3)


@given(pairs(), st.floats(0, 1))
@example(((10.0, 20.0), (-10.0, -160.0)), 0.5)
@example(((90.0, 0.0), (-90.0, 0.0)), 0.25)
@example(((0.0, 0.0), (0.0, 180.0)), 1.0)
def test_a_place_between_lies_at_its_fraction_of_the_way(pair: tuple[Place, Place], fraction: float) -> None:
    first, second = pair
    whole_m = great_circle_m(*first, *second)
    between = interpolate(*first, *second, fraction)
    assert valid_coordinates(*between)
    if math.pi * EARTH_RADIUS_M - whole_m > 1000.0:
        assert great_circle_m(*first, *between) == pytest.approx(fraction * whole_m, abs=1.0)
        assert great_circle_m(*between, *second) == pytest.approx((1 - fraction) * whole_m, abs=1.0)
    else:  # almost opposite: every way is as good, and no way is longer than half the Earth
        assert great_circle_m(*first, *between) == pytest.approx(fraction * whole_m, abs=2000.0)

from __future__ import annotations

import math

import pytest

from privacy.differential.places import destination, noisy_amount, noisy_place, person_epsilon
from veilocity.errors import ContractError, SettingsError, UnsafePolicyError
from veilocity.geo import great_circle_m

KEY = bytes(range(32))
EPSILON = 0.001


def place(
    lat: float = 48.2, lon: float = 16.4, *, epsilon_per_m: float = EPSILON, key: bytes = KEY, record: str = "t-1"
) -> tuple[float, float]:
    return noisy_place(lat, lon, epsilon_per_m=epsilon_per_m, key=key, record=record)


def amount(amount_minor: int = 5000, *, epsilon: float = 0.001, key: bytes = KEY, record: str = "t-1") -> int:
    return noisy_amount(amount_minor, epsilon_per_minor=epsilon, key=key, record=record)


def test_the_same_record_has_the_same_noise_for_ever() -> None:
    assert place() == place() == (48.19999, 16.38893)
    assert amount() == amount() == 6283


def test_another_record_key_value_or_epsilon_has_noise_of_its_own() -> None:
    moves = {
        (round(lat - true_lat, 4), round(lon - true_lon, 4))
        for (lat, lon), true_lat, true_lon in (
            (place(), 48.2, 16.4),
            (place(record="t-2"), 48.2, 16.4),
            (place(key=KEY[::-1]), 48.2, 16.4),
            (place(lat=48.3), 48.3, 16.4),
            (place(lon=16.5), 48.2, 16.5),
            (place(epsilon_per_m=0.0010000001), 48.2, 16.4),
        )
    }
    assert len(moves) == 6
    noise = {amount() - 5000, amount(record="t-2") - 5000, amount(key=KEY[::-1]) - 5000, amount(5001) - 5001, amount(epsilon=0.0011) - 5000}
    assert len(noise) == 5


def test_minus_zero_is_zero() -> None:
    assert place(-0.0, -0.0) == place(0.0, 0.0)


def test_a_place_and_an_amount_of_one_record_share_no_draw() -> None:
    streams = {noisy_amount(0, epsilon_per_minor=1e-6, key=KEY, record=record) for record in ("", "t", "veilocity noise place")}
    assert len(streams) == 3


@pytest.mark.parametrize(
    ("lat", "lon"), [(0.0, 0.0), (60.0, 10.0), (-33.9, 151.2), (90.0, 0.0), (-90.0, 45.0), (12.0, 180.0), (89.9999, -180.0)]
)
@pytest.mark.parametrize("distance_m", [0.0, 0.01, 1500.0, 250_000.0, 9_000_000.0])
def test_a_destination_lies_as_far_as_asked(lat: float, lon: float, distance_m: float) -> None:
    for azimuth_deg in range(0, 360, 15):
        to_lat, to_lon = destination(lat, lon, distance_m, azimuth_deg)
        assert -90.0 <= to_lat <= 90.0
        assert -180.0 <= to_lon <= 180.0
        assert great_circle_m(lat, lon, to_lat, to_lon) == pytest.approx(distance_m, rel=1e-7, abs=1e-6)


def test_directions_are_clockwise_from_north() -> None:
    step_m = math.radians(1.0) * 6_371_008.8
    assert destination(10.0, 20.0, step_m, 0.0) == pytest.approx((11.0, 20.0))
    assert destination(0.0, 20.0, step_m, 90.0) == pytest.approx((0.0, 21.0))
    assert destination(10.0, 20.0, step_m, 180.0) == pytest.approx((9.0, 20.0))
    assert destination(0.0, 20.0, step_m, 270.0) == pytest.approx((0.0, 19.0))
    assert destination(60.0, 0.0, step_m, 90.0)[1] == pytest.approx(2.0, abs=1e-3)
    assert destination(89.5, 30.0, step_m, 0.0) == pytest.approx((89.5, -150.0))


def test_only_places_that_exist_and_noise_that_hides_are_taken() -> None:
    for lat, lon in ((90.1, 0.0), (0.0, 180.1), (math.nan, 0.0)):
        with pytest.raises(ContractError, match="out of range"):
            place(lat, lon)
    for epsilon in (0.0, 9e-6, 0.11, math.nan):
        with pytest.raises(UnsafePolicyError, match="epsilon_per_m "):
            place(epsilon_per_m=epsilon)
    for epsilon in (0.0, 1e-10, 11.0, math.nan):
        with pytest.raises(UnsafePolicyError, match="epsilon_per_minor "):
            amount(epsilon=epsilon)
    for call in (place, amount):
        with pytest.raises(SettingsError, match="16 bytes"):
            call(key=KEY[:16])


def test_what_a_person_loses_adds_up() -> None:
    assert person_epsilon(0.5, 6) == 3.0
    with pytest.raises(UnsafePolicyError):
        person_epsilon(0.5, -1)

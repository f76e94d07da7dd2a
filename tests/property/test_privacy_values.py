"""A value always lies inside what is printed for it, and rounding never claims more."""

import math

import h3
from hypothesis import given
from hypothesis import strategies as st

from ingest.money import minor_units
from privacy.amounts import band, band_bounds, band_path, minor_digits, rounded_amount
from privacy.categories import category_path
from privacy.hierarchies import HEIGHTS, MISSING, PATHS, cell_path
from privacy.rounding import round_down, round_up, widened
from veilocity.geo import Interval

AMOUNTS = st.integers(-(10**12), 10**12)
CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "CLF", "XXX"])
SIZES = st.floats(0.0, 1e9, allow_nan=False)


@given(amount=AMOUNTS, currency=CURRENCIES)
def test_an_amount_lies_inside_every_band_of_its_path(amount: int, currency: str) -> None:
    narrow, decade, of_currency, everything = band_path(band(amount, currency))
    major = abs(amount) / 10 ** minor_digits(currency)
    for printed in (narrow, decade):
        low, high = band_bounds(printed)
        assert low <= major < high
        assert printed.startswith(f"{currency} back " if amount < 0 else f"{currency} ")
    assert (of_currency, everything) == (f"{currency} *", "*")
    assert band_bounds(decade)[0] <= band_bounds(narrow)[0] < band_bounds(narrow)[1] <= band_bounds(decade)[1]


@given(amount=AMOUNTS, currency=CURRENCIES)
def test_a_rounded_amount_has_two_digits_and_is_near(amount: int, currency: str) -> None:
    scale = 10 ** minor_digits(currency)
    rounded = round(rounded_amount(amount, currency) * scale)
    assert len(str(abs(rounded)).rstrip("0")) <= 2
    assert abs(rounded - amount) <= max(0.05 * abs(amount), 0)


@given(currency=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3))
def test_the_gateway_and_this_stage_know_the_same_minor_units(currency: str) -> None:
    assert minor_units("1", currency) == 10 ** minor_digits(currency)


def test_the_gateway_and_this_stage_agree_on_every_listed_currency() -> None:
    from veilocity.currencies import _DIGITS_OF

    for currency, digits in _DIGITS_OF.items():
        assert minor_units("1", currency) == 10**digits


@given(value=SIZES)
def test_bounds_move_outwards_by_less_than_a_tenth(value: float) -> None:
    assert 0.9 * value <= round_down(value) <= value <= round_up(value) <= 1.1 * value + 1e-300


@given(values=st.lists(SIZES, min_size=3, max_size=3).map(sorted))
def test_a_widened_interval_holds_the_exact_one_and_its_own_likely_value(values: list[float]) -> None:
    exact = Interval(*values)
    wide = widened(exact)
    assert wide.low <= exact.low <= exact.high <= wide.high
    assert wide.low <= wide.likely <= wide.high
    assert math.isclose(wide.likely, exact.likely, rel_tol=0.06, abs_tol=1e-300)


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180), resolution=st.integers(0, 9))
def test_every_ancestor_of_a_cell_holds_it(lat: float, lon: float, resolution: int) -> None:
    cell = h3.latlng_to_cell(lat, lon, resolution)
    path = cell_path(cell)
    assert path[0] == cell
    for above in path[:-1]:
        assert h3.cell_to_parent(cell, h3.get_resolution(above)) == above


@given(category=st.text())
def test_every_path_ends_in_everything_and_has_its_height(category: str) -> None:
    exact = ("872830828ffffff", "2026-11-22T14", "EUR 20-50", category)
    for path, value, height in zip(PATHS, exact, HEIGHTS, strict=True):
        steps = path(value)
        assert steps[0] == value
        assert steps[-1] == "*"
        assert len(steps) == height + 1
    assert cell_path(MISSING) == (MISSING, MISSING, MISSING, "*")
    assert category_path(category)[1].startswith("[")

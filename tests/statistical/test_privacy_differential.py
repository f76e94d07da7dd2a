"""The laws of the noise, at a stated chance of a false alarm.

Counts and trees draw from the operating system and differ in every run; each test states the chance that a right program fails. Places
and amounts are keyed: their figures are fixed, a failure is a change of the code, and the stated chance is that of an unlucky key.

Limits. A share of n trials leaves its chance p by more than sqrt(ln(2 / b) / 2n) with a chance of at most b (Hoeffding), and exceeds it by
more than sqrt(2 p ln(1 / b) / n) + ln(1 / b) / n with a chance of at most b (Bernstein). The largest distance of an empirical distribution
function to its law exceeds sqrt(ln(2 / b) / 2n) with a chance of at most b (Dvoretzky, Kiefer, Wolfowitz, Massart).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from geographiclib.geodesic import Geodesic
from numpy.typing import NDArray

from privacy.differential import counts
from privacy.differential.counts import HOUR_MS, CountsPolicy, Payment, Window, draw
from privacy.differential.keyed import KeyedDraws, discrete_laplace
from privacy.differential.noise import add_laplace, laplace_variance, scale_for, select, threshold_for
from privacy.differential.places import noisy_place
from privacy.differential.publication import CellCounts, publish
from privacy.differential.tree import Tree, TreePolicy

KEY = bytes(range(32))
HOUR = Window(0, HOUR_MS)
Sample = NDArray[np.float64]


def hoeffding(trials: int, chance: float) -> float:
    return math.sqrt(math.log(2.0 / chance) / (2.0 * trials))


def bernstein(share: float, trials: int, chance: float) -> float:
    return math.sqrt(2.0 * share * math.log(1.0 / chance) / trials) + math.log(1.0 / chance) / trials


# Counts: a falsifier on neighbouring windows

CELLS = 20_000
EPSILON = 1.0
POLICY = CountsPolicy(
    name="p", epsilon=EPSILON, payments_per_person=3, public_cells=tuple(f"{number:05}" for number in range(CELLS)), overall_share=0.05
)
LEVELS = range(-25, 26)


def is_refuted(first: Sequence[int], second: Sequence[int], epsilon: float, chance: float) -> bool:
    """Say whether two samples refute that their laws differ by at most a factor of e^epsilon, on any half line, in either direction.

    Hoeffding's limit holds for all 4 * len(LEVELS) comparisons at once: a true claim is refuted with a chance of at most `chance`.
    """
    margin = (1.0 + math.exp(epsilon)) * hoeffding(len(first), chance / (8 * len(LEVELS)))
    one, two = np.asarray(first), np.asarray(second)
    for level in LEVELS:
        for more, fewer in ((one, two), (two, one)):
            for above in (True, False):
                shares = [float(np.mean(side >= level if above else side < level)) for side in (more, fewer)]
                if shares[0] - math.exp(epsilon) * shares[1] > margin:
                    return True
    return False


def with_one_person_each() -> list[Payment]:
    """Return nine payments of one person in each cell: its neighbour, for each cell by itself, is the empty window."""
    return [Payment(f"t{cell}-{number}", f"p{cell}", number, f"{cell:05}", flagged=False) for cell in range(CELLS) for number in range(9)]


@pytest.fixture(scope="module")
def people() -> list[Payment]:
    return with_one_person_each()


def counted(payments: list[Payment]) -> list[int]:
    return [one.unflagged for one in draw(payments, HOUR, POLICY, KEY).bins]


def test_neighbouring_windows_do_not_refute_epsilon_but_do_refute_a_quarter_of_it(people: list[Payment]) -> None:
    # n = 20,000 cells with noise of their own; false failure: 1e-6 for the first, less for the second, whose gap is five times the limit.
    first, second = counted(people), counted([])
    assert not is_refuted(first, second, EPSILON, chance=1e-6)
    assert is_refuted(first, second, EPSILON / 4, chance=1e-6)


def test_a_window_without_bounds_for_a_person_is_refuted(people: list[Payment], monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(persons: Sequence[str], records: Sequence[str], most: int, key: bytes) -> list[int]:
        del records, most, key
        return list(range(len(persons)))

    monkeypatch.setattr(counts, "kept", everything)
    assert is_refuted(counted(people), counted([]), EPSILON, chance=1e-6)


def test_noise_for_half_the_sensitivity_is_refuted(people: list[Payment], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "add_laplace", lambda values, scale: add_laplace(values, scale / 2.0))
    assert is_refuted(counted(people), counted([]), EPSILON, chance=1e-6)


def test_a_key_that_one_person_has_is_shown_with_delta_at_most() -> None:
    # n = 20,000 keys; false failure: 1e-7 each way.
    trials, delta, scale = 20_000, 0.02, scale_for(1, 0.2)
    lonely = {f"{number}": 1 for number in range(trials)}
    threshold = threshold_for(1, scale, delta)
    limit = delta + bernstein(delta, trials, 1e-7)
    assert len(select(lonely, scale, threshold)) / trials <= limit
    # A threshold that forgets ln(2) lets through twice as many.
    assert len(select(lonely, scale, threshold - round(scale * math.log(2.0)))) / trials > limit


def test_published_intervals_hold_the_kept_counts() -> None:
    # n = 5,000 cells; false failure: 1e-7 for each of the three figures.
    cells = 5_000
    policy = CountsPolicy(name="p", epsilon=1.0, payments_per_person=4, public_cells=tuple(f"{number:04}" for number in range(cells)))
    payments = [
        Payment(f"t{cell}-{number}", f"p{cell}-{number // 2}", number, f"{cell:04}", flagged=number % 5 == 0)
        for cell in range(cells)
        for number in range(20)
    ]
    shown = publish(draw(payments, HOUR, policy, KEY)).cells

    def held(holds: Callable[[CellCounts], bool]) -> float:
        return sum(holds(one) for one in shown) / cells

    least = 0.95 - bernstein(0.05, cells, 1e-7)
    assert held(lambda one: one.payments.low <= 20 <= one.payments.high) >= least
    assert held(lambda one: one.flagged.low <= 4 <= one.flagged.high) >= least
    assert held(lambda one: one.fraud_rate.low <= 0.2 <= one.fraud_rate.high) >= least
    # And they are not wider than needed: one count's interval holds 95 to 97 % at this scale.
    assert held(lambda one: one.flagged.low <= 4 <= one.flagged.high) <= 0.97 + bernstein(0.03, cells, 1e-7)


def test_the_noise_of_counts_has_the_stated_variance() -> None:
    # n = 40,000; the variance of z^2 is below 8 times the squared variance, so 0.09 are six standard errors; false failure: about 1e-8.
    for scale in (0.5, 4.0):
        noise = np.array(add_laplace([0] * 40_000, scale), dtype=float)
        assert np.mean(noise**2) == pytest.approx(laplace_variance(scale), rel=0.09)


# Trees


def totals(trees: int, windows: int) -> tuple[list[int], Tree]:
    policy = TreePolicy(name="p", epsilon=1.0, payments_per_person=1, window_ms=1, first_windows=4)
    found = []
    for _ in range(trees):
        tree = Tree(policy, 0)
        for number in range(windows):
            tree = tree.add(number, 10)
        found.append(tree.total(windows - 1).value)
    return found, tree


def test_running_totals_err_within_their_bound_and_as_much_as_stated() -> None:
    # n = 800 series of 27 windows (trees of 4, 8 and 16); false failure: 1e-7 for the shares, about 1e-7 for the variance (6 standard
    # errors).
    trees, windows = 800, 27
    found, last = totals(trees, windows)
    for confidence in (0.8, 0.95):
        shown = last.total(windows - 1, confidence)
        radius = shown.high - shown.value
        outside = sum(abs(value - 10 * windows) > radius for value in found) / trees
        assert outside <= 1.0 - confidence + bernstein(1.0 - confidence, trees, 1e-7)
        # The bound is not empty: halved, it fails.
        assert sum(abs(value - 10 * windows) > radius / 2.5 for value in found) / trees > 1.0 - confidence
    variance = last.total(windows - 1).standard_error ** 2
    assert np.mean((np.array(found) - 10.0 * windows) ** 2) == pytest.approx(variance, rel=6.0 * math.sqrt(3.0 / trees))


def test_a_long_running_total_errs_less_than_the_sum_of_its_windows() -> None:
    # By formula alone: 10,000 hours, a little more than a year.
    policy = TreePolicy(name="p", epsilon=1.0, payments_per_person=1, window_ms=1)
    long = Tree(policy, 0, nodes=(0,) * 10_000)
    by_windows = math.sqrt(10_000 * laplace_variance(scale_for(1, 1.0)))
    assert long.total(9_999).standard_error < by_windows / 1.5


# Places and amounts

PLACES = [(0.0, 0.0), (41.0, -8.6), (60.0, 10.0), (-75.0, 120.0), (90.0, 0.0), (-90.0, 30.0), (5.0, 180.0)]
MOVES = 4_000
PER_M = 0.001


def moves(lat: float, lon: float) -> tuple[Sample, Sample]:
    """Return how far in metres and in what direction (0 to 1, a whole turn) the noise of many records goes, on the ellipsoid."""
    found = []
    for number in range(MOVES):
        there = noisy_place(lat, lon, epsilon_per_m=PER_M, key=KEY, record=f"{number}")
        line = Geodesic.WGS84.Inverse(lat, lon, *there)
        found.append((line["s12"], line["azi1"] / 360.0 % 1.0))
    array = np.array(found)
    return array[:, 0], array[:, 1]


def distance_to_law(sample: Sample, law: Callable[[Sample], Sample]) -> float:
    """Return the Kolmogorov-Smirnov statistic."""
    ordered = np.sort(sample)
    chances, steps = law(ordered), np.arange(len(ordered) + 1) / len(ordered)
    return float(max(np.max(steps[1:] - chances), np.max(chances - steps[:-1])))


def gamma_law(distances: Sample) -> Sample:
    """Return the distribution function of Gamma(2, 1 / epsilon): that of the distance of the planar Laplace law."""
    return 1.0 - (1.0 + PER_M * distances) * np.exp(-PER_M * distances)


@pytest.mark.parametrize(("lat", "lon"), PLACES)
def test_distance_and_direction_of_the_noise_have_their_laws_everywhere(lat: float, lon: float) -> None:
    # n = 4,000 records; unlucky key: 1e-8 for each statistic. Ellipsoid and sphere differ by 1.2 % at most: that moves the law by 0.0065.
    limit = hoeffding(MOVES, 1e-8)
    distances, directions = moves(lat, lon)
    assert distance_to_law(distances, gamma_law) < limit + 0.0065
    assert distance_to_law(directions, lambda turns: turns) < limit + 0.002
    # Direction does not depend on distance.
    near = directions[distances < np.median(distances)]
    assert distance_to_law(near, lambda turns: turns) < hoeffding(len(near), 1e-8) + 0.002


def test_the_guarantee_of_places_is_not_refuted_but_a_quarter_of_it_is() -> None:
    # n = 4,000 records around each of two places at 60 N, 2 / epsilon apart, west and east; events: the noisy place lies west of a
    # meridian. Unlucky key: 1e-6.
    lat, lon = 60.0, 10.0
    width = 2.0 / PER_M / (math.radians(1.0) * 6_371_008.8 * math.cos(math.radians(lat)))
    apart_m = Geodesic.WGS84.Inverse(lat, lon, lat, lon + width)["s12"]
    west, east = (
        np.array([noisy_place(lat, at, epsilon_per_m=PER_M, key=KEY, record=f"{at}-{number}")[1] for number in range(MOVES)])
        for at in (lon, lon + width)
    )
    levels = np.linspace(lon - 2 * width, lon + 3 * width, 40)
    limit = hoeffding(MOVES, 1e-6 / 320)

    def refuted(epsilon: float) -> bool:
        factor = math.exp(epsilon * apart_m)
        shares = [(np.mean(west < level), np.mean(east < level)) for level in levels]
        gaps = [gap for low, high in shares for gap in (low - factor * high, (1 - high) - factor * (1 - low))]
        return bool(max(gaps) > (1 + factor) * limit)

    assert not refuted(PER_M)
    assert refuted(PER_M / 4)


def test_the_noise_of_amounts_has_the_discrete_laplace_law() -> None:
    # n = 20,000 records, scale 5 / 2; Pearson's statistic over 25 values has 24 degrees; unlucky key: 1e-7 (quantile 78.7).
    trials, scale = 20_000, Fraction(5, 2)
    found = Counter(max(-12, min(12, discrete_laplace(KeyedDraws(KEY, [f"{number}"]), scale))) for number in range(trials))
    decay = math.exp(-1.0 / float(scale))
    law = {value: (1 - decay) / (1 + decay) * decay ** abs(value) for value in range(-11, 12)}
    law |= {end: decay**12 / (1 + decay) for end in (-12, 12)}
    assert sum(law.values()) == pytest.approx(1.0)
    assert sum((found[value] - trials * chance) ** 2 / (trials * chance) for value, chance in law.items()) < 78.7

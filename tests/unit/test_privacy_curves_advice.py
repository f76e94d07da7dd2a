"""Which k is recommended, and that the sentence says why."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from privacy.curves import EMA, Curve, Limits, Point, recommend
from privacy.curves.advice import knee, knee_of
from veilocity.errors import SettingsError

FIGURE_2 = (
    [number / 9 for number in range(10)],
    [-5.0, 0.263, 1.897, 2.692, 3.163, 3.475, 3.696, 3.861, 3.989, 4.091],
)
"""The example of the Kneedle paper: y = -1/x + 5 for x = 0.1 to 1; its knee is at 0.22."""


def point(k: int, loss: float, **changes: Any) -> Point:
    plain = Point(
        k=k,
        loss=loss,
        suppressed=0,
        classes=10,
        smallest=k,
        average_class_size=1.2 * k,
        discernibility=k * 100,
        prosecutor=1 / k,
        prosecutor_at_risk=0.0,
        journalist=1 / k,
        journalist_at_risk=0.0,
        marketer=0.8 / k,
        unicity=None,
        inference=None,
        t=None,
        l=None,
        query_error=loss,
        score=1 - 1 / k,
    )
    return msgspec.structs.replace(plain, **changes)


def curve_of(*points: Point) -> Curve:
    return Curve(
        rows=1_000,
        people=None,
        quasi=("age",),
        sensitive=None,
        trace=(),
        trace_points=4,
        threshold=0.2,
        queries=10,
        seed=1,
        points=points,
    )


def bent(last: int = 60, **changes: Any) -> Curve:
    """Loss grows with the square root of k, as on real tables."""
    return curve_of(*(point(k, 0.03 * k**0.5, **changes) for k in range(2, last + 1)))


def test_the_knee_of_the_papers_example() -> None:
    assert knee_of(*FIGURE_2) == 2


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([0.0, 1.0], [0.0, 1.0]),
        ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0]),
        ([0.0, 0.5, 1.0], [1.0, 1.0, 1.0]),
        ([1.0, 1.0, 1.0], [0.0, 0.5, 1.0]),
        ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.01, 0.04, 0.3, 1.0]),
        ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.3, 0.5, 0.75, 1.0]),
    ],
)
def test_what_does_not_bend_has_no_knee(x: list[float], y: list[float]) -> None:
    assert knee_of(x, y) is None


def test_of_two_knees_the_stronger_is_taken() -> None:
    x = np.linspace(0, 1, 21)
    y = np.where(
        x < 0.2, 2.5 * x, np.where(x < 0.7, 0.5 + 0.1 * (x - 0.2), np.where(x < 0.8, 0.55 + 4 * (x - 0.7), 0.95 + 0.25 * (x - 0.8)))
    )
    assert knee_of(x.tolist(), y.tolist()) == 4


def test_the_knee_of_a_square_root_is_where_it_bends() -> None:
    """Loss against risk is 0.03 risk^-1/2: 1 - loss' - risk' is highest where its slope is that of the line between the ends."""
    curve = bent()
    risks = np.array([point.prosecutor for point in curve.points])
    losses = np.array([point.loss for point in curve.points])
    height = 2 - (risks - risks.min()) / np.ptp(risks) - (losses - losses.min()) / np.ptp(losses)
    assert knee(curve) == curve.points[int(height.argmax())].k


def test_classes_that_are_the_same_are_one_place_of_the_curve() -> None:
    """A plateau (one division serves several k) is told by its smallest k, and the cheapest of equal risk counts."""
    points = [point(k, 0.03 * k**0.5) for k in (2, 3, 5, 8, 13, 21, 34)]
    plateau = [msgspec.structs.replace(one, k=one.k + more) for one in points for more in (0, 1)]
    unique = {one.k: one for one in reversed(plateau)}
    assert knee(curve_of(*(unique[k] for k in sorted(unique)))) == knee(curve_of(*points))


def test_the_smallest_k_within_the_limit_is_fitting_and_the_knee_is_taken_where_it_is_further() -> None:
    found = recommend(bent())
    assert (found.fitting, found.knee) == (5, knee(bent()))
    assert found.k == max(5, found.knee or 0) > 5
    assert found.why.startswith(f"Take k = {found.k}: k = 5 would keep the limits, and up to the knee")


def test_a_limit_beyond_the_knee_wins() -> None:
    found = recommend(bent(), Limits(prosecutor=0.03))
    assert found.k == found.fitting == 34
    assert f"smallest k of 2 to 60 that keeps the limits, beyond the knee at k = {found.knee}" in found.why
    assert "prosecutor 0.0294 of at most 0.03" in found.why


def test_the_limit_of_the_medicines_agency_asks_for_twelve() -> None:
    assert recommend(bent(), Limits(prosecutor=EMA)).fitting == 12


def test_a_class_that_happens_to_be_larger_is_not_relied_on() -> None:
    """The curve's classes of k = 8 had 12 people; another release of k = 8 may have 8."""
    found = recommend(curve_of(point(8, 0.1, prosecutor=1 / 12, smallest=12), point(12, 0.1)), Limits(prosecutor=EMA))
    assert found.k == 12


def test_a_risk_on_the_limit_keeps_it() -> None:
    assert recommend(bent(), Limits(prosecutor=0.5)).fitting == 2


def test_a_knee_that_suppresses_too_much_is_not_taken() -> None:
    points = bent().points
    where = knee(bent())
    assert where is not None
    points = tuple(msgspec.structs.replace(one, suppressed=200 if one.k == where else 0) for one in points)
    found = recommend(curve_of(*points))
    assert (found.k, found.knee) == (5, where)
    assert f"the knee at k = {where} does not keep them" in found.why


def test_suppressed_rows_push_to_another_k() -> None:
    points = (point(5, 0.1, suppressed=60), point(6, 0.12, suppressed=50))
    assert recommend(curve_of(*points)).k == 6
    assert recommend(curve_of(*points), Limits(suppressed=None)).k == 5


def test_a_curve_without_a_knee_still_has_an_answer() -> None:
    found = recommend(curve_of(point(2, 0.1), point(5, 0.2)))
    assert (found.k, found.knee) == (5, None)
    assert found.why == (
        "Take k = 5: it is the smallest k of 2 to 5 that keeps the limits (prosecutor 0.2 of at most 0.2, suppressed 0 of at most 0.05); "
        "the loss is 0.2 and half of all random counts are off by more than 0.2 of themselves."
    )


def test_where_nothing_fits_the_sentence_says_what_stands_in_the_way() -> None:
    found = recommend(bent(inference=0.6, unicity=0.9), Limits(inference=0.3, unicity=0.5))
    assert (found.k, found.fitting) == (None, None)
    assert "unicity is at least 0.9, not 0.5; inference is at least 0.6, not 0.3" in found.why
    both = curve_of(point(2, 0.1, inference=0.9), point(5, 0.2, inference=0.9), point(9, 0.3, inference=0.1, suppressed=500))
    assert "each limit is kept by some k, but all of them by none" in recommend(both, Limits(inference=0.5)).why


def test_a_k_that_releases_nothing_is_never_taken() -> None:
    nothing = point(5, 1.0, classes=0, suppressed=1_000, prosecutor=0.0, smallest=0)
    found = recommend(curve_of(nothing), Limits(suppressed=None))
    assert found.k is None
    assert "every row would be suppressed" in found.why
    assert recommend(curve_of(nothing, point(9, 0.2)), Limits(suppressed=None)).k == 9


def test_a_risk_that_nobody_limited_is_told_where_it_is_higher() -> None:
    assert recommend(bent(inference=0.7)).why.endswith(" Not limited, and higher than what is: inference 0.7.")
    assert "Not limited" not in recommend(bent(inference=0.7), Limits(inference=0.8)).why
    assert "Not limited" not in recommend(bent(inference=0.001)).why


@pytest.mark.parametrize("limits", [Limits(prosecutor=1.1), Limits(suppressed=-0.1), Limits(inference=float("nan"))])
def test_a_limit_that_is_no_share_is_refused(limits: Limits) -> None:
    with pytest.raises(SettingsError, match="is a share"):
        recommend(bent(), limits)

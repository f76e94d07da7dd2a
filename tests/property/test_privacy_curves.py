"""Whatever the table: k is kept at every point, figures are chances, attackers who know more find more, and order changes nothing."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.anonymise import Hierarchy
from privacy.curves import Curve, Limits, curve, recommend

KS = range(2, 9)
CITY = Hierarchy.from_mapping({"a": ["x", "p"], "b": ["x", "p"], "c": ["y", "p"], "d": ["z", "q"], "e": ["z", "q"]})
HOUR = Hierarchy.intervals(0, 24, (1, 3, 12))


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    row = st.tuples(
        st.none() | st.sampled_from("abcde"),
        st.none() | st.integers(0, 23),
        st.none() | st.integers(0, 12),
        st.none() | st.sampled_from(["yes", "no", "perhaps"]),
        st.integers(0, 2),
    )
    rows = draw(st.lists(row, min_size=1, max_size=50))
    return pd.DataFrame(rows, columns=["city", "hour", "who", "ill", "shop"], dtype=object)


def measured(frame: pd.DataFrame, person: str | None = "who", **changes: Any) -> Curve:
    arguments: dict[str, Any] = {"sensitive": "ill", "trace": ("city", "shop") if person else (), "queries": 12, **changes}
    return curve(frame, {"city": CITY, "hour": HOUR}, KS, person=person, **arguments)


@given(tables(), st.sampled_from(["who", None]))
def test_k_is_kept_and_every_figure_is_a_share(frame: pd.DataFrame, person: str | None) -> None:
    found = measured(frame, person)
    # Rows that name nobody are one person to the search and none to the measures.
    nobody = int(person is not None and frame["who"].isna().any())
    for point in found.points:
        assert 0 <= point.suppressed <= len(frame)
        assert point.discernibility >= len(frame)
        shares = (
            point.loss,
            point.prosecutor,
            point.prosecutor_at_risk,
            point.marketer,
            point.unicity,
            point.inference,
            point.t,
            point.score,
        )
        assert all(share is None or 0 <= share <= 1 for share in shares)
        assert point.query_error >= 0
        if point.classes:
            assert point.smallest >= point.k - nobody
            assert point.prosecutor == 1 / point.smallest
            assert point.average_class_size >= point.smallest
            assert point.inference is not None
            assert point.t is not None
            assert point.inference <= point.t + 1e-12
        else:
            assert (point.suppressed, point.loss) == (len(frame), 1.0)
    losses = [point.loss for point in found.points]
    assert losses == pytest.approx(sorted(losses))


@given(tables(), st.sampled_from(["who", None]))
def test_who_knows_less_finds_less(frame: pd.DataFrame, person: str | None) -> None:
    for point in measured(frame, person).points:
        assert point.journalist <= point.prosecutor
        assert point.journalist_at_risk <= point.prosecutor_at_risk
        assert point.marketer <= point.prosecutor
        assert point.score <= 1 - point.prosecutor


@given(tables(), st.randoms(use_true_random=False), st.sampled_from(["who", None]))
def test_order_and_index_change_nothing(frame: pd.DataFrame, random: Any, person: str | None) -> None:
    places = list(range(len(frame)))
    random.shuffle(places)
    moved = frame.iloc[places].set_index(pd.Index([f"row {place}" for place in places]))
    assert measured(frame, person).to_json() == measured(moved, person).to_json()


@given(tables(), st.floats(0, 1), st.floats(0, 1), st.none() | st.floats(0, 1))
def test_what_is_recommended_keeps_the_limits(frame: pd.DataFrame, risk: float, suppressed: float, inference: float | None) -> None:
    found = measured(frame)
    advice = recommend(found, Limits(prosecutor=risk, suppressed=suppressed, inference=inference))
    kept = [
        point
        for point in found.points
        if point.classes
        and max(point.prosecutor, 1 / point.k) <= risk
        and point.suppressed <= suppressed * len(frame)
        and (inference is None or point.inference is None or point.inference <= inference)
    ]
    assert advice.fitting == (kept[0].k if kept else None)
    assert advice.k is None if not kept else advice.k in {point.k for point in kept}


@given(tables())
def test_a_curve_comes_back_from_json(frame: pd.DataFrame) -> None:
    found = measured(frame)
    assert Curve.from_json(found.to_json()) == found

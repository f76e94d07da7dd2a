"""Every figure of a curve is what plain counting of the released table says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from privacy.anonymise import Hierarchy, loss_curve
from privacy.anonymise.encoding import encode
from privacy.curves import Curve, curve
from privacy.curves.queries import workload
from privacy.curves.shapes import Cover, shapes_of
from privacy.measure import (
    average_class_size,
    discernibility,
    k_anonymity,
    l_diversity,
    marketer_risk,
    prosecutor_risk,
    t_closeness,
    unicity,
)
from veilocity.errors import SettingsError, UnsafePolicyError

CITY = Hierarchy.from_mapping(
    {"Lyon": ["FR", "EU"], "Nice": ["FR", "EU"], "Bonn": ["DE", "EU"], "Kiel": ["DE", "EU"], "Bern": ["CH", "CH"]}
)
AGE = Hierarchy.intervals(0, 120, (1, 5, 20))
QUASI = {"city": CITY, "age": AGE}
KS = (2, 3, 5, 8)


def table(rows: int = 150) -> pd.DataFrame:
    random = np.random.Generator(np.random.Philox(11))
    return pd.DataFrame(
        {
            "who": random.integers(0, rows // 5, rows),
            "city": random.choice(np.array(["Lyon", "Nice", "Bonn", "Kiel", "Bern", None], dtype=object), rows),
            "age": random.integers(20, 60, rows),
            "ill": random.choice(["flu", "cold", "none", "ulcer"], rows, p=[0.6, 0.2, 0.15, 0.05]),
            "shop": random.integers(0, 4, rows),
        }
    )


def released(frame: pd.DataFrame, labels: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[pd.DataFrame, list[int]]:
    """Return what the classes print, told by paths alone, and whom of the whole table each released row's class covers."""
    paths = {name: [hierarchy.path(value) for value in frame[name]] for name, hierarchy in QUASI.items()}
    shown: dict[int, dict[str, tuple[str, ...]]] = {}
    for label in set(labels.tolist()) - {-1}:
        members = np.flatnonzero(labels == label).tolist()
        shown[label] = {}
        for name, found in paths.items():
            level = next(level for level in range(len(found[0])) if len({found[row][level:] for row in members}) == 1)
            shown[label][name] = found[members[0]][level:]
    covered = {
        label: len(
            {frame["who"][row] for row in range(len(frame)) if all(paths[name][row][-len(part) :] == part for name, part in parts.items())}
        )
        for label, parts in shown.items()
    }
    inside = np.flatnonzero(labels >= 0).tolist()
    columns: dict[str, list[Any]] = {name: ["/".join(shown[labels[row]][name]) for row in inside] for name in QUASI}
    rest = frame.iloc[inside].drop(columns=list(QUASI)).reset_index(drop=True)
    return rest.assign(**columns), [covered[int(labels[row])] for row in inside]


@pytest.fixture(name="found", scope="module")
def _found() -> Curve:
    return curve(table(), QUASI, KS, person="who", sensitive="ill", trace=("city", "shop"), seed=5)


@pytest.mark.parametrize("k", KS)
def test_figures_are_those_of_the_released_table(found: Curve, k: int) -> None:
    frame = table()
    frame = frame.iloc[encode(frame, QUASI, "who", "ill", ("shop",)).order].reset_index(drop=True)
    losses = loss_curve(frame, QUASI, KS, person="who", seed=5)
    output, covered = released(frame, losses.labels(k))
    point, quasi = found.at(k), list(QUASI)
    assert point.smallest == k_anonymity(output, quasi, "who") >= k
    assert point.loss == pytest.approx(losses.loss[k])
    assert point.suppressed == len(frame) - len(output)
    assert point.classes == len(output.groupby(quasi))
    assert point.average_class_size == pytest.approx(average_class_size(output, quasi, person="who"))
    assert point.discernibility == discernibility(output, quasi, point.suppressed)
    risk = prosecutor_risk(output, quasi, "who", 0.2)
    assert (point.prosecutor, point.prosecutor_at_risk) == (risk.highest, risk.at_risk)
    assert point.marketer == pytest.approx(marketer_risk(output, quasi, person="who"))
    assert point.journalist == 1 / min(covered)
    assert point.journalist_at_risk == np.mean([1 / people > 0.2 for people in covered])
    assert point.t == pytest.approx(t_closeness(output, quasi, "ill", distance="equal"))
    assert point.l == l_diversity(output, quasi, "ill")
    shares = output["ill"].value_counts(normalize=True)
    gains = [(members.value_counts(normalize=True) - shares).max() for _, members in output.groupby(quasi)["ill"]]
    assert point.inference == pytest.approx(max(gains))
    drawn = unicity(output, ["city", "shop"], "who", 4, rng=np.random.default_rng(5))
    # Other draws: the function ranks points by what they print, and here they are numbers.
    assert point.unicity is not None
    assert abs(point.unicity - drawn.share) <= 0.35
    assert point.score == 1 - max(point.prosecutor, point.journalist, point.marketer, point.unicity, point.inference or 0)


def test_some_of_those_rows_are_covered_by_more_people_than_print_alike(found: Curve) -> None:
    assert any(point.journalist_at_risk < point.prosecutor_at_risk for point in found.points)


def test_counts_without_a_person_are_rows() -> None:
    frame = pd.DataFrame({"city": ["Lyon", "Nice", "Bonn", "Kiel"] * 2})
    point = curve(frame, {"city": CITY}, (4,)).points[0]
    assert (point.smallest, point.classes, point.loss, point.prosecutor, point.journalist) == (4, 2, 0.25, 0.25, 0.25)
    assert (point.unicity, point.inference, point.t, point.l) == (None, None, None, None)
    assert point.score == 0.75
    assert curve(frame, {"city": CITY}, (4,)).people is None


def test_a_person_of_many_rows_is_one() -> None:
    frame = pd.DataFrame({"who": ["ann"] * 8 + ["bob"] * 8, "city": ["Lyon"] * 16})
    point = curve(frame, {"city": CITY}, (2,), person="who").points[0]
    assert (point.smallest, point.average_class_size, point.journalist, point.marketer) == (2, 2.0, 0.5, 0.5)


def test_one_suppressed_row_is_lost_and_looks_like_any() -> None:
    frame = pd.DataFrame({"city": ["Lyon"] * 10 + ["Bern"], "income": [1, 2] * 5 + [9]})
    point = curve(frame, {"city": CITY}, (5,), sensitive="income").points[0]
    assert (point.suppressed, point.classes, point.smallest) == (1, 1, 10)
    assert point.loss == pytest.approx(1 / 11)
    assert point.discernibility == 10 * 10 + 11
    assert (point.inference, point.t, point.l) == (0.0, 0.0, 2)


def test_numbers_are_values_to_guess_and_have_no_order() -> None:
    frame = pd.DataFrame({"city": ["Lyon"] * 2 + ["Bonn"] * 2, "income": [1, 2, 3, 4]})
    point = curve(frame, {"city": CITY}, (2,), sensitive="income").points[0]
    assert (point.inference, point.t, point.l) == (0.25, 0.5, 2)


def test_where_everything_is_suppressed_nothing_is_risked_and_all_is_lost() -> None:
    frame = table(30)
    point = curve(frame, QUASI, (100,), person="who", sensitive="ill", trace=("city",)).points[0]
    assert (point.loss, point.suppressed, point.classes, point.score, point.discernibility) == (1.0, 30, 0, 1.0, 900)
    assert (point.prosecutor, point.journalist, point.marketer, point.unicity, point.inference) == (0, 0, 0, 0, 0)
    assert point.query_error > 0.1


def test_trace_of_too_few_points_has_no_unicity() -> None:
    frame = pd.DataFrame({"who": [1, 2, 3, 4] * 2, "city": ["Lyon"] * 8})
    assert curve(frame, {"city": CITY}, (2,), person="who", trace=("city",)).points[0].unicity is None


def test_a_join_over_rows_is_found_although_no_row_is() -> None:
    """Every combination is that of all 20 people, and each person's four shops are his own."""
    rows = [(who, "Lyon", f"shop {(who * 4 + visit)}") for who in range(20) for visit in range(4)]
    frame = pd.DataFrame(rows, columns=["who", "city", "shop"])
    point = curve(frame, {"city": CITY}, (20,), person="who", trace=("city", "shop")).points[0]
    assert (point.prosecutor, point.unicity, point.score) == (0.05, 1.0, 0.0)


def test_rows_that_name_nobody_make_no_class_larger() -> None:
    frame = pd.DataFrame({"who": ["a", "b", None, None], "city": ["Lyon"] * 4})
    point = curve(frame, {"city": CITY}, (3,), person="who").points[0]
    assert (point.smallest, point.prosecutor, point.journalist) == (2, 0.5, 0.5)


def answers(queries: int = 60) -> tuple[float, float]:
    """Return the error of exact classes, and of one class that hides everything."""
    frame = table()
    encoded = encode(frame, QUASI, None, "ill", ())
    asked = workload(encoded, queries, np.random.default_rng(3))
    _, exact = np.unique(encoded.leaves, axis=1, return_inverse=True)
    labels = exact.ravel().astype(np.int64)
    one = np.zeros_like(labels)
    return asked.error(labels, shapes_of(encoded, labels).nodes), asked.error(one, shapes_of(encoded, one).nodes)


def test_exact_values_answer_every_count_and_hidden_ones_do_not() -> None:
    exact, hidden = answers()
    assert exact == 0.0
    assert hidden > 0.1


def test_an_answer_is_that_of_evenly_spread_rows() -> None:
    """Eight rows, printed FR: half of them are counted in Lyon, where six are; or all, or none are asked for."""
    frame = pd.DataFrame({"city": ["Lyon"] * 6 + ["Nice"] * 2})
    city = Hierarchy.from_mapping({"Lyon": ["FR"], "Nice": ["FR"]})
    encoded = encode(frame, {"city": city}, None, None, ())
    labels = np.zeros(8, dtype=np.int64)
    errors = {workload(encoded, 1, np.random.default_rng(seed)).error(labels, shapes_of(encoded, labels).nodes) for seed in range(20)}
    assert errors == {abs(4 - 6) / 6, abs(4 - 2) / 2}


def test_no_queries_are_no_error() -> None:
    assert curve(table(), QUASI, (2,), queries=0).points[0].query_error == 0.0


def test_people_under_a_class_are_counted_in_parts_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table(400)
    encoded = encode(frame, QUASI, None, None, ())
    labels = loss_curve(frame, QUASI, (3,)).labels(3)[encoded.order]
    nodes = shapes_of(encoded, labels).nodes
    person = frame["who"].to_numpy()[encoded.order]
    for who in (None, person):
        monkeypatch.setattr("privacy.curves.shapes._ROOM", 4_000_000)
        whole = Cover(encoded, who).people(nodes)
        monkeypatch.setattr("privacy.curves.shapes._ROOM", 1)
        assert Cover(encoded, who).people(nodes).tolist() == whole.tolist()
        assert (whole >= 1).all()
    assert Cover(encoded, np.full(400, -1)).people(nodes).tolist() == [1] * nodes.shape[1]


def test_arrow_and_pandas_are_alike_and_json_comes_back(found: Curve) -> None:
    assert curve(pa.Table.from_pandas(table()), QUASI, KS, person="who", sensitive="ill", trace=("city", "shop"), seed=5) == found
    assert Curve.from_json(found.to_json()) == found
    with pytest.raises(SettingsError, match="not a curve"):
        Curve.from_json(b"{}")


def test_no_value_of_the_table_is_in_the_curve(found: Curve) -> None:
    for text in (found.to_json().decode(), found.to_csv()):
        assert not [value for value in ("Lyon", "flu", "ulcer", "FR", "[20") if value in text]


def test_csv_has_a_line_for_every_k(found: Curve) -> None:
    lines = found.to_csv().splitlines()
    assert lines[0].startswith("k,loss,suppressed,classes,smallest,")
    assert [line.split(",")[0] for line in lines[1:]] == [str(k) for k in KS]
    without = msgspec.structs.replace(found, points=(msgspec.structs.replace(found.points[0], unicity=None, t=None),))
    assert ",," in without.to_csv()


def test_an_absent_k_is_refused(found: Curve) -> None:
    with pytest.raises(SettingsError, match="no k = 7"):
        found.at(7)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"person": "gone"}, r"absent: \['gone'\]"),
        ({"sensitive": "city"}, "two roles"),
        ({"trace": ("who",)}, "two roles"),
        ({"trace": ("shop", "shop")}, "two roles"),
        ({"trace": ("shop",), "person": None}, "rows of one person"),
        ({"queries": -1}, "not negative"),
        ({"quasi": {}}, "one of them a quasi-identifier"),
    ],
)
def test_what_cannot_be_measured_is_refused(change: Mapping[str, Any], sentence: str) -> None:
    arguments: dict[str, Any] = {"quasi": QUASI, "ks": KS, "person": "who", "sensitive": "ill", **change}
    with pytest.raises(SettingsError, match=sentence):
        curve(table(20), **arguments)


def test_an_empty_table_and_a_k_of_one_are_refused() -> None:
    with pytest.raises(SettingsError, match="no rows"):
        curve(table().head(0), QUASI, KS)
    for ks in ((), (1, 2)):
        with pytest.raises(UnsafePolicyError, match="at least 2"):
            curve(table(), QUASI, ks)

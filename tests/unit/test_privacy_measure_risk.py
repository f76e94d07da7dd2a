"""Risk, unicity and cost on tables that are small enough to count by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from privacy.measure import (
    average_class_size,
    discernibility,
    information_loss,
    journalist_risk,
    k_anonymity,
    l_diversity,
    marketer_risk,
    matching_people,
    measure,
    prosecutor_risk,
    t_closeness,
    unicity,
    uniqueness,
)
from privacy.measure.files import read_hierarchy, read_table, with_numbers
from veilocity.errors import SettingsError

SAMPLE = pd.DataFrame({"year": ["195*"] * 3 + ["196*"] * 2 + ["197*"], "sex": ["m"] * 5 + ["f"]})
POPULATION = pd.DataFrame({"year": ["195*"] * 6 + ["196*"] * 4 + ["197*"] * 5 + ["198*"], "sex": ["m"] * 10 + ["f"] * 6})
ADULT = ["age", "education", "native-country", "workclass", "race", "sex"]
CITIES = {"Lyon": ("Lyon", "FR", "*"), "Nice": ("Nice", "FR", "*"), "Bonn": ("Bonn", "DE", "*"), "Kiel": ("Kiel", "DE", "*")}


def test_the_three_attackers_know_more_and_less() -> None:
    prosecutor = prosecutor_risk(SAMPLE, ["year", "sex"], threshold=0.4)
    assert (prosecutor.highest, prosecutor.average, prosecutor.at_risk) == pytest.approx((1.0, 3 / 6, 3 / 6))
    journalist = journalist_risk(SAMPLE, POPULATION, ["year", "sex"])
    assert (journalist.highest, journalist.average) == pytest.approx((1 / 4, (3 / 6 + 2 / 4 + 1 / 5) / 6))
    # A risk of exactly the threshold of 1/5 is not above it.
    assert journalist.at_risk == pytest.approx(2 / 6)
    assert marketer_risk(SAMPLE, ["year", "sex"]) == prosecutor.average
    assert marketer_risk(SAMPLE, ["year", "sex"], POPULATION) == journalist.average
    assert uniqueness(SAMPLE, ["year", "sex"]) == 1 / 6


def test_a_population_counts_people_too() -> None:
    everybody = POPULATION.assign(who=["same"] * 6 + list("abcd") + list("vwxyz") + ["q"])
    assert journalist_risk(SAMPLE.assign(who=range(6)), everybody, ["year", "sex"], "who").highest == 1.0


def test_a_population_without_a_combination_of_the_table_is_refused() -> None:
    with pytest.raises(SettingsError, match="lacks a combination"):
        journalist_risk(SAMPLE, POPULATION.head(8), "year")


def test_discernibility_counts_a_suppressed_row_as_all() -> None:
    assert discernibility(SAMPLE, "year") == 9 + 4 + 1
    assert discernibility(SAMPLE, "year", suppressed=2) == 14 + 2 * 8
    assert discernibility(SAMPLE, "year", k=2) == 9 + 4 + 6
    assert average_class_size(SAMPLE, "year") == 2.0
    assert average_class_size(SAMPLE, "year", k=2) == 1.0


def test_loss_is_the_mean_of_cells() -> None:
    table = pd.DataFrame({"city": ["Lyon", "FR", "*", None], "age": [20, "[20, 45)", "*", "none"]})
    loss = information_loss(table, {"city": CITIES, "age": (0, 100)})
    assert loss.columns == {"city": pytest.approx((0 + 1 / 3 + 1 + 0) / 4), "age": pytest.approx((0 + 0.25 + 1 + 0) / 4)}
    assert loss.mean == pytest.approx((4 / 3 + 1.25) / 8)


def test_a_label_at_two_places_counts_for_the_larger_unless_its_path_is_printed() -> None:
    domain = {
        "a": ("a", "Other", "West", "*"),
        "b": ("b", "Other", "West", "*"),
        "c": ("c", "Other", "West", "*"),
        "d": ("d", "Other", "East", "*"),
        "e": ("e", "Rest", "East", "*"),
    }
    for printed, expected in (("Other", 2 / 4), ("West/Other", 2 / 4), ("East/Other", 0.0), ("East", 1 / 4)):
        assert information_loss(pd.DataFrame({"x": [printed]}), {"x": domain}).mean == expected


@pytest.mark.parametrize(
    ("values", "domain", "sentence"),
    [
        (["Rome"], CITIES, "not in its domain"),
        ([120], (0, 100), "not in its domain"),
        (["[90, 120)"], (0, 100), "not in its domain"),
        (["Rome"], (0, 100), "not in its domain"),
        ([1], (5, 5), "range of a column's numbers is empty"),
    ],
)
def test_a_value_outside_of_its_domain_is_refused(values: list[object], domain: tuple[float, float], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        information_loss(pd.DataFrame({"x": values}), {"x": domain})


@pytest.mark.parametrize(
    "call",
    [
        lambda: information_loss(SAMPLE, {"year": (0, 1)}, suppressed=-1),
        lambda: discernibility(SAMPLE, "year", suppressed=-1),
        lambda: measure(SAMPLE, "year", suppressed=-1),
        lambda: average_class_size(SAMPLE, "year", k=0),
        lambda: prosecutor_risk(SAMPLE, "year", threshold=2.0),
        lambda: matching_people(SAMPLE, "year", missing="guess"),  # type: ignore[arg-type]  # on purpose
        lambda: measure(SAMPLE, "year", domains={"sex": (0, 1)}),
        lambda: measure(SAMPLE, "year", distances={"sex": "equal"}),
        lambda: measure(SAMPLE, "year", "year"),
        lambda: measure(SAMPLE, "year", "sex", "sex"),
        lambda: unicity(SAMPLE, "year", "sex", 0, rng=np.random.default_rng(1)),
        lambda: unicity(SAMPLE, "sex", "sex", 1, rng=np.random.default_rng(1)),
        lambda: unicity(SAMPLE, "year", "sex", 4, rng=np.random.default_rng(1)),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(SettingsError):
        call()


def test_whoever_shares_all_points_is_not_unique() -> None:
    walks = pd.DataFrame({"card": list("aaabbbcc"), "cell": list("xyzxyzpq")})
    found = unicity(walks, "cell", "card", 2, rng=np.random.default_rng(1))
    assert (found.points, found.people, found.short, found.unique) == (2, 3, 0, 1)
    assert found.share == 1 / 3
    # Wilson's interval of 1 in 3 at 95 %.
    assert (found.low, found.high) == pytest.approx((0.0615, 0.7923), abs=1e-4)
    longer = unicity(walks, "cell", "card", 3, rng=np.random.default_rng(1))
    assert (longer.people, longer.short, longer.unique) == (2, 1, 0)


def test_visits_again_are_one_point_and_unnamed_rows_nobody() -> None:
    walks = pd.DataFrame({"card": ["a", "a", "a", "b", None], "cell": ["x", "x", "y", "x", "y"], "hour": [1, 1, 1, 1, 1]})
    found = unicity(walks, ["cell", "hour"], "card", 1, rng=np.random.default_rng(3))
    assert (found.people, found.short) == (2, 0)
    with pytest.raises(SettingsError, match="nobody has 3 distinct points"):
        unicity(walks, ["cell", "hour"], "card", 3, rng=np.random.default_rng(3))


def test_popular_points_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    walks = pd.DataFrame({"card": rng.integers(0, 200, 3000), "cell": rng.integers(0, 40, 3000)})
    whole = unicity(walks, "cell", "card", 4, rng=np.random.default_rng(7))
    monkeypatch.setattr("privacy.measure.traces._CHUNK", 50)
    assert unicity(walks, "cell", "card", 4, rng=np.random.default_rng(7)) == whole
    assert 0 < whole.unique < whole.people


def test_many_people_behind_missing_values_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    table = pd.DataFrame({name: rng.choice(np.array(["1", "2", "3", None], dtype=object), 400) for name in ("a", "b", "c")}).assign(
        who=rng.integers(0, 90, 400)
    )
    whole = matching_people(table, ["a", "b", "c"], "who", missing="wildcard")
    monkeypatch.setattr("privacy.measure.anonymity._CHUNK", 7)
    assert matching_people(table, ["a", "b", "c"], "who", missing="wildcard").tolist() == whole.tolist()


def test_more_combinations_than_a_number_holds_are_told_apart() -> None:
    table = pd.DataFrame({f"q{place}": np.arange(2000) for place in range(8)})
    assert k_anonymity(table, list(table.columns)) == 1
    assert k_anonymity(pd.concat([table, table.iloc[::-1]]), list(table.columns)) == 2


def test_the_adult_table_is_as_other_tools_measure_it(shared_data: Path) -> None:
    """k, l and t as pyCANON 1.3.5 says on the same file; the average risk is classes / rows, as ARX counts."""
    table = read_table(shared_data / "adult" / "adult.csv")
    assert len(table) == 30_162
    assert (k_anonymity(table, ADULT), l_diversity(table, ADULT, "occupation")) == (1, 1)
    assert t_closeness(table, ADULT, "occupation") == pytest.approx(0.9997016112989855, rel=1e-12)
    domains = {name: read_hierarchy(shared_data / "adult" / f"adult_hierarchy_{name}.csv") for name in ADULT}
    report = measure(table, ADULT, "occupation", domains=domains)
    assert report.classes.classes == 7_807
    assert report.prosecutor.average == pytest.approx(7_807 / 30_162)
    assert report.loss is not None
    assert report.loss.mean == 0.0


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_are_read_as_they_are(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "table.csv"
    lines = [["zip", "country", "card"], ["01234", "NA", "4111111111111111"], ["1234", "", "4111111111111112"], ['"a|b"', "none", "7"]]
    file.write_text("\n".join(separator.join(line) for line in lines), encoding="utf-8-sig")
    table = read_table(file)
    assert table.to_pydict()["country"] == ["NA", None, "none"]
    assert table.to_pydict()["zip"] == ["01234", "1234", "a|b"]
    assert read_table(file, missing=("", "none")).column("country").null_count == 2
    assert with_numbers(table, ["zip", "card", "lost"]).schema.field("card").type == pa.int64()
    pa.parquet.write_table(table, tmp_path / "same.csv")
    assert read_table(tmp_path / "same.csv").equals(table)


@pytest.mark.parametrize(
    "content", [b"", b"\n1\n", b"a,b\n1,4111111111111111,3\n", b"a,b\n4111111111111111\n", b"a,a\n1,2\n", b"a\n\xff\n", b"PAR1 broken"]
)
def test_a_broken_file_is_refused_without_showing_what_it_holds(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"table\.csv") as refused:
        read_table(file)
    assert "4111" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("content", [b"a;*\nb\n", b"a;*\na;*\n", b"", b"\xff;*"])
def test_a_broken_hierarchy_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "city.csv"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"city\.csv"):
        read_hierarchy(file)


def test_infinite_bounds_are_null_in_the_report() -> None:
    found = measure(pd.DataFrame({"zip": [1, 2], "illness": ["flu", "cold"]}), "zip", "illness").sensitive["illness"]
    assert (found.recursive_c, found.enhanced_beta, found.delta) == (None, None, None)
    assert math.isclose(found.delta_present_only, math.log(2))

"""Measures of disclosure on the tables of the papers that define them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from privacy.measure import (
    alpha_k,
    beta_likeness,
    delta_disclosure,
    enhanced_beta_likeness,
    entropy_diversity,
    k_anonymity,
    l_diversity,
    recursive_diversity,
    t_closeness,
)
from veilocity.errors import SettingsError

HEART, VIRAL, CANCER = "Heart Disease", "Viral Infection", "Cancer"

FOUR_ANONYMOUS = pd.DataFrame(
    {
        "zip": ["130**"] * 4 + ["1485*"] * 4 + ["130**"] * 4,
        "age": ["<30"] * 4 + [">=40"] * 4 + ["3*"] * 4,
        "condition": [HEART, HEART, VIRAL, VIRAL, CANCER, HEART, VIRAL, VIRAL, CANCER, CANCER, CANCER, CANCER],
    }
)
"""Machanavajjhala et al. 2007, figure 2."""
THREE_DIVERSE = pd.DataFrame(
    {
        "zip": ["1305*"] * 4 + ["1485*"] * 4 + ["1306*"] * 4,
        "age": ["<=40"] * 4 + [">40"] * 4 + ["<=40"] * 4,
        "condition": [HEART, VIRAL, CANCER, CANCER, CANCER, HEART, VIRAL, VIRAL, HEART, VIRAL, CANCER, CANCER],
    }
)
"""The same, figure 3."""
SALARIES = pd.DataFrame({"zip": ["476**"] * 3 + ["4790*"] * 3 + ["476**x"] * 3, "salary": [3, 4, 5, 6, 11, 8, 7, 9, 10]})
"""Li et al. 2007, table 2: salaries in thousands."""
DISEASES = {
    "flu": ("flu", "respiratory infection", "respiratory", "*"),
    "pneumonia": ("pneumonia", "respiratory infection", "respiratory", "*"),
    "bronchitis": ("bronchitis", "respiratory infection", "respiratory", "*"),
    "pulmonary edema": ("pulmonary edema", "vascular lung disease", "respiratory", "*"),
    "pulmonary embolism": ("pulmonary embolism", "vascular lung disease", "respiratory", "*"),
    "gastric ulcer": ("gastric ulcer", "stomach disease", "digestive", "*"),
    "stomach cancer": ("stomach cancer", "stomach disease", "digestive", "*"),
    "colitis": ("colitis", "colon disease", "digestive", "*"),
}
"""The same, figure 1."""
QUASI = ["zip", "age"]


def test_a_four_anonymous_table_may_tell_everything() -> None:
    assert k_anonymity(FOUR_ANONYMOUS, QUASI) == 4
    assert l_diversity(FOUR_ANONYMOUS, QUASI, "condition") == 1
    assert entropy_diversity(FOUR_ANONYMOUS, QUASI, "condition") == 1.0
    assert recursive_diversity(FOUR_ANONYMOUS, QUASI, "condition") == math.inf
    assert alpha_k(FOUR_ANONYMOUS, QUASI, "condition") == (1.0, 4)


def test_the_three_diverse_table_is_just_that() -> None:
    assert l_diversity(THREE_DIVERSE, QUASI, "condition") == 3
    # Counts 2, 1, 1 in each class: entropy 1.5 ln 2.
    assert entropy_diversity(THREE_DIVERSE, QUASI, "condition") == pytest.approx(2 * math.sqrt(2))
    assert recursive_diversity(THREE_DIVERSE, QUASI, "condition", least=2) == 1.0
    assert recursive_diversity(THREE_DIVERSE, QUASI, "condition", least=3) == 2.0
    assert recursive_diversity(THREE_DIVERSE, QUASI, "condition", least=4) == math.inf
    assert alpha_k(THREE_DIVERSE, QUASI, "condition") == (0.5, 4)


@pytest.mark.parametrize(("kept", "expected"), [([3, 4, 5], 0.375), ([6, 8, 11], 1 / 6)])
def test_low_salaries_are_further_from_all_than_spread_ones(kept: list[int], expected: float) -> None:
    """Li et al., example 3: 0.375 and 0.167; the rest of the table is one class with a distance of half of it."""
    table = pd.DataFrame({"class": [salary in kept for salary in range(3, 12)], "salary": range(3, 12)})
    assert t_closeness(table, "class", "salary") == pytest.approx(expected)


def test_the_order_of_salaries_matters_and_their_spacing_does_not() -> None:
    assert t_closeness(SALARIES, "zip", "salary") == pytest.approx(0.375)
    stretched = SALARIES.assign(salary=2.0 ** SALARIES["salary"])
    assert t_closeness(stretched, "zip", "salary") == t_closeness(SALARIES, "zip", "salary")
    assert t_closeness(SALARIES.assign(salary=SALARIES["salary"].astype(str)), "zip", "salary") == pytest.approx(2 / 3)


@pytest.mark.parametrize(("one", "other", "distance"), [("flu", "bronchitis", 1), ("flu", "pulmonary embolism", 2), ("flu", "colitis", 3)])
def test_ground_distances_follow_the_lowest_common_ancestor(one: str, other: str, distance: int) -> None:
    """Li et al.: dist(Flu, Bronchitis) = 1/3, dist(Flu, Pulmonary embolism) = 2/3; half of the class's weight has to move."""
    table = pd.DataFrame({"class": [1, 1, 2, 2], "disease": [one, one, other, other]})
    assert t_closeness(table, "class", "disease", distance=DISEASES) == pytest.approx(distance / 3 / 2)


def test_a_label_at_two_places_of_the_tree_is_two_nodes() -> None:
    paths = {"a": ("a", "Other", "West", "*"), "b": ("b", "Other", "East", "*")}
    table = pd.DataFrame({"class": [1, 2], "place": ["a", "b"]})
    assert t_closeness(table, "class", "place", distance=paths) == 0.5


def test_times_and_ordered_categories_have_an_order_and_text_has_none_by_itself() -> None:
    steps = [1, 1, 2, 2, 3, 3]
    expected = t_closeness(pd.DataFrame({"class": steps, "value": steps}), "class", "value")
    times = pd.to_datetime(steps, unit="D")
    grades = pd.Categorical(["low", "low", "medium", "medium", "high", "high"], ["low", "medium", "high"], ordered=True)
    for values in (times, grades):
        assert t_closeness(pd.DataFrame({"class": steps, "value": values}), "class", "value") == expected
    words = pd.DataFrame({"class": steps, "value": list(grades)})
    assert t_closeness(words, "class", "value") == pytest.approx(2 / 3)
    # By the alphabet: high, low, medium.
    assert t_closeness(words, "class", "value", distance="ordered") == expected


def test_missing_salaries_weigh_as_much_as_the_farthest() -> None:
    table = pd.DataFrame({"class": [1, 1, 2, 2], "salary": [1.0, 2.0, np.nan, np.nan]})
    assert t_closeness(table, "class", "salary") == 0.5
    mixed = pd.DataFrame({"class": [1, 1, 2, 2], "salary": [1.0, np.nan, 2.0, np.nan]})
    # Half of each class is missing, as in the table; of the other half, half moves by the whole range.
    assert t_closeness(mixed, "class", "salary") == 0.25


def test_very_long_tables_are_measured_with_floating_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where products could pass 2^62 (some two million rows with as many values), whole numbers would overflow."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"class": rng.integers(0, 9, 2_000), "salary": rng.integers(0, 500, 2_000)})
    ordered, equal = t_closeness(table, "class", "salary"), t_closeness(table, "class", "salary", distance="equal")
    monkeypatch.setattr("privacy.measure.closeness._EXACT", 0)
    assert t_closeness(table, "class", "salary") == pytest.approx(ordered, rel=1e-9)
    assert t_closeness(table, "class", "salary", distance="equal") == pytest.approx(equal, rel=1e-9)


def test_likeness_bounds_what_a_rare_value_gains() -> None:
    """Cao & Karras: a value of frequency 1/10 that is half of a class gains (0.5 - 0.1) / 0.1 = 4, more than -ln 0.1 = 2.3."""
    table = pd.DataFrame({"class": [1, 1] + [2] * 8, "illness": ["hiv", "flu"] + ["flu"] * 8})
    assert beta_likeness(table, "class", "illness") == pytest.approx(4.0)
    assert enhanced_beta_likeness(table, "class", "illness") == math.inf
    mild = pd.DataFrame({"class": [1] * 5 + [2] * 5, "illness": ["hiv", "hiv", "flu", "flu", "flu"] + ["hiv"] + ["flu"] * 4})
    # Frequencies 3/10 and 7/10: hiv gains 1/3 and flu 1/7, below 1.2 and 0.36.
    assert enhanced_beta_likeness(mild, "class", "illness") == beta_likeness(mild, "class", "illness") == pytest.approx(1 / 3)


def test_disclosure_looks_at_losses_as_well_as_gains() -> None:
    """Brickell & Shmatikov: |ln(q / p)| for q = 1/5 and 2/5 around p = 3/10."""
    table = pd.DataFrame({"class": [1] * 5 + [2] * 5, "illness": ["hiv", "hiv", "flu", "flu", "flu"] + ["hiv"] + ["flu"] * 4})
    assert delta_disclosure(table, "class", "illness") == pytest.approx(math.log(3 / 2))


def test_one_busy_person_does_not_make_a_class_diverse() -> None:
    table = pd.DataFrame({"zip": ["1"] * 6, "illness": ["flu", "flu", "cold", "cold", "cold", "cold"], "who": list("abcccc")})
    assert entropy_diversity(table, "zip", "illness") < entropy_diversity(table, "zip", "illness", "who")
    assert recursive_diversity(table, "zip", "illness") == 2.0
    assert recursive_diversity(table, "zip", "illness", person="who") == 2.0
    assert alpha_k(table, "zip", "illness", person="who") == (2 / 3, 3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda table: l_diversity(table, "zip", "zip"), "column 'zip' has two roles"),
        (lambda table: l_diversity(table, "zip", "age", person="age"), "column 'age' has two roles"),
        (lambda table: l_diversity(table, "zip", "age", person="zip"), "'zip' names the person"),
        (lambda table: l_diversity(table, ["zip", "zip"], "age"), "named twice"),
        (lambda table: l_diversity(table, [], "age"), "no quasi-identifier is named"),
        (lambda table: l_diversity(table, "street", "age"), "no columns 'street'"),
        (lambda table: l_diversity(table.head(0), "zip", "age"), "no rows"),
        (lambda table: l_diversity(table.to_dict(), "zip", "age"), "not a dict"),
        (lambda table: l_diversity(table.assign(zip=[[1], [2]]), "zip", "age"), "'zip' cannot be compared"),
        (lambda table: l_diversity(pd.concat([table, table], axis=1), "zip", "age"), "2 columns 'zip'"),
        (lambda table: recursive_diversity(table, "zip", "age", least=0), "an l of at least 1"),
        (lambda table: t_closeness(table, "zip", "age", distance="near"), "a distance is"),  # type: ignore[arg-type]  # on purpose
        (lambda table: t_closeness(table.assign(age=[1, "x"]), "zip", "age", distance="ordered"), "have no order"),
        (lambda table: t_closeness(table, "zip", "age", distance={"20": ("20", "*")}), "lacks a value"),
        (lambda table: t_closeness(table, "zip", "age", distance={"20": ("20", "*"), "30": ("30", "3*", "*")}), "not equally long"),
        (lambda table: t_closeness(table, "zip", "age", distance={"20": ("20", "2*"), "30": ("30", "3*")}), "two roots"),
        (lambda table: t_closeness(table, "zip", "age", distance={"20": ("20",), "30": ("30",)}), "no level above"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_sentence(call: Callable[[pd.DataFrame], object], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence.replace("(", r"\(")):
        call(pd.DataFrame({"zip": ["1", "2"], "age": [20, 30]}))

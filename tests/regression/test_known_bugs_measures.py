"""What published tools say of a table that is not so: each table is small enough to count by hand, and the peer's answer stands beside.

pyCANON is 1.3.5, run on the very tables below.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from privacy.measure import (
    delta_disclosure,
    discernibility,
    enhanced_beta_likeness,
    entropy_diversity,
    k_anonymity,
    l_diversity,
    matching_people,
    measure,
    prosecutor_risk,
    recursive_diversity,
    t_closeness,
)

HOMOGENEOUS = pd.DataFrame({"zip": ["1", "1", "2", "2"], "illness": ["flu", "flu", "cold", "cold"]})


def test_a_row_without_a_quasi_identifier_is_a_class_of_its_own() -> None:
    """PyCANON says k = 3: pandas drops the row with the missing postcode before anything is counted."""
    table = pd.DataFrame({"zip": ["1", "1", "1", "2", "2", "2", None], "illness": list("abcabca")})
    assert k_anonymity(table, "zip") == 1
    assert l_diversity(table, "zip", "illness") == 1
    assert measure(table, "zip", "illness").rows == 7


def test_rows_without_a_quasi_identifier_are_discerned_too() -> None:
    """PyCANON says 4: the three rows without a postcode count nothing."""
    table = pd.DataFrame({"zip": ["1", "1", None, None, None], "illness": list("ababa")})
    assert discernibility(table, "zip") == 2 * 2 + 3 * 3


@pytest.mark.parametrize("index", [[0, 2, 1, 3], [10, 11, 12, 13], [0, 0, 0, 0], ["d", "c", "b", "a"]])
def test_the_index_of_a_frame_is_never_looked_at(index: list[Any]) -> None:
    """PyCANON takes labels for positions: l = 2 and t = 0 for the first index, an IndexError for the second."""
    table = HOMOGENEOUS.set_axis(index, axis=0)
    assert l_diversity(table, "zip", "illness") == 1
    assert t_closeness(table, "zip", "illness") == 0.5


def test_a_category_that_no_row_has_is_no_class() -> None:
    """PyCANON says k = 0 and l = 0: the unused category 3 is an empty class to it."""
    table = HOMOGENEOUS.assign(zip=pd.Categorical(HOMOGENEOUS["zip"], categories=["1", "2", "3"]))
    assert (k_anonymity(table, "zip"), l_diversity(table, "zip", "illness")) == (2, 1)
    assert t_closeness(table.assign(illness=table["illness"].astype("category")), "zip", "illness") == 0.5


def test_the_risk_of_a_table_is_that_of_its_rows() -> None:
    """PyCANON says 0.667, the mean over two classes; a row drawn at random is matched with probability (3/3 + 1) / 4 = 0.5, as in ARX."""
    table = pd.DataFrame({"zip": ["1", "1", "1", "2"]})
    assert prosecutor_risk(table, "zip").average == 0.5


@pytest.mark.parametrize("values", [2, 3, 4, 6, 7, 8, 10])
def test_equally_frequent_values_count_in_full(values: int) -> None:
    """PyCANON says 1 for two values and 2 for three: it cuts exp(0.6931...) = 1.9999... to a whole number."""
    table = pd.DataFrame({"zip": ["1"] * values, "illness": range(values)})
    assert entropy_diversity(table, "zip", "illness") == pytest.approx(values, rel=1e-12)


def test_recursive_diversity_begins_with_the_most_frequent_value() -> None:
    """PyCANON says c = 1 for l = 3: it sorts counts upwards, but 4 < 1 x 1 is false; c must be above 4 / 1."""
    table = pd.DataFrame({"zip": ["1"] * 6, "illness": list("aaaabc")})
    assert recursive_diversity(table, "zip", "illness", least=3) == 4.0
    assert recursive_diversity(table, "zip", "illness", least=2) == 2.0


def test_enhanced_likeness_bounds_each_value_by_its_own_frequency() -> None:
    """PyCANON says 1.0. Flu is 3/4 of all and all of class 1: (1 - 3/4) / (3/4) = 0.33 is above -ln(3/4) = 0.29, so no beta is enough."""
    table = pd.DataFrame({"zip": [1, 1, 2, 2], "illness": ["flu", "flu", "flu", "cold"]})
    assert enhanced_beta_likeness(table, "zip", "illness") == math.inf


def test_a_value_that_a_class_lacks_is_disclosed_without_bound() -> None:
    """PyCANON says 0.693: it leaves out that nobody of class 1 has a cold, the most that the class gives away."""
    table = pd.DataFrame({"zip": [1, 1, 2, 2], "illness": ["flu", "flu", "flu", "cold"]})
    assert delta_disclosure(table, "zip", "illness") == math.inf
    assert delta_disclosure(table, "zip", "illness", present_only=True) == pytest.approx(math.log(2))


def test_one_number_in_all_rows_tells_nothing() -> None:
    """PyCANON divides by zero."""
    assert t_closeness(pd.DataFrame({"zip": [1, 1, 2, 2], "age": [7, 7, 7, 7]}), "zip", "age") == 0.0


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_sensitive_value_is_a_value(missing: object) -> None:
    """PyCANON raises a TypeError for None; for NaN it compares NaN with itself and says t = 0.5 (right: 0.25) and l = 1."""
    table = pd.DataFrame({"zip": ["1", "1", "2", "2"], "age": [1.0, missing, missing, missing]})
    assert l_diversity(table, "zip", "age") == 1
    assert t_closeness(table, "zip", "age", distance="equal") == 0.25
    assert measure(table, "zip", "age").sensitive["age"].entropy_l == 1.0


def test_whoever_hides_behind_a_missing_value_is_not_counted_safe() -> None:
    """SdcMicro issue 225: local suppression leaves this table and calls it 2-anonymous, as row 5 matches every other row.

    The only widow of the region is row 5, and nobody else's row can be hers: she is alone in both readings.
    """
    table = pd.DataFrame({"status": ["Single", "Married", "Married", "Single", None], "age": ["30-49"] * 5})
    assert matching_people(table, ["status", "age"]).tolist() == [2, 2, 2, 2, 1]
    assert matching_people(table, ["status", "age"], missing="wildcard").tolist() == [3, 3, 3, 3, 1]


def test_wildcards_do_not_join_what_contradicts_itself() -> None:
    """A row without the value is like a and like b; joining all three into one class would count 3 for everybody."""
    table = pd.DataFrame({"city": ["a", None, "b"]})
    assert matching_people(table, "city", missing="wildcard").tolist() == [2, 1, 2]


def test_visits_of_one_person_are_one_person() -> None:
    """Row-counting tools (ARX with a row per visit, Mondrian on Spark, pyCANON) say k = 4."""
    table = pd.DataFrame({"zip": ["1"] * 4, "card": ["a", "a", "a", "b"]})
    assert k_anonymity(table, "zip", person="card") == 2
    assert measure(table, "zip", person="card").k_rows == 4


def test_rows_that_name_nobody_are_no_further_people() -> None:
    """A count of distinct values with missing as one says 2 for one known person and a row that may be the same person's."""
    table = pd.DataFrame({"zip": ["1", "1", "2", "2"], "card": ["a", None, None, None]})
    assert k_anonymity(table.head(2), "zip", person="card") == 1
    assert k_anonymity(table, "zip", person="card") == 1


def test_large_numbers_stay_apart_where_one_is_missing() -> None:
    """A column of 64-bit numbers with a null goes to pandas as floating point, where these two people are one."""
    table = pa.table({"zip": [1, 1, 1], "card": pa.array([2**53, 2**53 + 1, None], pa.int64())})
    assert k_anonymity(table, "zip", person="card") == 2


def test_an_arrow_dictionary_that_holds_a_value_twice_is_one_class() -> None:
    """Dictionary indices are no values: after concatenation two entries may be equal, and one may be null."""
    doubled = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["a", "a", None]))
    assert k_anonymity(pa.table({"zip": doubled}), "zip") == 2

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from privacy.anonymise import Hierarchy
from veilocity.errors import SettingsError

COLUMNS = ("age", "education", "marital-status", "native-country", "occupation", "race", "sex", "workclass")


def test_arx_file_is_read_without_header_and_without_last_newline(tmp_path: Path) -> None:
    file = tmp_path / "h.csv"
    file.write_bytes("Zürich;CH;*\nLyon;FR;*".encode())
    hierarchy = Hierarchy.from_csv(file)
    assert hierarchy.path("Zürich") == ("Zürich", "CH", "*")
    assert hierarchy.path("Lyon") == ("Lyon", "FR", "*")


@pytest.mark.parametrize("text", ["a;x;*\nb;*", "a;x;*\na;y;*", ""])
def test_arx_file_with_uneven_repeated_or_no_lines_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "h.csv"
    file.write_text(text)
    with pytest.raises(SettingsError, match="mend"):
        Hierarchy.from_csv(file)


def test_published_hierarchies_have_the_leaves_and_heights_that_arx_knows(shared_data: Path) -> None:
    trees = {name: Hierarchy.from_csv(shared_data / "adult" / f"adult_hierarchy_{name}.csv").tree([])[0] for name in COLUMNS}
    assert {name: (len(tree.leaves), tree.height) for name, tree in trees.items()} == {
        "age": (100, 4),
        "education": (16, 3),
        "marital-status": (7, 2),
        "native-country": (41, 2),
        "occupation": (14, 2),
        "race": (5, 1),
        "sex": (2, 1),
        "workclass": (8, 2),
    }


def test_first_age_group_of_the_published_file_covers_five_ages(shared_data: Path) -> None:
    tree, _ = Hierarchy.from_csv(shared_data / "adult" / "adult_hierarchy_age.csv").tree([])
    ages = [leaf for leaf, node in zip(tree.leaves, tree.node[1], strict=True) if tree.labels[node] == "0-4"]
    assert ages == ["1", "2", "3", "4", "5"]


def test_loss_counts_the_leaves_under_a_node() -> None:
    tree, numbers = Hierarchy.from_mapping({"a": ["x"], "b": ["x"], "c": ["y"], "d": ["x"], "e": ["y"]}).tree(["c", "a"])
    assert tree.loss[:, numbers].tolist() == [[0, 0], [0.25, 0.5], [1, 1]]


def test_nodes_of_one_label_under_different_parents_are_different_and_printed_apart() -> None:
    tree, (first, second) = Hierarchy.from_mapping({"1": ["other", "A"], "2": ["other", "B"], "3": ["three", "B"]}).tree(["1", "2"])
    assert tree.node[1, first] != tree.node[1, second]
    assert [tree.labels[node] for node in tree.node[1, [first, second]]] == ["[A/other]", "[B/other]"]


def test_group_with_the_name_of_a_value_is_printed_apart() -> None:
    tree, numbers = Hierarchy.from_mapping({"Other": ["Other"], "Sales": ["Other"], "Craft": ["Manual"]}).tree(["Other"])
    assert [tree.labels[node] for node in tree.node[:, numbers[0]]] == ["Other", "[Other]", "*"]


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan])
def test_missing_value_is_a_category_that_only_the_root_covers(missing: object) -> None:
    tree, numbers = Hierarchy.from_mapping({"a": ["x"], "b": ["x"]}).tree(["a", missing])
    assert [tree.labels[node] for node in tree.node[:, numbers[1]]] == ["none", "none", "*"]
    assert len(tree.leaves) == 3
    assert tree.node[1, numbers[0]] != tree.node[1, numbers[1]]


def test_unknown_value_is_refused_or_a_category_below_the_root() -> None:
    above = {"a": ["x"], "b": ["x"]}
    with pytest.raises(SettingsError, match="unknown='root'"):
        Hierarchy.from_mapping(above).tree(["zeppelin"])
    tree, numbers = Hierarchy.from_mapping(above, unknown="root").tree(["zeppelin"])
    assert [tree.labels[node] for node in tree.node[:, numbers[0]]] == ["zeppelin", "zeppelin", "*"]


def test_refusal_never_names_the_value() -> None:
    with pytest.raises(SettingsError) as refusal:
        Hierarchy.from_mapping({"a": ["x"]}).tree(["4111111111111111"])
    assert "4111" not in str(refusal.value)


@pytest.mark.parametrize("value", [0, 19.999, 20, 20.0, 0.1, 119.9, "39", 0.30000000000000004])
def test_number_lies_in_each_of_its_half_open_intervals(value: float | str) -> None:
    for printed in Hierarchy.intervals(0, 120, (0.1, 0.5, 20)).path(value)[:-1]:
        low, high = (float(bound) for bound in printed[1:-1].split(", "))
        assert low <= float(value) < high


def test_bound_belongs_to_the_interval_above_it() -> None:
    assert Hierarchy.intervals(15, 25, (5,)).path(20)[0] == "[20, 25)"


@pytest.mark.parametrize("value", [-1, 120, float("inf"), "young"])
def test_number_outside_the_range_is_unknown(value: object) -> None:
    with pytest.raises(SettingsError):
        Hierarchy.intervals(0, 120, (1, 5)).path(value)


@pytest.mark.parametrize("widths", [(), (0,), (2, 3), (7,)])
def test_widths_that_do_not_nest_are_refused(widths: tuple[float, ...]) -> None:
    with pytest.raises(SettingsError, match="whole factors"):
        Hierarchy.intervals(0, 120, widths)


def test_whole_numbers_in_a_column_of_fractions_find_their_leaves() -> None:
    _, numbers = Hierarchy.from_mapping({"39": ["30-39"], "40": ["40-49"]}).tree([40.0, np.float64(39.0), np.int64(40)])
    assert numbers.tolist() == [1, 0, 1]


def test_built_in_hierarchies_take_the_values_of_the_column_as_their_domain() -> None:
    tree, _ = Hierarchy.cells().tree(["872830828ffffff", "none", None])
    assert tree.leaves == ("872830828ffffff", "none")
    assert Hierarchy.amount_bands().path("EUR 20-50") == ("EUR 20-50", "EUR 10-100", "EUR *", "*")
    assert Hierarchy.categories().path("travel") == ("travel", "[travel]", "*")

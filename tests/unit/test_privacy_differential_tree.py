from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from privacy.differential import tree as module
from privacy.differential.tree import Tree, TreePolicy, _parts, _tree_of
from veilocity.errors import StateError, UnsafePolicyError

POLICY = TreePolicy(name="totals", epsilon=1.0, payments_per_person=3, window_ms=10, first_windows=4)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Take the noise away and note the scale of every draw."""
    scales: list[float] = []

    def unchanged(values: Sequence[int], scale: float) -> list[int]:
        scales.extend(scale for _ in values)
        return list(values)

    monkeypatch.setattr(module, "add_laplace", unchanged)
    return scales


def test_without_noise_every_total_is_exact_and_every_window_draws_once(silent: list[float]) -> None:
    tree, truth = Tree(POLICY, first_start_ms=50), []
    for number in range(70):
        tree = tree.add(50 + 10 * number, number * number)
        truth.append(number * number)
        assert [tree.total(50 + 10 * past).value for past in range(number + 1)] == [sum(truth[: past + 1]) for past in range(number + 1)]
    assert len(silent) == 70
    # Trees of 4, 8, 16, 32 and 64 windows, in which a window is in 3, 4, 5, 6 and 7 nodes.
    expected = [3.0 * nodes for nodes, windows in ((3, 4), (4, 8), (5, 16), (6, 32), (7, 10)) for _ in range(windows)]
    assert silent == pytest.approx(expected)


def test_no_window_is_in_more_nodes_than_its_noise_pays_for() -> None:
    for size in (1, 2, 8, 64):
        held = Counter(window for node in range(1, size + 1) for window in range(node - (node & -node), node))
        assert max(held.values()) <= size.bit_length()


def test_trees_double_and_follow_one_another_without_a_gap() -> None:
    assert [_tree_of(index, 4) for index in (0, 3, 4, 11, 12, 27, 28)] == [(4, 0), (4, 3), (8, 0), (8, 7), (16, 0), (16, 15), (32, 0)]
    for index in range(300):
        assert len(_parts(index, 4)) <= 2 * math.log2(index + 4)


def test_a_replay_draws_nothing(silent: list[float]) -> None:
    tree = Tree(POLICY, 0).add(0, 5).add(10, 6)
    drawn = len(silent)
    assert tree.add(0, 999) is tree
    assert tree.add(10, 6) is tree
    assert len(silent) == drawn


def test_a_full_tree_forgets_its_exact_sums() -> None:
    tree = Tree(POLICY, 0)
    for number in range(3):
        tree = tree.add(10 * number, 7)
    assert tree.waiting == (7, 14)
    assert tree.add(30, 7).waiting == ()


def test_windows_come_in_order_and_whole() -> None:
    tree = Tree(POLICY, 100).add(100, 1)
    with pytest.raises(StateError, match="left out"):
        tree.add(120, 1)
    for start_ms in (90, 105):
        with pytest.raises(StateError, match="no window"):
            tree.add(start_ms, 1)
    with pytest.raises(StateError, match="not added yet"):
        tree.total(110)


def test_bytes_bring_the_tree_back_and_its_totals() -> None:
    tree = Tree(POLICY, 0)
    for number in range(11):
        tree = tree.add(10 * number, number)
    again = Tree.from_bytes(tree.to_bytes())
    assert again == tree
    assert [again.total(10 * number) for number in range(11)] == [tree.total(10 * number) for number in range(11)]
    with pytest.raises(StateError, match="never start it anew"):
        Tree.from_bytes(tree.to_bytes()[:-2])


def test_the_interval_is_that_of_the_formula_and_grows_with_confidence() -> None:
    tree = Tree(POLICY, 0).add(0, 0)
    scale = 9.0
    s = min((k / 1000 / scale for k in range(1, 1000)), key=lambda s: (math.log(40.0) - math.log1p(-((s * scale) ** 2))) / s)
    bound = (math.log(40.0) - math.log1p(-((s * scale) ** 2))) / s
    radii = [(shown.high - shown.low) // 2 for shown in (tree.total(0, confidence) for confidence in (0.5, 0.95, 0.999999))]
    assert radii[1] == pytest.approx(bound, abs=1)
    assert radii == sorted(set(radii))
    for confidence in (0.0, 1.0):
        with pytest.raises(UnsafePolicyError, match="confidence"):
            tree.total(0, confidence)


@pytest.mark.parametrize(
    "change",
    [
        {"epsilon": 0.0},
        {"epsilon": math.nan},
        {"epsilon": math.inf},
        {"payments_per_person": 0},
        {"window_ms": 0},
        {"first_windows": 0},
        {"first_windows": 12},
        {"first_windows": 2**21},
    ],
)
def test_a_policy_without_a_guarantee_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UnsafePolicyError):
        msgspec.convert({"name": "p", "epsilon": 1.0, "payments_per_person": 1, "window_ms": 1} | change, TreePolicy)

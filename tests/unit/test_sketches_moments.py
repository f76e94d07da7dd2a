"""How unevenly items come: what the sketches answer, and what they refuse."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest

from sketches.hashing import hash_item
from sketches.moments import MERSENNE, AmsF2, group_failure, multiply_add
from sketches.sampled_moments import FkEstimator
from veilocity.errors import SketchMismatchError, StateError

ITEMS = (np.random.default_rng(1).zipf(1.3, 5000) % 700).tolist()
EDGES = [0, 1, 2, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**60, 2**61 - 3, 2**61 - 2]


def test_products_modulo_the_prime_are_those_of_exact_integers() -> None:
    pairs = list(product(EDGES, EDGES))
    generator = np.random.default_rng(7)
    pairs += [(int(a), int(b)) for a, b in generator.integers(0, MERSENNE, (5000, 2))]
    values, factors = np.array(pairs, dtype=np.uint64).T
    for addend in (0, 1, MERSENNE - 1):
        assert multiply_add(values, factors, addend).tolist() == [(a * b + addend) % MERSENNE for a, b in pairs]


@pytest.mark.parametrize("arguments", [(0, 5, 1), (5, 0, 1), (1, 2**31, 1), (2**10, 2**23, 1), (1, 1, -1), (1, 1, 2**64)])
def test_a_sketch_that_makes_no_sense_is_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(SketchMismatchError):
        AmsF2(*arguments)


@pytest.mark.parametrize(("error", "failure"), [(0.0, 0.1), (1.0, 0.1), (0.1, 0.0), (0.1, 1.0)])
def test_an_error_that_makes_no_sense_is_refused(error: float, failure: float) -> None:
    with pytest.raises(SketchMismatchError):
        AmsF2.for_error(error, failure, seed=1)


def test_an_empty_stream_has_no_moment() -> None:
    assert AmsF2(depth=3, width=10, seed=1).estimate() == 0.0
    assert tuple(AmsF2(depth=3, width=10**6, seed=1).bounds()) == (0.0, 0.0)
    assert FkEstimator(k=3, samples=5, seed=1).estimate() == 0.0
    assert tuple(FkEstimator(k=3, samples=5, seed=1).bounds()) == (0.0, 0.0)


def test_one_item_is_exact() -> None:
    second, fourth = AmsF2(depth=3, width=1, seed=1), FkEstimator(k=4, samples=5, seed=1)
    second.update_weighted("a", 12)
    assert second.estimate() == 144.0
    fourth.update("a")
    assert fourth.estimate() == 1.0


def test_what_is_taken_away_was_never_there() -> None:
    kept, changed = AmsF2(depth=3, width=50, seed=1), AmsF2(depth=3, width=50, seed=1)
    kept.update_batch(ITEMS[:1000])
    changed.update_batch(ITEMS)
    for item, count in Counter(ITEMS[1000:]).items():
        changed.update_weighted(item, -count)
    assert changed.estimate() == kept.estimate()


def test_weights_are_whole_and_never_wrap() -> None:
    sketch = AmsF2(depth=2, width=2, seed=1)
    for weight in (0.5, "1", None):
        with pytest.raises(SketchMismatchError, match="whole number"):
            sketch.update_weighted("a", weight)  # type: ignore[arg-type]  # on purpose
    sketch.update_weighted("a", -(2**63) + 1)
    before = sketch.to_bytes()
    with pytest.raises(SketchMismatchError, match=r"2\^63"):
        sketch.update("a")
    with pytest.raises(SketchMismatchError, match=r"2\^63"):
        sketch.update_batch(["b"])
    with pytest.raises(SketchMismatchError, match=r"2\^63"):
        sketch.merge(sketch.clone())
    assert sketch.to_bytes() == before
    assert sketch.estimate() == float(2**63 - 1) ** 2


def test_the_interval_is_open_above_where_the_sketch_is_too_small() -> None:
    small, large = AmsF2(depth=1, width=10, seed=1), AmsF2(depth=9, width=4000, seed=1)
    for sketch in (small, large):
        sketch.update_batch(ITEMS)
    assert small.bounds(confidence=0.95).high == math.inf
    low, high = large.bounds(confidence=0.95)
    error = math.sqrt(2 / (4000 * group_failure(9, 0.95)))
    assert (low, high) == (large.estimate() / (1 + error), large.estimate() / (1 - error))
    for confidence in (0.0, 1.0):
        with pytest.raises(SketchMismatchError):
            large.bounds(confidence)


def test_as_many_groups_may_fail_as_the_median_bears() -> None:
    for groups in (1, 2, 3, 8, 25):
        share = group_failure(groups, 0.99)
        fails = sum(math.comb(groups, bad) * share**bad * (1 - share) ** (groups - bad) for bad in range(-(-groups // 2), groups + 1))
        assert math.isclose(fails, 0.01, rel_tol=1e-9)


def test_a_saved_table_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ([0, b"12345678"], [-1, bytes(16)], [0, (1).to_bytes(8, "little") * 2], [2**63, bytes(16)]):
        monkeypatch.setattr(AmsF2, "_content", lambda _, content=content: content)
        with pytest.raises(StateError, match="does not decode"):
            AmsF2.from_bytes(AmsF2(depth=1, width=2, seed=1).to_bytes())


# Sampled positions


@pytest.mark.parametrize(
    "arguments", [(0, 10, 1), (17, 10, 1), (2, 0, 1), (2, 11, 1), (2, 2**24 + 1, 1), (2, 10, -1), (2, 10, 1, 0), (2, 10, 1, 11)]
)
def test_an_estimator_that_makes_no_sense_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(SketchMismatchError):
        FkEstimator(*arguments)


def test_the_first_moment_is_the_length_of_the_stream() -> None:
    sketch = FkEstimator(k=1, samples=5, seed=1)
    sketch.update_batch(ITEMS)
    assert sketch.estimate() == 5000.0
    assert tuple(sketch.bounds()) == (5000.0, 5000.0)


def test_a_sample_counts_its_item_from_its_position_on() -> None:
    sketch = FkEstimator(k=2, samples=60, seed=5)
    for size in (1, 2, 10, 300, 5000):
        sketch = FkEstimator(k=2, samples=60, seed=5)
        sketch.update_batch(ITEMS[:size])
        for hashed, occurred, position in zip(sketch._hashes, sketch._occurrences(), sketch._bases, strict=True):
            item = ITEMS[position - 1]
            assert hash_item(item, 5) == hashed
            assert ITEMS[position - 1 : size].count(item) == occurred
        assert sketch._holders == Counter(sketch._hashes)
        assert set(sketch._seen) == set(sketch._hashes), "nothing else is remembered"


def test_a_merged_estimator_goes_on_and_restores() -> None:
    sketch, other = FkEstimator(k=3, samples=50, seed=5), FkEstimator(k=3, samples=50, seed=5)
    sketch.update_batch(ITEMS[:2000])
    other.update_batch(ITEMS[2000:2500])
    sketch.merge(other)
    assert (sketch.count, sketch.parts) == (2500, 2)
    assert {*sketch._hashes} <= {hash_item(item, 5) for item in ITEMS[:2500]}
    again = FkEstimator.from_bytes(sketch.to_bytes())
    for start in range(2500, 5000, 100):
        sketch.update_batch(ITEMS[start : start + 100])
        for item in ITEMS[start : start + 100]:
            again.update(item)
        assert again.to_bytes() == sketch.to_bytes()


def test_merging_into_nothing_is_a_copy() -> None:
    sketch, empty = FkEstimator(k=3, samples=50, seed=5), FkEstimator(k=3, samples=50, seed=5)
    sketch.update_batch(ITEMS)
    before = sketch.to_bytes()
    empty.merge(sketch)
    assert empty.to_bytes() == before
    empty.update_batch(ITEMS)
    assert sketch.to_bytes() == before


def test_bounds_allow_for_shared_items_unless_told_otherwise() -> None:
    halves = [FkEstimator(k=2, samples=5000, seed=5) for _ in range(2)]
    for half in halves:
        half.update_batch(["a"] * 100 + [f"item-{number}" for number in range(10)])
    halves[0].merge(halves[1])
    truth = 200**2 + 10 * 4
    assert truth in halves[0].bounds()
    assert truth not in halves[0].bounds(disjoint=True)


def test_no_moment_is_below_the_length_or_above_its_power() -> None:
    sketch = FkEstimator(k=2, samples=5, seed=5)
    sketch.update_batch(range(1000))
    assert sketch.bounds() == (1000.0, 10.0**6)


def test_saved_samples_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    five = [1] * 5
    wrong: list[list[Any]] = [
        [1, 1, [], [], []],
        [1, 0, five, five, five],
        [0, 1, [], [], []],
        [1, 1, five, [0] * 5, five],
        [1, 1, five, [2] * 5, five],
        [1, 1, five, five, [2] * 5],
        [1, 1, five, five, [1] * 4],
    ]
    for content in wrong:
        monkeypatch.setattr(FkEstimator, "_content", lambda _, content=content: content)
        with pytest.raises(StateError, match="does not decode"):
            FkEstimator.from_bytes(FkEstimator(k=2, samples=5, seed=1).to_bytes())

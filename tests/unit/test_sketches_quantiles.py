from __future__ import annotations

import math

import numpy as np
import pyarrow
import pytest
from datasketches import kll_doubles_sketch
from hypothesis import given, settings
from hypothesis import strategies as st

from sketches.contract import Bounds
from sketches.quantiles import KllQuantiles
from veilocity.errors import SketchMismatchError, StateError

VALUES = st.lists(st.floats(allow_nan=False), min_size=1, max_size=40)


def of(values: object, k: int = 20, seed: int = 1) -> KllQuantiles:
    sketch = KllQuantiles(k=k, seed=seed)
    sketch.update_batch(values)  # type: ignore[arg-type]  # wrong ones on purpose too
    return sketch


@pytest.mark.parametrize("k", [0, 7, 2**15 + 1, -200])
def test_a_size_without_a_guarantee_is_refused(k: int) -> None:
    with pytest.raises(SketchMismatchError, match="from 8 to 32768"):
        KllQuantiles(k=k)


@given(values=VALUES, rank=st.floats(0.0, 1.0))
def test_up_to_two_k_values_all_is_exact(values: list[float], rank: float) -> None:
    values = values[:39]
    sketch = of(values)
    ordered = sorted(values)
    assert sketch.rank_error() == 0.0
    wanted = next(value for place, value in enumerate(ordered, start=1) if place / len(ordered) >= rank)
    assert sketch.estimate(rank) == wanted
    assert sketch.bounds(rank) == Bounds(wanted, wanted)
    for value in values:
        assert sketch.rank(value) == sum(other <= value for other in values) / len(values)


@settings(max_examples=40)
@given(
    parts=st.lists(st.lists(st.floats(allow_nan=False), max_size=120), min_size=1, max_size=6),
    ranks=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5),
)
def test_weights_extremes_and_order_hold_in_any_merge(parts: list[list[float]], ranks: list[float]) -> None:
    merged = KllQuantiles(k=8, seed=1)
    for part in parts:
        merged.merge(of(part, k=8))
    every = [value for part in parts for value in part]
    assert len(merged) == len(every)
    if not every:
        return
    assert (merged.estimate(0.0), merged.estimate(1.0)) == (min(every), max(every))
    assert merged._weighted()[1][-1] == len(every), "no weight is lost"
    assert (merged.rank(min(every)) > 0.0) or merged.rank_error() > 0.0
    found = [merged.estimate(rank) for rank in sorted(ranks)]
    assert found == sorted(found)
    assert set(found) <= set(every)
    assert merged.rank(math.inf) == 1.0
    assert KllQuantiles.from_bytes(merged.to_bytes()).to_bytes() == merged.to_bytes()


def test_the_quantile_of_a_rank_has_that_rank() -> None:
    sketch = of(np.arange(10_000)[::-1], k=100)
    for rank in (0.01, 0.25, 0.5, 0.9, 0.999):
        value = sketch.estimate(rank)
        assert sketch.rank(value) >= rank
        assert sketch.rank(math.nextafter(value, -math.inf)) < rank


@pytest.mark.parametrize("wrong", [[math.nan], [1.0, math.nan], ["a"], ["1.5"], [True], [1, True], [None], [2**70], [b"1"], [[1.0, 2.0]]])
def test_what_has_no_rank_is_refused_and_leaves_no_trace(wrong: list[object]) -> None:
    sketch = of([1.0, 2.0])
    before = sketch.to_bytes()
    with pytest.raises(SketchMismatchError):
        sketch.update_batch(wrong)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(SketchMismatchError):
        sketch.update(wrong[-1])  # type: ignore[arg-type]  # on purpose
    assert sketch.to_bytes() == before


def test_whole_numbers_both_zeros_and_infinities_are_values() -> None:
    assert of([0, -0.0, 3]).to_bytes() == of([0.0, 0.0, 3.0]).to_bytes() == of(pyarrow.array([0, 0, None, 3])).to_bytes()
    one_by_one = KllQuantiles(k=20, seed=1)
    for item in (0, -0.0, np.float32(3)):
        one_by_one.update(item)  # type: ignore[arg-type]  # a NumPy scalar is a number too
    assert one_by_one.to_bytes() == of([0.0, 0.0, 3.0]).to_bytes()
    ends = of([-math.inf, 1.0, math.inf])
    assert (ends.estimate(0.0), ends.estimate(0.5), ends.estimate(1.0), ends.rank(1.0)) == (-math.inf, 1.0, math.inf, 2 / 3)


def test_questions_without_an_answer_are_refused() -> None:
    empty, full = KllQuantiles(), of([1.0])
    for ask in (lambda: empty.estimate(0.5), lambda: empty.rank(1.0), lambda: empty.bounds(0.5), lambda: empty.rank_bounds(1.0)):
        with pytest.raises(SketchMismatchError, match="update the sketch first"):
            ask()
    for rank in (-0.1, 1.1, math.nan):
        with pytest.raises(SketchMismatchError, match="between 0 and 1"):
            full.estimate(rank)
    with pytest.raises(SketchMismatchError, match="NaN"):
        full.rank(math.nan)
    for confidence in (0.0, 1.0):
        with pytest.raises(SketchMismatchError, match="confidence"):
            full.rank_error(confidence=confidence)


def test_bounds_hold_the_estimate_and_grow_with_confidence() -> None:
    sketch = of(np.arange(50_000), k=50)
    for rank in (0.0, 0.001, 0.3, 1.0):
        narrow, wide = sketch.bounds(rank, confidence=0.5), sketch.bounds(rank, confidence=0.999)
        assert wide.low <= narrow.low <= sketch.estimate(rank) <= narrow.high <= wide.high
    ranks = sketch.rank_bounds(10_000.0)
    assert ranks.low <= sketch.rank(10_000.0) <= ranks.high
    assert sketch.rank_bounds(-1.0, confidence=0.99).low == 0.0
    assert sketch.rank_bounds(1e9, confidence=0.99).high == 1.0


@pytest.mark.parametrize("k", [8, 50, 200])
@pytest.mark.parametrize("merges", [1, 37])
def test_error_and_memory_stay_below_what_is_stated_for_every_stream(k: int, merges: int) -> None:
    sketch = KllQuantiles(k=k, seed=2)
    for part in np.array_split(np.arange(200_000), merges):
        sketch.merge(of(part, k=k, seed=2))
    assert sketch.rank_error(confidence=0.95) <= math.sqrt(12.0 * math.log(2.0 / 0.05)) / k
    assert sketch.memory_bytes <= 8 * (5 * k + 9 * (len(sketch._levels) + 1))
    assert len(sketch._levels) <= math.log2(200_000 / k) + 2


def test_a_merge_adds_up_what_its_parts_may_be_off() -> None:
    first, second = of(np.arange(5000), k=50), of(np.arange(3000), k=50)
    squares = [(one.rank_error() * len(one)) ** 2 for one in (first, second)]
    first.merge(second)
    assert (first.rank_error() * len(first)) ** 2 >= sum(squares) * (1.0 - 1e-9)


def test_it_is_as_good_as_the_library_that_cannot_be_seeded() -> None:
    values = np.random.Generator(np.random.Philox(3)).normal(size=100_000)
    ordered, ours, theirs = np.sort(values), of(values, k=200), kll_doubles_sketch(200)
    theirs.update(values)
    assert ours.rank_error(confidence=0.99) < theirs.normalized_rank_error(False)
    truths = [float(np.searchsorted(ordered, point, side="right")) / len(values) for point in (-2.0, -0.5, 0.0, 1.0)]
    for point, truth in zip((-2.0, -0.5, 0.0, 1.0), truths, strict=True):
        assert abs(ours.rank(point) - truth) < 0.02
        assert abs(theirs.get_rank(point, True) - truth) < 0.03
    assert len(ours.to_bytes()) < 1.1 * len(theirs.serialize())


def test_weights_that_do_not_add_up_are_refused_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    sketch = of(np.arange(1000))
    content = sketch._content()
    assert isinstance(content, list)
    monkeypatch.setattr(KllQuantiles, "_content", lambda _: [content[0] + 1, *content[1:]])
    with pytest.raises(StateError, match="does not decode"):
        KllQuantiles.from_bytes(sketch.to_bytes())

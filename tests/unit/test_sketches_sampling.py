from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow
import pytest

from sketches.contract import Bounds, Sketch
from sketches.decayed_reservoir import DecayedReservoir
from sketches.draws import Draws
from sketches.frame import pack, unpack
from sketches.intervals import binomial_bounds, share_bounds, wilson_bounds
from sketches.portable import exponential_of, log_of, logs_of
from sketches.reservoir import BottomKSample, Reservoir
from sketches.reservoir_l import ReservoirL
from sketches.reservoir_r import ReservoirR, UniformReservoir
from sketches.stratified_sample import StratifiedSample
from sketches.weighted_reservoir import WeightedReservoir
from veilocity.errors import SketchMismatchError, StateError

FIRST_LAYOUT = bytes.fromhex(
    "5645494c5253565200010c6e560d9303c4076f6c64206b657993c4097061796d656e742d32c40a7061796d656e742d3430c40a7061796d656e742d3931"
)
uniform = pytest.mark.parametrize("kind", [ReservoirR, ReservoirL])
LENGTHS = (0, 1, 9, 10, 11, 1_000, 65_546, 65_547, 70_001, 140_000)
"""Around the capacity of 10 and the blocks of 65,536."""


@pytest.mark.parametrize(
    "build",
    [
        lambda: BottomKSample(0, b""),
        lambda: BottomKSample(1, b"x" * 65),
        lambda: ReservoirR(0),
        lambda: ReservoirL(-1),
        lambda: ReservoirL(1, seed=-1),
        lambda: ReservoirR(1, stream=2**64),
        lambda: WeightedReservoir(0),
        lambda: DecayedReservoir(0, 1.0),
        lambda: DecayedReservoir(1, 0.0),
        lambda: DecayedReservoir(1, math.nan),
        lambda: DecayedReservoir(1, math.inf),
        lambda: StratifiedSample(0, 1),
        lambda: StratifiedSample(1, 0),
    ],
)
def test_senseless_parameters_are_refused(build: Callable[[], Sketch]) -> None:
    with pytest.raises(SketchMismatchError, match=r": give|at least"):
        build()


@uniform
@pytest.mark.parametrize("length", LENGTHS)
def test_a_long_column_is_its_items_one_by_one(kind: type[UniformReservoir], length: int) -> None:
    one_by_one = kind(10, seed=3)
    for item in range(length):
        one_by_one.update(item)
    forms: list[Any] = [list(range(length)), np.arange(length), pyarrow.array(range(length), pyarrow.int64()), range(length)]
    for column in forms:
        at_once = kind(10, seed=3)
        at_once.update_batch(column)
        assert at_once.to_bytes() == one_by_one.to_bytes()
    assert (one_by_one.count, len(one_by_one)) == (length, min(10, length))


@pytest.mark.parametrize("length", LENGTHS)
def test_a_long_weighted_or_timed_column_is_its_items_one_by_one(length: int) -> None:
    amounts = [0.1 * (item % 97) for item in range(length)]
    for kind in (lambda: WeightedReservoir(10, seed=3), lambda: DecayedReservoir(10, 7.0, seed=3)):
        one_by_one, pairs, columns = kind(), kind(), kind()
        for item, amount in enumerate(amounts):
            one_by_one.update((item, amount))
        pairs.update_batch(enumerate(amounts))
        if isinstance(columns, WeightedReservoir):
            columns.update_weighted(np.arange(length), np.array(amounts))
        else:
            columns.update_timed(pyarrow.array(range(length), pyarrow.int64()), amounts)
        assert one_by_one.to_bytes() == pairs.to_bytes() == columns.to_bytes()
        assert one_by_one.count == length


class Watched(Sequence[int]):
    """A column that counts how often it is looked at."""

    def __init__(self, size: int) -> None:
        self.size, self.looks = size, 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        return int(index)


def test_algorithm_l_looks_only_at_what_it_takes() -> None:
    column = Watched(10**9)
    sample = ReservoirL(100, seed=1)
    sample.update_batch(column)
    assert sample.count == 10**9
    # k (1 + ln(n / k)) = 1,712 on average, with a deviation of 40.
    assert 1_400 < column.looks < 2_000


@uniform
def test_parts_of_one_seed_draw_independently_unless_they_begin_alike(kind: type[UniformReservoir]) -> None:
    def places(sample: UniformReservoir, begin: str) -> list[int]:
        sample.update_batch([f"{begin}{item}" for item in range(5)] + list(range(100)))
        return [item for item in sample.estimate() if isinstance(item, int)]

    assert places(kind(5, seed=1), "a") == places(kind(5, seed=1), "a")
    assert places(kind(5, seed=1), "a") != places(kind(5, seed=1), "b")
    assert places(kind(5, seed=1), "a") != places(kind(5, seed=1, stream=1), "a")
    assert places(kind(5, seed=1), "a") != places(kind(5, seed=2), "a")
    labelled, plain = kind(5, seed=1, stream=1), kind(5, seed=1)
    plain.merge(labelled)


@uniform
def test_a_merge_of_less_than_fits_holds_everything(kind: type[UniformReservoir]) -> None:
    left, right = kind(10, seed=1), kind(10, seed=1)
    left.update_batch(["a", "b"])
    right.update_batch([1, 2.0, b"c"])
    left.merge(right)
    assert left.estimate() == ["a", "b", 1, 2.0, b"c"]
    assert left.bounds(0.4) == (0.4, 0.4)
    assert right.estimate() == [1, 2.0, b"c"]


@uniform
def test_items_that_cannot_be_saved_are_refused_and_leave_no_trace(kind: type[UniformReservoir]) -> None:
    sample = kind(3, seed=1)
    sample.update("one")
    before = sample.to_bytes()
    refused: list[Any] = [None, True, ("a", 1), 2**64, -(2**63) - 1, "\ud800", [1], object()]
    for item in refused:
        with pytest.raises(SketchMismatchError, match="hand"):
            sample.update(item)
    assert sample.to_bytes() == before


def test_a_full_sample_that_refuses_an_item_does_not_count_it() -> None:
    for sample in (ReservoirR(1, seed=1), ReservoirL(1, seed=1)):
        refused = 0
        sample.update(1)
        for _ in range(200):
            try:
                sample.update(None)  # type: ignore[arg-type]  # on purpose
            except SketchMismatchError:
                refused += 1
        assert 0 < refused <= 200
        assert sample.count == 201 - refused
        assert sample.estimate() == [1]
        assert type(sample).from_bytes(sample.to_bytes()).to_bytes() == sample.to_bytes()


def test_numbers_of_numpy_and_arrow_are_plain_numbers() -> None:
    values: list[Any] = [np.int16(7), np.float32(0.5), np.str_("x"), np.bytes_(b"y"), pyarrow.scalar("z"), pyarrow.scalar(3)]
    for sample in (ReservoirR(9), ReservoirL(9), BottomKSample(9, b"")):
        for value in values:
            sample.update(value)
        assert sorted(map(repr, sample.estimate())) == sorted(["7", "0.5", "'x'", "b'y'", "'z'", "3"])
        assert {type(item) for item in sample.estimate()} == {int, float, str, bytes}
        assert type(sample).from_bytes(sample.to_bytes()).to_bytes() == sample.to_bytes()


def test_draws_one_by_one_and_in_blocks_are_the_same_and_never_0_or_1() -> None:
    one, many = Draws(1, 2), Draws(1, 2)
    assert [one.next() for _ in range(1_000)] == [*many.block(400).tolist(), *many.block(600).tolist()]
    assert one.position == many.position == 1_000
    assert ((2**52 - 1) + 0.5) * 2.0**-52 < 1.0


def test_logarithms_are_right_and_the_same_bits_everywhere() -> None:
    values = [2.0**-1074, 1e-300, 2.0**-53, 0.1, 0.5, 1.0 - 2.0**-53, 1.0, math.sqrt(0.5), 3.0, 1e300]
    assert logs_of(np.array(values)).tolist() == [log_of(value) for value in values]
    assert all(math.isclose(log_of(value), math.log(value), rel_tol=1e-15) for value in values)
    assert all(math.isclose(exponential_of(-value), math.exp(-value), rel_tol=1e-15) for value in (0.0, 1e-20, 0.3, 1.0, 30.0, 690.0))
    assert exponential_of(-1e6) == 0.0
    # Taken once: another machine, or another C library, must find them again.
    assert [log_of(value).hex() for value in (0.1, 0.7, 12345.678)] == [
        "-0x1.26bb1bbb55515p+1",
        "-0x1.6d3c324e13f4fp-2",
        "0x1.2d79559791e31p+3",
    ]
    assert exponential_of(-2.5).hex() == "0x1.50385c094f425p-4"


def chance(hits: int, having: int, total: int, size: int) -> float:
    return math.comb(having, hits) * math.comb(total - having, size - hits) / math.comb(total, size)


@pytest.mark.parametrize(("total", "size"), [(40, 8), (25, 24), (30, 1), (12, 12)])
def test_exact_intervals_hold_every_truth_with_their_confidence(total: int, size: int) -> None:
    """Not a sample: for every number of items with the property the chances of all samples are added up."""
    for confidence in (0.5, 0.9, 0.99):
        intervals = [share_bounds(hits / size, size, total, confidence) for hits in range(size + 1)]
        loose = [share_bounds(hits / size, size, None, confidence) for hits in range(size + 1)]
        for having in range(total + 1):
            possible = [(chance(hits, having, total, size), hits) for hits in range(size + 1)]
            for found in (intervals, loose):
                assert sum(part for part, hits in possible if having / total in found[hits]) >= confidence - 1e-12


def test_exact_intervals_shrink_with_the_sample_and_end_at_the_truth() -> None:
    widths = [high - low for low, high in (share_bounds(0.5, size, 1_000, 0.95) for size in (10, 100, 500, 900, 1_000))]
    assert all(wide > narrow for wide, narrow in pairwise(widths))
    assert widths[-1] == 0.0
    assert share_bounds(0.0, 100, None, 0.95).low == 0.0
    assert math.isclose(share_bounds(0.0, 100, None, 0.95).high, 1.0 - 0.025**0.01, rel_tol=1e-9)
    assert share_bounds(0.3, 50, None, 0.9) == binomial_bounds(15, 50, 0.9)
    for population in (10, None):
        between, low, high = (share_bounds(share, 3, population, 0.9) for share in (0.5, 1 / 3, 2 / 3))
        assert between == Bounds(low.low, high.high)
    for share, confidence in ((1.1, 0.9), (-0.1, 0.9), (0.5, 0.0), (0.5, 1.0), (math.nan, 0.5)):
        with pytest.raises(SketchMismatchError, match="lies"):
            share_bounds(share, 3, 10, confidence)
        with pytest.raises(SketchMismatchError, match="lies"):
            wilson_bounds(share, 10, False, confidence)


def test_nothing_seen_bounds_nothing() -> None:
    for sample in (ReservoirR(5), ReservoirL(5), BottomKSample(5, b""), WeightedReservoir(5), DecayedReservoir(5, 1.0)):
        assert sample.estimate() == []
        assert sample.share(lambda _: True) == 0.0
        assert sample.bounds(0.0) == (0.0, 1.0)
    assert StratifiedSample(5, 5).estimate() == []
    assert StratifiedSample(5, 5).bounds(lambda _: True) == (0.0, 1.0)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf, 1e-101, 1e101])
def test_weights_beyond_reason_are_refused(weight: float) -> None:
    sample = WeightedReservoir(2, seed=1)
    sample.update_batch([("a", 1.0), ("b", 1e100), ("c", 1e-100)])
    before = sample.to_bytes()
    with pytest.raises(SketchMismatchError, match="weight"):
        sample.update(("d", weight))
    with pytest.raises(SketchMismatchError, match="weight"):
        sample.update_weighted(["e", "d"], [1.0, weight])
    assert sample.to_bytes() == before


def test_weight_0_is_counted_and_never_sampled() -> None:
    sample = WeightedReservoir(3, seed=1)
    sample.update_batch([("nothing", 0.0)] * 10 + [("a", 1.0)] + [("nothing", 0.0)] * 10)
    assert (sample.count, sample.weight, sample.estimate()) == (21, 1.0, [("a", 1.0)])
    assert sample.bounds(sample.share(lambda item: item == "a")) == (1.0, 1.0)
    sample.update_batch([("b", 1e-100), ("c", 1e100)] + [("nothing", 0.0)] * 1_000)
    assert {item for item, _ in sample.estimate()} == {"a", "b", "c"}
    empty = WeightedReservoir(3, seed=1)
    empty.update(("nothing", 0.0))
    sample.merge(empty)
    assert (sample.count, len(sample)) == (1_024, 3)


def test_columns_of_two_lengths_are_refused() -> None:
    with pytest.raises(SketchMismatchError, match="one length"):
        WeightedReservoir(2).update_weighted(["a"], [1.0, 2.0])
    with pytest.raises(SketchMismatchError, match="one length"):
        DecayedReservoir(2, 1.0).update_timed(["a"], [])


def test_shares_of_weight_are_exact_while_everything_fits() -> None:
    weighted = WeightedReservoir(5, seed=1)
    weighted.update_batch([("a", 1.0), ("b", 3.0)])
    assert weighted.bounds(weighted.share(lambda item: item == "b")) == (0.75, 0.75)
    decayed = DecayedReservoir(5, half_life=10.0, seed=1)
    decayed.update_batch([("old", 1e9), ("new", 1e9 + 20.0)])
    assert math.isclose(decayed.share(lambda item: item == "old"), 0.2)
    assert decayed.bounds(0.2) == (0.2, 0.2)


def test_decay_neither_overflows_nor_depends_on_the_origin() -> None:
    def members(origin: float) -> list[Any]:
        sample = DecayedReservoir(20, half_life=2.0, seed=1)
        sample.update_batch((item, origin + item) for item in range(3_000))
        return [item for item, _ in sample.estimate()]

    assert members(0.0) == members(-(2.0**33)) == members(2.0**33)
    assert min(members(0.0)) > 2_900
    sample = DecayedReservoir(50, half_life=1.0, seed=1)
    sample.update_batch([("old", -9e10)] * 60 + [("new", 9e10)] * 10)
    assert sum(1 for item, _ in sample.estimate() if item == "new") == 10
    assert sample.share(lambda item: item == "new") == 1.0
    assert sample.share(lambda item: item == "old") < 1e-9
    assert sample.clone().to_bytes() == sample.to_bytes()
    for time in (math.nan, math.inf, -math.inf, 1.1e11):
        for take in (sample.update, lambda pair: sample.update_batch([pair])):
            with pytest.raises(SketchMismatchError, match="nearer origin"):
                take(("late", time))


def test_late_items_take_the_place_that_their_age_gives() -> None:
    sample = DecayedReservoir(10, half_life=1.0, seed=1)
    sample.update_batch((f"new-{item}", 1_000.0) for item in range(100))
    before = sample.estimate()
    sample.update_batch((f"late-{item}", 900.0) for item in range(10_000))
    assert sample.estimate() == before
    assert sample.count == 10_100


def strata_of(sample: StratifiedSample) -> list[tuple[Any, int]]:
    return [(stratum.name, stratum.size) for stratum in sample.estimate()]


def test_strata_beyond_the_bound_are_counted_as_others_in_any_tree() -> None:
    pairs = [(f"stratum-{item * item % 31}", item) for item in range(3_000)]
    whole = StratifiedSample(5, 6, seed=2)
    whole.update_batch(pairs)
    assert len(whole.estimate()) == 7
    assert whole.estimate()[-1].name is None
    assert whole.count == 3_000
    truth = {stratum.name: sum(1 for name, _ in pairs if name == stratum.name) for stratum in whole.estimate()[:-1]}
    assert dict(strata_of(whole)[:-1]) == truth
    for order in (pairs, pairs[::-1], sorted(pairs)):
        parts = [StratifiedSample(5, 6, seed=2, stream=part) for part in range(4)]
        for part, sample in enumerate(parts):
            sample.update_batch(order[part * 750 : part * 750 + 750])
        parts[3].merge(parts[0])
        parts[1].merge(parts[2])
        parts[1].merge(parts[3])
        assert strata_of(parts[1]) == strata_of(whole)


@pytest.mark.parametrize("strata", [1, 3, 8, 9, 100])
def test_a_column_of_strata_is_its_pairs_one_by_one(strata: int) -> None:
    pairs = [(f"stratum-{item % (2 + item // 100)}", item) for item in range(1_000)]
    one_by_one, at_once = StratifiedSample(4, strata, seed=2), StratifiedSample(4, strata, seed=2)
    for pair in pairs:
        one_by_one.update(pair)
    for begin in range(0, 1_000, 250):
        at_once.update_batch(pairs[begin : begin + 250])
    assert at_once.to_bytes() == one_by_one.to_bytes()
    assert len(one_by_one.estimate()) <= strata + 1


def test_strata_of_other_kinds_are_other_strata() -> None:
    for one_by_one in (True, False):
        sample = StratifiedSample(4, 10, seed=2)
        pairs: list[Any] = [(1, "a"), (1.0, "b"), ("1", "c"), (b"1", "d"), (np.int64(1), "e")]
        if one_by_one:
            for pair in pairs:
                sample.update(pair)
        else:
            sample.update_batch(pairs)
        assert strata_of(sample) == [(b"1", 1), (1.0, 1), (1, 2), ("1", 1)]
        assert strata_of(sample.clone()) == strata_of(sample)
    refused: list[Any] = [["a"], None, True]
    for stratum in refused:
        for take in (sample.update, lambda pair: sample.update_batch([pair])):
            with pytest.raises(SketchMismatchError):
                take((stratum, "x"))


def test_a_share_of_strata_is_weighted_by_their_part_of_the_stream() -> None:
    sample = StratifiedSample(50, 5, seed=1)
    sample.update_batch([("rare", 1)] * 100 + [("frequent", 0)] * 900)
    assert math.isclose(sample.share(lambda item: item == 1), 0.1)
    low, high = sample.bounds(lambda item: item == 1)
    assert low < 0.1 < high
    alone = StratifiedSample(50, 5, seed=1)
    alone.update_batch([("only", item % 2) for item in range(1_000)])
    share = alone.share(lambda item: item == 1)
    expected = share_bounds(share, 50, 1_000, 0.95)
    assert all(math.isclose(one, two) for one, two in zip(alone.bounds(lambda item: item == 1), expected, strict=True))


def test_the_first_layout_of_the_sample_of_distinct_ids_is_still_read() -> None:
    sample = BottomKSample.from_bytes(FIRST_LAYOUT)
    again = Reservoir(3, b"old key")
    again.update_batch(b"payment-%d" % number for number in range(100))
    assert sample.members() == [b"payment-2", b"payment-40", b"payment-91"]
    assert sample.to_bytes() == again.to_bytes()
    assert unpack(sample.to_bytes(), b"RSVR", 2)
    with pytest.raises(StateError, match="damaged"):
        BottomKSample.from_bytes(FIRST_LAYOUT[:-1] + b"x")


def test_distinct_items_are_told_apart_by_kind_and_taken_once() -> None:
    sample = BottomKSample(10, b"k")
    items: list[Any] = [1, 1.0, "1", b"1", -0.0, 0.0, math.nan, float("nan"), -(2**63), 2**64 - 1]
    sample.update_batch(items * 2)
    assert len(sample) == 8
    assert len({sample.priority(item) for item in (1, 1.0, "1", b"1")}) == 4
    assert sample.clone().to_bytes() == sample.to_bytes()
    with pytest.raises(SketchMismatchError):
        sample.update(None)  # type: ignore[arg-type]  # on purpose


def test_a_sample_of_distinct_items_is_exact_until_it_is_full() -> None:
    sample = BottomKSample(4, b"k")
    sample.update_batch([b"a", b"b", b"a", b"c"])
    assert sample.bounds(sample.share(lambda item: item == b"a")) == (1 / 3, 1 / 3)
    sample.update(b"d")
    low, high = sample.bounds(0.25)
    assert low < 0.25 < high


def crafted(sample: Sketch, content: object) -> bytes:
    hash_name, parameters, _ = msgspec.msgpack.decode(unpack(sample.to_bytes(), sample.kind, sample.layout))
    return pack(sample.kind, sample.layout, msgspec.msgpack.encode([hash_name, parameters, content]))


@pytest.mark.parametrize(
    ("sample", "content"),
    [
        (BottomKSample(1, b""), [b"a", b"b"]),
        (BottomKSample(1, b""), [None]),
        (ReservoirR(2), [1, 0, 0, ["a", "b"]]),
        (ReservoirR(2), [9, 0, 0, ["a"]]),
        (ReservoirR(2), [2, 0, 0, ["a", True]]),
        (ReservoirL(2), [[9, 0, 0, ["a", "b"]], 0.5, 9]),
        (ReservoirL(2), [[9, 0, 0, ["a", "b"]], 0.0, 10]),
        (ReservoirL(2), [[1, 0, 0, ["a"]], 1.0, 5]),
        (WeightedReservoir(1), [2, 2.0, 3.0, 0, 0, [(-1.0, b"\x01", 1.0), (-2.0, b"\x02", 1.0)]]),
        (WeightedReservoir(1), [1, 2.0, -1.0, 0, 0, [(-1.0, b"\x01", 1.0)]]),
        (DecayedReservoir(2, 1.0), [3, 0, 0, [(-1.0, b"\x01", 1.0)]]),
        (StratifiedSample(1, 1), [[("a", b""), ("b", b"")], ReservoirL(1).to_bytes(), 0]),
        (StratifiedSample(1, 1), [[(None, ReservoirL(1).to_bytes())], ReservoirL(1).to_bytes(), 0]),
    ],
)
def test_contents_that_cannot_be_are_refused(sample: Sketch, content: object) -> None:
    with pytest.raises(StateError, match="does not decode"):
        type(sample).from_bytes(crafted(sample, content))


def test_the_interval_of_unequal_members_is_wilsons() -> None:
    """By hand for 10 draws: (0.5 + z^2 / 20 +- z sqrt(0.25 / 10 + z^2 / 400)) / (1 + z^2 / 10) with z = 1.96."""
    low, high = wilson_bounds(0.5, 12, False, 0.95)
    assert (round(low, 4), round(high, 4)) == (0.2366, 0.7634)
    assert wilson_bounds(0.0, 102, False, 0.95).low == 0.0
    assert math.isclose(wilson_bounds(0.0, 102, False, 0.95).high, 0.036994, abs_tol=1e-6)

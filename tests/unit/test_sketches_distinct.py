from __future__ import annotations

import math

import msgspec
import numpy as np
import pyarrow
import pytest

from sketches.contract import Bounds, encode_raw
from sketches.flajolet_martin import FlajoletMartin
from sketches.frame import pack
from sketches.hashing import HASH_NAME, hash_column, hash_item
from sketches.hyperloglog import HyperLogLog, _split
from veilocity.errors import SketchMismatchError, StateError

BOTH = pytest.mark.parametrize(
    "make", [lambda: HyperLogLog(precision=10, seed=5), lambda: FlajoletMartin(maps=256, seed=5)], ids=["hll", "fm"]
)


def saved(kind: type[HyperLogLog] | type[FlajoletMartin], parameters: dict[str, int], content: bytes) -> bytes:
    body = msgspec.msgpack.encode([HASH_NAME, encode_raw(parameters), encode_raw(content)])
    return pack(kind.kind, kind.layout, body)


@pytest.mark.parametrize("precision", [3, 19, 0, -4])
def test_a_precision_without_a_guarantee_is_refused(precision: int) -> None:
    with pytest.raises(SketchMismatchError, match="from 4 to 18"):
        HyperLogLog(precision=precision)


@pytest.mark.parametrize("maps", [0, 1, 3, 100, 2**17, -8])
def test_maps_that_are_no_power_of_two_are_refused(maps: int) -> None:
    with pytest.raises(SketchMismatchError, match="power of two"):
        FlajoletMartin(maps=maps)


@pytest.mark.parametrize("precision", range(4, 19))
def test_every_precision_and_number_of_maps_works(precision: int) -> None:
    for sketch in (HyperLogLog(precision=precision), FlajoletMartin(maps=1 << precision - 3)):
        sketch.update_batch(np.arange(5000))
        assert 5000 in sketch.bounds(confidence=0.999999)
        assert type(sketch).from_bytes(sketch.to_bytes()).estimate() == sketch.estimate()


@BOTH
def test_nothing_seen_is_zero_for_certain(make) -> None:  # type: ignore[no-untyped-def]  # either of two classes
    sketch = make()
    assert sketch.estimate() == 0.0
    assert sketch.bounds() == Bounds(0.0, 0.0)
    sketch.update_batch([])
    sketch.update_batch(pyarrow.array([None, None], pyarrow.string()))
    assert sketch.to_bytes() == make().to_bytes()


@BOTH
def test_repeats_change_nothing_and_kinds_of_items_are_apart(make) -> None:  # type: ignore[no-untyped-def]  # either of two classes
    sketch = make()
    for item in ("1", b"1", 1, 1.0):
        before = sketch.to_bytes()
        sketch.update(item)
        after = sketch.to_bytes()
        assert after != before
        sketch.update(item)
        sketch.update_batch([item] * 50)
        assert sketch.to_bytes() == after


@BOTH
def test_what_has_no_stable_hash_is_refused_and_leaves_no_trace(make) -> None:  # type: ignore[no-untyped-def]  # either of two classes
    sketch = make()
    for item in (None, True, 2**64, ("a", "b")):
        with pytest.raises(SketchMismatchError):
            sketch.update(item)
        with pytest.raises(SketchMismatchError):
            sketch.update_batch(["a", item])
    assert sketch.to_bytes() == make().to_bytes()


@BOTH
def test_more_confidence_is_a_wider_interval_around_the_estimate(make) -> None:  # type: ignore[no-untyped-def]  # either of two classes
    for size in (1, 10, 300, 3000, 30_000):
        sketch = make()
        sketch.update_batch(np.arange(size))
        narrow, wide = sketch.bounds(confidence=0.5), sketch.bounds(confidence=0.999)
        assert wide.low <= narrow.low <= sketch.estimate() <= narrow.high <= wide.high
    with pytest.raises(SketchMismatchError, match="between 0 and 1"):
        sketch.bounds(confidence=1.0)


def test_so_few_registers_that_nothing_is_sure_upwards_have_no_upper_bound() -> None:
    sketch = HyperLogLog(precision=4)
    sketch.update_batch(np.arange(1000))
    assert math.isinf(sketch.bounds(confidence=0.99999).high)


def test_the_register_and_the_rank_of_a_hash_are_its_first_bits_and_its_trailing_zeros() -> None:
    places, ranks = _split(np.array([0, 1, 0b1000, 1 << 63, 2**64 - 1, 5 << 60], dtype=np.uint64), 4)
    assert places.tolist() == [0, 0, 0, 8, 15, 5]
    assert ranks.tolist() == [61, 1, 4, 61, 1, 61]


@pytest.mark.parametrize("precision", [4, 11, 18])
def test_ranks_are_exact_for_every_position_of_the_last_one(precision: int) -> None:
    rest = 64 - precision
    hashes = np.array([(2**64 - 1) << zeros & 2**64 - 1 for zeros in range(rest)], dtype=np.uint64)
    places, ranks = _split(hashes, precision)
    assert ranks.tolist() == list(range(1, rest + 1))
    assert set(places.tolist()) == {(1 << precision) - 1}


def test_a_single_item_sets_what_theory_says() -> None:
    value = hash_item("alone", 5)
    zeros = (value & -value).bit_length() - 1
    loglog, maps = HyperLogLog(precision=8, seed=5), FlajoletMartin(maps=256, seed=5)
    for sketch in (loglog, maps):
        sketch.update("alone")
    assert np.flatnonzero(loglog._registers).tolist() == np.flatnonzero(maps._bits).tolist() == [value >> 56]
    assert loglog._registers.max() == zeros + 1
    assert maps._bits.max() == 1 << zeros
    assert 0.9 < loglog.estimate() < 1.1


def test_full_registers_are_an_infinite_count_and_a_full_map_still_answers() -> None:
    loglog = HyperLogLog.from_bytes(saved(HyperLogLog, {"precision": 4, "seed": 0}, bytes([61] * 16)))
    assert math.isinf(loglog.estimate())
    full = np.full(16, 2**61 - 1, dtype="<u8").tobytes()
    assert FlajoletMartin.from_bytes(saved(FlajoletMartin, {"maps": 16, "seed": 0}, full)).estimate() > 2.0**60


@pytest.mark.parametrize("content", [bytes(15), bytes(17), bytes([62] * 16)])
def test_registers_that_no_stream_leaves_are_refused(content: bytes) -> None:
    with pytest.raises(StateError, match="does not decode"):
        HyperLogLog.from_bytes(saved(HyperLogLog, {"precision": 4, "seed": 0}, content))


@pytest.mark.parametrize("content", [bytes(120), bytes(129), np.full(16, 2**61, dtype="<u8").tobytes()])
def test_maps_that_no_stream_leaves_are_refused(content: bytes) -> None:
    with pytest.raises(StateError, match="does not decode"):
        FlajoletMartin.from_bytes(saved(FlajoletMartin, {"maps": 16, "seed": 0}, content))


def test_parameters_that_no_constructor_takes_are_refused_in_bytes_too() -> None:
    with pytest.raises((StateError, SketchMismatchError)):
        HyperLogLog.from_bytes(saved(HyperLogLog, {"precision": 40, "seed": 0}, bytes(16)))


def test_columns_longer_than_a_chunk_are_whole() -> None:
    column = np.arange(200_000)
    sketch, registers = HyperLogLog(precision=12, seed=9), np.zeros(4096, dtype=np.uint8)
    sketch.update_batch(column)
    np.maximum.at(registers, *_split(hash_column(column, 9), 12))
    assert sketch._registers.tolist() == registers.tolist()
    maps, twin = FlajoletMartin(maps=64, seed=9), FlajoletMartin(maps=64, seed=9)
    maps.update_batch(column)
    for start in range(0, 200_000, 7777):
        twin.update_batch(column[start : start + 7777])
    assert maps.to_bytes() == twin.to_bytes()


def test_seeds_are_independent() -> None:
    estimates = set()
    for seed in (0, 1, -1, 2**63, 2**64 - 2):
        sketch = HyperLogLog(precision=6, seed=seed)
        sketch.update_batch(np.arange(1000))
        estimates.add(sketch.estimate())
        assert HyperLogLog.from_bytes(sketch.to_bytes()).parameters.seed == seed
    assert len(estimates) == 5

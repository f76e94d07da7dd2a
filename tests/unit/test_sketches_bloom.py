import pickle

import msgspec
import numpy as np
import pyarrow
import pytest

from sketches.bits import BitSlices, Slicing, keys_of, keys_within
from sketches.bloom import BloomFilter
from sketches.frame import pack
from sketches.hashing import mix64
from tests.fresh_process import printed
from veilocity.errors import SketchMismatchError, StateError

SHAPES = [(1, 2), (7, 1371), (10, 1 << 20), (5, 1 << 24), (5, (1 << 24) + 1), (6, (1 << 32) - 1), (40, 99)]


def test_a_filter_over_its_capacity_forgets_nothing_and_says_so() -> None:
    keys = [b"%d" % number for number in range(60_000)]
    full = BloomFilter(1000, 0.001)
    full.update_batch(keys)
    assert full.contains_batch(keys).all()
    assert full.overfilled
    assert full.present_error_rate() > 0.99
    assert len(full) > 1000
    half = BloomFilter(1000, 0.001)
    half.update_batch(keys[:1000])
    assert not half.overfilled
    beyond = half.clone()
    beyond.update_batch(keys[:1200])
    assert beyond.overfilled
    assert beyond.present_error_rate() > 0.001


def test_a_filter_without_an_unset_bit_knows_only_a_least_count() -> None:
    full = BloomFilter(1, 0.5)
    full.update_batch(range(100))
    assert full.fill() == 1.0 == full.present_error_rate()
    assert full.estimate() == full.estimated_count() == float("inf") == full.bounds().high
    assert 1 <= full.bounds().low <= 100
    assert len(full) > 1
    assert full.overfilled


def test_an_empty_filter_knows_nothing() -> None:
    empty = BloomFilter(1000, 0.001)
    empty.update_batch([])
    assert (len(empty), empty.estimate(), empty.bounds(), empty.present_error_rate()) == (0, 0.0, (0.0, 0.0), 0.0)
    assert "key" not in empty
    assert empty.contains_batch(["key"]).tolist() == [False]
    assert empty.contains_batch([]).tolist() == []
    assert not empty.overfilled


def test_keys_of_other_types_are_other_keys() -> None:
    seen = BloomFilter(1000, 0.001)
    seen.add("1")
    assert "1" in seen
    assert all(key not in seen for key in (1, 1.0, b"1"))
    seen.add(b"\xff\x00")
    assert b"\xff\x00" in seen
    assert "ÿ\x00" not in seen
    for key in (None, True, ("a", 1)):
        with pytest.raises(SketchMismatchError, match="hand in"):
            seen.add(key)  # type: ignore[arg-type]  # what a caller without types would do


def test_a_refused_column_records_nothing() -> None:
    seen = BloomFilter(1000, 0.001)
    with pytest.raises(SketchMismatchError):
        seen.update_batch(["a", None])  # type: ignore[list-item]  # on purpose
    assert seen.to_bytes() == BloomFilter(1000, 0.001).to_bytes()


def test_add_tells_what_was_known_and_membership_agrees_with_the_column() -> None:
    seen = BloomFilter(500, 0.05, seed=9)
    keys = [f"key {number}" for number in range(700)]
    known = [seen.add(key) for key in keys[:500]]
    assert sum(known) < 25, "new keys are new but for the error rate"
    assert all(seen.add(key) for key in keys[:500])
    assert seen.contains_batch(keys).tolist() == [key in seen for key in keys]
    assert seen.contains_batch(np.asarray(keys)).tolist() == seen.contains_batch(pyarrow.array(keys)).tolist()


@pytest.mark.parametrize("capacity", range(30_000, 30_008))
def test_saved_bytes_of_every_size_still_unite(capacity: int) -> None:
    saved = BloomFilter(capacity, 0.01)
    saved.update_batch([b"a", b"b"])
    restored = BloomFilter.from_bytes(saved.to_bytes())
    fresh = BloomFilter(capacity, 0.01)
    fresh.add(b"c")
    restored.merge(fresh)
    assert all(key in restored for key in (b"a", b"b", b"c"))
    assert len(restored) == 3
    assert restored.to_bytes() == BloomFilter.from_bytes(restored.to_bytes()).to_bytes()


def test_repeats_and_replays_leave_the_bytes_as_they_are() -> None:
    once, twice = BloomFilter(100, 0.01), BloomFilter(100, 0.01)
    once.update_batch(range(50))
    twice.update_batch([*range(50), *range(50)])
    twice.merge(once)
    assert once.to_bytes() == twice.to_bytes()
    assert len(once) == len(twice)


@pytest.mark.parametrize(
    "arguments",
    [
        {"capacity": 0},
        {"capacity": -1},
        {"capacity": 1.5},
        {"capacity": True},
        {"capacity": 2**30 + 1},
        {"error_rate": 0.0},
        {"error_rate": 0.51},
        {"error_rate": 1e-13},
        {"error_rate": float("nan")},
        {"error_rate": "0.1"},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": "s"},
    ],
)
def test_senseless_parameters_are_refused_with_a_sentence(arguments: dict[str, object]) -> None:
    with pytest.raises(SketchMismatchError, match="a filter needs"):
        BloomFilter(**({"capacity": 10, "error_rate": 0.01, "seed": 0} | arguments))  # type: ignore[arg-type]  # on purpose


def test_another_seed_is_another_filter() -> None:
    one, two = BloomFilter(100, 0.01, seed=1), BloomFilter(100, 0.01, seed=2)
    one.update_batch(range(100))
    two.update_batch(range(100))
    assert one.to_bytes() != two.to_bytes()
    with pytest.raises(SketchMismatchError, match="differ in seed"):
        one.merge(two)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, 2.0])
def test_a_confidence_outside_its_range_is_refused(confidence: float) -> None:
    with pytest.raises(SketchMismatchError, match="confidence"):
        BloomFilter(10, 0.1).bounds(confidence)


def test_bytes_that_do_not_fit_their_parameters_are_refused() -> None:
    encode = msgspec.msgpack.encode
    parameters = encode({"capacity": 1000, "error_rate": 0.01, "seed": 0})
    size = len(BloomFilter(1000, 0.01)._bits.to_bytes())
    row_bytes, used = size // 7, 1371 % 8
    beyond = bytearray(size)
    beyond[row_bytes - 1] = 1 << used
    for bits in (bytes(size - 1), bytes(size + 1), bytes(beyond)):
        with pytest.raises(StateError, match="does not decode"):
            BloomFilter.from_bytes(pack(b"BLOM", 2, encode([BloomFilter.hash_name, msgspec.Raw(parameters), msgspec.Raw(encode(bits))])))


def test_bytes_of_the_first_layout_are_refused() -> None:
    with pytest.raises(StateError, match="does not decode"):
        BloomFilter.from_bytes(pack(b"BLOM", 1, msgspec.msgpack.encode([1000, 0.01, 3, bytes(1200)])))


def test_another_process_with_another_hash_seed_makes_the_same_bytes() -> None:
    program = (
        "from sketches.bloom import BloomFilter; import hashlib\n"
        "b = BloomFilter(2000, 0.01); b.update_batch([str(n) for n in range(500)])\n"
        "print(hashlib.sha256(b.to_bytes()).hexdigest())"
    )
    assert printed(program, "1") == printed(program, "2")


@pytest.mark.parametrize(("slices", "width"), SHAPES)
def test_places_of_a_column_are_those_of_each_hash_and_follow_their_formula(slices: int, width: int) -> None:
    slicing = Slicing(slices, width)
    hashes = np.random.Generator(np.random.Philox(3)).integers(0, 2**64, 300, dtype=np.uint64)
    columns = np.stack(list(slicing.places(hashes)), axis=1)
    assert columns.tolist() == [list(slicing.places_of(hashed)) for hashed in hashes.tolist()]
    assert columns.min() >= 0
    assert columns.max() < width
    words = [mix64((int(hashes[0]) + (number + 1) * 0x9E3779B97F4A7C15) % 2**64) for number in range(slices)]
    halves = [half * width >> 32 for word in words for half in (word % 2**32, word >> 32)]
    assert columns[0].tolist() == ([word * width >> 64 for word in words] if width > 2**24 else halves[:slices])


def test_many_keys_at_once_set_the_bits_of_each_one() -> None:
    hashes = np.random.Generator(np.random.Philox(4)).integers(0, 2**64, 40_000, dtype=np.uint64)
    for slices, width in ((3, 2), (4, 1000), (7, 60_001)):
        at_once, one_by_one = BitSlices(Slicing(slices, width)), BitSlices(Slicing(slices, width))
        # In the first part there are too few for a map of bytes.
        at_once.record(hashes[:500])
        at_once.record(hashes[500:])
        for hashed in hashes.tolist():
            one_by_one.record_one(hashed)
        assert at_once.to_bytes() == one_by_one.to_bytes()
        assert at_once.ones == one_by_one.ones == int.from_bytes(at_once.to_bytes(), "little").bit_count()


def test_the_layout_is_the_smallest_that_keeps_the_promise() -> None:
    for capacity in (1, 2, 10, 1000, 10**6, 2**30):
        for error_rate in (0.5, 0.3, 0.01, 0.001, 1e-9):
            slicing = Slicing.promising(capacity, error_rate)

            def rate(width: float, slices: int = slicing.slices, keys: int = capacity) -> float:
                return float((-np.expm1(keys * np.log1p(-1.0 / width))) ** slices)

            assert rate(slicing.width) <= error_rate * (1 + 1e-9)
            assert slicing.width == 2 or rate(slicing.width - 1) >= error_rate * (1 - 1e-9)


def test_a_copied_and_a_pickled_filter_go_on_by_themselves() -> None:
    first = BloomFilter(100, 0.01)
    first.add("a")
    second = pickle.loads(pickle.dumps(first))  # noqa: S301  # our own bytes
    second.add("b")
    assert "b" in second
    assert "b" in BloomFilter.from_bytes(second.to_bytes())
    assert "b" not in first
    assert second.contains_batch(["a", "b"]).all()


def test_a_count_is_never_below_what_its_slices_prove() -> None:
    bits = BitSlices(Slicing(4, 1000))
    for hashed in range(1, 6):
        bits.record_one(mix64(hashed))
    assert bits.keys_within(0.5).low >= -(-bits.ones // 4)
    assert keys_of(0, 2, 10) == float("inf") == keys_within(0, 2, 10, 0.9).high
    assert keys_of(20, 2, 10) == 0.0

import msgspec
import numpy as np
import pyarrow
import pytest

from sketches import minhash
from sketches.hashing import hash_item
from sketches.intervals import binomial_bounds
from sketches.minhash import MinHash, MinHashParameters, estimate, signatures
from veilocity.errors import SketchMismatchError

both = pytest.mark.parametrize("one_permutation", [False, True])


def of(items: object, places: int = 128, seed: int = 1, one_permutation: bool = False) -> MinHash:
    sketch = MinHash(places, seed, one_permutation)
    sketch.update_batch(items)  # type: ignore[arg-type]  # any column
    return sketch


@both
def test_many_signatures_are_those_of_each_set(one_permutation: bool) -> None:
    generator = np.random.default_rng(1)
    # Sizes on both sides of every block: repeated last items, large sets alone, runs of one size.
    sizes = [1, 1, 2, 3, 50, 50, 51, 62, 63, 200, 4096, 4097, 5000, 70_000, *generator.integers(1, 400, 300).tolist()]
    sets = [[f"{number:x}" for number in generator.integers(0, 2**60, size)] for size in sizes]
    for places, seed in ((128, 1), (7, 2**64 - 1), (1, 0)):
        rows = signatures(sets, places, seed, one_permutation)
        assert rows.shape == (len(sets), places)
        assert rows.dtype == np.uint32
        for row, items in zip(rows, sets, strict=True):
            assert np.array_equal(row, of(items, places, seed, one_permutation).signature)


def test_a_signature_is_the_arithmetic_of_its_definition() -> None:
    """Unbounded integers of Python are the oracle of the machine's wrap-around."""
    items = [f"item {number}" for number in range(5000)]
    factors, summands = minhash._coefficients(32, 5)
    assert all(int(factor) % 2 == 1 for factor in factors)
    hashes = [hash_item(item, 5) % 2**32 for item in items]
    expected = [min((int(a) * h + int(b)) % 2**32 for h in hashes) for a, b in zip(factors, summands, strict=True)]
    assert of(items, 32, 5).signature.tolist() == expected


def test_one_permutation_is_the_arithmetic_of_its_definition() -> None:
    """A hash of 64 bits: the upper half picks the bin, the lower half is the value."""
    expected = [2**32 - 1] * 100
    for number in range(3000):
        upper, lower = divmod(hash_item(number, 5), 2**32)
        expected[upper * 100 >> 32] = min(expected[upper * 100 >> 32], lower)
    assert of(range(3000), 100, 5, one_permutation=True).signature.tolist() == expected


def test_signatures_take_every_kind_of_set() -> None:
    numbers = [3, 1, 2]
    rows = signatures([numbers, frozenset(numbers), {1, 2, 3}, np.array(numbers), range(1, 4), dict.fromkeys(numbers)])
    assert all(np.array_equal(rows[0], row) for row in rows)
    arrays = signatures([np.array(numbers), np.array([9])])
    assert np.array_equal(arrays[0], rows[0])
    assert np.array_equal(of(pyarrow.array([1, None, 2, 3])).signature, rows[0])
    assert signatures([]).shape == (0, 128)


@both
def test_order_and_repetition_do_not_matter(one_permutation: bool) -> None:
    items = [f"{number}" for number in range(500)]
    assert of(items, one_permutation=one_permutation).to_bytes() == of(items[::-1] * 3, one_permutation=one_permutation).to_bytes()


@both
def test_equal_sets_estimate_one_and_strangers_none(one_permutation: bool) -> None:
    left, same, other = (of(range(start, start + 4000), one_permutation=one_permutation) for start in (0, 0, 10_000))
    assert left.estimate(same) == 1.0
    assert left.bounds(same).high == 1.0
    assert left.bounds(same).low > 0.95
    assert left.estimate(other) == 0.0
    assert left.bounds(other).low == 0.0
    assert left.bounds(other).high < 0.05
    assert estimate(left.signature, same.signature) == 1.0


@both
def test_empty_sets_are_refused(one_permutation: bool) -> None:
    empty, full = MinHash(one_permutation=one_permutation), of(["a"], one_permutation=one_permutation)
    assert empty.is_empty
    assert not full.is_empty
    empty.update_batch([])
    assert empty.is_empty
    for left, right in ((empty, full), (full, empty), (empty, empty)):
        with pytest.raises(SketchMismatchError, match="empty"):
            left.estimate(right)
        with pytest.raises(SketchMismatchError, match="empty"):
            left.bounds(right)
    with pytest.raises(SketchMismatchError, match="empty"):
        _ = empty.signature
    with pytest.raises(SketchMismatchError, match="empty"):
        signatures([frozenset("a"), frozenset()], one_permutation=one_permutation)
    again = MinHash.from_bytes(empty.to_bytes())
    assert again.is_empty
    again.merge(full)
    assert not again.is_empty


def test_a_set_is_not_empty_even_if_its_minima_are_the_largest_values() -> None:
    sketch = MinHash(places=1)
    sketch._filled = True
    assert MinHash.from_bytes(sketch.to_bytes()).signature.tolist() == [2**32 - 1]


@pytest.mark.parametrize("other", [MinHash(64), MinHash(128, seed=2), MinHash(128, one_permutation=True), "a set"])
def test_what_differs_does_not_compare(other: MinHash) -> None:
    sketch = of(["a"])
    if isinstance(other, MinHash):
        other.update("a")
    with pytest.raises(SketchMismatchError):
        sketch.estimate(other)
    with pytest.raises(SketchMismatchError):
        sketch.bounds(other)


def test_signatures_of_other_lengths_do_not_compare() -> None:
    with pytest.raises(SketchMismatchError):
        estimate(signatures([frozenset("a")], places=64)[0], signatures([frozenset("a")], places=128)[0])


@pytest.mark.parametrize(("places", "seed"), [(0, 1), (-1, 1), (2**16 + 1, 1), (128, -1), (128, 2**64)])
def test_nonsense_is_refused(places: int, seed: int) -> None:
    with pytest.raises(SketchMismatchError):
        MinHash(places, seed)
    with pytest.raises(SketchMismatchError):
        signatures([["a"]], places, seed)


def test_a_confidence_lies_between_none_and_all() -> None:
    for confidence in (0.0, 1.0, -1.0, 2.0):
        with pytest.raises(SketchMismatchError):
            of(["a"]).bounds(of(["a"]), confidence)
    with pytest.raises(SketchMismatchError):
        binomial_bounds(0, 0, 0.95)
    with pytest.raises(SketchMismatchError):
        binomial_bounds(3, 2, 0.95)


@pytest.mark.parametrize(
    ("successes", "trials", "confidence", "low", "high"),
    # SciPy's `binomtest(...).proportion_ci(method="exact")`.
    [
        (0, 10, 0.95, 0.0, 0.30849710781876294),
        (10, 10, 0.95, 0.6915028921812371, 1.0),
        (7, 20, 0.9, 0.17731091757446915, 0.5580345113154889),
        (64, 128, 0.999, 0.3541896536230396, 0.6458103463769604),
        (990, 1000, 0.95, 0.9816867569448875, 0.9951944893089419),
    ],
)
def test_bounds_are_those_of_clopper_and_pearson(successes: int, trials: int, confidence: float, low: float, high: float) -> None:
    found = binomial_bounds(successes, trials, confidence)
    assert found.low == pytest.approx(low, abs=1e-9)
    assert found.high == pytest.approx(high, abs=1e-9)


def test_a_small_set_fills_every_bin_of_one_permutation() -> None:
    """One item, many bins: the hashed attempts do not reach it from everywhere, the walk to the right does."""
    for places in (1, 2, 128, 2000):
        row = of(["alone"], places, one_permutation=True).signature
        assert len(set(row.tolist())) == 1
        pair = signatures([["alone"], ["a", "b", "alone"]], places, one_permutation=True)
        assert np.array_equal(pair[0], row)
        assert set(row.tolist()) <= set(pair[1].tolist()) or places < 3


def test_one_permutation_of_small_sets_compares_what_is_there() -> None:
    left, right = of("abcdefgh", 4096, one_permutation=True), of("efghijkl", 4096, one_permutation=True)
    low, high = left.bounds(right)
    # Twelve items in 4,096 bins seldom share one: the estimate is the similarity itself, and it claims no more than twelve trials.
    assert left.estimate(right) == pytest.approx(4 / 12)
    assert high - low > 0.4


def test_a_cut_content_is_refused() -> None:
    parameters = MinHashParameters(places=4, seed=1)
    with pytest.raises(ValueError, match="minima"):
        MinHash._restore(parameters, msgspec.Raw(msgspec.msgpack.encode([True, b"1234"])))

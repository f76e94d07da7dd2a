"""Bugs that MinHash libraries have had: ours does not, the peer's failure is on record, and each bug put into ours is caught.

Empty sets that are equal to each other and hash functions that mix silently; biased arithmetic, unused places and band keys that are sums;
a recall far below what the threshold suggests.
"""

import importlib
import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sketches import lsh, minhash, similarity
from sketches.hashing import hash_item
from sketches.lsh import LshIndex, band_keys
from sketches.minhash import Bands, MinHash, recall, signatures, solve_bands
from sketches.similarity import measure_recall
from veilocity.errors import SketchMismatchError

PEER: Any = importlib.import_module("datasketch")
PRIME = 2**61 - 1
TWO_TO_32 = 2**32


def check_empty_sets_are_refused() -> None:
    with pytest.raises(SketchMismatchError, match="empty"):
        MinHash().estimate(MinHash())
    with pytest.raises(SketchMismatchError, match="empty"):
        signatures([frozenset(), frozenset()])


def check_what_was_hashed_otherwise_is_refused() -> None:
    one, other = MinHash(seed=1), MinHash(seed=2)
    one.update("a")
    other.update("a")
    for compare in (one.merge, one.estimate, one.bounds):
        with pytest.raises(SketchMismatchError):
            compare(other)
    before = MinHash.hash_name
    data = one.to_bytes()
    try:
        MinHash.hash_name = "another"
        with pytest.raises(SketchMismatchError, match="hash"):
            MinHash.from_bytes(data)
    finally:
        MinHash.hash_name = before


def check_minima_are_exact() -> None:
    """Python's unbounded integers are the oracle; items whose products pass 2^64 many times over."""
    items = [f"item {number}" for number in range(200)]
    factors, summands = minhash._coefficients(64, 1)
    hashes = [hash_item(item, 1) % TWO_TO_32 for item in items]
    expected = [min((int(a) * h + int(b)) % TWO_TO_32 for h in hashes) for a, b in zip(factors, summands, strict=True)]
    sketch = MinHash(64)
    sketch.update_batch(items)
    assert sketch.signature.tolist() == expected
    assert signatures([items], 64)[0].tolist() == expected


def check_large_strangers_share_nothing() -> None:
    """Two disjoint sets of 50,000, 20 seeds of 128 places: ties alone match, 0.03 expected; 6 or more have probability 1e-12 (Poisson)."""
    matches = 0
    for seed in range(20):
        left, right = MinHash(seed=seed), MinHash(seed=seed)
        left.update_batch(np.arange(50_000))
        right.update_batch(np.arange(50_000, 100_000))
        matches += round(128 * left.estimate(right))
    assert matches < 6


def check_bands_of_the_same_sum_differ() -> None:
    orders = list(itertools.permutations((1, 2, 3, 4)))
    rows = np.array([*orders, (0, 3, 3, 4), (5, 0, 0, 5)], dtype=np.uint32)
    assert len(set(rows.sum(axis=1).tolist())) == 1
    assert len(set(band_keys(rows, Bands(1, 4, 1.0))[:, 0].tolist())) == len(rows)
    same = np.tile(np.array([1, 2, 3, 4], dtype=np.uint32), 2)[np.newaxis]
    assert len(set(band_keys(same, Bands(2, 4, 1.0))[0].tolist())) == 2, "one band is not another"


def check_no_whole_band_is_wasted() -> None:
    for places, percent in itertools.product((16, 64, 100, 128, 200), range(30, 100, 5)):
        try:
            bands = LshIndex(percent / 100, places, 0.9).bands
        except SketchMismatchError:
            continue
        assert places - bands.bands * bands.rows < bands.rows
        assert bands.expected_recall == recall(percent / 100, bands.bands, bands.rows) >= 0.9


def check_recall_is_what_was_asked_for() -> None:
    """1,000 pairs at 0.5, 0.7 and 0.9: of a recall of 0.99 fewer than 970 are found with probability below 1e-6 (Chernoff)."""
    share, wanted = 0.969, 0.99
    divergence = share * math.log(share / wanted) + (1 - share) * math.log((1 - share) / (1 - wanted))
    assert math.exp(-1000 * divergence) < 1e-6
    for percent in (50, 70, 90):
        measured = measure_recall(percent / 100)
        assert measured.expected_recall >= wanted
        assert measured.found >= 970


CHECKS = [
    check_empty_sets_are_refused,
    check_what_was_hashed_otherwise_is_refused,
    check_minima_are_exact,
    check_large_strangers_share_nothing,
    check_bands_of_the_same_sum_differ,
    check_no_whole_band_is_wasted,
    check_recall_is_what_was_asked_for,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_ours_does_not_have_the_bug(check: Callable[[], None]) -> None:
    check()


def without_the_question_for_items(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MinHash, "_require_items", lambda self: None)


def with_any_seed_and_hash(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MinHash, "merge", MinHash._join)


def with_comparisons_of_any_seed(patch: pytest.MonkeyPatch) -> None:
    def matches(self: MinHash, other: MinHash) -> tuple[int, int]:
        return int(np.count_nonzero(self._minima == other._minima)), self.parameters.places

    patch.setattr(MinHash, "_matches", matches)


def with_a_prime_in_overflowing_integers(patch: pytest.MonkeyPatch) -> None:
    """What datasketch did until 2.0: 64-bit products of 61-bit factors, then a remainder, then 32 bits of it."""

    def minima(hashes: Any, places: int, seed: int) -> Any:
        factors, summands = (one.astype(np.uint64) << np.uint64(29) for one in minhash._coefficients(places, seed))
        values = (hashes[:, np.newaxis].astype(np.uint64) * factors + summands) % np.uint64(PRIME)
        return values.min(axis=0).astype(np.uint32)

    patch.setattr(minhash, "_minima_of_one", minima)


def with_signed_products(patch: pytest.MonkeyPatch) -> None:
    def minima(hashes: Any, places: int, seed: int) -> Any:
        factors, summands = (one.astype(np.int32) for one in minhash._coefficients(places, seed))
        values = hashes.astype(np.int32)[:, np.newaxis] * factors + summands
        return values.min(axis=0).astype(np.uint32)

    patch.setattr(minhash, "_minima_of_one", minima)


def with_even_factors(patch: pytest.MonkeyPatch) -> None:
    exact = minhash._coefficients
    patch.setattr(minhash, "_coefficients", lambda places, seed: (exact(places, seed)[0] << np.uint32(12), exact(places, seed)[1]))


def with_hashes_of_16_bits(patch: pytest.MonkeyPatch) -> None:
    exact = MinHash._take
    patch.setattr(MinHash, "_take", lambda self, hashes: exact(self, hashes & np.uint64(0xFFFF)))


def with_sums_as_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lsh, "_folded", lambda places, band: places.astype(np.uint64).sum(axis=-1) % np.uint64(PRIME))


def with_keys_that_forget_their_band(patch: pytest.MonkeyPatch) -> None:
    exact = lsh._folded
    patch.setattr(lsh, "_folded", lambda places, band: exact(places, np.zeros_like(band)))


def with_a_band_less(patch: pytest.MonkeyPatch) -> None:
    def fewer(wanted: float, places: int, wanted_recall: float = 0.99) -> Bands:
        bands, rows, _ = solve_bands(wanted, places, wanted_recall)
        return Bands(bands - 1, rows, recall(wanted, bands - 1, rows))

    patch.setattr(lsh, "solve_bands", fewer)


def with_balanced_errors(patch: pytest.MonkeyPatch) -> None:
    """The cut that datasketch takes at 0.7, which weighs false positives as much as what is missed."""
    patch.setattr(similarity, "solve_bands", lambda wanted, places, wanted_recall=0.99: Bands(14, 9, 0.99))


def with_a_band_that_is_never_looked_at(patch: pytest.MonkeyPatch) -> None:
    """The recall is stated for 32 bands, and 4 are searched: only measuring shows it."""
    exact = lsh.candidate_pairs
    patch.setattr(similarity, "candidate_pairs", lambda rows, bands, most: exact(rows, Bands(4, bands.rows, 0.99), most))


MUTATIONS = [
    (without_the_question_for_items, check_empty_sets_are_refused),
    (with_any_seed_and_hash, check_what_was_hashed_otherwise_is_refused),
    (with_comparisons_of_any_seed, check_what_was_hashed_otherwise_is_refused),
    (with_comparisons_of_any_seed, check_empty_sets_are_refused),
    (with_a_prime_in_overflowing_integers, check_minima_are_exact),
    (with_signed_products, check_minima_are_exact),
    (with_even_factors, check_large_strangers_share_nothing),
    (with_hashes_of_16_bits, check_large_strangers_share_nothing),
    (with_sums_as_keys, check_bands_of_the_same_sum_differ),
    (with_keys_that_forget_their_band, check_bands_of_the_same_sum_differ),
    (with_a_band_less, check_no_whole_band_is_wasted),
    (with_balanced_errors, check_recall_is_what_was_asked_for),
    (with_a_band_that_is_never_looked_at, check_recall_is_what_was_asked_for),
]


@pytest.mark.parametrize(("mutation", "check"), MUTATIONS, ids=lambda one: one.__name__)
def test_the_check_catches_the_bug(
    mutation: Callable[[pytest.MonkeyPatch], None], check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    # Pytest's own "did not raise" is no AssertionError, but a Failed.
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check()


def test_the_peer_calls_empty_sets_equal() -> None:
    assert PEER.MinHash().jaccard(PEER.MinHash()) == 1.0, "the library is mended"


def test_the_peer_merges_what_was_hashed_otherwise() -> None:
    one, other = PEER.MinHash(hashfunc=lambda _: 1), PEER.MinHash(hashfunc=lambda _: 2)
    one.update(b"a")
    other.update(b"a")
    one.merge(other)
    assert one.jaccard(other) < 1.0, "one item, hashed by two functions, is two items"


def test_the_peers_old_arithmetic_overflows() -> None:
    sketch = PEER.MinHash(num_perm=64, scheme="legacy")
    sketch.update(b"a")
    item = sketch.hashfunc(b"a")
    exact = [(int(a) * item + int(b)) % PRIME % TWO_TO_32 for a, b in zip(*sketch.permutations, strict=True)]
    wrong = sum(int(found) != value for found, value in zip(sketch.hashvalues, exact, strict=True))
    assert wrong > 32, "the library is mended"


def test_the_peers_bloom_index_takes_sums_as_keys() -> None:
    """Its class wants a package that is not installed, so the source is the witness."""
    module = importlib.import_module("datasketch.lsh_bloom")
    assert "x = np.sum(np.asarray(hashvalues" in inspect.getsource(module), "the library is mended"


def test_the_peer_leaves_whole_bands_unused() -> None:
    index = PEER.MinHashLSH(threshold=0.3, num_perm=128)
    assert 128 - index.b * index.r >= index.r, "the library is mended"
    ours = solve_bands(0.3, 128, 0.9)
    assert 128 - ours.bands * ours.rows < ours.rows


def test_the_peer_misses_most_pairs_at_its_threshold() -> None:
    """300 pairs at exactly 0.7, found with its stated cut's chance of 0.44: more than 210 would have probability below 1e-15."""
    index = PEER.MinHashLSH(threshold=0.7, num_perm=128)
    assert recall(0.7, index.b, index.r) < 0.5, "the library is mended"
    generator = np.random.default_rng(4)
    found = 0
    for number in range(300):
        items = [b"%x" % item for item in generator.integers(0, 2**60, 100).tolist()]
        left, right = PEER.MinHash.bulk([items[:85], items[:70] + items[85:]])
        index.insert(number, left)
        found += number in index.query(right)
    assert found < 210
    assert measure_recall(0.7, pairs=300).found > 280

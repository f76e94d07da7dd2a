"""Bugs of published Bloom filters: what pybloom_live does, that ours does not, and that each check would see the bug.

A check is a function that asserts. It runs on our filters as they are; then the bug is put into our code and the check must fail. What the
peer does is measured too: everything here is deterministic, so that a test that turns red means that the peer was mended.
"""

from __future__ import annotations

import importlib
import math
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sketches.bloom
import sketches.scalable_bloom
from sketches.bits import BitSlices, Slicing
from sketches.bloom import BloomFilter
from sketches.hashing import hash_item
from sketches.scalable_bloom import ScalableBloomFilter
from tests.fresh_process import printed

# The peer brings no types.
peer: Any = importlib.import_module("pybloom_live")
PROBES = np.arange(10**9, 10**9 + 200_000)


def fails(check: Callable[[], None]) -> bool:
    try:
        check()
    except AssertionError:
        return True
    return False


# 1. The compound error rate of a scalable filter.


def scalable_rate_is_kept() -> None:
    """At 2, 10 and 1,000 times its first capacity: at most N p + 5.2 deviations of N = 200,000 (probability 1e-7 each, seed 3)."""
    for keys in (200, 1_000, 100_000):
        seen = ScalableBloomFilter(capacity=100, error_rate=0.01, sources=1, seed=3)
        seen.update_batch(np.arange(keys))
        false = int(seen.contains_batch(PROBES).sum())
        assert false <= len(PROBES) * 0.01 + 5.2 * math.sqrt(len(PROBES) * 0.01 * 0.99)


def scalable_records_all_but_its_error_rate() -> None:
    """Of 20,000 new keys at most 20,000 p + 5.2 deviations are taken for known ones while they are added (1e-7, seed 3)."""
    seen = ScalableBloomFilter(capacity=100, error_rate=0.01, sources=1, seed=3)
    known = sum(seen.add(key) for key in range(20_000))
    assert known <= 20_000 * 0.01 + 5.2 * math.sqrt(20_000 * 0.01 * 0.99)


def test_a_scalable_filter_keeps_its_compound_rate() -> None:
    scalable_rate_is_kept()
    scalable_records_all_but_its_error_rate()


def test_the_peers_scalable_filter_passes_its_rate_several_times_over() -> None:
    theirs = peer.ScalableBloomFilter(initial_capacity=100, error_rate=0.01, mode=2)
    for number in range(100_000):
        theirs.add(f"key {number}")
    false = sum(f"new {number}" in theirs for number in range(5_000)) / 5_000
    assert false > 0.03
    assert len(theirs) < 100_000 * 0.99, "keys taken for known ones were never recorded"


def test_a_first_stage_that_spends_nine_tenths_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_the_peer(parameters: Any, level: int) -> float:
        return float(parameters.error_rate / parameters.sources * 0.9 ** (level + 1))

    monkeypatch.setattr(sketches.scalable_bloom, "stage_error_rate", as_the_peer)
    assert fails(scalable_rate_is_kept)
    assert fails(scalable_records_all_but_its_error_rate)


def test_an_expanding_filter_that_never_tightens_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches.scalable_bloom, "stage_error_rate", lambda parameters, _: parameters.error_rate)
    assert fails(scalable_rate_is_kept)


# 2. The count of a union, and the room that it leaves.


def union_keeps_its_count() -> None:
    """900 and 900 keys: within 5.2 deviations (0.8 % each) of 1,800, and the filter says that it is overfilled."""
    left, right = BloomFilter(1_000, 0.01), BloomFilter(1_000, 0.01)
    left.update_batch([f"l{number}" for number in range(900)])
    right.update_batch([f"r{number}" for number in range(900)])
    assert 900 in left.bounds(0.999_999)
    left.merge(right)
    assert abs(len(left) - 1_800) <= 1_800 * 0.008 * 5.2
    assert left.overfilled
    assert left.present_error_rate() > 0.05


def union_of_scalable_filters_keeps_the_rate() -> None:
    """Four filters of 900 keys each: at most N p + 5.2 deviations of N = 200,000 (1e-7, seed 3), and nobody is forgotten."""
    merged = ScalableBloomFilter(capacity=100, error_rate=0.01, sources=4, seed=3)
    for part in range(4):
        other = ScalableBloomFilter(capacity=100, error_rate=0.01, sources=4, seed=3)
        other.update_batch(np.arange(part * 900, part * 900 + 900))
        merged.merge(other)
    assert merged.contains_batch(np.arange(3_600)).all()
    false = int(merged.contains_batch(PROBES).sum())
    assert false <= len(PROBES) * 0.01 + 5.2 * math.sqrt(len(PROBES) * 0.01 * 0.99)


def test_a_union_keeps_its_count_and_its_rate() -> None:
    union_keeps_its_count()
    union_of_scalable_filters_keeps_the_rate()


def test_the_peers_union_forgets_its_count_and_takes_another_capacity() -> None:
    left, right = peer.BloomFilter(1_000, 0.01), peer.BloomFilter(1_000, 0.01)
    for number in range(900):
        left.add(f"l{number}")
        right.add(f"r{number}")
    union = left.union(right)
    assert len(union) == 0
    for number in range(900):
        union.add(f"more {number}")
    assert sum(f"new {number}" in union for number in range(5_000)) / 5_000 > 0.2


def test_the_peers_union_of_scalable_filters_answers_yes_to_most() -> None:
    merged = peer.ScalableBloomFilter(initial_capacity=100, error_rate=0.01, mode=2)
    for part in range(4):
        other = peer.ScalableBloomFilter(initial_capacity=100, error_rate=0.01, mode=2)
        for number in range(900):
            other.add(f"{part} {number}")
        merged = merged.union(other)
    assert sum(f"new {number}" in merged for number in range(2_000)) / 2_000 > 0.3


def test_a_union_that_forgets_its_count_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_the_peer(self: BitSlices, other: BitSlices) -> None:
        known = self.ones
        self._rows |= other._rows
        self._ones = known

    monkeypatch.setattr(BitSlices, "unite", as_the_peer)
    assert fails(union_keeps_its_count)


def test_stages_united_beyond_their_fill_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sketches.scalable_bloom._Stage.__init__

    def without_a_limit(self: Any, *arguments: Any) -> None:
        real(self, *arguments)
        self.most_ones = 10**9 if len(arguments) == 3 else self.most_ones

    monkeypatch.setattr(sketches.scalable_bloom._Stage, "__init__", without_a_limit)
    assert fails(union_of_scalable_filters_keeps_the_rate)


# 3. Saved bits with padding.


def every_size_comes_back_and_unites() -> None:
    """Among 16 capacities in a row are slices of every remainder by 8."""
    remainders = set()
    for capacity in range(1_000, 1_016):
        saved, fresh = BloomFilter(capacity, 0.01), BloomFilter(capacity, 0.01)
        saved.update_batch(["a", "b"])
        fresh.add("c")
        whole = saved.clone()
        whole.add("c")
        try:
            restored = BloomFilter.from_bytes(saved.to_bytes())
            restored.merge(fresh)
        except ValueError as cause:
            raise AssertionError("a restored filter does not unite") from cause
        remainders.add(restored._bits.slicing.width % 8)
        assert restored.fill() == whole.fill()
        assert all(key in restored for key in "abc")
        assert (len(restored), restored.to_bytes()) == (3, whole.to_bytes())
    assert remainders == set(range(8))


def test_every_size_comes_back_without_padding_and_unites() -> None:
    every_size_comes_back_and_unites()


def test_the_peers_file_comes_back_with_padding_and_does_not_unite() -> None:
    refused = 0
    for capacity in range(1_000, 1_008):
        fresh = peer.BloomFilter(capacity, 0.01)
        fresh.add("a")
        with tempfile.TemporaryFile() as file:
            fresh.tofile(file)
            file.seek(0)
            restored = peer.BloomFilter.fromfile(file)
        try:
            restored.union(fresh)
        except ValueError:
            refused += 1
    assert refused > 0


def test_padding_that_stays_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = BitSlices.__init__

    def as_the_peer(self: BitSlices, slicing: Slicing, saved: bytes | None = None) -> None:
        padded = slicing if saved is None else Slicing(slicing.slices, -(-slicing.width // 8) * 8)
        real(self, padded, saved)

    monkeypatch.setattr(BitSlices, "__init__", as_the_peer)
    assert fails(every_size_comes_back_and_unites)


# 4. Sixteen bits of hash, and keys without their type.


def a_small_filter_keeps_its_rate() -> None:
    """40 filters for 20,000 keys at p = 0.001, full, N = 200,000 probes each: at most 5.2 deviations above 0.001 (1e-7); seeds 0 to 39.

    8,000 false positives have a deviation of 1.1 % (binomial), and rates that differ by 1 % between filters add 0.2 %.
    """
    false = 0
    for seed in range(40):
        seen = BloomFilter(20_000, 0.001, seed=seed)
        seen.update_batch(np.arange(20_000))
        false += int(seen.contains_batch(PROBES).sum())
    expected = 40 * len(PROBES) * 0.001
    assert false <= expected + 5.2 * math.sqrt(expected + (0.01 * expected) ** 2 / 40)


def types_stay_apart() -> None:
    seen = BloomFilter(1_000, 0.001)
    seen.add("1")
    seen.update_batch(["2", "3"])
    assert all(key not in seen for key in (1, 1.0, b"1", 2, 3))
    assert not seen.contains_batch([1, 2, 3]).any()


def test_small_slices_have_no_bias_and_types_stay_apart() -> None:
    a_small_filter_keeps_its_rate()
    types_stay_apart()


def test_the_peer_cuts_sixteen_bits_by_their_remainder() -> None:
    theirs = peer.BloomFilter(20_000, 0.001)
    slice_bits = theirs.bits_per_slice
    assert slice_bits < 2**15
    low = total = 0
    # Whole multiples of a slice fit once; what is left over falls on the low places.
    favoured = 2**16 % slice_bits
    for number in range(20_000):
        places = list(theirs.make_hashes(f"key {number}"))
        low += sum(place < favoured for place in places)
        total += len(places)
    share, fair = low / total, favoured / slice_bits
    assert share > fair * 1.1, "a fair hash gives them their share to 0.5 %"
    theirs.add("1")
    assert 1 in theirs, "the peer hashes what str() makes of a key"


def test_the_peers_small_filter_passes_its_rate() -> None:
    """The rate of the peer's full filter given its bits: a place that has 3 of the 2^16 values is as often set as asked for."""
    theirs = peer.BloomFilter(20_000, 0.001)
    for number in range(20_000):
        theirs.add(f"key {number}")
    width = theirs.bits_per_slice
    assert 2**16 // width == 2
    favoured, rate = 2**16 % width, 1.0
    for start in range(0, theirs.num_bits, width):
        row = theirs.bitarray[start : start + width]
        rate *= (3 * row[:favoured].count() + 2 * row[favoured:].count()) / 2**16
    assert rate > 0.001 * 1.1


def test_sixteen_bits_by_their_remainder_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Slicing.places_of_word

    def as_the_peer(self: Slicing, hashes: Any, number: int) -> list[Any]:
        wide = Slicing(self.slices, 2**16)
        return [places % self.width for places in real(wide, hashes, number)]

    monkeypatch.setattr(Slicing, "places_of_word", as_the_peer)
    assert fails(a_small_filter_keeps_its_rate)


def test_keys_without_their_type_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hash_item
    monkeypatch.setattr(sketches.bloom, "hash_item", lambda key, seed: real(str(key), seed))
    assert fails(types_stay_apart)


# 5. Hashes that differ between processes.

PROGRAM = """
import hashlib
import sketches.bloom, sketches.scalable_bloom, sketches.counting_bloom, sketches.rotating_bloom
if {broken}:
    for module in (sketches.bloom, sketches.scalable_bloom, sketches.counting_bloom, sketches.rotating_bloom):
        module.hash_item = lambda key, seed: hash((key, seed)) % 2**64
filters = [
    sketches.bloom.BloomFilter(100, 0.01),
    sketches.scalable_bloom.ScalableBloomFilter(10, 0.01),
    sketches.counting_bloom.CountingBloomFilter(100, 0.01),
    sketches.rotating_bloom.RotatingBloomFilter(window_ms=10, panes=2, capacity=100, error_rate=0.01),
]
for one in filters:
    for number in range(200):
        one.update((number, str(number)) if one is filters[-1] else str(number))
print([hashlib.sha256(one.to_bytes()).hexdigest() for one in filters])
"""


def test_processes_of_any_hash_seed_make_the_same_bytes_and_pythons_own_hash_is_seen() -> None:
    assert printed(PROGRAM.format(broken=False), "1") == printed(PROGRAM.format(broken=False), "2")
    first, second = (printed(PROGRAM.format(broken=True), seed) for seed in ("1", "2"))
    assert all(one != other for one, other in zip(first.split(","), second.split(","), strict=True))

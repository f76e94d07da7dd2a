"""Samples that answer for another stream than the one they saw: each bug is injected once, and the check must see it.

No library that is installed here has a mergeable reservoir to show the bugs on; what stands beside ours is the code that people write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sketches.contract import Sketch
from sketches.decayed_reservoir import DecayedReservoir
from sketches.deltas import Deltas
from sketches.draws import Draws
from sketches.portable import log_of
from sketches.reservoir import BottomKSample
from sketches.reservoir_l import ReservoirL
from sketches.reservoir_r import ReservoirR, UniformReservoir
from sketches.stratified_sample import StratifiedSample
from sketches.weighted_reservoir import WeightedReservoir
from tests.fresh_process import printed

UNIFORM: list[type[UniformReservoir]] = [ReservoirR, ReservoirL]
COUNTED: dict[str, tuple[Callable[[], Any], Callable[[int], Any]]] = {
    "R": (lambda: ReservoirR(20, seed=1), lambda item: item),
    "L": (lambda: ReservoirL(20, seed=1), lambda item: item),
    "weighted": (lambda: WeightedReservoir(20, seed=1), lambda item: (item, 1.0)),
    "decayed": (lambda: DecayedReservoir(20, 60.0, seed=1), lambda item: (item, float(item))),
    "stratified": (lambda: StratifiedSample(20, 4, seed=1), lambda item: (item % 3, item)),
}
"""How to build one, and how to make an item of a number."""


def merged_share(kind: type[UniformReservoir], smaller: int, larger: int) -> float:
    """Return which part of 200 merged samples of 50 comes from the smaller stream; seeds 0 to 199."""
    hits = 0
    for seed in range(200):
        left, right = kind(50, seed=seed), kind(50, seed=seed)
        left.update_batch(range(smaller))
        right.update_batch(range(smaller, smaller + larger))
        left.merge(right)
        hits += sum(1 for item in left.estimate() if int(item) < smaller)
    return hits / 10_000


def check_merge_weights_by_length(kind: type[UniformReservoir]) -> None:
    """N = 10,000 draws with a chance of 0.1: beyond 0.1 +- 0.016 with probability below 1e-6 (5.3 deviations of 0.003)."""
    assert abs(merged_share(kind, 1_000, 9_000) - 0.1) < 0.016


def half_and_half(self: UniformReservoir, other: UniformReservoir) -> None:
    """The usual bug: two full samples are put together, and as many are taken from each."""
    self._members = (self._members[:25] + other._members)[:50]
    self._count += other._count


@pytest.mark.parametrize("kind", UNIFORM)
def test_equal_samples_are_merged_by_the_length_of_their_streams(kind: type[UniformReservoir], monkeypatch: pytest.MonkeyPatch) -> None:
    check_merge_weights_by_length(kind)
    monkeypatch.setattr(UniformReservoir, "_take_both", half_and_half)
    with pytest.raises(AssertionError):
        check_merge_weights_by_length(kind)


def check_a_replay_counts_once(name: str) -> None:
    make, item_of = COUNTED[name]
    deltas = Deltas(make())
    for batch in (0, 1, 1, 1, 2, 2):
        part = make()
        part.update_batch([item_of(item) for item in range(batch * 100, batch * 100 + 100)])
        again = Deltas(make())
        again.restore(deltas.to_bytes())
        deltas = again
        deltas.put(batch, 0, part)
    assert deltas.total().count == 300


def put_and_add(self: Deltas[Any], batch: int, partition: int, delta: Any) -> bool:
    """The bug: whatever a task hands in is added, though it is handed in again."""
    del batch, partition
    self._settled.merge(delta)
    return True


@pytest.mark.parametrize("name", COUNTED)
def test_a_replayed_batch_counts_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_a_replay_counts_once(name)
    monkeypatch.setattr(Deltas, "put", put_and_add)
    with pytest.raises(AssertionError):
        check_a_replay_counts_once(name)


def check_a_replay_is_harmless(sample: Sketch) -> None:
    sample.update_batch([b"payment-%d" % item for item in range(100)])
    before = sample.to_bytes()
    sample.merge(sample.clone())
    sample.update_batch([b"payment-%d" % item for item in range(100)])
    assert sample.to_bytes() == before


def test_a_sample_of_distinct_ids_needs_no_bookkeeping_of_replays() -> None:
    check_a_replay_is_harmless(BottomKSample(10, b"key"))
    with pytest.raises(AssertionError):
        check_a_replay_is_harmless(ReservoirL(10, seed=1))


BYTES = """
import hashlib, sys
{mutation}
from tests.regression.test_sketches_known_bugs_sampling import COUNTED
from sketches.reservoir import BottomKSample
for make, item_of in COUNTED.values():
    sample = make()
    for item in range(500):
        sample.update(item_of(item))
    sys.stdout.write(hashlib.sha256(sample.to_bytes()).hexdigest() + " ")
sample = BottomKSample(20, b"key")
sample.update_batch(["payment-%d" % item for item in range(500)])
sys.stdout.write(hashlib.sha256(sample.to_bytes()).hexdigest())
"""
PYTHON_HASHES = """
import sketches.draws as draws, sketches.reservoir as bottom_k, sketches.stratified_sample as stratified
draws.hash_item = stratified.hash_item = lambda item, seed: hash((str(item), seed)) % 2**64
bottom_k.BottomKSample._digest = lambda self, kind, data: (hash(data) % 2**64).to_bytes(8, "big")
"""


def bytes_in_process(hash_seed: str, mutation: str) -> list[str]:
    return printed(BYTES.format(mutation=mutation), hash_seed).split()


def test_bytes_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    """Python's own `hash` of text differs between two executors, so samples that hang on it could not be repeated or merged."""
    assert bytes_in_process("1", "") == bytes_in_process("2", "")
    mutated = bytes_in_process("1", PYTHON_HASHES), bytes_in_process("2", PYTHON_HASHES)
    assert len(mutated[0]) == len(COUNTED) + 1
    assert all(one != two for one, two in zip(*mutated, strict=True)), "every class was broken, and every class was seen to be"


def check_parts_draw_independently(kind: type[UniformReservoir]) -> None:
    """N = 500 pairs of streams of 50 items, 1 kept, one seed: the same place in both with a chance of 1/50, 35 or more below 1e-8."""
    same = 0
    for trial in range(500):
        left, right = kind(1, seed=7), kind(1, seed=7)
        left.update_batch(range(trial * 100, trial * 100 + 50))
        right.update_batch(range(trial * 100 + 50, trial * 100 + 100))
        same += int(left.estimate()[0]) + 50 == int(right.estimate()[0])
    assert same < 35


@pytest.mark.parametrize("kind", UNIFORM)
def test_partitions_that_share_a_seed_do_not_draw_alike(kind: type[UniformReservoir], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sketches merge only if they share their seed: a generator of that seed alone would keep the same places in every partition."""
    check_parts_draw_independently(kind)
    monkeypatch.setattr(Draws, "absorb", lambda self, item: None)
    with pytest.raises(AssertionError):
        check_parts_draw_independently(kind)


def check_a_merged_sample_goes_on() -> None:
    """N = 10,000 draws with a chance of 1/2: beyond 0.5 +- 0.027 with probability below 1e-7 (5.4 deviations of 0.005); seeds 0 to 199."""
    hits = 0
    for seed in range(200):
        left, right = ReservoirL(50, seed=seed), ReservoirL(50, seed=seed)
        left.update_batch(range(100))
        right.update_batch(range(100, 5_000))
        left.merge(right)
        left.update_batch(range(5_000, 10_000))
        hits += sum(1 for item in left.estimate() if int(item) >= 5_000)
    assert abs(hits / 10_000 - 0.5) < 0.027


def test_skips_after_a_merge_are_those_of_the_longer_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug: the merged sample goes on with the threshold of its first part, and lets in far too many."""
    check_a_merged_sample_goes_on()

    def join_without_new_threshold(self: ReservoirL, other: ReservoirL) -> None:
        self._take_both(other)
        self._skip()

    monkeypatch.setattr(ReservoirL, "_join", join_without_new_threshold)
    with pytest.raises(AssertionError):
        check_a_merged_sample_goes_on()


def last_of_ten(seed: int) -> bool:
    sample = WeightedReservoir(1, seed=seed)
    sample.update_batch([(item, 1.0) for item in range(10)])
    return sample.estimate()[0][0] == 9


def check_jumps_keep_equal_weights_equal() -> None:
    """N = 5,000 samples of 1 out of 10 equal items: the last one 500 +- 115 times but for 1e-7 (5.4 deviations of 21); seeds 0 to 4,999."""
    assert abs(sum(last_of_ten(seed) for seed in range(5_000)) - 500) < 115


def test_the_rank_after_a_jump_is_conditioned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug: the item on which a jump ends gets a fresh rank, as if it had not been found by lying below the threshold."""
    check_jumps_keep_equal_weights_equal()
    monkeypatch.setattr(WeightedReservoir, "_exponential_below", lambda self, limit: -log_of(self._draws.next()))
    with pytest.raises(AssertionError):
        check_jumps_keep_equal_weights_equal()


def check_a_weighted_merge_keeps_the_smallest_ranks() -> None:
    """N = 2,000 merges of a stream of weight 1,000 and one of weight 10, 1 kept of each: the second's 20 +- 27 times but for 1e-7."""
    hits = 0
    for seed in range(2_000):
        heavy, light = WeightedReservoir(1, seed=seed), WeightedReservoir(1, seed=seed)
        heavy.update_batch([(item, 100.0) for item in range(10)])
        light.update_batch([(item, 1.0) for item in range(10, 20)])
        heavy.merge(light)
        hits += int(heavy.estimate()[0][0]) >= 10
    assert hits < 47


def test_a_weighted_merge_is_by_rank_and_not_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    check_a_weighted_merge_keeps_the_smallest_ranks()

    def join_by_turns(self: WeightedReservoir, other: WeightedReservoir) -> None:
        self._heap = (self._heap + other._heap)[int(self._draws.next() * 2) :][:1]

    monkeypatch.setattr(WeightedReservoir, "_join", join_by_turns)
    with pytest.raises(AssertionError):
        check_a_weighted_merge_keeps_the_smallest_ranks()

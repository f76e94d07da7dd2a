"""Two bugs of sketches that add, held against ours, against a peer, and against ours with the bug put in.

Arithmetic of 64 bits that overflows: a hash family modulo a prime, computed in uint64, is not the family whose independence was proven.
A replayed batch that counts twice: sums are not idempotent, and a stream hands its newest batch out again after a crash.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import datasketch
import datasketches
import numpy as np
import pytest

from sketches import moments
from sketches.contract import Repeats, Sketch
from sketches.decayed_counts import DecayedCounts
from sketches.deltas import Deltas
from sketches.dgim import Dgim
from sketches.frequency import CountMin
from sketches.hashing import Hashes, hash_item
from sketches.heavy_hitters import SpaceSaving
from sketches.moments import MERSENNE, AmsF2
from sketches.sampled_moments import FkEstimator

Patch = Callable[[pytest.MonkeyPatch], None]
TABLES = 4000
ITEMS = [2**number for number in range(64)] + [f"item-{number}" for number in range(2000)]


# Bug 7: biased affine arithmetic


def exact_row(sketch: AmsF2, row: int, items: list[Any]) -> list[int]:
    """Return a row as integers of any size compute it."""
    cells = [0] * sketch.parameters.width
    for item in items:
        key, value = (hash_item(item, sketch.parameters.seed) >> 3) % MERSENNE, 0
        for coefficient in sketch._coefficients[row]:
            value = (value * key + coefficient) % MERSENNE
        width: int = sketch.parameters.width
        cells[(value >> 29) * width >> 32] += 1 if value % 2 else -1
    return cells


def arithmetic_is_exact() -> bool:
    """Say whether columns and single items both land where exact integers say."""
    column, single = AmsF2(depth=4, width=37, seed=5), AmsF2(depth=4, width=37, seed=5)
    column.update_batch(ITEMS)
    for item in ITEMS:
        single.update(item)
    exact = [exact_row(column, row, ITEMS) for row in range(4)]
    return bool(column._table.tolist() == exact == single._table.tolist())


def rows_are_independent() -> bool:
    """Say whether two items meet in both rows of a table of 8 columns as often as chance has it.

    N = 4,000 seeds, 1 / 64 each: 62.5, deviation 7.8; more than 47 away (6 deviations, skewness 0.12) has probability below 1e-7.
    """
    met = 0
    for seed in range(TABLES):
        table = CountMin(width=8, depth=2, seed=seed)
        table.update_batch(["came"])
        met += int(table.estimate_batch(["never came"])[0])
    return abs(met - TABLES / 64) <= 6 * math.sqrt(TABLES / 64)


def test_columns_are_computed_as_exact_integers_are() -> None:
    assert arithmetic_is_exact()
    assert rows_are_independent()


def wrapping(values: Hashes, factors: Hashes, addend: int) -> Hashes:
    """The bug: the product loses its upper bits before the prime is taken."""
    wrapped: Hashes = (values * factors + np.uint64(addend)) % np.uint64(MERSENNE)
    return wrapped


def halved(values: Hashes, factors: Hashes, addend: int) -> Hashes:
    """The bug: only the lower halves of both factors are multiplied."""
    return wrapping(values & np.uint64(2**31 - 1), factors & np.uint64(2**31 - 1), addend)


def one_hash_for_all_rows(patch: pytest.MonkeyPatch) -> None:
    cells = CountMin._cells

    def same(table: CountMin, hashes: Hashes) -> Any:
        found = cells(table, hashes)
        width = table.parameters.width
        return found[0] % width + np.arange(table.parameters.depth)[:, None] * width

    patch.setattr(CountMin, "_cells", same)


ARITHMETIC: dict[str, Patch] = {
    "the product wraps": lambda patch: patch.setattr(moments, "multiply_add", wrapping),
    "the upper halves are lost": lambda patch: patch.setattr(moments, "multiply_add", halved),
    "one hash for all rows": one_hash_for_all_rows,
    "the prime is off by one": lambda patch: patch.setattr(moments, "_PRIME", np.uint64(MERSENNE - 1)),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_the_checks_catch_biased_arithmetic(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ARITHMETIC[name](monkeypatch)
    assert not (arithmetic_is_exact() and rows_are_independent())


def test_the_peer_has_it_in_its_legacy_scheme() -> None:
    """Datasketch, until 2.0 and still as scheme `legacy`: (a h + b) mod 2^61 - 1 in uint64 is another number for nearly every function."""
    peer: Any = datasketch.MinHash(num_perm=128, scheme="legacy")
    peer.update(b"coffee")
    hashed = peer.hashfunc(b"coffee")
    exact = [(int(a) * hashed + int(b)) % MERSENNE & 0xFFFFFFFF for a, b in zip(*peer.permutations, strict=True)]
    wrong = sum(mine != theirs for mine, theirs in zip(exact, peer.hashvalues.tolist(), strict=True))
    assert wrong > 100


# Bug 10: a replayed batch that counts twice

MAKES: dict[str, Callable[[], Sketch]] = {
    "count-min": lambda: CountMin(width=50, depth=3, seed=1),
    "count-min conservative": lambda: CountMin(width=50, depth=3, seed=1, conservative=True),
    "space-saving": lambda: SpaceSaving(capacity=10, seed=1),
    "decayed counts": lambda: DecayedCounts(half_life_ms=1000, capacity=10, seed=1),
    "dgim": lambda: Dgim(window=10_000, error=0.1),
    "ams f2": lambda: AmsF2(depth=3, width=20, seed=1),
    "fk estimator": lambda: FkEstimator(k=3, samples=20, seed=1),
}


def batch_of(sketch: Sketch, batch: int, partition: int) -> None:
    """Fill a sketch with what one batch of one partition holds."""
    moments_ms = range(batch * 500, batch * 500 + 200)
    if isinstance(sketch, Dgim):
        sketch.update_batch_at(list(moments_ms), [number % (2 + partition) // (1 + partition) for number in range(200)])
    elif isinstance(sketch, DecayedCounts):
        sketch.update_batch([(moment, f"item-{moment % (5 + partition)}") for moment in moments_ms])
    else:
        sketch.update_batch([f"item-{number % (5 + partition + batch)}" for number in range(200)])


def replay_is_harmless(make: Callable[[], Sketch]) -> bool:
    """Say whether a job that crashes after every batch, and hands it out again, ends with the bytes of one that never does."""
    calm, crashing = Deltas(make()), Deltas(make())
    for batch in range(6):
        for attempt in range(batch % 3 + 1):
            for partition in range(2):
                part = crashing.empty()
                batch_of(part, batch, partition)
                crashing.put(batch, partition, part)
                if not attempt:
                    calm.put(batch, partition, part)
            saved, crashing = crashing.to_bytes(), Deltas(make())
            crashing.restore(saved)
    return crashing.total().to_bytes() == calm.total().to_bytes()


@pytest.mark.parametrize("name", MAKES)
def test_a_replayed_batch_counts_once(name: str) -> None:
    assert MAKES[name]().repeats is Repeats.COUNTED, "it says itself that it must not be fed twice"
    assert replay_is_harmless(MAKES[name])


def merged_at_once(deltas: Deltas[Sketch], batch: int, partition: int, delta: Sketch) -> bool:
    """The bug: every delta that comes is added to the total."""
    deltas._settled.merge(delta)
    return batch >= partition


def settled_too_early(deltas: Deltas[Sketch], batch: int, partition: int, delta: Sketch) -> bool:
    """The bug: the open batch is taken in for good by whatever comes next, a replay of itself too."""
    known = deltas._open.get(partition)
    if known is not None:
        deltas._settled.merge(known[1])
    deltas._open[partition] = (batch, delta.clone())
    return True


@pytest.mark.parametrize("bug", [merged_at_once, settled_too_early])
@pytest.mark.parametrize("name", MAKES)
def test_the_check_catches_a_replay_that_counts_twice(name: str, bug: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deltas, "put", bug)
    assert not replay_is_harmless(MAKES[name])


def test_the_peer_has_it() -> None:
    """DataSketches' Count-Min takes the same batch in again, and nothing beside it keeps batches apart."""
    peer: Any = datasketches
    total, batch = peer.count_min_sketch(3, 50), peer.count_min_sketch(3, 50)
    for _ in range(10):
        batch.update("coffee")
    total.merge(batch)
    total.merge(batch)
    assert total.get_estimate("coffee") == 20

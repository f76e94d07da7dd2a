"""How many items the samples take in per second on one core, one by one and as columns; for information: no peer merges its samples."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.figures import Figure, write
from sketches.decayed_reservoir import DecayedReservoir
from sketches.reservoir import BottomKSample
from sketches.reservoir_l import ReservoirL
from sketches.reservoir_r import ReservoirR
from sketches.stratified_sample import StratifiedSample
from sketches.weighted_reservoir import WeightedReservoir

_CAPACITY = 1_000
_ONE_BY_ONE, _COLUMN, _LONG_COLUMN = 300_000, 5_000_000, 100_000_000
_REPEATS = 3


def _rate(count: int, work: Callable[[], object]) -> float:
    """Return the best of some runs, in items per second: noise only ever slows a run down."""
    best = 0.0
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        best = max(best, count / (time.perf_counter() - began))
    return best


def _plain_reservoir(items: range) -> list[int]:
    """Return what the textbook's loop with Python's own generator keeps: the usual code, which neither saves nor merges."""
    uniform = random.Random(1).random  # noqa: S311  # a sample, nothing secret
    members: list[int] = []
    for count, item in enumerate(items, 1):
        if count <= _CAPACITY:
            members.append(item)
            continue
        place = int(uniform() * count)
        if place < _CAPACITY:
            members[place] = item
    return members


def _each(sketch: Any, items: Any) -> None:
    for item in items:
        sketch.update(item)


def _information(name: str, rate: float, peer: float | None = None) -> Figure:
    ratio = {"peer": "a plain loop of algorithm R", "ratio": round(rate / peer, 2)} if peer else {}
    return Figure(f"sketches.sampling.{name}", round(rate / 1e6, 3), "M items/s", "information", **ratio)  # type: ignore[arg-type]  # both fit


def figures() -> list[Figure]:
    """Measure and return the figures."""
    few, numbers = range(_ONE_BY_ONE), np.arange(_COLUMN)
    weights = 1.0 + numbers % 100
    pairs = [(item, 1.0 + item % 100) for item in few]
    strata = [(item % 10, item) for item in few]
    names = [b"payment-%d" % item for item in few]
    plain = _rate(_ONE_BY_ONE, lambda: _plain_reservoir(few))
    return [
        _information("plain_loop", plain),
        _information("r_one_by_one", _rate(_ONE_BY_ONE, lambda: _each(ReservoirR(_CAPACITY), few)), plain),
        _information("r_column", _rate(_COLUMN, lambda: ReservoirR(_CAPACITY).update_batch(numbers)), plain),
        _information("l_one_by_one", _rate(_ONE_BY_ONE, lambda: _each(ReservoirL(_CAPACITY), few)), plain),
        _information("l_column", _rate(_LONG_COLUMN, lambda: ReservoirL(_CAPACITY).update_batch(range(_LONG_COLUMN))), plain),
        _information("a_expj_one_by_one", _rate(_ONE_BY_ONE, lambda: _each(WeightedReservoir(_CAPACITY), pairs))),
        _information("a_expj_column", _rate(_COLUMN, lambda: WeightedReservoir(_CAPACITY).update_weighted(numbers, weights))),
        _information("decayed_one_by_one", _rate(_ONE_BY_ONE, lambda: _each(DecayedReservoir(_CAPACITY, 1e6), pairs))),
        _information("decayed_column", _rate(_COLUMN, lambda: DecayedReservoir(_CAPACITY, 1e6).update_timed(numbers, numbers))),
        _information("stratified_pairs", _rate(_ONE_BY_ONE, lambda: StratifiedSample(_CAPACITY, 20).update_batch(strata))),
        _information("bottom_k_bytes", _rate(_ONE_BY_ONE, lambda: BottomKSample(_CAPACITY, b"key").update_batch(names))),
    ]


def main() -> None:
    """Measure and write the figures."""
    write("sketches_sampling", figures(), ("numpy",))


if __name__ == "__main__":
    main()

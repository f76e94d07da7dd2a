"""Information figures of the sketches that count, slide and square: items per second on one core, beside a peer where there is one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import datasketches
import numpy as np

from benchmarks.figures import Figure
from sketches.decayed_counts import DecayedCounts
from sketches.dgim import Dgim, DgimSum
from sketches.frequency import CountMin
from sketches.heavy_hitters import SpaceSaving
from sketches.moments import AmsF2
from sketches.sampled_moments import FkEstimator

_ITEMS = 500_000
_REPEATS = 3
_PEER: Any = datasketches


def _rate(work: Callable[[], object], count: int = _ITEMS) -> float:
    """Return the best of some runs, in items per second: noise only ever slows a run down."""
    best = 0.0
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        best = max(best, count / (time.perf_counter() - began))
    return best


def _figure(name: str, rate: float, peer: str | None = None, theirs: float = 0.0) -> Figure:
    return Figure(name, round(rate, 1), "items/s", "information", peer, round(rate / theirs, 2) if peer else None)


def _each(sketch: Any, items: list[Any]) -> Callable[[], object]:
    def work() -> None:
        update = sketch.update
        for item in items:
            update(item)

    return work


def _counting(numbers: np.ndarray[Any, Any], names: list[str]) -> list[Figure]:
    few = names[: _ITEMS // 10]
    peer_table = _rate(_each(_PEER.count_min_sketch(5, 2000), names))
    peer_strings = _rate(_each(_PEER.frequent_strings_sketch(10), names))
    return [
        _figure("count_min_numbers", _rate(lambda: CountMin(2000, 5, 1).update_batch(numbers))),
        _figure(
            "count_min_names",
            _rate(lambda: CountMin(2000, 5, 1).update_batch(names)),
            "datasketches count_min_sketch, per item",
            peer_table,
        ),
        _figure("count_min_conservative_names", _rate(lambda: CountMin(2000, 5, 1, True).update_batch(names))),
        _figure("count_min_conservative_wide", _rate(lambda: CountMin(2**17, 5, 1, True).update_batch(names))),
        _figure("count_min_one_by_one", _rate(_each(CountMin(2000, 5, 1), few), len(few))),
        _figure(
            "space_saving_names",
            _rate(lambda: SpaceSaving(768, 1).update_batch(names)),
            "datasketches frequent_strings_sketch, per item",
            peer_strings,
        ),
        _figure("space_saving_one_by_one", _rate(_each(SpaceSaving(768, 1), few), len(few))),
        _figure("exact_counter_names", _rate(lambda: Counter(names))),
    ]


def _sliding(numbers: np.ndarray[Any, Any], names: list[str]) -> list[Figure]:
    moments = np.arange(_ITEMS) * 7
    bits = (numbers % 2).astype(np.int64)
    dgim = Dgim(100_000, 0.02)
    return [
        _figure("decayed_counts_columns", _rate(lambda: DecayedCounts(60_000, 768, 1).update_columns(moments, names))),
        _figure("dgim_bits", _rate(lambda: Dgim(100_000, 0.02).update_batch(bits))),
        _figure("dgim_one_by_one", _rate(_each(dgim, bits.tolist()[: _ITEMS // 10]), _ITEMS // 10)),
        _figure("dgim_sum_8_bits", _rate(lambda: DgimSum(100_000, 0.02, 8).update_batch(numbers % 256))),
        Figure("dgim_bytes", float(dgim.memory_bytes), "bytes", "information"),
    ]


def _merging(numbers: np.ndarray[Any, Any]) -> list[Figure]:
    one, two = Dgim(100_000, 0.02), Dgim(100_000, 0.02)
    one.update_batch((numbers % 2).astype(np.int64))
    two.update_batch((numbers % 3 == 0).astype(np.int64))

    def merges() -> None:
        for _ in range(20):
            one.clone().merge(two)

    return [Figure("dgim_merges", round(_rate(merges, 20), 1), "merges/s", "information")]


def figures() -> list[Figure]:
    """Measure what has no bar: stated, so that a change for the worse is seen."""
    numbers = np.random.default_rng(1).zipf(1.2, _ITEMS).clip(max=10**6)
    names = [f"card-{number}" for number in numbers.tolist()]
    moments = [
        _figure("ams_f2_numbers", _rate(lambda: AmsF2(5, 2000, 1).update_batch(numbers))),
        _figure("ams_f2_names", _rate(lambda: AmsF2(5, 2000, 1).update_batch(names))),
        _figure("ams_f2_all_different", _rate(lambda: AmsF2(5, 2000, 1).update_batch(np.arange(_ITEMS)))),
        _figure("fk_estimator_numbers", _rate(lambda: FkEstimator(3, 1000, 1).update_batch(numbers))),
    ]
    return [*_counting(numbers, names), *_sliding(numbers, names), *moments, *_merging(numbers)]

"""What the filters do on one core, beside pybloom-live in the same run."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.figures import Figure
from sketches.bloom import BloomFilter
from sketches.counting_bloom import CountingBloomFilter
from sketches.rotating_bloom import RotatingBloomFilter
from sketches.scalable_bloom import ScalableBloomFilter

__all__ = ["figures"]

_KEYS = 1_000_000
_PEER_KEYS = 50_000
_ERROR_RATE = 0.001
_ROUNDS = 5


def _rate(work: Callable[[], object], count: int) -> float:
    """Return items per second of processor time: others on the machine do not count."""
    began = time.process_time()
    work()
    return count / (time.process_time() - began)


def _works(keys: list[str], new: list[str]) -> dict[str, tuple[Callable[[], object], int]]:
    """Return what is measured, and how many items each takes; the peer takes fewer, into a filter made for all."""
    peer: Any = importlib.import_module("pybloom_live")
    known = BloomFilter(_KEYS, _ERROR_RATE)
    known.update_batch(keys)
    times = np.arange(_KEYS) // 10

    def peer_adds() -> None:
        theirs = peer.BloomFilter(_KEYS, _ERROR_RATE)
        for key in keys[:_PEER_KEYS]:
            theirs.add(key)

    def ours_one_by_one() -> None:
        ours = BloomFilter(_KEYS, _ERROR_RATE)
        for key in keys[:_PEER_KEYS]:
            ours.add(key)

    def rotating() -> None:
        ours = RotatingBloomFilter(window_ms=50_000, panes=5, capacity=100_000, error_rate=_ERROR_RATE)
        ours.update_columns(times, keys)

    return {
        "peer": (peer_adds, _PEER_KEYS),
        "bloom.add_per_s": (lambda: BloomFilter(_KEYS, _ERROR_RATE).update_batch(keys), _KEYS),
        "bloom.add_one_by_one_per_s": (ours_one_by_one, _PEER_KEYS),
        "bloom.contains_new_per_s": (lambda: known.contains_batch(new), _KEYS),
        "scalable_bloom.add_per_s": (lambda: ScalableBloomFilter(10_000, _ERROR_RATE).update_batch(keys), _KEYS),
        "counting_bloom.add_per_s": (lambda: CountingBloomFilter(_KEYS, _ERROR_RATE).update_batch(keys), _KEYS),
        "rotating_bloom.add_per_s": (rotating, _KEYS),
    }


def figures() -> list[Figure]:
    """Measure: the best of some rounds each, in turn, since noise only ever slows a run down."""
    works = _works([f"payment-{number}" for number in range(_KEYS)], [f"refund-{number}" for number in range(_KEYS)])
    best = dict.fromkeys(works, 0.0)
    for _ in range(_ROUNDS):
        for name, (work, count) in works.items():
            best[name] = max(best[name], _rate(work, count))
    theirs = best.pop("peer")
    ratio = round(best["bloom.add_per_s"] / theirs, 1)
    found = [Figure("bloom.add_ratio_to_pybloom", ratio, "times", ">= 20", "pybloom-live", ratio)]
    for name, rate in best.items():
        found.append(Figure(name, round(rate, 1), "keys/s", "none", "pybloom-live", round(rate / theirs, 2)))
    return found

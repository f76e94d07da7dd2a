"""Streaming algorithms under one contract (`sketches.contract`), each with its guarantee, its formula and its source; usable alone.

Fixed memory, one pass, mergeable, the same bytes on every machine, and bounds with every answer.

| family | sketches |
|---|---|
| sampling | `BottomKSample`, `ReservoirR`, `ReservoirL`, `WeightedReservoir`, `DecayedReservoir`, `StratifiedSample` |
| membership | `BloomFilter`, `ScalableBloomFilter`, `CountingBloomFilter`, `RotatingBloomFilter` |
| distinct | `HyperLogLog`, `FlajoletMartin` |
| frequency | `CountMin`, `SpaceSaving`, `DecayedCounts` |
| windows | `Dgim`, `DgimSum`, `ExactSlidingCounter` |
| moments | `AmsF2`, `FkEstimator` |
| graph | `Triest`, `MergeableTriangles` |
| similarity | `MinHash`, `LshIndex`, `similar_pairs`, `alike` |
| quantiles | `KllQuantiles` |

`Deltas` counts each batch of a replayed stream once; `sketches.spark` builds and merges any of them over DataFrames.

>>> from sketches import HyperLogLog
>>> visitors = HyperLogLog(precision=12, seed=1)
>>> visitors.update_batch(f"visitor-{number % 5_000}" for number in range(20_000))
>>> 5_000 in visitors.bounds(confidence=0.9999)
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sketches.bloom import BloomFilter
    from sketches.contract import Bounds, Repeats, Sketch
    from sketches.counting_bloom import CountingBloomFilter
    from sketches.decayed_counts import DecayedCounts
    from sketches.decayed_reservoir import DecayedReservoir
    from sketches.deltas import Deltas
    from sketches.dgim import Dgim, DgimSum
    from sketches.flajolet_martin import FlajoletMartin
    from sketches.frequency import CountMin
    from sketches.heavy_hitters import SpaceSaving
    from sketches.hyperloglog import HyperLogLog
    from sketches.lsh import LshIndex
    from sketches.minhash import MinHash
    from sketches.moments import AmsF2
    from sketches.quantiles import KllQuantiles
    from sketches.reservoir import BottomKSample, Reservoir
    from sketches.reservoir_l import ReservoirL
    from sketches.reservoir_r import ReservoirR
    from sketches.rotating_bloom import RotatingBloomFilter
    from sketches.sampled_moments import FkEstimator
    from sketches.scalable_bloom import ScalableBloomFilter
    from sketches.similarity import Group, alike, similar_pairs
    from sketches.sliding import ExactSlidingCounter
    from sketches.stratified_sample import StratifiedSample
    from sketches.triangles import MergeableTriangles
    from sketches.triest import Triest
    from sketches.weighted_reservoir import WeightedReservoir

__all__ = [
    "AmsF2",
    "BloomFilter",
    "BottomKSample",
    "Bounds",
    "CountMin",
    "CountingBloomFilter",
    "DecayedCounts",
    "DecayedReservoir",
    "Deltas",
    "Dgim",
    "DgimSum",
    "ExactSlidingCounter",
    "FkEstimator",
    "FlajoletMartin",
    "Group",
    "HyperLogLog",
    "KllQuantiles",
    "LshIndex",
    "MergeableTriangles",
    "MinHash",
    "Repeats",
    "Reservoir",
    "ReservoirL",
    "ReservoirR",
    "RotatingBloomFilter",
    "ScalableBloomFilter",
    "Sketch",
    "SpaceSaving",
    "StratifiedSample",
    "Triest",
    "WeightedReservoir",
    "alike",
    "similar_pairs",
]

_HOMES = {
    "bloom": ("BloomFilter",),
    "contract": ("Bounds", "Repeats", "Sketch"),
    "counting_bloom": ("CountingBloomFilter",),
    "decayed_counts": ("DecayedCounts",),
    "decayed_reservoir": ("DecayedReservoir",),
    "deltas": ("Deltas",),
    "dgim": ("Dgim", "DgimSum"),
    "flajolet_martin": ("FlajoletMartin",),
    "frequency": ("CountMin",),
    "heavy_hitters": ("SpaceSaving",),
    "hyperloglog": ("HyperLogLog",),
    "lsh": ("LshIndex",),
    "minhash": ("MinHash",),
    "moments": ("AmsF2",),
    "quantiles": ("KllQuantiles",),
    "reservoir": ("BottomKSample", "Reservoir"),
    "reservoir_l": ("ReservoirL",),
    "reservoir_r": ("ReservoirR",),
    "rotating_bloom": ("RotatingBloomFilter",),
    "sampled_moments": ("FkEstimator",),
    "scalable_bloom": ("ScalableBloomFilter",),
    "similarity": ("Group", "alike", "similar_pairs"),
    "sliding": ("ExactSlidingCounter",),
    "stratified_sample": ("StratifiedSample",),
    "triangles": ("MergeableTriangles",),
    "triest": ("Triest",),
    "weighted_reservoir": ("WeightedReservoir",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a sketch when it is first asked for: whoever needs one does not wait for all."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"sketches.{_HOME_OF[name]}"), name)

"""Samples: a merge draws anew, so it is as good as the sample of the whole stream when it answers for the same stream."""

from __future__ import annotations

from typing import Any

from sketches.decayed_reservoir import DecayedReservoir
from sketches.reservoir import BottomKSample
from sketches.reservoir_l import ReservoirL
from sketches.reservoir_r import ReservoirR
from sketches.stratified_sample import StratifiedSample
from sketches.weighted_reservoir import WeightedReservoir
from tests.unit.sketch_examples.example import Example

_NAMES = [f"payment-{number}" for number in range(4_000)]
_NUMBERS = list(range(4_000))
_AMOUNTS = [(name, float(number * 7919 % 997)) for number, name in enumerate(_NAMES)]
"""Some of them 0. Whole numbers, so that their sum does not depend on the order."""
_TIMED = [(name, 1_750_000_000.0 + number * 7919 % 4000) for number, name in enumerate(_NAMES)]
_STRATA = [(f"country-{number * number % 23}", number) for number in _NUMBERS]


def _of_the_same_stream(merged: Any, single: Any) -> bool:
    same = merged.count == single.count and len(merged) == len(single)
    return bool(same and getattr(merged, "weight", 0.0) == getattr(single, "weight", 0.0))


def _distinct_members_of_the_stream(merged: Any, single: Any) -> bool:
    found = merged.estimate()
    known: dict[type, set[Any]] = {str: set(_NAMES), int: set(_NUMBERS), tuple: set(_AMOUNTS) | set(_TIMED)}
    return _of_the_same_stream(merged, single) and len(set(found)) == len(found) and set(found) <= known[type(found[0])]


def _the_same_strata(merged: Any, single: Any) -> bool:
    parts = [[(one.name, one.size, len(set(one.members))) for one in sample.estimate()] for sample in (merged, single)]
    return parts[0] == parts[1] and merged.count == single.count


EXAMPLES = [
    Example(
        name="BottomKSample",
        make=lambda: BottomKSample(capacity=50, seed=b"key"),
        other=lambda: BottomKSample(capacity=50, seed=b"another key"),
        items=[*_NAMES, *_NAMES[:300]],
        most_bytes=2_000,
    ),
    Example(
        name="BottomKSample of bytes",
        make=lambda: BottomKSample(capacity=50, seed=b"key"),
        other=lambda: BottomKSample(capacity=51, seed=b"key"),
        items=[name.encode() for name in _NAMES],
        most_bytes=2_000,
    ),
    Example(
        name="ReservoirR",
        make=lambda: ReservoirR(capacity=100, seed=1),
        other=lambda: ReservoirR(capacity=100, seed=2),
        items=_NUMBERS,
        merged_like_single=_distinct_members_of_the_stream,
        most_bytes=1_000,
    ),
    Example(
        name="ReservoirL",
        make=lambda: ReservoirL(capacity=100, seed=1),
        other=lambda: ReservoirL(capacity=101, seed=1),
        items=_NAMES,
        merged_like_single=_distinct_members_of_the_stream,
        most_bytes=2_000,
    ),
    Example(
        name="ReservoirL that is never full",
        make=lambda: ReservoirL(capacity=50_000, seed=1),
        other=lambda: ReservoirL(capacity=50_000, seed=2),
        items=_NUMBERS,
        merged_like_single=_distinct_members_of_the_stream,
        most_bytes=200_000,
    ),
    Example(
        name="WeightedReservoir",
        make=lambda: WeightedReservoir(capacity=100, seed=1),
        other=lambda: WeightedReservoir(capacity=100, seed=2),
        items=_AMOUNTS,
        merged_like_single=_distinct_members_of_the_stream,
        most_bytes=4_000,
        is_column=False,
    ),
    Example(
        name="DecayedReservoir",
        make=lambda: DecayedReservoir(capacity=100, half_life=600.0, seed=1),
        other=lambda: DecayedReservoir(capacity=100, half_life=601.0, seed=1),
        items=_TIMED,
        merged_like_single=_distinct_members_of_the_stream,
        most_bytes=4_000,
        is_column=False,
    ),
    Example(
        name="StratifiedSample",
        make=lambda: StratifiedSample(capacity=10, strata=8, seed=1),
        other=lambda: StratifiedSample(capacity=10, strata=9, seed=1),
        items=_STRATA,
        merged_like_single=_the_same_strata,
        most_bytes=2_000,
        is_column=False,
    ),
]

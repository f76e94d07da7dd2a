"""Chapters on samples: uniform, by skipping, weighted, by stratum, and by age.

All answer one question: which share of the stream belongs to its ten most frequent items.

Guarantee: each chapter is a function of the stream and the seed.

References: Vitter, ACM TOMS 11 (1985); Li, ACM TOMS 20 (1994); Efraimidis and Spirakis, IPL 97 (2006); Cormode et al., ICDE 2009.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sketches.course.chapter import Chapter, Curve, Plot, Role, Topic
from sketches.course.stream import Stream
from sketches.course.study import Study
from sketches.decayed_reservoir import DecayedReservoir
from sketches.hashing import Item
from sketches.reservoir import Reservoir
from sketches.reservoir_l import ReservoirL
from sketches.reservoir_r import ReservoirR, UniformReservoir
from sketches.stratified_sample import StratifiedSample
from sketches.weighted_reservoir import WeightedReservoir

__all__ = ["CHAPTERS"]

_PART = "Sampling"
_TOP = 10
_SIZES = (50, 100, 200, 400, 800, 1600)
_HALF_LIFE_SHARE = 0.1


def _frequent(stream: Stream) -> tuple[Callable[[Item], bool], NDArray[np.bool_]]:
    """Return the property that is asked for, of an item and of each event."""
    top = {stream.ranked(place) for place in range(_TOP)}
    chosen = np.fromiter((name in top for name in stream.names), dtype=np.bool_, count=len(stream.names))
    return lambda item: item in top, chosen[stream.codes]


def _standard_error(share: float) -> Callable[[int], float]:
    return lambda members: ((1.0 - share) / ((share or 1.0) * members)) ** 0.5


def _uniform_study(stream: Stream, seed: int, make: Callable[[int, int], UniformReservoir]) -> Study[UniformReservoir]:
    has, frequent = _frequent(stream)
    having = np.cumsum(frequent)
    return Study(
        what=f"share of the {_TOP} most frequent items",
        axis="share of events",
        make=make,
        size=400,
        sizes=_SIZES,
        size_name="members",
        items=stream.items,
        seed=seed,
        answer=lambda sample: sample.share(has),
        interval=lambda sample: sample.bounds(sample.share(has)),
        truth=lambda events: float(having[events - 1]) / events,
        exact_bytes=stream.all_bytes,
        promise=_standard_error(float(frequent.mean())),
        promise_name="standard error",
    )


def _reservoir_r(stream: Stream, seed: int) -> Chapter:
    study = _uniform_study(stream, seed, lambda capacity, run: ReservoirR(capacity, seed=run))
    return Chapter(
        id="reservoir-r",
        part=_PART,
        title="Reservoir, algorithm R",
        theory="Item number n takes the place of a random member with probability k / n, and by induction every set of k positions is "
        "equally likely; a merge draws from both samples as from one urn.",
        guarantee="P(item in sample) = min(1, k/n); the members with a property are hypergeometric, and the bounds invert that law exactly",
        reference="Vitter, “Random sampling with a reservoir”, ACM TOMS 11 (1985); MMDS 4.2.",
        plots=(*study.plots(), _places_taken(seed)),
        figures=(study.figure(),),
    )


def _places_taken(seed: int) -> Plot:
    """Return how often each tenth of a stream came into the sample, over many samples."""
    items, capacity, runs = 1_000, 50, 400
    taken = np.zeros(10)
    for run in range(runs):
        sample = ReservoirL(capacity, seed=seed + 1, stream=run)
        sample.update_batch(range(items))
        taken += np.bincount(np.asarray(sample.estimate(), dtype=np.int64) * 10 // items, minlength=10)
    tenths = tuple(float(tenth + 1) for tenth in range(10))
    expected = runs * capacity / 10.0
    return Plot(
        topic=Topic.OTHER,
        caption=f"Members from each tenth of a stream of {items:,}, over {runs} samples of {capacity}: no tenth is favoured.",
        x_title="tenth of the stream",
        y_title="members",
        curves=(
            Curve(name="members", x=tuple(f"{tenth:.0f}" for tenth in tenths), y=tuple(taken.tolist()), role=Role.ESTIMATE, shape="bars"),
            Curve(name="expected", x=tuple(f"{tenth:.0f}" for tenth in tenths), y=(expected,) * 10, role=Role.TRUTH, shape="dashes"),
        ),
    )


def _reservoir_l(stream: Stream, seed: int) -> Chapter:
    study = _uniform_study(stream, seed, lambda capacity, run: ReservoirL(capacity, seed=run))
    return Chapter(
        id="reservoir-l",
        part=_PART,
        title="Reservoir, algorithm L",
        theory="The number of items passed over until the next one comes in is geometric, so it is drawn at once, and only about "
        "k (1 + log(n/k)) items are ever touched.",
        guarantee="the sample is uniform, as that of algorithm R; time O(k (1 + log(n/k)))",
        reference="Li, “Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))”, ACM TOMS 20 (1994).",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _bottom_k(stream: Stream, seed: int) -> Chapter:
    longest = sorted(map(len, stream.names))[len(stream.names) // 2]

    def has(item: Item) -> bool:
        return len(str(item)) <= longest

    new = np.zeros(len(stream), dtype=np.int64)
    first = np.unique(stream.codes, return_index=True)[1]
    new[first] = [has(stream.items[int(place)]) for place in first]
    having = np.cumsum(new)
    study = Study(
        what=f"share of the distinct items with at most {longest} letters",
        axis="share of distinct items",
        make=lambda capacity, run: Reservoir(capacity, seed=run.to_bytes(9, "big")),
        size=400,
        sizes=_SIZES[:-1],
        size_name="members",
        items=stream.items,
        seed=seed,
        answer=lambda sample: sample.share(has),
        interval=lambda sample: sample.bounds(sample.share(has)),
        truth=lambda events: float(having[events - 1]) / stream.distinct(events),
        exact_bytes=stream.distinct_bytes,
        promise=_standard_error(float(having[-1]) / len(stream.names)),
        promise_name="standard error",
    )
    return Chapter(
        id="bottom-k",
        part=_PART,
        title="Bottom-k sample of distinct items",
        theory="Every item has a priority, a keyed hash of itself, and the k smallest are kept: a uniform sample of the distinct items, "
        "whatever is repeated or replayed.",
        guarantee="P(item in sample) = k / n for n distinct items; any order, split, merge tree and repetition gives the same bytes",
        reference="Cohen and Kaplan, “Summarizing data using bottom-k sketches”, PODC 2007.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _weighted(stream: Stream, seed: int) -> Chapter:
    has, frequent = _frequent(stream)
    weights = np.clip(np.abs(stream.values), 0.0, 1e12)
    # Where nothing weighs anything there is no share, and none of the weights is asked for.
    total, having = np.maximum(np.cumsum(weights), 1e-300), np.cumsum(weights * frequent)
    share = float(having[-1] / total[-1])
    pairs: Sequence[tuple[str, float]] = list(zip(stream.items, weights.tolist(), strict=True))
    study = Study(
        what=f"share of all {stream.value_name} at the {_TOP} most frequent items",
        axis="share of all",
        make=lambda capacity, run: WeightedReservoir(capacity, seed=run),
        size=400,
        sizes=_SIZES,
        size_name="members",
        items=pairs,
        seed=seed,
        answer=lambda sample: sample.share(has),
        interval=lambda sample: sample.bounds(sample.share(has)),
        truth=lambda events: float(having[events - 1] / total[events - 1]),
        exact_bytes=lambda events: stream.all_bytes(events) + 8 * events,
        promise=_standard_error(share),
        promise_name="standard error",
    )
    return Chapter(
        id="weighted-reservoir",
        part=_PART,
        title="Weighted reservoir, A-ExpJ",
        theory="Each item gets an exponential number divided by its weight and the k smallest stay, so the first member is item i with "
        "probability w(i) / W; what cannot come in is jumped over.",
        guarantee="successive sampling by weight under any tree of merges; variance of a share ≤ s (1 - s) / (k - 2)",
        reference="Efraimidis and Spirakis, “Weighted random sampling with a reservoir”, IPL 97 (2006).",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _stratified(stream: Stream, seed: int) -> Chapter:
    has, frequent = _frequent(stream)
    having = np.cumsum(frequent)
    pairs = [(item[:1], item) for item in stream.items]
    study = Study(
        what=f"share of the {_TOP} most frequent items",
        axis="share of events",
        make=lambda capacity, run: StratifiedSample(capacity, 30, seed=run),
        size=40,
        sizes=(10, 20, 40, 80, 160),
        size_name="members of a stratum",
        items=pairs,
        seed=seed,
        answer=lambda sample: sample.share(has),
        interval=lambda sample: sample.bounds(has),
        truth=lambda events: float(having[events - 1]) / events,
        exact_bytes=stream.all_bytes,
    )
    return Chapter(
        id="stratified-sample",
        part=_PART,
        title="Stratified sample",
        theory="Every stratum (here: the first letter) has a reservoir and an exact count of its own, so a rare one is represented as "
        "well as a frequent one; the answers are weighted by the counts.",
        guarantee="Σ W(h) p(h) is unbiased; half-width √(Σ (W(h) d(h))²) with the exact interval d(h) of each stratum",
        reference="Cochran, “Sampling Techniques” (1977), chapter 5; Al-Kateb and Lee, SSDBM 2010.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _decayed(stream: Stream, seed: int) -> Chapter:
    has, frequent = _frequent(stream)
    half_life = len(stream) * _HALF_LIFE_SHARE
    ages = np.exp2(np.arange(len(stream)) / half_life)
    total, having = np.cumsum(ages), np.cumsum(ages * frequent)
    timed = [(item, float(place)) for place, item in enumerate(stream.items)]
    study = Study(
        what=f"decayed share of the {_TOP} most frequent items",
        axis="decayed share",
        make=lambda capacity, run: DecayedReservoir(capacity, half_life, seed=run),
        size=400,
        sizes=_SIZES,
        size_name="members",
        items=timed,
        seed=seed,
        answer=lambda sample: sample.share(has),
        interval=lambda sample: sample.bounds(sample.share(has)),
        truth=lambda events: float(having[events - 1] / total[events - 1]),
        exact_bytes=lambda events: stream.all_bytes(events) + 8 * events,
        promise=_standard_error(float(having[-1] / total[-1])),
        promise_name="standard error",
    )
    return Chapter(
        id="decayed-reservoir",
        part=_PART,
        title="Time-decayed reservoir",
        theory="An item's weight halves with every half-life of its age; divided by what all items share, the weight never changes, so "
        "the sample is a weighted one and no clock is asked.",
        guarantee="successive sampling by w(i) = 2^(t(i)/h), in any order of arrival and under any tree of merges",
        reference="Cormode, Shkapenyuk, Srivastava and Xu, “Forward decay”, ICDE 2009.",
        plots=(*study.plots(), _ages(stream, seed, half_life)),
        figures=(study.figure(),),
    )


def _ages(stream: Stream, seed: int, half_life: float) -> Plot:
    sample = DecayedReservoir(2_000, half_life, seed=seed)
    sample.update_timed(stream.items, np.arange(len(stream), dtype=np.float64))
    places = np.asarray([time for _, time in sample.estimate()])
    edges = np.linspace(0.0, len(stream), 21)
    members = np.histogram(places, edges)[0]
    middles = tuple(float(one) for one in (edges[1:] + edges[:-1]) / 2.0)
    return Plot(
        topic=Topic.OTHER,
        caption=f"Where in the stream {len(places):,} members come from: mostly from the last half-lives.",
        x_title="events",
        y_title="members",
        curves=(Curve(name="members", x=middles, y=tuple(float(one) for one in members), role=Role.ESTIMATE, shape="steps"),),
    )


CHAPTERS = (_reservoir_r, _reservoir_l, _bottom_k, _weighted, _stratified, _decayed)

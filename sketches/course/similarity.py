"""Chapters on likeness: MinHash, and locality-sensitive hashing with the graph of alike items.

An item's features are the runs of three letters in its text.

Guarantee: each chapter is a function of the stream and the seed.

References: Broder, "On the resemblance and containment of documents" (1997); Indyk and Motwani, STOC 1998; Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from sketches.contract import Sketch
from sketches.course.chapter import Band, Chapter, Curve, Figure, Plot, Role, Topic
from sketches.course.drawing import graph_plot
from sketches.course.stream import Stream
from sketches.course.study import Study, memory_plot, merge_plot
from sketches.intervals import binomial_bounds
from sketches.lsh import LshIndex, candidate_pairs, recall, solve_bands
from sketches.minhash import MinHash, signatures
from sketches.similarity import clusters, measure_recall, similar_pairs

__all__ = ["CHAPTERS"]

_PART = "Likeness"
_SIMILARITY = 0.7
_MOST_NAMES = 1_000
_INDEXED = 240
_UNION = 60
_PLANTED = 200


def features_of(text: str) -> frozenset[str]:
    """Return the runs of three letters of a text, its ends marked.

    >>> sorted(features_of("Inn"))
    ['^in', 'inn', 'nn$']
    """
    marked = f"^{text.lower()}$"
    return frozenset(marked[start : start + 3] for start in range(max(1, len(marked) - 2)))


def _minhash(stream: Stream, seed: int) -> Chapter:
    known = stream.items[: len(stream) // 8]
    first_seen = np.sort(np.unique(stream.codes, return_index=True)[1])
    of_known = np.sort(np.unique(stream.codes[: len(known)], return_index=True)[1])

    @cache
    def reference(places: int, run: int) -> MinHash:
        one = MinHash(places=places, seed=run)
        one.update_batch(known)
        return one

    def beside(sketch: MinHash) -> MinHash:
        return reference(sketch.parameters.places, sketch.parameters.seed)

    def truth(events: int) -> float:
        both = int(np.searchsorted(of_known, min(events, len(known))))
        return both / max(len(of_known), int(np.searchsorted(first_seen, events)))

    study = Study(
        what="Jaccard similarity to the first eighth of the stream",
        axis="Jaccard similarity",
        make=lambda places, run: MinHash(places=places, seed=run),
        size=256,
        sizes=(16, 32, 64, 128, 256, 512),
        size_name="places of a signature",
        items=stream.items,
        seed=seed,
        answer=lambda sketch: sketch.estimate(beside(sketch)),
        interval=lambda sketch: sketch.bounds(beside(sketch)),
        truth=truth,
        exact_bytes=stream.distinct_bytes,
        promise=lambda places: ((1.0 - truth(10_000)) / (truth(10_000) * places)) ** 0.5,
        promise_name="standard error",
    )
    return Chapter(
        id="minhash",
        part=_PART,
        title="MinHash",
        theory="Under a random order of all items, two sets share their first one with a chance that is their Jaccard similarity, so the "
        "share of equal minima under many orders estimates it.",
        guarantee="n · estimate is binomial in (n, J), standard deviation √(J (1 - J) / n); the bounds are Clopper and Pearson's",
        reference="Broder, “On the resemblance and containment of documents” (1997); MMDS 3.3.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _names(stream: Stream) -> list[str]:
    """Return the most frequent distinct items, in the order in which they came."""
    order = np.sort(np.argsort(-stream.counts, kind="stable")[:_MOST_NAMES])
    return [stream.names[int(place)] for place in order]


def _exact_pairs(sets: Sequence[frozenset[str]]) -> list[tuple[int, int]]:
    """Return every pair that is alike, by comparing all of them."""
    columns = {feature: number for number, feature in enumerate(sorted(frozenset().union(*sets)))}
    holds = np.zeros((len(sets), len(columns)), dtype=np.float32)
    for row, features in enumerate(sets):
        holds[row, [columns[feature] for feature in features]] = 1.0
    shared = holds @ holds.T
    sizes = holds.sum(axis=1)
    likeness = shared / (sizes[:, np.newaxis] + sizes - shared)
    first, second = np.nonzero(np.triu(likeness >= _SIMILARITY - 1e-6, k=1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _lsh(stream: Stream, seed: int) -> Chapter:
    names = _names(stream)
    sets = [features_of(name) for name in names]
    exact = _exact_pairs(sets)
    found = similar_pairs(sets, _SIMILARITY, seed=seed)
    index = LshIndex(similarity=_SIMILARITY, seed=seed)
    index.update_batch(list(zip(names, sets, strict=True)))
    low = float(len(found.pairs))
    return Chapter(
        id="lsh",
        part=_PART,
        title="Locality-sensitive hashing",
        theory="Signatures are cut into b bands of r places, and two sets are compared only where a whole band agrees: likely for alike "
        "ones, unlikely for others, and no pair below the similarity passes the exact check after it.",
        guarantee="P(a pair of similarity s is compared) = 1 - (1 - s^r)^b",
        reference="Indyk and Motwani, STOC 1998; Broder (1997); MMDS 3.4.",
        plots=(
            *_pairs_over_time(names, sets, exact, seed),
            _missed_against_places(seed),
            _merged_indexes(names[:_INDEXED], sets[:_INDEXED], seed),
            _s_curve(seed),
            graph_plot(names, [(pair.first, pair.second) for pair in found.pairs], clusters(found.pairs)),
        ),
        figures=(
            Figure(
                what=f"pairs of items with a similarity of {_SIMILARITY} or more",
                estimate=low,
                truth=float(len(exact)),
                low=low,
                high=_most_pairs(len(found.pairs), found.expected_recall),
                memory_bytes=index.memory_bytes,
                exact_bytes=sum(len(feature.encode()) for one in sets for feature in one),
            ),
        ),
    )


def _most_pairs(found: int, expected_recall: float) -> float:
    """Return the largest number of pairs under which so few found ones are no surprise (normal approximation, 95 %)."""
    missing = 1.0 - expected_recall
    return (found + 2.0 * math.sqrt(found * missing) + 4.0 * missing) / expected_recall


def _pairs_over_time(names: Sequence[str], sets: Sequence[frozenset[str]], exact: list[tuple[int, int]], seed: int) -> tuple[Plot, Plot]:
    places = [len(sets) * step // 20 for step in range(1, 21)]
    index = LshIndex(similarity=_SIMILARITY, seed=seed)
    found, truth, memory, exact_bytes, highs, before = [], [], [], [], [], 0
    for place in places:
        pairs = similar_pairs(sets[:place], _SIMILARITY, seed=seed)
        found.append(float(len(pairs.pairs)))
        highs.append(_most_pairs(len(pairs.pairs), pairs.expected_recall))
        truth.append(float(sum(second < place for _, second in exact)))
        index.update_batch(list(zip(names[before:place], sets[before:place], strict=True)))
        before = place
        memory.append(float(index.memory_bytes))
        exact_bytes.append(float(sum(len(feature.encode()) for one in sets[:place] for feature in one)))
    x = tuple(float(place) for place in places)
    caption = f"Bytes of the index and of the features: for texts so short it is the larger. What it saves is work: {pairs.compared:,} of "
    caption += f"{len(sets) * (len(sets) - 1) // 2:,} pairs were compared."
    time = Plot(
        topic=Topic.TIME,
        caption=f"Pairs of items whose texts have a similarity of {_SIMILARITY} or more: all of them, and those that the bands found.",
        x_title="distinct items",
        y_title="alike pairs",
        band=Band(name="bounds by the recall", x=x, low=tuple(found), high=tuple(highs)),
        curves=(
            Curve(name="exact", x=x, y=tuple(truth), role=Role.TRUTH, shape="dashes"),
            Curve(name="found", x=x, y=tuple(found), role=Role.ESTIMATE),
        ),
    )
    return time, memory_plot(x, memory, exact_bytes, "distinct items", caption)


def _missed_against_places(seed: int) -> Plot:
    sizes = (8, 16, 32, 64, 128, 256)
    missed, expected = [], []
    for places in sizes:
        measured = measure_recall(_SIMILARITY, wanted_recall=0.9, places=places, pairs=500, seed=seed)
        missed.append(1.0 - measured.found / measured.planted)
        expected.append(1.0 - measured.expected_recall)
    x = tuple(float(size) for size in sizes)
    return Plot(
        topic=Topic.ERROR,
        caption=f"The share of 500 planted pairs of similarity {_SIMILARITY} that the bands miss where a tenth may be missed, against the "
        "size of the signatures.",
        x_title="places of a signature",
        y_title="missed share",
        log_x=True,
        curves=(
            Curve(name="measured", x=x, y=tuple(missed), role=Role.ESTIMATE, shape="points"),
            Curve(name="expected", x=x, y=tuple(expected), role=Role.PROMISE, shape="dashes"),
        ),
    )


def _merged_indexes(names: Sequence[str], sets: Sequence[frozenset[str]], seed: int) -> Plot:
    def filled(chosen: range) -> LshIndex:
        index = LshIndex(similarity=_SIMILARITY, seed=seed)
        index.update_batch([(names[place], sets[place]) for place in chosen])
        return index

    def with_company(index: Sketch) -> float:
        """Return how many of the items find another one."""
        assert isinstance(index, LshIndex)  # noqa: S101  # for the type checker
        return float(sum(any(match.key != name for match in index.query(one)) for name, one in zip(names, sets, strict=True)))

    cuts = [len(names) * part // 4 for part in range(5)]
    parts = [filled(range(start, end)) for start, end in pairwise(cuts)]
    merged = LshIndex(similarity=_SIMILARITY, seed=seed)
    for part in parts:
        merged.merge(part)
    single = with_company(filled(range(len(names))))
    return merge_plot("items that find another one", [with_company(part) for part in parts], with_company(merged), single, single)


def _s_curve(seed: int) -> Plot:
    """Return the chance to be compared against the similarity: by the formula, and as measured on planted pairs."""
    bands = solve_bands(_SIMILARITY, 128)
    draws = np.random.Generator(np.random.Philox(key=seed))
    similar, sets = [], []
    for shared in range(3, _UNION, 3):
        for _ in range(_PLANTED):
            features = (draws.random(_UNION) * 2**53).astype(np.int64)
            half = shared + (_UNION - shared) // 2
            sets += [features[:half], np.concatenate((features[:shared], features[half:]))]
        similar.append(shared / _UNION)
    pairs = candidate_pairs(signatures(sets, bands.bands * bands.rows, seed=1), bands, most_neighbours=len(sets))
    planted = pairs.first[(pairs.first % 2 == 0) & (pairs.second == pairs.first + 1)] // (2 * _PLANTED)
    hits = np.bincount(planted, minlength=len(similar)).tolist()
    bounds = [binomial_bounds(hit, _PLANTED, 0.95) for hit in hits]
    fine = tuple(step / 100.0 for step in range(101))
    return Plot(
        topic=Topic.CURVE,
        caption=f"The chance that a pair is compared, with {bands.bands} bands of {bands.rows}: the formula, and {_PLANTED} planted pairs "
        "at each point with their 95 % bounds.",
        x_title="Jaccard similarity",
        y_title="compared",
        band=Band(name="95 % bounds", x=tuple(similar), low=tuple(one.low for one in bounds), high=tuple(one.high for one in bounds)),
        curves=(
            Curve(name="1 - (1 - s^r)^b", x=fine, y=tuple(recall(s, bands.bands, bands.rows) for s in fine), role=Role.PROMISE),
            Curve(name="measured", x=tuple(similar), y=tuple(hit / _PLANTED for hit in hits), role=Role.ESTIMATE, shape="points"),
        ),
    )


CHAPTERS = (_minhash, _lsh)

"""Chapters on frequency moments: how unevenly the items of a stream come.

Guarantee: each chapter is a function of the stream and the seed.

References: Alon, Matias and Szegedy, "The space complexity of approximating the frequency moments", STOC 1996.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sketches.course.chapter import Chapter, Plot
from sketches.course.stream import Stream
from sketches.course.study import Study, merge_plot
from sketches.moments import AmsF2
from sketches.sampled_moments import FkEstimator

__all__ = ["CHAPTERS"]

_PART = "Moments"
_POWER = 3
_SAMPLES = 1_000


def _moment(stream: Stream, power: int) -> Callable[[int], float]:
    """Return the exact sum of the powers of all counts after the first n events, as a function of n."""
    order = np.argsort(stream.codes, kind="stable")
    starts = np.cumsum(stream.counts) - stream.counts
    occurrence = np.empty(len(stream))
    occurrence[order] = np.arange(len(stream)) - starts[stream.codes[order]] + 1.0
    sums = np.cumsum(occurrence**power - (occurrence - 1.0) ** power)
    return lambda events: float(sums[events - 1])


def _ams(stream: Stream, seed: int) -> Chapter:
    study = Study(
        what="F₂, the sum of the squared counts",
        axis="F₂",
        make=lambda width, run: AmsF2(depth=5, width=width, seed=run),
        size=1_000,
        sizes=(30, 100, 300, 1_000, 3_000),
        size_name="counters of each of 5 rows",
        items=stream.items,
        seed=seed,
        truth=_moment(stream, 2),
        exact_bytes=stream.counts_bytes,
        promise=lambda width: (2.0 / width) ** 0.5,
        promise_name="standard error of a row",
    )
    return Chapter(
        id="ams",
        part=_PART,
        title="AMS sketch of F₂",
        theory="Each item adds its random sign to one counter of a row; in the sum of the squared counters the products of different "
        "items cancel, and F₂ is left.",
        guarantee="Var[row] ≤ 2 F₂² / width; P(|row - F₂| > ε F₂) ≤ 2 / (width · ε²), and the median of the rows is taken",
        reference="Alon, Matias and Szegedy, STOC 1996; Thorup and Zhang, SODA 2004; MMDS 4.5.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _sampled(stream: Stream, seed: int) -> Chapter:
    study = Study(
        what=f"F₃, the sum of the counts to the power of {_POWER}",
        axis="F₃",
        log=True,
        make=lambda samples, run: FkEstimator(k=_POWER, samples=samples, seed=run),
        size=_SAMPLES,
        sizes=(100, 300, 1_000, 3_000),
        size_name="sampled positions",
        items=stream.items,
        seed=seed,
        truth=_moment(stream, _POWER),
        exact_bytes=stream.counts_bytes,
    )
    return Chapter(
        id="sampled-moments",
        part=_PART,
        title="Sampled moments F_k",
        theory="From an evenly chosen position of the stream on, count how often its item still comes, r: then n (r^k - (r - 1)^k) is F_k "
        "in the mean.",
        guarantee="E[X] = F_k, Var[X] ≤ k n^(1 - 1/k) F_k²; the bounds follow for the median of the group means",
        reference="Alon, Matias and Szegedy, STOC 1996, section 2.1; MMDS 4.5.",
        plots=(*study.over_time(), study.error_against_size(), _merged_by_item(study, stream)),
        figures=(study.figure(),),
    )


def _merged_by_item(study: Study[FkEstimator], stream: Stream) -> Plot:
    """Return the merge of four parts that share no item, as the theory asks for."""
    parts = []
    for part in range(4):
        sketch = study.make(study.size, study.seed)
        sketch.update_batch([stream.items[place] for place in np.flatnonzero(stream.codes % 4 == part)])
        parts.append(sketch)
    merged, single = study.make(study.size, study.seed), study.make(study.size, study.seed)
    for sketch in parts:
        merged.merge(sketch)
    single.update_batch(stream.items)
    caption = "Four samples of parts that share no item, their merge, one sample of the whole stream, and the exact answer."
    truth = study.truth(len(stream))
    return merge_plot(study.axis, [part.estimate() for part in parts], merged.estimate(), single.estimate(), truth, caption)


CHAPTERS = (_ams, _sampled)

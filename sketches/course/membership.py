"""Chapters on membership: Bloom filters that stand still, grow, forget keys one by one, and forget with time.

Guarantee: each chapter is a function of the stream and the seed.

References: Bloom, CACM 13 (1970); Almeida et al., IPL 101 (2007); Fan et al., IEEE/ACM Trans. Networking 8 (2000).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from sketches.bloom import BloomFilter
from sketches.counting_bloom import CountingBloomFilter
from sketches.course.chapter import Chapter, Curve, Figure, Plot, Role, Topic
from sketches.course.stream import Stream
from sketches.course.study import Study
from sketches.rotating_bloom import RotatingBloomFilter
from sketches.scalable_bloom import ScalableBloomFilter

__all__ = ["CHAPTERS"]

_PART = "Membership"
_ERROR_RATE = 0.01
_PROBES = [f"never recorded {number}" for number in range(20_000)]
_STEP_MS = 1_000
"""Event time between two events."""

Filter = BloomFilter | ScalableBloomFilter | CountingBloomFilter


def _capacity(stream: Stream) -> int:
    return max(64, len(stream.names))


def _false_positives(make: Callable[[], Filter], capacity: int, kept: str) -> Plot:
    """Return the share of keys never recorded that are answered "seen", while keys are recorded up to four times the capacity."""
    one = make()
    steps = [capacity * step // 8 for step in (1, 2, 4, 6, 8, 10, 12, 16, 24, 32)]
    measured, said, before = [], [], 0
    for step in steps:
        one.update_batch([f"key {number}" for number in range(before, step)])
        before = step
        measured.append(float(one.contains_batch(_PROBES).mean()))
        said.append(one.present_error_rate())
    x = tuple(step / capacity for step in steps)
    return Plot(
        topic=Topic.FALSE_POSITIVES,
        caption=f"The false-positive rate, measured on {len(_PROBES):,} keys that were never recorded, against how full the filter is: "
        f"{kept}",
        x_title="recorded keys / capacity",
        y_title="false-positive rate",
        curves=(
            Curve(name="measured", x=x, y=tuple(measured), role=Role.ESTIMATE, shape="points"),
            Curve(name="what the filter says", x=x, y=tuple(said), role=Role.ESTIMATE),
            Curve(name="promised", x=(x[0], x[-1]), y=(_ERROR_RATE, _ERROR_RATE), role=Role.PROMISE, shape="dashes"),
        ),
    )


def _rate_against_size(make: Callable[[float], Filter], capacity: int) -> Plot:
    """Return the measured false-positive rate of filters at capacity, against their size."""
    bits, measured, promised = [], [], []
    for rate in (0.3, 0.1, 0.03, 0.01, 0.003, 0.001):
        one = make(rate)
        one.update_batch([f"key {number}" for number in range(capacity)])
        bits.append(8.0 * one.memory_bytes / capacity)
        measured.append(float(one.contains_batch(_PROBES).mean()))
        promised.append(rate)
    return Plot(
        topic=Topic.ERROR,
        caption="The false-positive rate at capacity against the size of the filter, measured and promised.",
        x_title="bits for each key",
        y_title="false-positive rate",
        log_y=True,
        curves=(
            Curve(name="measured", x=tuple(bits), y=tuple(rate or None for rate in measured), role=Role.ESTIMATE, shape="points"),
            Curve(name="promised", x=tuple(bits), y=tuple(promised), role=Role.PROMISE, shape="dashes"),
        ),
    )


def _study(stream: Stream, seed: int, capacity: int, make: Callable[[int, int], Filter]) -> Study[Filter]:
    """Return the study of how many distinct items a filter holds, which `make` builds for a capacity and a seed."""
    return Study(
        what="distinct items recorded",
        axis="distinct items",
        make=make,
        size=capacity,
        sizes=(capacity,),
        size_name="capacity",
        items=stream.items,
        seed=seed,
        truth=stream.distinct,
        exact_bytes=stream.distinct_bytes,
    )


def _rate_figure(study: Study[Filter]) -> Figure:
    """Return what a filter says of its false-positive rate, and what was measured; the bound allows for the error of the measure."""
    one = study.make(study.size, study.seed)
    one.update_batch(study.items)
    chance = 1.96 * (_ERROR_RATE / len(_PROBES)) ** 0.5
    return Figure(
        what=f"false-positive rate (exact: measured on {len(_PROBES):,} keys)",
        estimate=one.present_error_rate(),
        truth=float(one.contains_batch(_PROBES).mean()),
        low=0.0,
        high=_ERROR_RATE + chance,
        memory_bytes=one.memory_bytes,
        exact_bytes=study.exact_bytes(len(study.items)),
    )


def _bloom(stream: Stream, seed: int) -> Chapter:
    capacity = _capacity(stream)
    study = _study(stream, seed, capacity, lambda size, run: BloomFilter(size, _ERROR_RATE, seed=run))
    return Chapter(
        id="bloom",
        part=_PART,
        title="Bloom filter",
        theory="A key sets one bit in each of k slices; a key all of whose bits are set was seen, or is unlucky: there is no false "
        "“never seen”.",
        guarantee="P(false “seen”) = (1 - (1 - 1/s)^n)^k ≤ p for n up to the capacity; memory = c · log2(1/p) / ln 2 bits",
        reference="Bloom, CACM 13 (1970); Swamidass and Baldi, J. Chem. Inf. Model. 47 (2007) for the count; MMDS 4.3.",
        plots=(
            *study.over_time(),
            _rate_against_size(lambda rate: BloomFilter(capacity, rate, seed=seed), capacity),
            study.merge(),
            _false_positives(lambda: BloomFilter(capacity, _ERROR_RATE, seed=seed), capacity, "the promise ends at its capacity."),
        ),
        figures=(study.figure(), _rate_figure(study)),
    )


def _scalable(stream: Stream, seed: int) -> Chapter:
    first = max(64, _capacity(stream) // 16)
    study = _study(stream, seed, first, lambda size, run: ScalableBloomFilter(size, _ERROR_RATE, sources=8, seed=run))
    return Chapter(
        id="scalable-bloom",
        part=_PART,
        title="Scalable Bloom filter",
        theory="When the newest stage is full, one of twice its capacity and half its error rate is begun, so that the shares of all "
        "stages sum to what was promised, and merged filters share that promise.",
        guarantee="P(false “seen”) ≤ Σ p(i) ≤ p for any number of keys, p(i) = (p / sources) · 2^-(i+1)",
        reference="Almeida, Baquero, Preguiça and Hutchison, “Scalable Bloom filters”, IPL 101 (2007).",
        plots=(
            *study.over_time(),
            _rate_against_size(lambda rate: ScalableBloomFilter(first, rate, sources=1, seed=seed), 16 * first),
            study.merge(),
            _false_positives(
                lambda: ScalableBloomFilter(first, _ERROR_RATE, sources=1, seed=seed),
                8 * first,
                f"the promise holds however far it grows (from {first:,} keys to {32 * first:,}).",
            ),
        ),
        figures=(study.figure(), _rate_figure(study)),
    )


def _counting(stream: Stream, seed: int) -> Chapter:
    capacity = _capacity(stream)
    study = Study(
        what="distinct items held",
        axis="distinct items",
        make=lambda size, run: CountingBloomFilter(size, _ERROR_RATE, seed=run),
        size=capacity,
        sizes=(capacity,),
        size_name="capacity",
        items=stream.items,
        seed=seed,
        answer=lambda one: one.estimated_count(),
        interval=lambda one: one.count_bounds(),
        truth=stream.distinct,
        exact_bytes=lambda events: stream.distinct_bytes(events) + stream.distinct(events),
    )
    return Chapter(
        id="counting-bloom",
        part=_PART,
        title="Counting Bloom filter",
        theory="Where a Bloom filter has a bit there is a counter: adding a key raises one in each slice, removing it lowers them, and one "
        "that is full stays full, so that nothing held is forgotten.",
        guarantee="no false “not held” while only what was added is removed; P(false “held”) ≤ p for up to c keys held at a time",
        reference="Fan, Cao, Almeida and Broder, “Summary cache”, IEEE/ACM Trans. Networking 8 (2000); Cohen and Matias, SIGMOD 2003.",
        plots=(
            *study.over_time(),
            _rate_against_size(lambda rate: CountingBloomFilter(capacity, rate, seed=seed), capacity),
            study.merge(),
            _come_and_go(stream, seed),
        ),
        figures=(study.figure(),),
    )


def _come_and_go(stream: Stream, seed: int) -> Plot:
    """Return how many distinct keys are held while each is taken out again after a while."""
    span = max(200, min(1_000, len(stream) // 40))
    held = CountingBloomFilter(span, _ERROR_RATE, seed=seed)
    places = list(range(span, min(len(stream), 30 * span) + 1, span // 2))
    held.update_batch(stream.items[:span])
    estimates, exact = [held.estimated_count()], [float(stream.distinct(span))]
    for before, place in pairwise(places):
        held.update_batch(stream.items[before:place])
        held.remove_batch(stream.items[before - span : place - span])
        estimates.append(held.estimated_count())
        exact.append(float(len(set(stream.items[place - span : place]))))
    x = tuple(float(place) for place in places)
    return Plot(
        topic=Topic.OTHER,
        caption=f"Distinct items among the last {span:,} events: each is added when it comes and removed {span:,} events later.",
        x_title="events",
        y_title="distinct items held",
        curves=(
            Curve(name="exact", x=x, y=tuple(exact), role=Role.TRUTH, shape="dashes"),
            Curve(name="estimate", x=x, y=tuple(estimates), role=Role.ESTIMATE),
        ),
    )


def _rotating(stream: Stream, seed: int) -> Chapter:
    panes = 8
    pane = max(50, len(stream) // 80)

    def kept(events: int) -> int:
        """Return how many distinct items the panes hold that are kept after so many events."""
        return len(np.unique(stream.codes[max(0, ((events - 1) // pane - panes) * pane) : events]))

    def make(size: int, run: int) -> RotatingBloomFilter:
        return RotatingBloomFilter(window_ms=panes * pane * _STEP_MS, panes=panes, capacity=size, error_rate=_ERROR_RATE, seed=run)

    study = Study(
        what="distinct items in the window's panes",
        axis="distinct items",
        make=make,
        size=pane,
        sizes=(pane // 4, pane // 2, pane, 2 * pane, 4 * pane),
        size_name="capacity of a pane",
        items=[(place * _STEP_MS, item) for place, item in enumerate(stream.items)],
        seed=seed,
        truth=lambda events: float(kept(events)),
        exact_bytes=lambda events: sum(len(item.encode()) for item in set(stream.items[max(0, events - panes * pane) : events])),
    )
    return Chapter(
        id="rotating-bloom",
        part=_PART,
        title="Rotating Bloom filter",
        theory="Event time is cut into panes, each a Bloom filter; as the newest event moves on, panes fall behind the window and are "
        "dropped whole.",
        guarantee="“seen” for every key within the window; P(“seen”) ≤ p for a key older than window and one pane",
        reference="Zhang and Guan, “Detecting click fraud in pay-per-click streams”, ICDCS 2008; Almeida et al., IPL 101 (2007).",
        plots=(*study.plots(), _forgetting(make(pane, seed), pane, panes)),
        figures=(study.figure(),),
    )


def _forgetting(one: RotatingBloomFilter, pane: int, panes: int) -> Plot:
    """Return the share of keys that are answered "seen", against how long ago they came."""
    events = 3 * panes * pane
    one.update_columns(np.arange(events) * _STEP_MS, [f"key {number}" for number in range(events)])
    answers = one.contains_batch([f"key {number}" for number in range(events)])[::-1]
    size = pane // 4
    ages = range(0, events - size, size)
    x = tuple((age + size / 2.0) / (panes * pane) for age in ages)
    return Plot(
        topic=Topic.FALSE_POSITIVES,
        caption="The share of keys answered “seen” against their age: all within the window, none but false positives one pane later.",
        x_title="age / window",
        y_title="answered “seen”",
        curves=(
            Curve(
                name="measured", x=x, y=tuple(float(answers[age : age + size].mean()) for age in ages), role=Role.ESTIMATE, shape="steps"
            ),
            Curve(name="window", x=(1.0, 1.0), y=(0.0, 1.0), role=Role.PROMISE, shape="dashes"),
        ),
    )


CHAPTERS = (_bloom, _scalable, _counting, _rotating)

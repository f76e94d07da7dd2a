"""Chapters on frequencies: of any item, of the most frequent ones, and of the recent past.

Guarantee: each chapter is a function of the stream and the seed.

References: Cormode and Muthukrishnan, J. Algorithms 55 (2005); Metwally, Agrawal and El Abbadi, ICDT 2005; Cormode et al., ICDE 2009.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sketches.course.chapter import Chapter, Curve, Plot, Role, Topic
from sketches.course.stream import Stream
from sketches.course.study import Study
from sketches.decayed_counts import DecayedCounts
from sketches.frequency import CountMin
from sketches.heavy_hitters import SpaceSaving

__all__ = ["CHAPTERS"]

_PART = "Frequencies"
_STEP_MS = 1_000
"""Event time between two events."""
_ASKED = 19
"""Place, by frequency, of the item that is asked for: neither the easiest nor a rare one."""
_SHOWN = 15


def _count_so_far(stream: Stream, item: str) -> Callable[[int], float]:
    counts = np.cumsum(stream.codes == stream.names.index(item))
    return lambda events: float(counts[events - 1])


def _count_min(stream: Stream, seed: int) -> Chapter:
    item = stream.ranked(_ASKED)
    total = min(10_000, len(stream))
    truth = _count_so_far(stream, item)
    study = Study(
        what=f"events of “{item}”",
        axis="events",
        make=lambda width, run: CountMin(width=width, depth=4, seed=run),
        size=512,
        sizes=(32, 64, 128, 256, 512, 1024, 2048),
        size_name="columns of each of 4 rows",
        items=stream.items,
        seed=seed,
        answer=lambda sketch: sketch.estimate(item),
        interval=lambda sketch: sketch.bounds(item),
        truth=truth,
        exact_bytes=stream.counts_bytes,
        trial=total,
        promise=lambda width: float(np.e) / width * total / max(1.0, truth(total)),
        promise_name="passed with a chance of 2 %",
    )
    return Chapter(
        id="count-min",
        part=_PART,
        title="Count-Min",
        theory="Each row of a table adds an event to one cell that a hash names, so a cell is never too small, and the smallest of an "
        "item's cells is rarely much too large.",
        guarantee="f ≤ estimate always; P(estimate - f ≥ ε N) ≤ (1 / (width · ε))^depth",
        reference="Cormode and Muthukrishnan, J. Algorithms 55 (2005); Estan and Varghese, SIGCOMM 2002.",
        plots=(*study.plots(), _every_item(stream, seed)),
        figures=(study.figure(),),
    )


def _every_item(stream: Stream, seed: int) -> Plot:
    """Return estimates against exact counts for items of all frequencies, plain and conservative."""
    order = np.argsort(-stream.counts, kind="stable")
    chosen = order[np.unique(np.geomspace(1, len(order), 150).astype(np.int64)) - 1]
    names = [stream.names[int(place)] for place in chosen]
    exact = tuple(float(stream.counts[place]) for place in chosen)
    curves = [Curve(name="exact", x=(min(exact), max(exact)), y=(min(exact), max(exact)), role=Role.TRUTH, shape="dashes")]
    for name, conservative, role in (("plain", False, Role.THIRD), ("conservative", True, Role.ESTIMATE)):
        sketch = CountMin(width=512, depth=4, seed=seed, conservative=conservative)
        sketch.update_batch(stream.items)
        estimates = tuple(sketch.estimate_batch(names).tolist())
        curves.append(Curve(name=name, x=exact, y=estimates, role=role, shape="points"))
    return Plot(
        topic=Topic.OTHER,
        caption="Estimates of items of all frequencies: never below the exact count, and closer with conservative update.",
        x_title="exact count",
        y_title="estimate",
        curves=tuple(curves),
        log_x=True,
        log_y=True,
    )


def _space_saving(stream: Stream, seed: int) -> Chapter:
    item = stream.ranked(_ASKED)
    study = Study(
        what=f"events of “{item}”",
        axis="events",
        make=lambda capacity, run: SpaceSaving(capacity, seed=run),
        certain=True,
        size=200,
        sizes=(25, 50, 100, 200, 400, 800),
        size_name="counters",
        items=stream.items,
        seed=seed,
        answer=lambda sketch: sketch.estimate(item),
        interval=lambda sketch: sketch.bounds(item),
        truth=_count_so_far(stream, item),
        exact_bytes=stream.counts_bytes,
        runs=3,
    )
    return Chapter(
        id="space-saving",
        part=_PART,
        title="Space-Saving",
        theory="An item without a counter takes over the smallest one, value and all, so what it may have too much is known, and every "
        "frequent item has a counter.",
        guarantee="count - error ≤ f ≤ count, error ≤ N / capacity: certain, for any stream and any tree of merges",
        reference="Metwally, Agrawal and El Abbadi, ICDT 2005; Agarwal et al., “Mergeable summaries”, PODS 2012.",
        plots=(*study.plots(), _top(stream, seed)),
        figures=(study.figure(),),
    )


def _top(stream: Stream, seed: int) -> Plot:
    sketch = SpaceSaving(100, seed=seed)
    sketch.update_batch(stream.items)
    counts = dict(zip(stream.names, stream.counts.tolist(), strict=True))
    top = sketch.top(_SHOWN)
    names = tuple(str(hitter.item) for hitter in top)
    exact = tuple(float(counts[name]) for name in names)
    high = tuple(hitter.high for hitter in top)
    low = tuple(hitter.low for hitter in top)
    return Plot(
        topic=Topic.OTHER,
        caption=f"The {len(names)} items with the largest of only 100 counters: what is certain at most and at least, and the exact count.",
        x_title="",
        y_title="events",
        wide=True,
        curves=(
            Curve(name="at most", x=names, y=high, role=Role.FAINT, shape="bars"),
            Curve(name="at least", x=names, y=low, role=Role.ESTIMATE, shape="bars"),
            Curve(name="exact", x=names, y=exact, role=Role.TRUTH, shape="points"),
        ),
    )


def _decayed_counts(stream: Stream, seed: int) -> Chapter:
    item = stream.burst
    half_life = max(200, len(stream) // 20)
    fade = 2.0 ** (-1.0 / half_life)
    faded = np.empty(len(stream))
    value = 0.0
    for place, hit in enumerate((stream.codes == stream.names.index(item)).tolist()):
        value = value * fade + hit
        faded[place] = value
    study = Study(
        what=f"decayed events of “{item}”",
        axis="decayed events",
        make=lambda capacity, run: DecayedCounts(half_life_ms=half_life * _STEP_MS, capacity=capacity, seed=run),
        certain=True,
        size=100,
        sizes=(5, 10, 20, 40, 80),
        size_name="counters",
        items=[(place * _STEP_MS, name) for place, name in enumerate(stream.items)],
        seed=seed,
        answer=lambda sketch: sketch.estimate(item),
        interval=lambda sketch: sketch.bounds(item),
        truth=lambda events: float(faded[events - 1]),
        exact_bytes=lambda events: stream.distinct_bytes(events) + 16 * stream.distinct(events),
        runs=3,
    )
    return Chapter(
        id="decayed-counts",
        part=_PART,
        title="Decaying counts",
        theory="An event is weighed once, when it comes, by 2^(t / half-life), and a question divides by the same at its own time, so all "
        "counters fade alike and Space-Saving works on them as on counts.",
        guarantee="count - error ≤ f(T) ≤ count, error ≤ D(T) / capacity, with D(T) the decayed total",
        reference="Cormode, Shkapenyuk, Srivastava and Xu, “Forward decay”, ICDE 2009; MMDS 4.7.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


CHAPTERS = (_count_min, _space_saving, _decayed_counts)

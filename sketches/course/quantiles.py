"""The chapter on quantiles.

Guarantee: the chapter is a function of the stream and the seed.

References: Karnin, Lang and Liberty, "Optimal quantile approximation in streams", FOCS 2016.
"""

from __future__ import annotations

import numpy as np

from sketches.course.chapter import Band, Chapter, Curve, Plot, Role, Topic
from sketches.course.stream import Stream
from sketches.course.study import Study
from sketches.quantiles import KllQuantiles

__all__ = ["CHAPTERS"]


def _kll(stream: Stream, seed: int) -> Chapter:
    values = stream.values
    threshold = float(np.sort(values)[len(values) // 2])
    below = np.cumsum(values <= threshold)
    study = Study(
        what=f"share of events with {stream.value_name} ≤ {threshold:g}",
        axis="share of events",
        make=lambda k, run: KllQuantiles(k=k, seed=run),
        size=200,
        sizes=(8, 16, 32, 64, 128, 256, 512),
        size_name="k, values of the highest level",
        items=values,
        seed=seed,
        answer=lambda sketch: sketch.rank(threshold),
        interval=lambda sketch: sketch.rank_bounds(threshold),
        truth=lambda events: float(below[events - 1]) / events,
        exact_bytes=lambda events: 8 * events,
    )
    return Chapter(
        id="kll",
        part="Quantiles",
        title="KLL",
        theory="A full level of values is sorted and every second one goes up a level, where it counts twice; a coin says which half, so "
        "the errors cancel out.",
        guarantee="|rank - true rank| ≤ √(2 V ln(2/δ)) / n but with probability δ, V = Σ 4^h · (halvings of level h)",
        reference="Karnin, Lang and Liberty, “Optimal quantile approximation in streams”, FOCS 2016.",
        plots=(*study.plots(), _distribution(stream, seed)),
        figures=(study.figure(),),
    )


def _distribution(stream: Stream, seed: int) -> Plot:
    sketch = KllQuantiles(k=200, seed=seed)
    sketch.update_batch(stream.values)
    ordered = np.sort(stream.values)
    ranks = tuple(number / 50.0 for number in range(1, 50))
    exact = tuple(float(ordered[max(0, int(np.ceil(rank * len(ordered))) - 1)]) for rank in ranks)
    bounds = [sketch.bounds(rank) for rank in ranks]
    return Plot(
        topic=Topic.OTHER,
        caption=f"Every quantile of “{stream.value_name}” at once: exact, estimated, and the 95 % bounds.",
        x_title="rank",
        y_title=stream.value_name,
        log_y=bool(ordered[0] > 0),
        band=Band(name="95 % bounds", x=ranks, low=tuple(one.low for one in bounds), high=tuple(one.high for one in bounds)),
        curves=(
            Curve(name="exact", x=ranks, y=exact, role=Role.TRUTH, shape="dashes"),
            Curve(name="estimate", x=ranks, y=tuple(sketch.estimate(rank) for rank in ranks), role=Role.ESTIMATE),
        ),
    )


CHAPTERS = (_kll,)

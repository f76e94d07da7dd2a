"""The experiment that most chapters share: one sketch beside the exact answer, over a stream, over sizes and over a merge.

The sketch takes the stream in chunks. At the end of each chunk it is asked for its estimate, its 95 % bounds and its memory, and the exact
answer, computed from everything so far, is set beside it. For the error against the size the same stream is taken by sketches of several
sizes, each under several seeds. For the merge, four sketches take a quarter of the stream each and are merged.

Guarantee: a study depends on its fields alone, so the same stream and seed give the same plots.

References: Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", AofA 2007, for judging a
sketch by its relative error over runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

from sketches.contract import Bounds, Sketch
from sketches.course.chapter import Band, Curve, Figure, Plot, Role, Topic

__all__ = ["CONFIDENCE", "Study", "relative_error"]

S = TypeVar("S", bound=Sketch)
CONFIDENCE = 0.95
_STEPS = 40
_PARTS = 4


def relative_error(estimate: float, truth: float) -> float:
    """Return how far an estimate is off, as a share of the truth (in full units where the truth is 0).

    >>> relative_error(110.0, 100.0), relative_error(2.0, 0.0)
    (0.1, 2.0)
    """
    return abs(estimate - truth) / (abs(truth) or 1.0)


def _take_batch(sketch: Sketch, items: Any) -> None:
    sketch.update_batch(items)


# What `estimate` and `bounds` take is each sketch's own, so the contract does not declare them; a study asks nothing unless told to.
def _estimate(sketch: Any) -> float:
    found: float = sketch.estimate()
    return found


def _bounds(sketch: Any) -> Bounds:
    found: Bounds = sketch.bounds()
    return found


@dataclass(frozen=True, kw_only=True)
class Study(Generic[S]):
    """One sketch, one question, one stream."""

    what: str
    """What is estimated, as a noun."""
    axis: str
    """The same, short enough to stand along an axis."""
    make: Callable[[int, int], S]
    """Return an empty sketch of a size and a seed."""
    size: int
    sizes: tuple[int, ...]
    size_name: str
    items: Any
    """A sequence, or an array."""
    seed: int
    truth: Callable[[int], float]
    """The exact answer for the first n items."""
    exact_bytes: Callable[[int], int]
    """Bytes the exact answer needs to remember of the first n items, without any overhead."""
    answer: Callable[[S], float] = _estimate
    interval: Callable[[S], Bounds] = _bounds
    unit: str = "events"
    """What the stream is a stream of."""
    log: bool = False
    """Whether the answer over the stream is drawn on a logarithmic axis, as wide bounds need it."""
    certain: bool = False
    """Whether the bounds hold for certain, and not only with the confidence."""
    feed: Callable[[S, Any], None] = _take_batch
    """Give a part of the items to a sketch."""
    runs: int = 5
    trial: int = 10_000
    """Items that every run of the error against the size takes."""
    checks: int = 1
    """How often a run is asked; its error is the mean."""
    promise: Callable[[int], float] | None = None
    """The error that the theory states for a size."""
    promise_name: str = "theory"

    def plots(self) -> tuple[Plot, ...]:
        """Return the four pictures."""
        return *self.over_time(), self.error_against_size(), self.merge()

    def figure(self) -> Figure:
        """Return what stands at the end of the stream."""
        sketch, count = self._filled(self.items), len(self.items)
        low, high = self.interval(sketch)
        return Figure(
            what=self.what,
            estimate=self.answer(sketch),
            truth=self.truth(count),
            low=low,
            high=high,
            memory_bytes=sketch.memory_bytes,
            exact_bytes=self.exact_bytes(count),
        )

    def _filled(self, items: Sequence[Any]) -> S:
        sketch = self.make(self.size, self.seed)
        self.feed(sketch, items)
        return sketch

    def over_time(self) -> tuple[Plot, Plot]:
        """Return estimate, bounds and truth over the stream, and the memory beside it."""
        sketch = self.make(self.size, self.seed)
        places = _places(len(self.items), _STEPS)
        estimates, truths, lows, highs, memory, exact = [], [], [], [], [], []
        before = 0
        for place in places:
            self.feed(sketch, self.items[before:place])
            before = place
            bounds = self.interval(sketch)
            estimates.append(self.answer(sketch))
            truths.append(self.truth(place))
            lows.append(bounds.low)
            highs.append(bounds.high)
            memory.append(float(sketch.memory_bytes))
            exact.append(float(self.exact_bytes(place)))
        x = tuple(float(place) for place in places)
        bounds_name = "certain bounds" if self.certain else "95 % bounds"
        time = Plot(
            topic=Topic.TIME,
            caption=f"{self.what[:1].upper()}{self.what[1:]}: the exact answer, the estimate and its {bounds_name} over the stream.",
            x_title=self.unit,
            y_title=self.axis,
            log_y=self.log,
            band=Band(name=bounds_name, x=x, low=tuple(lows), high=tuple(highs)),
            curves=(
                Curve(name="exact", x=x, y=tuple(truths), role=Role.TRUTH, shape="dashes"),
                Curve(name="estimate", x=x, y=tuple(estimates), role=Role.ESTIMATE),
            ),
        )
        return time, memory_plot(x, memory, exact, self.unit)

    def error_against_size(self) -> Plot:
        """Return the error of several sizes, each under several seeds."""
        points_x, points_y, means = [], [], []
        for size in self.sizes:
            errors = [self._error(size, self.seed + run) for run in range(1, self.runs + 1)]
            points_x += [float(size)] * self.runs
            points_y += errors
            means.append(sum(errors) / len(errors))
        sizes = tuple(float(size) for size in self.sizes)
        curves = [
            Curve(name="runs", x=tuple(points_x), y=tuple(points_y), role=Role.FAINT, shape="points"),
            Curve(name="mean of the runs", x=sizes, y=tuple(means), role=Role.ESTIMATE),
        ]
        if self.promise is not None:
            promised = tuple(self.promise(size) for size in self.sizes)
            curves.append(Curve(name=self.promise_name, x=sizes, y=promised, role=Role.PROMISE, shape="dashes"))
        runs = f"{self.runs} seeds for each size" if self.runs > 1 else "one run for each size"
        return Plot(
            topic=Topic.ERROR,
            caption=f"How far the estimate is off, as a share of the truth, against {self.size_name}: {runs}.",
            x_title=self.size_name,
            y_title="relative error",
            curves=tuple(curves),
            log_x=True,
        )

    def _error(self, size: int, seed: int) -> float:
        sketch = self.make(size, seed)
        errors, before = [], 0
        for place in _places(min(self.trial, len(self.items)), self.checks):
            self.feed(sketch, self.items[before:place])
            before = place
            errors.append(relative_error(self.answer(sketch), self.truth(place)))
        return sum(errors) / len(errors)

    def merge(self) -> Plot:
        """Return what four parts of the stream say, and their merge."""
        count = len(self.items)
        cuts = [0, *_places(count, _PARTS)]
        parts = [self._filled(self.items[start:end]) for start, end in pairwise(cuts)]
        answers = [self.answer(part) for part in parts]
        merged = self.make(self.size, self.seed)
        for part in parts:
            merged.merge(part)
        return merge_plot(self.axis, answers, self.answer(merged), self.answer(self._filled(self.items)), self.truth(count))


_MEMORY = "Bytes remembered by the sketch and by the exact answer, without the overhead of the language."


def memory_plot(
    x: tuple[float, ...], memory: Sequence[float], exact: Sequence[float], x_title: str = "events", caption: str = _MEMORY
) -> Plot:
    """Return the picture of what the sketch and the exact answer remember."""
    return Plot(
        topic=Topic.MEMORY,
        caption=caption,
        x_title=x_title,
        y_title="bytes",
        log_y=True,
        curves=(
            Curve(name="exact", x=x, y=tuple(exact), role=Role.TRUTH, shape="dashes"),
            Curve(name="sketch", x=x, y=tuple(memory), role=Role.ESTIMATE),
        ),
    )


_MERGED = "Four sketches of a quarter of the stream each, their merge, one sketch of the whole stream, and the exact answer."


def merge_plot(what: str, parts: Sequence[float], merged: float, single: float, truth: float, caption: str = _MERGED) -> Plot:
    """Return the picture of the parts of a stream, their merge, one sketch of the whole stream, and the truth."""
    names = tuple(f"part {number}" for number in range(1, len(parts) + 1))
    return Plot(
        topic=Topic.MERGE,
        caption=caption,
        x_title="",
        y_title=what,
        curves=(
            Curve(name="parts", x=names, y=tuple(parts), role=Role.FAINT, shape="bars"),
            Curve(name="sketches of everything", x=("merged", "one sketch"), y=(merged, single), role=Role.ESTIMATE, shape="bars"),
            Curve(name="exact", x=("exact",), y=(truth,), role=Role.TRUTH, shape="bars"),
        ),
    )


def _places(count: int, steps: int) -> list[int]:
    """Return the ends of equal steps, without those before the first item; of nothing, the one end that it has."""
    return sorted({count * step // steps for step in range(1, steps + 1)} - {0}) or [0]

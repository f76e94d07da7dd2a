"""Chapters on sliding windows: exact, and in logarithmic memory.

Guarantee: each chapter is a function of the stream and the seed.

References: Datar, Gionis, Indyk and Motwani, "Maintaining stream statistics over sliding windows", SIAM J. Computing 31 (2002).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketches.course.chapter import Chapter
from sketches.course.stream import Stream
from sketches.course.study import Study
from sketches.dgim import Dgim, DgimSum
from sketches.sliding import ExactSlidingCounter, SlidingCounter

__all__ = ["CHAPTERS"]

_PART = "Sliding windows"
_BITS = 12
_SHOWN = 10
"""One over the error of the counter that is shown."""


def _window(stream: Stream) -> int:
    return max(200, len(stream) // 16)


def _ticked(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return each value with its tick, so that the parts of a stream keep their places in time."""
    return list(enumerate(values.tolist(), start=1))


def _feed(counter: SlidingCounter, part: Sequence[Any]) -> None:
    columns = np.asarray(part, dtype=np.int64)
    counter.update_batch_at(columns[:, 0], columns[:, 1])


def _within(values: NDArray[np.int64], window: int) -> Callable[[int], float]:
    """Return the exact sum of the last `window` of the first n values, as a function of n."""
    sums = np.concatenate(([0], np.cumsum(values)))
    return lambda events: float(sums[events] - sums[max(0, events - window)])


def _study(
    seed: int,
    values: NDArray[np.int64],
    truth: Callable[[int], float],
    make: Callable[[int, int], SlidingCounter],
    *,
    what: str,
    axis: str,
    exact_bytes: Callable[[int], int],
    trial: int,
) -> Study[SlidingCounter]:
    """Return the study of a counter that `make` builds for one over the error that it promises."""
    return Study(
        what=what,
        axis=axis,
        make=make,
        size=_SHOWN,
        sizes=(2, 4, 8, 16, 32, 64),
        size_name="1 / promised error",
        items=_ticked(values),
        feed=_feed,
        certain=True,
        seed=seed,
        truth=truth,
        exact_bytes=exact_bytes,
        runs=1,
        trial=trial,
        checks=50,
        promise=lambda size: 1.0 / size,
        promise_name="promised at most",
    )


def _burst_study(stream: Stream, seed: int, make: Callable[[int, int], SlidingCounter]) -> Study[SlidingCounter]:
    """Return the study of the window's events of the item that comes in a burst."""
    window, item = _window(stream), stream.burst
    values = (stream.codes == stream.names.index(item)).astype(np.int64)
    ones = _within(values, window)
    return _study(
        seed,
        values,
        ones,
        make,
        what=f"“{item}” among the last {window:,} events",
        axis="events in the window",
        exact_bytes=lambda events: int(8 + 16 * ones(events)),
        trial=len(stream),
    )


def _exact(stream: Stream, seed: int) -> Chapter:
    study = _burst_study(stream, seed, lambda _, run: ExactSlidingCounter(window=_window(stream)))
    time, memory = study.over_time()
    return Chapter(
        id="exact-sliding-counter",
        part=_PART,
        title="Exact sliding counter",
        theory="Every tick of the window with something in it is kept, so every suffix can be answered without error: the oracle that "
        "the next two are held to.",
        guarantee="estimate(last) = Σ of the values at the last ticks, exactly; memory = 16 bytes for each tick with a value",
        reference="Datar, Gionis, Indyk and Motwani, SIAM J. Computing 31 (2002), section 2: no exact counter needs fewer than N bits.",
        plots=(time, memory, study.merge()),
        figures=(study.figure(),),
    )


def _dgim(stream: Stream, seed: int) -> Chapter:
    study = _burst_study(stream, seed, lambda size, run: Dgim(window=_window(stream), error=1.0 / size))
    return Chapter(
        id="dgim",
        part=_PART,
        title="DGIM",
        theory="Ones stand in buckets whose sizes are powers of two, few of each size; a window cuts at most one bucket, the oldest, and "
        "half of it is counted.",
        guarantee="|estimate - truth| ≤ error · truth, certain, for every stream and every suffix of the window",
        reference="Datar, Gionis, Indyk and Motwani, SIAM J. Computing 31 (2002); MMDS 4.6.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _dgim_sum(stream: Stream, seed: int) -> Chapter:
    window = _window(stream)
    values = np.clip(np.round(np.abs(stream.values)), 0, 2**_BITS - 1).astype(np.int64)
    study = _study(
        seed,
        values,
        _within(values, window),
        lambda size, run: DgimSum(window=window, error=1.0 / size, bits=_BITS),
        what=f"sum of “{stream.value_name}” over the last {window:,} events",
        axis="sum in the window",
        exact_bytes=lambda events: 8 + 16 * min(events, window),
        trial=min(len(stream), 20_000),
    )
    return Chapter(
        id="dgim-sum",
        part=_PART,
        title="DGIM for sums",
        theory=f"One counter of ones for each of {_BITS} binary digits; the error of a sum of non-negative terms is no larger than that of "
        "its worst term.",
        guarantee="|estimate - truth| ≤ error · truth, certain; memory O(bits · log(window) / error)",
        reference="Datar, Gionis, Indyk and Motwani, SIAM J. Computing 31 (2002), section 4; MMDS 4.6.6.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


CHAPTERS = (_exact, _dgim, _dgim_sum)

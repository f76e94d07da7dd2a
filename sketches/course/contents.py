"""The chapters of the course, in order: sampling, membership, distinct counts, frequencies, windows, moments, graphs, likeness, quantiles.

Guarantee: the chapters are a function of the stream and the seed.

References: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", 3rd edition, Cambridge 2020, chapters 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sketches.course import distinct, frequency, graph, membership, moments, quantiles, sampling, similarity, windows
from sketches.course.chapter import Chapter
from sketches.course.stream import Stream

__all__ = ["COURSE", "chapters"]

Maker = Callable[[Stream, int], Chapter]

COURSE: tuple[Maker, ...] = (
    *sampling.CHAPTERS,
    *membership.CHAPTERS,
    *distinct.CHAPTERS,
    *frequency.CHAPTERS,
    *windows.CHAPTERS,
    *moments.CHAPTERS,
    *graph.CHAPTERS,
    *similarity.CHAPTERS,
    *quantiles.CHAPTERS,
)


def chapters(stream: Stream, seed: int) -> Iterator[Chapter]:
    """Yield the chapters one by one, `len(COURSE)` of them; each takes a second or two."""
    for make in COURSE:
        yield make(stream, seed)

"""Chapters on counting distinct items.

Guarantee: each chapter is a function of the stream and the seed.

References: Flajolet and Martin, JCSS 31 (1985); Flajolet, Fusy, Gandouet and Meunier, AofA 2007; Ertl, arXiv 1702.01284 (2017).
"""

from __future__ import annotations

from collections.abc import Callable

from sketches.contract import Sketch
from sketches.course.chapter import Chapter
from sketches.course.stream import Stream
from sketches.course.study import Study
from sketches.flajolet_martin import FlajoletMartin
from sketches.hyperloglog import HyperLogLog

__all__ = ["CHAPTERS"]

_PART = "Counting distinct items"


def _study(
    stream: Stream, seed: int, make: Callable[[int, int], Sketch], *, size: int, sizes: tuple[int, ...], size_name: str, error: float
) -> Study[Sketch]:
    """Return the study of a sketch whose standard error is `error` over the root of its size."""
    return Study(
        what="distinct items",
        axis="distinct items",
        make=make,
        size=size,
        sizes=sizes,
        size_name=size_name,
        items=stream.items,
        seed=seed,
        truth=stream.distinct,
        exact_bytes=stream.distinct_bytes,
        promise=lambda cells: error / cells**0.5,
        promise_name="standard error",
    )


def _flajolet_martin(stream: Stream, seed: int) -> Chapter:
    sizes = (16, 32, 64, 128, 256, 512, 1024)
    study = _study(
        stream, seed, lambda maps, run: FlajoletMartin(maps=maps, seed=run), size=256, sizes=sizes, size_name="bit maps", error=0.78
    )
    return Chapter(
        id="flajolet-martin",
        part=_PART,
        title="Flajolet\N{EN DASH}Martin",
        theory="Half of all hashes end in 1, a quarter in 10, an eighth in 100, so the shortest ending that never came tells how many "
        "distinct items did; many small maps are averaged.",
        guarantee="standard error = 0.78 / √m of n, for m maps of 8 bytes and n ≥ 10 m",
        reference="Flajolet and Martin, “Probabilistic counting algorithms for data base applications”, JCSS 31 (1985); MMDS 4.4.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


def _hyperloglog(stream: Stream, seed: int) -> Chapter:
    sizes = (16, 32, 64, 128, 256, 512, 1024, 2048)

    def make(registers: int, run: int) -> HyperLogLog:
        return HyperLogLog(precision=registers.bit_length() - 1, seed=run)

    study = _study(stream, seed, make, size=1024, sizes=sizes, size_name="registers", error=1.04)
    return Chapter(
        id="hyperloglog",
        part=_PART,
        title="HyperLogLog",
        theory="Each register keeps only the longest run of zeros among its hashes, a number that fits a byte, and all registers "
        "together tell n by Ertl's estimator, without tables and from the first item on.",
        guarantee="standard error = 1.04 / √m of n, for m registers of one byte",
        reference="Flajolet, Fusy, Gandouet and Meunier, “HyperLogLog”, AofA 2007; Ertl, arXiv 1702.01284 (2017); MMDS 4.4.",
        plots=study.plots(),
        figures=(study.figure(),),
    )


CHAPTERS = (_flajolet_martin, _hyperloglog)

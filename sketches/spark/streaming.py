"""The sketch of a stream: each micro-batch is aggregated, and counts once however often it is handed out.

Structured Streaming hands the newest micro-batch out again after a crash. Here it replaces what it gave the first time, so sums stay sums.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

from pyspark.sql import DataFrame

from sketches.contract import Sketch
from sketches.deltas import Deltas
from sketches.spark.aggregate import aggregate

__all__ = ["SketchStream"]

S = TypeVar("S", bound=Sketch)


class SketchStream(Generic[S]):
    """What a streaming query calls with each micro-batch: `frame.writeStream.foreachBatch(stream).start()`.

    The state is a file, replaced in one step after each micro-batch; keep it as long as the query's checkpoint, and on a disk that outlives
    the driver.
    """

    def __init__(self, empty: S, columns: str | Sequence[str], path: Path) -> None:
        """Go on from the file, or begin.

        Args:
            empty: a sketch of the wanted parameters that has taken nothing in.
            columns: as for `sketches.spark.aggregate`.
            path: of the state.

        Raises:
            StateError: the file is damaged or newer.
            SketchMismatchError: it holds a sketch of other parameters.
        """
        self._empty = empty.clone()
        self._columns = columns
        self._path = path
        self._deltas = Deltas(empty)
        if path.exists():
            self._deltas.restore(path.read_bytes())

    def __call__(self, frame: DataFrame, batch: int) -> None:
        """Take a micro-batch in."""
        self._deltas.put(batch, 0, aggregate(frame, self._columns, self._empty))
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            file.write(self._deltas.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def total(self) -> S:
        """Return the sketch of everything taken in."""
        return self._deltas.total()

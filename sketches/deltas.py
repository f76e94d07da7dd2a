"""Additive sketches fed by a stage that may replay: each batch of each partition counts once.

A structured stream hands the newest batch out again after a crash. A sum of counts would then count it twice, so the newest batch of every
partition is kept apart: handed in again it replaces itself; once the next one comes, it is taken in for good.

Guarantee: after any sequence of calls in which a partition's batches never go back by more than one, the total is the merge of one sketch
per (batch, partition), the last one handed in. A batch older than the open one was counted, and is left out.

All parts share parameters and seed, or they would not merge. So a sketch that draws at random must mix what it saw into its draws, as those
of this room do: drawn from the seed alone, all batches would draw alike.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from sketches.contract import Sketch
from sketches.frame import pack, unpack
from veilocity.errors import StateError

__all__ = ["Deltas"]

S = TypeVar("S", bound=Sketch)
_KIND, _VERSION = b"DLTA", 1


class _Saved(msgspec.Struct, array_like=True):
    settled: bytes
    open_batches: dict[int, tuple[int, bytes]]


class Deltas(Generic[S]):
    """A sketch of a stream, exact under replay of the newest batch.

    >>> from sketches.frequency import CountMin
    >>> total = Deltas(CountMin(width=64, depth=4, seed=1))
    >>> for batch in (0, 1, 1):  # the second batch is replayed
    ...     part = total.empty()
    ...     part.update_batch(["coffee", "tea"])
    ...     assert total.put(batch, 0, part)
    >>> total.total().estimate("coffee")
    2.0
    """

    def __init__(self, empty: S) -> None:
        """Start with nothing counted.

        Args:
            empty: a sketch of the wanted parameters that has taken nothing in.
        """
        self._empty = empty.to_bytes()
        self._type = type(empty)
        self._settled = empty.clone()
        self._open: dict[int, tuple[int, S]] = {}

    def empty(self) -> S:
        """Return a sketch for the next batch."""
        return self._type.from_bytes(self._empty)

    def put(self, batch: int, partition: int, delta: S) -> bool:
        """Take in what one batch of one partition holds; return whether it counts (an older batch was counted before).

        Raises:
            SketchMismatchError: other parameters than the total's.
        """
        self.empty().merge(delta)
        known = self._open.get(partition)
        if known is not None and batch < known[0]:
            return False
        if known is not None and batch > known[0]:
            self._settled.merge(known[1])
        self._open[partition] = (batch, delta.clone())
        return True

    def total(self) -> S:
        """Return the sketch of everything that counts."""
        merged = self._settled.clone()
        for partition in sorted(self._open):
            merged.merge(self._open[partition][1])
        return merged

    def to_bytes(self) -> bytes:
        """Return the state as bytes."""
        open_batches = {partition: (batch, delta.to_bytes()) for partition, (batch, delta) in sorted(self._open.items())}
        return pack(_KIND, _VERSION, msgspec.msgpack.encode(_Saved(self._settled.to_bytes(), open_batches)))

    def restore(self, data: bytes) -> None:
        """Go on from what `to_bytes` wrote.

        Raises:
            StateError: damaged, newer, or no such state.
            SketchMismatchError: of another sketch than this one's.
        """
        try:
            saved = msgspec.msgpack.decode(unpack(data, _KIND, _VERSION), type=_Saved)
        except msgspec.MsgspecError as cause:
            raise StateError("saved deltas do not decode: restore them from their last snapshot") from cause
        settled = self._type.from_bytes(saved.settled)
        self.empty().merge(settled)
        self._settled = settled
        self._open = {partition: (batch, self._type.from_bytes(delta)) for partition, (batch, delta) in saved.open_batches.items()}

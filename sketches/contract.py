"""What every sketch promises: one contract for sampling, membership, counting, windows, moments, graphs, similarity and quantiles.

    update, update_batch    take one item, or a column (any iterable, a NumPy array, an Arrow column without its nulls)
    merge                   take in another sketch; refused with a sentence unless all parameters, seed and hash agree
    estimate, bounds        the answer, and the interval that holds the truth with a given confidence
    to_bytes, from_bytes    equal sketches, equal bytes, on every machine; damaged, foreign and newer bytes are refused
    memory_bytes            what it holds in memory, without Python's own overhead
    repeats                 whether taking the same in twice is harmless (a maximum, an "or", a minimum) or counts twice (a sum)

A sketch whose repeats count twice must not be fed by a stage that may replay: `sketches.deltas` keeps one such sketch per batch and
partition, and counts each once.

What is asked of a sketch differs: a counter is asked nothing, a frequency table for an item, a sample for its members. So `estimate` and
`bounds` take what the sketch's own documentation says; `bounds` always takes `confidence`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, Self

import msgspec

from sketches.frame import pack, unpack
from sketches.hashing import Column, as_items
from veilocity.errors import SketchMismatchError, StateError

__all__ = ["Bounds", "Parameters", "Repeats", "Sketch", "normal_quantile", "require_confidence"]


class Repeats(StrEnum):
    """What happens when the same item, or the same sketch, is taken in twice."""

    HARMLESS = "harmless"
    """Nothing: a replayed batch may be merged again."""
    COUNTED = "counted"
    """It counts twice: keep one sketch per batch and partition (`sketches.deltas`)."""


class Bounds(NamedTuple):
    """An interval that holds the true value with the confidence that was asked for."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        """Say whether a value lies in the interval, its ends included.

        >>> 3 in Bounds(1.0, 3.0)
        True
        """
        return isinstance(value, int | float) and self.low <= value <= self.high


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """What two sketches must share to be merged; a sketch has its own subclass, with its seed in it."""


class _Saved(msgspec.Struct, array_like=True):
    hash_name: str
    parameters: msgspec.Raw
    content: msgspec.Raw


class Sketch(ABC):
    """One streaming algorithm: fixed memory, one pass.

    A subclass states `kind` (four letters), `layout` (raised when its content changes), `repeats`, `hash_name` (empty where nothing is
    hashed) and its parameters' type, and implements `update`, `_join`, `_content`, `_restore` and `memory_bytes`.
    """

    __slots__ = ("parameters",)

    kind: ClassVar[bytes]
    layout: ClassVar[int] = 1
    repeats: ClassVar[Repeats]
    hash_name: ClassVar[str] = ""
    parameter_type: ClassVar[type[Parameters]]

    parameters: Any
    """An instance of `parameter_type`."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters

    @abstractmethod
    def update(self, item: Any) -> None:
        """Take one item."""

    def update_batch(self, column: Column) -> None:
        """Take a column; the same as each of its items one by one, in order."""
        for item in as_items(column):
            self.update(item)

    def merge(self, other: Self) -> None:
        """Take in another sketch of the same kind, parameters, seed and hash; it stays as it is.

        Raises:
            SketchMismatchError: they differ; the message says in what.
        """
        if type(other) is not type(self):
            raise SketchMismatchError(f"a {type(self).__name__} merges only with its like: got a {type(other).__name__}")
        for name in self.parameters.__struct_fields__:
            own, theirs = getattr(self.parameters, name), getattr(other.parameters, name)
            if own != theirs:
                raise SketchMismatchError(
                    f"two sketches of kind {type(self).__name__} differ in {name} ({own!r} and {theirs!r}): build both with the same one"
                )
        self._join(other)

    @abstractmethod
    def _join(self, other: Self) -> None:
        """Take in a sketch that fits."""

    def to_bytes(self) -> bytes:
        """Return the sketch as bytes; equal sketches give equal bytes."""
        encode = msgspec.msgpack.encode
        return pack(self.kind, self.layout, encode([self.hash_name, encode_raw(self.parameters), encode_raw(self._content())]))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the sketch that `to_bytes` wrote.

        Raises:
            StateError: damaged, cut, of a newer layout or of another kind.
            SketchMismatchError: built with another hash function.
        """
        try:
            saved = msgspec.msgpack.decode(unpack(data, cls.kind, cls.layout), type=_Saved)
            if saved.hash_name != cls.hash_name:
                raise SketchMismatchError(f"the sketch was built with the hash {saved.hash_name!r}, this program uses {cls.hash_name!r}")
            parameters = msgspec.msgpack.decode(saved.parameters, type=cls.parameter_type)
            return cls._restore(parameters, saved.content)
        except (msgspec.MsgspecError, ValueError, OverflowError) as cause:
            raise StateError(f"a saved {cls.__name__} does not decode: restore it from its last snapshot") from cause

    @abstractmethod
    def _content(self) -> object:
        """Return what is remembered, as msgspec can write it; equal for equal sketches."""

    @classmethod
    @abstractmethod
    def _restore(cls, parameters: Any, content: msgspec.Raw) -> Self:
        """Return the sketch of parameters and written content.

        Raises:
            msgspec.MsgspecError, ValueError: the content does not fit.
        """

    def clone(self) -> Self:
        """Return an independent copy."""
        return self.from_bytes(self.to_bytes())

    @property
    @abstractmethod
    def memory_bytes(self) -> int:
        """Bytes of what is remembered."""


def encode_raw(value: object) -> msgspec.Raw:
    """Return a value as MessagePack that is put into a larger one as it is."""
    return msgspec.Raw(msgspec.msgpack.encode(value))


def require_confidence(confidence: float) -> None:
    """Refuse what is no confidence.

    Raises:
        SketchMismatchError: not between 0 and 1.

    >>> require_confidence(0.95)
    """
    if not 0.0 < confidence < 1.0:
        raise SketchMismatchError("a confidence lies between 0 and 1")


def normal_quantile(confidence: float) -> float:
    """Return how many standard deviations to both sides of the mean hold a normal variable with this confidence.

    Raises:
        SketchMismatchError: not between 0 and 1.

    >>> round(normal_quantile(0.95), 2)
    1.96
    """
    from statistics import NormalDist  # noqa: PLC0415  # two milliseconds of import that who never asks for bounds need not wait

    require_confidence(confidence)
    return NormalDist().inv_cdf((1.0 + confidence) / 2.0)

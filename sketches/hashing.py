"""Stable 64-bit hashes of items, one at a time or a column at once: the same on every machine, in every process and in every release.

Python's own `hash` differs between processes, so sketches that were built with it on two executors could not be merged. Here text and bytes
go through XXH3 (64 bits), numbers through their 64 bits; then the SplitMix64 finaliser takes in what kind of item it is and the sketch's
seed. So 1, 1.0, "1" and b"1" are four items, and the same item has independent hashes under two seeds.

Guarantee: h(x, s) depends on kind and value of x and on s alone (tests/unit/data holds golden values). Two different items collide with a
probability of about 2^-64 as long as nobody chooses them to: who must resist an attacker hands in keyed digests instead of raw ids.

References: Collet, XXH3 (xxhash 0.8); Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
import pyarrow
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from veilocity.errors import SketchMismatchError

__all__ = ["HASH_NAME", "Column", "Hashes", "Item", "as_items", "hash_column", "hash_item", "mix64", "mix_column"]

HASH_NAME = "xxh3-64/splitmix64"
"""Written into every sketch that hashes; another name never merges with this one."""

Item = bytes | str | int | float
"""What a sketch can count. A number must fit 64 bits."""
Column: TypeAlias = "Iterable[Item] | NDArray[Any] | pyarrow.Array[Any] | pyarrow.ChunkedArray[Any]"
"""Many items: any iterable of them, a NumPy array, or an Arrow column, whose nulls are left out."""
Hashes = NDArray[np.uint64]

_MASK = 2**64 - 1
_BYTES, _TEXT, _INTEGER, _REAL = (0x9E3779B97F4A7C15 * step & _MASK for step in (1, 2, 3, 4))
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_double, _word = struct.Struct("<d").pack, struct.Struct("<Q").unpack


def mix64(value: int) -> int:
    """Return the SplitMix64 finaliser of a 64-bit number: a bijection whose every output bit depends on every input bit.

    >>> hex(mix64(1))
    '0x5692161d100b05e5'
    """
    value = (value ^ value >> 30) * _FIRST & _MASK
    value = (value ^ value >> 27) * _SECOND & _MASK
    return value ^ value >> 31


def mix_column(values: Hashes) -> Hashes:
    """Return `mix64` of each number of an array, which is overwritten.

    >>> bool(mix_column(np.array([1], dtype=np.uint64))[0] == mix64(1))
    True
    """
    values ^= values >> np.uint64(30)
    values *= np.uint64(_FIRST)
    values ^= values >> np.uint64(27)
    values *= np.uint64(_SECOND)
    values ^= values >> np.uint64(31)
    return values


def hash_item(item: Item, seed: int) -> int:
    """Return the hash of one item, 0 to 2^64 - 1.

    Raises:
        SketchMismatchError: a type that has no stable hash, or a number beyond 64 bits.

    >>> len({hash_item(item, 0) for item in (1, 1.0, "1", b"1")}), hash_item("1", 0) == hash_item("1", 1)
    (4, False)
    """
    return mix64(_raw(item) ^ _of_seed(seed))


def hash_column(column: Column, seed: int) -> Hashes:
    """Return the hashes of a column; element for element what `hash_item` returns.

    Raises:
        SketchMismatchError: as `hash_item`.

    >>> bool(hash_column(["a", "b"], 7)[1] == hash_item("b", 7))
    True
    """
    raw = _raw_column(as_items(column))
    raw ^= np.uint64(_of_seed(seed))
    return mix_column(raw)


def as_items(column: Column) -> Sequence[Item] | NDArray[Any]:
    """Return a column as a list or as an array of numbers, without its nulls."""
    if isinstance(column, np.ndarray):
        return column.tolist() if column.dtype.kind in "OSU" else column
    if not isinstance(column, pyarrow.Array | pyarrow.ChunkedArray):
        return column if isinstance(column, Sequence) else list(column)
    known: Any = column.drop_null()
    if pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
        return np.asarray(known)
    items: list[Item] = known.to_pylist()
    return items


def _of_seed(seed: int) -> int:
    return mix64(seed + 1 & _MASK)


def _raw(item: Item) -> int:
    """Return the 64 bits of an item before it is mixed with the seed."""
    if isinstance(item, str):
        return xxh3_64_intdigest(item.encode("utf-8", "surrogatepass")) ^ _TEXT
    if isinstance(item, bytes):
        return xxh3_64_intdigest(item) ^ _BYTES
    if isinstance(item, bool | np.bool_):
        raise SketchMismatchError("a truth value is not an item: hand in a number or a name")
    if isinstance(item, int | np.integer):
        if not -(2**63) <= item < 2**64:
            raise SketchMismatchError("a number has more than 64 bits: hand it in as text")
        return int(item) & _MASK ^ _INTEGER
    if isinstance(item, float | np.floating):
        return int(_word(_double(_canonical(float(item))))[0]) ^ _REAL
    raise SketchMismatchError(f"a {type(item).__name__} has no stable hash: hand in text, bytes or a number")


def _canonical(value: float) -> float:
    """Let both zeros be one item, and every NaN be one."""
    return math.nan if value != value else value + 0.0  # noqa: PLR0124  # only NaN differs from itself


def _raw_column(items: Sequence[Item] | NDArray[Any]) -> Hashes:
    if isinstance(items, np.ndarray):
        if items.dtype.kind in "iu":
            return items.astype(np.int64 if items.dtype.kind == "i" else np.uint64).view(np.uint64) ^ np.uint64(_INTEGER)
        if items.dtype.kind == "f":
            values = items.astype(np.float64) + 0.0
            values[np.isnan(values)] = math.nan
            return values.view(np.uint64) ^ np.uint64(_REAL)
        raise SketchMismatchError(f"a column of {items.dtype} has no stable hash: hand in text, bytes or numbers")
    kinds: set[Any] = set(map(type, items))
    if kinds == {int}:
        with suppress(OverflowError):
            return np.array(items, dtype=np.int64).view(np.uint64) ^ np.uint64(_INTEGER)
    if kinds in ({str}, {bytes}):
        # A map of C functions: no byte code runs for an item.
        known: Any = map(str.encode, items) if kinds == {str} else items  # type: ignore[arg-type]  # all of them are text
        with suppress(UnicodeEncodeError):
            hashed = np.fromiter(map(xxh3_64_intdigest, known), dtype=np.uint64, count=len(items))
            hashed ^= np.uint64(_TEXT if kinds == {str} else _BYTES)
            return hashed
    return np.fromiter(map(_raw, items), dtype=np.uint64, count=len(items))

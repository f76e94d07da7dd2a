"""The hashes under every sketch: stable, the same one by one and at once, and different for different kinds of items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sketches.hashing import Item, as_items, hash_column, hash_item, mix64
from veilocity.errors import SketchMismatchError

GOLDEN = Path(__file__).parent / "data" / "hashes.json"
ITEMS: list[Item] = ["", "a", "Zoë", "\ud800", b"", b"a", 0, 1, -1, 2**63, -(2**63), 2**64 - 1, 0.0, 1.0, -1.5, float("inf"), float("nan")]


def test_hashes_are_those_of_every_machine_and_release() -> None:
    found = {f"{item!r} {seed}": f"{hash_item(item, seed):016x}" for item in ITEMS for seed in (0, 1, 2**64 - 1)}
    assert found == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(
    "column",
    [
        ["a", "Zoë", ""],
        ["a", "\ud800"],
        [b"a", b"\xff"],
        [1, -5, 2**63],
        ["a", 1, 2.0, b"a"],
        [1.5, 0.0, float("nan")],
        [],
        np.array([1, -2], dtype=np.int32),
        np.array([1, 2**63], dtype=np.uint64),
        np.array([1.5, -0.0, np.nan]),
        np.array([0.5], dtype=np.float32),
        np.array(["x", "yy"]),
        np.array(["x", 3], dtype=object),
        pa.array(["x", None, "y"]),
        pa.array([1, None, -3]),
        pa.array([1.5, None]),
        pa.array([b"x", None]),
        pa.chunked_array([[1, 2], [3]]),
    ],
    ids=str,
)
def test_a_column_has_the_hashes_of_its_items(column: Any) -> None:
    items = as_items(column)
    assert hash_column(column, 9).tolist() == [hash_item(item, 9) for item in (items.tolist() if isinstance(items, np.ndarray) else items)]


def test_any_iterable_is_a_column() -> None:
    assert hash_column((name for name in "abc"), 1).tolist() == hash_column(["a", "b", "c"], 1).tolist()
    assert sorted(hash_column({"a", "b"}, 1)) == sorted(hash_column(["a", "b"], 1))


def test_a_column_is_not_changed() -> None:
    column = np.array([1, 2, 3])
    hash_column(column, 1)
    assert column.tolist() == [1, 2, 3]
    reals = np.array([1.0, -0.0])
    hash_column(reals, 1)
    assert str(reals.tolist()) == "[1.0, -0.0]"


def test_kinds_are_kept_apart_and_equal_numbers_are_one_item() -> None:
    assert len({hash_item(item, 0) for item in (1, 1.0, "1", b"1")}) == 4
    assert hash_item(-0.0, 0) == hash_item(0.0, 0)
    assert hash_item(float("nan"), 0) == hash_item(-float("nan"), 0)
    from_numpy: list[Any] = [np.int16(7), np.float32(0.5)]
    assert [hash_item(item, 0) for item in from_numpy] == [hash_item(7, 0), hash_item(0.5, 0)]


@pytest.mark.parametrize(
    ("item", "sentence"),
    [(True, "truth value"), (2**64, "more than 64 bits"), (-(2**63) - 1, "more than 64 bits"), (None, "NoneType"), ((1, 2), "tuple")],
)
def test_what_has_no_stable_hash_is_refused_with_a_sentence(item: Any, sentence: str) -> None:
    with pytest.raises(SketchMismatchError, match=sentence):
        hash_item(item, 0)
    with pytest.raises(SketchMismatchError, match=sentence):
        hash_column([item], 0)


def test_a_column_of_another_kind_is_refused() -> None:
    for column in (np.array([True]), np.array(["2026-01-01"], dtype="datetime64[D]")):
        with pytest.raises(SketchMismatchError, match="no stable hash"):
            hash_column(column, 0)


def test_the_finaliser_loses_nothing() -> None:
    assert len({mix64(number) for number in range(100_000)}) == 100_000

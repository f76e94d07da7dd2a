"""What a sketch must show to be checked against the contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sketches.contract import Sketch


def equal(first: Any, second: Any) -> bool:
    """The strictest meaning of `same`: the same bytes."""
    return bool(first.to_bytes() == second.to_bytes())


@dataclass(frozen=True)
class Example:
    """One sketch with small parameters."""

    name: str
    make: Callable[[], Sketch]
    """Return an empty sketch; always with the same parameters and seed."""
    other: Callable[[], Sketch]
    """Return an empty sketch that differs in one parameter, and so cannot be merged."""
    items: Sequence[Any]
    """At least 2,000 items, in the order of the stream."""
    merged_like_single: Callable[[Any, Any], bool] = equal
    """Say whether the merge of parts (first) is as good as the sketch of the whole stream (second)."""
    batch_like_single: Callable[[Any, Any], bool] = equal
    """Say whether a column at once (first) is as good as item by item (second)."""
    most_bytes: int = 1_000_000
    """Memory that it never passes, however long the stream."""
    is_column: bool = True
    """Its items are text, bytes or numbers, so that they can stand in an Arrow column."""

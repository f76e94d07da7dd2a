"""From a table to numbers: leaves of hierarchies, combinations with their rows, people; in an order that the table's own does not reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.anonymise.hierarchies import Hierarchy, Tree, text_of
from veilocity.errors import SettingsError

__all__ = ["Encoded", "encode", "ranks"]

Ints = NDArray[np.int64]


class Encoded(NamedTuple):
    """A table in numbers; N rows in canonical order, A quasi-identifiers, M combinations (per person, where people are counted)."""

    trees: tuple[Tree, ...]
    order: Ints
    """(N,): position in the table of each row."""
    leaves: NDArray[np.int32]
    """(A, N): leaf of each row."""
    starts: Ints
    """(M + 1,): rows of each combination."""
    people: Ints
    """(M,): person of each combination; empty where every row is a person of its own."""
    sensitive: Ints
    """(N,): rank of the sensitive value, all 0 without one."""


def ranks(column: pd.Series) -> Ints:
    """Return the place of each value among the distinct ones, shape (rows,): numbers by size, all else by text, missing first.

    >>> ranks(pd.Series(["b", None, "a", "b"])).tolist(), ranks(pd.Series([10.0, 9.0])).tolist()
    ([2, 0, 1, 2], [1, 0])
    """
    codes, values = pd.factorize(column, use_na_sentinel=True)
    numeric = pd.api.types.is_numeric_dtype(column)
    listed = list(values)
    order = sorted(range(len(listed)), key=lambda at: (listed[at], "") if numeric else (type(listed[at]).__name__, text_of(listed[at])))
    places = np.empty(len(listed) + 1, dtype=np.int64)
    missing = int((codes < 0).any())
    places[order] = np.arange(missing, len(listed) + missing)
    # The sentinel -1 reads the last place.
    places[-1] = 0
    return places[codes]


def encode(frame: pd.DataFrame, quasi: Mapping[str, Hierarchy], person: str | None, sensitive: str | None, keep: Sequence[str]) -> Encoded:
    """Number a table's values and sort its rows by nothing but what they hold.

    Raises:
        SettingsError: a value is not in its hierarchy.
    """
    trees, leaves = zip(*(_leaves(name, frame[name], hierarchy) for name, hierarchy in quasi.items()), strict=True)
    persons = ranks(frame[person]) if person is not None else np.zeros(len(frame), dtype=np.int64)
    crowd = person is not None and len(np.unique(persons)) < len(frame)
    values = ranks(frame[sensitive]) if sensitive is not None else np.zeros(len(frame), dtype=np.int64)
    keys = [*leaves, persons, values, *(ranks(frame[name]) for name in keep)]
    order = np.lexsort(keys[::-1]) if len(frame) else np.zeros(0, dtype=np.int64)
    sorted_leaves = np.stack(leaves)[:, order]
    parts = np.vstack([sorted_leaves, persons[order]]) if crowd else sorted_leaves
    starts = np.flatnonzero(np.r_[True, (parts[:, 1:] != parts[:, :-1]).any(axis=0)]) if len(frame) else np.zeros(0, dtype=np.int64)
    people = persons[order][starts] if crowd else np.zeros(0, dtype=np.int64)
    return Encoded(trees, order, sorted_leaves, np.append(starts, len(frame)).astype(np.int64), people, values[order])


def _leaves(name: str, column: pd.Series, hierarchy: Hierarchy) -> tuple[Tree, NDArray[np.int32]]:
    codes, values = pd.factorize(column, use_na_sentinel=True)
    missing = [None] if (codes < 0).any() else []
    try:
        tree, numbers = hierarchy.tree([*values, *missing])
    except SettingsError as error:
        raise SettingsError(f"the column {name} cannot be generalised: {error}") from error
    return tree, numbers[codes]

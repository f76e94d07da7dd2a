"""Columns of a pandas or Arrow table as whole numbers: the one place that knows of dtypes.

Promises: equal values have equal codes and unequal values unequal ones, whatever the dtype (strings, numbers, times, categories with unused
levels, Arrow dictionaries, pandas' nullable kinds); what is missing (None, NaN, NaT, NA, null) has the code -1 and is never dropped. Rows
are taken by position: the index of a DataFrame, with labels in any order or doubled, is never looked at. Nothing is changed in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veilocity.errors import SettingsError

__all__ = ["Codes", "Column", "Table", "column_of", "columns_of", "names", "row_count"]

Table: TypeAlias = pd.DataFrame | pa.Table
Codes: TypeAlias = NDArray[np.int64]


class Column(NamedTuple):
    """A column of n rows with m distinct values."""

    codes: Codes
    """n codes, -1 (missing) to m - 1."""
    values: pd.Index[Any]
    """The m values; their order says nothing."""

    @property
    def whole(self) -> Codes:
        """The codes with what is missing as one more category, m."""
        return np.where(self.codes < 0, len(self.values), self.codes)

    @property
    def has_missing(self) -> bool:
        """Whether a row lacks the value."""
        return bool((self.codes < 0).any())


def row_count(table: Table) -> int:
    """Return how many rows a table has.

    Raises:
        SettingsError: none, or something else than a table.
    """
    if not isinstance(table, pd.DataFrame | pa.Table):
        raise SettingsError(f"a table is a pandas DataFrame or a pyarrow Table, not a {type(table).__name__}: convert it first")
    count = len(table)
    if count == 0:
        raise SettingsError("the table has no rows: there is nothing to measure")
    return count


def names(columns: str | Sequence[str], role: str) -> list[str]:
    """Return the names of columns, at least one and none twice.

    Raises:
        SettingsError: otherwise.

    >>> names("age", "quasi-identifier"), names(("age", "sex"), "quasi-identifier")
    (['age'], ['age', 'sex'])
    """
    wanted = [columns] if isinstance(columns, str) else list(columns)
    if not wanted:
        raise SettingsError(f"no {role} is named: name at least one column")
    if len(set(wanted)) < len(wanted):
        raise SettingsError(f"a {role} is named twice: name each column once")
    return wanted


def column_of(table: Table, name: str) -> Column:
    """Return a column as codes.

    Raises:
        SettingsError: there is no such column or two of them, or its values are lists or the like.

    >>> column_of(pd.DataFrame({"city": ["Oslo", None, "Rome", "Oslo"]}), "city").codes.tolist()
    [0, -1, 1, 0]
    """
    column_names: list[Any] = list(table.column_names if isinstance(table, pa.Table) else table.columns)
    found = column_names.count(name)
    if found != 1:
        there = ", ".join(str(column) for column in column_names)
        raise SettingsError(f"the table has {found or 'no'} columns '{name}', one is needed; there are {there}")
    try:
        return _arrow_column(table.column(name)) if isinstance(table, pa.Table) else _factorised(table[name])
    except (TypeError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as cause:
        message = f"the values of column '{name}' cannot be compared ({type(cause).__name__}): use text, numbers or times"
        raise SettingsError(message) from cause


def columns_of(table: Table, wanted: Sequence[str]) -> list[Column]:
    """Return several columns as codes."""
    return [column_of(table, name) for name in wanted]


def _arrow_column(column: pa.ChunkedArray[Any]) -> Column:
    encoded: Any = pc.dictionary_encode(pa.concat_arrays(column.chunks))
    indices = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    # Through pandas once more: a dictionary may hold a value twice or a null, and to Arrow NaN is a value and -0.0 another one than 0.0.
    again = _factorised(encoded.dictionary.to_pandas())
    return Column(np.append(again.codes, -1)[indices], again.values)


def _factorised(series: pd.Series[Any]) -> Column:
    codes, values = pd.factorize(series)
    codes = codes.astype(np.int64)
    gone = np.asarray(pd.isna(values))
    if gone.any():
        # A nullable array may hold NaN beside NA; both say that nothing is known.
        places = np.append(np.where(gone, -1, np.cumsum(~gone) - 1), -1)
        return Column(places[codes], values[~gone])
    return Column(codes, values)

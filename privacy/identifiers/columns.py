"""Columns of identifiers as plain lists: a missing value is None, whatever the column calls it.

Guarantee: the list has the column's length and order, each element is text or None, and nothing that is not text is turned into text: a
number written as text loses leading zeros, so two people could become one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import pyarrow
from numpy.typing import NDArray

from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["TextColumn", "as_texts"]

TextColumn: TypeAlias = "Iterable[str | None] | NDArray[Any] | pyarrow.Array[Any] | pyarrow.ChunkedArray[Any]"
"""Many identifiers: any iterable of text and None, a NumPy array, or an Arrow column (plain or as a dictionary)."""


def as_texts(column: TextColumn) -> list[str | None]:
    """Return a column as a list of text; None, NaN and Arrow's null become None.

    Raises:
        InvalidInputError: an element that is neither text nor missing.

    >>> as_texts(pyarrow.array(["7", None])), as_texts(np.array(["7", float("nan")], dtype=object))
    (['7', None], ['7', None])
    """
    values: list[Any]
    if isinstance(column, pyarrow.Array | pyarrow.ChunkedArray):
        plain: Any = column.cast(pyarrow.string()) if pyarrow.types.is_dictionary(column.type) else column
        values = plain.to_numpy(zero_copy_only=False).tolist()
    elif isinstance(column, np.ndarray):
        values = column.tolist()
    elif isinstance(column, list):
        values = column
    else:
        values = list(column)
    return values if set(map(type, values)) <= {str, type(None)} else [_text_or_none(value) for value in values]


def _text_or_none(value: Any) -> str | None:
    if isinstance(value, str):
        return str(value)
    if value is None or (isinstance(value, float) and value != value) or type(value).__name__ == "NAType":  # noqa: PLR0124  # NaN
        return None
    raise InvalidInputError(
        RejectReason.INVALID_FIELD, f"an identifier must be text, not {type(value).__name__}: quote it where it is read"
    )

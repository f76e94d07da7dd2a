"""Rows of a CSV file, one at a time: a file may be larger than the memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["header_of", "rows_of"]


def header_of(path: Path) -> list[str]:
    """Return the names of the columns.

    Raises:
        InvalidInputError: ``malformed``, no CSV file with a header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the file cannot be read: is it CSV in UTF-8?") from cause
    if not header or len(set(header)) != len(header):
        raise InvalidInputError(RejectReason.MALFORMED, "the first line must name the columns, each once")
    return header


def rows_of(path: Path, skip: int = 0) -> Iterator[dict[str, str]]:
    """Yield the rows after the first `skip` ones as text by column, in the order of the file; the file is read once, row by row.

    A missing cell is left out and one too many is not read: what the row lacks is for the receiver to say.

    Raises:
        InvalidInputError: ``malformed``, when the file cannot be read any further.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in islice(csv.DictReader(file), skip, None):
                yield {name: cell for name, cell in row.items() if isinstance(name, str) and isinstance(cell, str)}
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the file cannot be read to its end: is it CSV in UTF-8?") from cause

"""Rows of event files: JSON lines, CSV and Parquet, in the fields of `Fix` and `Transaction`.

A row is a fix if it has `fix_ns` and a payment if it has `authorised_ms`; a file may hold both. Rows are read one after the other, so a
file may be larger than the memory.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import parquet

from veilocity.contracts import SCHEMA_VERSION, Fix, Transaction, decode
from veilocity.errors import ContractError, InvalidInputError, RejectReason, SchemaVersionError, SettingsError

__all__ = ["FORMATS", "Row", "read_event", "rows"]

Row = bytes | dict[str, Any]
"""One event as a file holds it: a line of JSON, or fields."""
_BATCH_ROWS = 10_000
_FLAG_SEPARATOR = ";"


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as lines:
        yield from (line for line in lines if not line.isspace())


def _csv_rows(path: Path) -> Iterator[Row]:
    # A damaged byte must cost its row only: replaced here, it fails there.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        for row in csv.DictReader(lines):
            # An empty cell is an absent field; cells without a column are no part of the event.
            fields: dict[str, Any] = {name: cell for name, cell in row.items() if name is not None and cell}
            if "flags" in fields:
                fields["flags"] = fields["flags"].split(_FLAG_SEPARATOR)
            yield fields


def _parquet_rows(path: Path) -> Iterator[Row]:
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            for row in batch.to_pylist():
                yield {name: value for name, value in row.items() if value is not None}


FORMATS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}
"""By suffix, how a file's rows are read."""


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file in their order.

    Raises:
        SettingsError: the suffix is none of `FORMATS`, or the file as a whole cannot be read.
    """
    if path.suffix.lower() not in FORMATS:
        raise SettingsError(f"{path.name}: files of events end in {', '.join(FORMATS)}")
    try:
        yield from FORMATS[path.suffix.lower()](path)
    except (OSError, csv.Error, pa.ArrowException) as cause:
        raise SettingsError(f"{path.name}: cannot be read as {path.suffix} ({type(cause).__name__})") from cause


def read_event(row: Row) -> Fix | Transaction:
    """Return a row's event.

    Raises:
        InvalidInputError: neither a fix nor a payment (`missing_field`).
        ContractError: some field is missing or of the wrong type.

    >>> read_event({"fix_ns": "7", "received_ms": "8", "subject": "a", "device": "b", "source": "c", "lat": "1.5", "lon": "2"}).lat
    1.5
    """
    is_json = isinstance(row, bytes)
    is_fix = (b'"fix_ns"' if is_json else "fix_ns") in row
    if not is_fix and (b'"authorised_ms"' if is_json else "authorised_ms") not in row:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "a row needs fix_ns (a fix) or authorised_ms (a payment)")
    kind: type[Fix | Transaction] = Fix if is_fix else Transaction
    if isinstance(row, bytes):
        return decode(row, kind)
    try:
        # Cells of a CSV file are text.
        event = msgspec.convert(row, kind, strict=False)
    except msgspec.ValidationError as cause:
        raise ContractError(RejectReason.UNDECODABLE, f"not a {kind.__name__}: see the fields of the contract") from cause
    if event.schema > SCHEMA_VERSION:
        raise SchemaVersionError(RejectReason.UNKNOWN_SCHEMA, f"schema {event.schema} is newer than {SCHEMA_VERSION}: upgrade first")
    return event

"""Reports as Parquet files: `report=NAME/date=YYYY-MM-DD/batch-NNNNNNNN.parquet`, whole or not there.

A repeated micro-batch has at least the windows that it had before, and overwrites its own files. The numbers of micro-batches begin anew
with an empty checkpoint, and so do the files.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from storage.reports import ReportDocument
from veilocity.eventtime import format_ms

__all__ = ["SCHEMA", "ParquetFiles"]

_ROW = pa.struct(
    [
        ("rank", pa.int32()),
        ("id", pa.string()),
        ("name", pa.string()),
        ("category", pa.string()),
        ("count", pa.int64()),
        ("amounts", pa.map_(pa.string(), pa.int64())),
    ]
)
_FIELDS: list[tuple[str, pa.DataType]] = [
    ("id", pa.string()),
    ("report", pa.string()),
    ("start_ms", pa.int64()),
    ("end_ms", pa.int64()),
    ("count", pa.int64()),
    ("suppressed", pa.int64()),
    ("late", pa.int64()),
    ("rows", pa.list_(_ROW)),
    ("cells", pa.list_(pa.struct([("cell", pa.string()), ("lat", pa.float64()), ("lon", pa.float64()), ("count", pa.int64())]))),
    ("bands", pa.list_(pa.struct([("band", pa.string()), ("count", pa.int64())]))),
    ("version", pa.int32()),
]
SCHEMA = pa.schema(_FIELDS)
_DATE = "YYYY-MM-DD"


class ParquetFiles:
    """The files under one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin_anew(self) -> None:
        """Remove all files: the numbers of micro-batches begin at 0 again."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, batch: int, documents: Sequence[ReportDocument]) -> None:
        """Write the windows that a micro-batch closed."""
        parts: dict[Path, list[ReportDocument]] = {}
        for document in documents:
            date = format_ms(document.end_ms)[: len(_DATE)]
            parts.setdefault(self._folder / f"report={document.report}" / f"date={date}", []).append(document)
        for folder, some in parts.items():
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"batch-{batch:08d}.parquet"
            draft = file.with_name(f".{file.name}.draft")
            rows = [{**msgspec.to_builtins(one), "rows": [_row(row) for row in msgspec.to_builtins(one.rows)]} for one in some]
            pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), draft)
            draft.replace(file)

    def delete_before(self, end_ms: int) -> None:
        """Remove the folders of days that ended before a time."""
        date = format_ms(end_ms)[: len(_DATE)]
        for folder in self._folder.glob("report=*/date=*"):
            if folder.name.removeprefix("date=") < date:
                shutil.rmtree(folder, ignore_errors=True)


def _row(row: dict[str, object]) -> dict[str, object]:
    amounts = row["amounts"]
    return {**row, "amounts": list(amounts.items()) if isinstance(amounts, dict) else []}

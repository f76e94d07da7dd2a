"""Tables and hierarchies as files: CSV with any of the usual separators, Parquet, and ARX's format of hierarchies.

Promises: nothing in a file is guessed at. Every column of a CSV file is text, so `01234` stays a postcode, `NA` stays Namibia and two long
card numbers stay two; an empty cell is missing; a line with too many or too few cells is refused, as is another encoding than UTF-8. What a
message says of a file is its name and what is wrong, never what it holds.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from pyarrow import parquet

from privacy.files import write_whole
from privacy.measure.closeness import Paths
from privacy.measure.quality import printed
from veilocity.errors import SettingsError

__all__ = ["read_hierarchy", "read_table", "separator_of", "with_numbers", "write_table"]

_SEPARATORS = (",", ";", "\t")
_PARQUET = b"PAR1"


def read_table(path: Path, missing: Sequence[str] = ("",)) -> pa.Table:
    """Read a table from a CSV or a Parquet file.

    Args:
        path: of the file; what it is shows by its first bytes.
        missing: cells of a CSV file that say that a value is missing.

    Raises:
        SettingsError: not there, not UTF-8, no header, or lines of different lengths.
    """
    try:
        with path.open("rb") as file:
            is_parquet = file.read(len(_PARQUET)) == _PARQUET
        return parquet.read_table(path) if is_parquet else _read_csv(path, missing)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as cause:
        # Without the cause: its message shows a line of the table.
        message = f"{path.name} cannot be read as a table ({type(cause).__name__}): it must be Parquet, or CSV in UTF-8 with a header and "
        raise SettingsError(message + "equally many cells in each line") from None


def separator_of(path: Path) -> str:
    """Return the separator of a CSV file: the one that parts its header into the most cells.

    Raises:
        SettingsError: the file has no header.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
    if not header.strip():
        raise SettingsError(f"{path.name} has no header: name the columns in its first line")
    return max(_SEPARATORS, key=lambda separator: len(next(csv.reader([header], delimiter=separator))))


def _read_csv(path: Path, missing: Sequence[str]) -> pa.Table:
    separator = separator_of(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file, delimiter=separator))
    if len(set(header)) < len(header):
        raise SettingsError(f"{path.name} names a column twice: give every column a name of its own")
    return arrow_csv.read_csv(
        path,
        parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in header},
            null_values=list(missing),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def with_numbers(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return the table with these columns as numbers, where every value of a column is one and no two values become one.

    >>> with_numbers(pa.table({"age": ["3", "20"], "zip": ["01", "1"]}), ["age", "zip"]).to_pydict()
    {'age': [3, 20], 'zip': ['01', '1']}
    """
    for name in columns:
        place = table.schema.get_field_index(name)
        if place < 0 or not pa.types.is_string(table.schema.field(place).type):
            continue
        numbers = _numbers(table.column(place))
        if numbers is not None:
            table = table.set_column(place, name, numbers)
    return table


def _numbers(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any] | None:
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = pc.cast(column, kind)
        except pa.ArrowInvalid:
            continue
        return numbers if len(pc.unique(numbers)) == len(pc.unique(column)) else None
    return None


def write_table(table: pa.Table, path: Path, separator: str = ",") -> None:
    """Write a table as Parquet where the file is called so, else as CSV; the whole file or none.

    Args:
        table: columns of text and numbers; what is missing becomes an empty cell of CSV.
        path: of the file.
        separator: of CSV.
    """
    if path.suffix == ".parquet":
        packed = BytesIO()
        parquet.write_table(table, packed)
        write_whole(path, packed.getvalue())
        return
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(table.column_names)
    columns = [["" if value is None else printed(value) for value in column.to_pylist()] for column in table.columns]
    writer.writerows(zip(*columns, strict=True))
    write_whole(path, text.getvalue().encode())


def read_hierarchy(path: Path) -> Paths:
    """Read a hierarchy in ARX's format: `value;wider;...;*` in each line, without a header.

    Raises:
        SettingsError: not there, not UTF-8, lines of different lengths, or a value that stands twice.
    """
    try:
        rows = [line.split(";") for line in path.read_text(encoding="utf-8-sig").splitlines() if line]
    except (OSError, UnicodeDecodeError) as cause:
        raise SettingsError(f"the hierarchy {path.name} cannot be read ({type(cause).__name__})") from cause
    paths = {row[0]: tuple(row) for row in rows}
    if len({len(row) for row in rows}) != 1 or len(paths) < len(rows):
        raise SettingsError(f"the hierarchy {path.name} needs lines of one length and every value once: mend the file")
    return paths

"""What a row of a CSV file becomes: which door takes it, and which field comes from which column. Pure, but for reading the description.

A description is YAML (docs/producers.md). Those that Veilocity brings are in `ingest/produce/mappings`, and are found by their columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from ingest.bank.localtime import ns_from_local, zone_named
from veilocity import yamltext
from veilocity.errors import InvalidInputError, SettingsError
from veilocity.eventtime import format_ms, ms_from_ns

__all__ = ["Mapping", "brought", "mapping_for", "mapping_named"]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one field comes from: a column, changed by at most one of the others; or a value; or the number of the row."""

    column: str | None = None
    value: str | int | None = None
    row: str | None = None
    """Put before the number of the row: an id for files that have none, the same in every play."""
    times: int | None = None
    decimals: int | None = None
    """Digits that an amount is rounded to, half to even: programs that draw amounts write more than a currency has."""
    local: str | None = None
    """Zone of a time without an offset; the field becomes milliseconds."""
    choose: dict[str, str] | None = None
    otherwise: str | None = None
    """Where `choose` does not name what the cell holds."""

    def of(self, row: dict[str, str], number: int) -> object:
        """Return the field; a cell that cannot be changed stays as it is, for the door to say what is wrong."""
        if self.row is not None:
            return f"{self.row}{number}"
        if self.column is None:
            return self.value
        cell = row.get(self.column)
        if cell is None or not cell.strip():
            return self.otherwise
        if self.choose is not None:
            return self.choose.get(cell.strip(), self.otherwise)
        if self.local is not None:
            return _ms(cell, self.local)
        return cell if self.times is None and self.decimals is None else _number(cell, self.times or 1, self.decimals)


class Stamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The field that takes the second at which the row is played."""

    field: str
    form: Literal["s", "ms", "iso"] = "ms"


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How rows of one kind of file become items of one door."""

    door: str
    columns: tuple[str, ...] = ()
    """A file with all of them is of this kind."""
    fields: dict[str, str | Source] | None = None
    """Field to column, or to more than a column; None sends the row as it is, all text, with `ts` beside."""
    stamp: Stamp | None = None

    def item(self, row: dict[str, str], number: int, ts: int | None) -> dict[str, Any]:
        """Return what is sent for one row.

        Args:
            row: its cells.
            number: of the row in the file, from 1.
            ts: second at which it is played; None keeps the row's own time.
        """
        found: dict[str, Any]
        if self.fields is None:
            found = dict(row) if ts is None else {**row, "ts": ts}
        else:
            found = {name: row.get(one) if isinstance(one, str) else one.of(row, number) for name, one in self.fields.items()}
        if ts is not None and self.stamp is not None:
            found[self.stamp.field] = {"s": ts, "ms": ts * 1000, "iso": format_ms(ts * 1000)}[self.stamp.form]
        return found


def _ms(cell: str, zone: str) -> object:
    try:
        return ms_from_ns(ns_from_local(cell, zone_named(zone)))
    except InvalidInputError:
        return cell


def _number(cell: str, factor: int, decimals: int | None) -> object:
    try:
        product = Decimal(cell.strip()) * factor
        if decimals is not None:
            return str(product.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN))
        return int(product) if product == product.to_integral_value() else str(product)
    except (InvalidOperation, ValueError, OverflowError):
        return cell


def brought() -> dict[str, Mapping]:
    """Return the descriptions that Veilocity brings, by name."""
    folder = resources.files("ingest.produce") / "mappings"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".yaml"): _read(entry.read_text(encoding="utf-8"), entry.name) for entry in files}


def mapping_named(name: str) -> Mapping:
    """Return one that Veilocity brings, or the one in the file of this name.

    Raises:
        SettingsError: there is none, or it is wrong.
    """
    ours = brought()
    if name in ours:
        return ours[name]
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise SettingsError(f"--mapping must be a file, or one of {', '.join(ours)}") from cause
    return _read(text, Path(name).name)


def mapping_for(header: Sequence[str]) -> Mapping:
    """Return the description for a file with these columns.

    Raises:
        SettingsError: no description fits.
    """
    fitting = [one for one in brought().values() if one.columns and set(one.columns) <= set(header)]
    if not fitting:
        raise SettingsError("no mapping knows these columns: write one and name it with --mapping (docs/producers.md shows how)")
    # The one that asks for most knows the file best.
    return max(fitting, key=lambda one: len(one.columns))


def _read(text: str, name: str) -> Mapping:
    try:
        return msgspec.convert(yamltext.parse(text, name), Mapping)
    except msgspec.ValidationError as cause:
        raise SettingsError(f"the mapping {name} is wrong: {cause}") from cause

"""Payments that wait for a window, as columns: a tenth of the time and a third of the bytes of one object per payment.

A column of text is the distinct texts and one code per payment, so that what is computed from a text (its tree, its HMAC, its region) is
computed once. Nothing here depends on how payments were cut into batches once a table is `ordered`: rows by id, codes by first appearance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from privacy.hierarchies import QuasiIdentifiers
from veilocity.errors import StateError

__all__ = ["Coded", "Codes", "PackedTable", "Row", "RowTable", "texts_of"]

Codes = NDArray[np.int32]
_BYTES = np.dtype("<i4")


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One masked payment as the anonymiser sees it."""

    id: str
    subject: str
    """By which people are counted."""
    quasi: QuasiIdentifiers
    sensitive: str
    """What a class must not give away: the verdict."""


class PackedTable(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A table as it is sent and kept: little-endian bytes, and texts."""

    width: int
    """Bytes of an id."""
    ids: bytes
    codes: tuple[bytes, ...] = ()
    """Of people, each quasi-identifier and the sensitive value: 4 bytes a payment."""
    values: tuple[tuple[str, ...], ...] = ()


class Coded(NamedTuple):
    """A column of text."""

    codes: Codes
    """(n,): place of each row's text among `values`."""
    values: NDArray[np.object_]
    """Distinct texts, some of which may have no row."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> Coded:
        """Return a column of texts, numbered by first appearance."""
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        return cls(np.fromiter(map(numbers.__getitem__, texts), dtype=np.int32, count=len(texts)), texts_of(numbers))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Coded:
        """Return the column of some rows, with the same numbers."""
        return Coded(self.codes[rows], self.values)

    def renumbered(self) -> Coded:
        """Return the column without texts that no row has, numbered by first appearance."""
        count = len(self.codes)
        first = np.full(len(self.values), count, dtype=np.int64)
        # Of several rows the one written last stays, which backwards is the first.
        first[self.codes[::-1]] = np.arange(count - 1, -1, -1)
        order = np.argsort(first, kind="stable")[: np.count_nonzero(first < count)]
        rank = np.zeros(len(self.values), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return Coded(rank[self.codes], self.values[order])

    @classmethod
    def joined(cls, columns: Sequence[Coded]) -> Coded:
        """Return columns one under the other."""
        numbers: dict[str, int] = {}
        codes = []
        for column in columns:
            rank = np.array([numbers.setdefault(text, len(numbers)) for text in column.values.tolist()], dtype=np.int32)
            codes.append(rank[column.codes])
        return cls(np.concatenate(codes), texts_of(numbers))


@dataclass(frozen=True, slots=True, eq=False)
class RowTable:
    """The rows of a window, or of a part of one.

    >>> quasi = QuasiIdentifiers("872830828ffffff", "2026-11-22T14", "EUR 20-50", "groceries")
    >>> table = RowTable.of([Row("b", "jo", quasi, "clear"), Row("a", "al", quasi, "flagged")])
    >>> [row.id for row in table.ordered().rows()], RowTable.unpacked(table.packed()).rows() == table.rows()
    (['a', 'b'], True)
    """

    ids: NDArray[np.bytes_]
    """(n,): of payments, as UTF-8; they sort as the texts do."""
    people: Coded
    """By which people are counted."""
    quasi: tuple[Coded, ...]
    """In the order of `QuasiIdentifiers`."""
    sensitive: Coded

    @classmethod
    def of(cls, rows: Sequence[Row]) -> RowTable:
        """Return the table of some rows."""
        ids = np.array([row.id.encode() for row in rows], dtype=np.bytes_)
        return cls(
            ids if rows else np.zeros(0, dtype="S1"),
            Coded.of([row.subject for row in rows]),
            tuple(Coded.of([row.quasi[place] for row in rows]) for place in range(len(QuasiIdentifiers._fields))),
            Coded.of([row.sensitive for row in rows]),
        )

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.ids)

    @property
    def columns(self) -> tuple[Coded, ...]:
        """Every column but the ids."""
        return self.people, *self.quasi, self.sensitive

    def rows(self) -> list[Row]:
        """Return the rows one by one."""
        texts = [column.values[column.codes].tolist() for column in self.columns]
        ids = [identity.decode() for identity in self.ids.tolist()]
        return [
            Row(identity, person, QuasiIdentifiers(*quasi), sensitive)
            for identity, person, *quasi, sensitive in zip(ids, *texts, strict=True)
        ]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> RowTable:
        """Return some rows."""
        return self._of_columns(self.ids[rows], [column.take(rows) for column in self.columns])

    def ordered(self) -> RowTable:
        """Return the rows by id, codes by first appearance: the same for the same rows, whatever their order was."""
        table = self
        if not bool(np.all(self.ids[1:] >= self.ids[:-1])):
            table = self.take(np.argsort(self.ids, kind="stable"))
        return self._of_columns(table.ids, [column.renumbered() for column in table.columns])

    @classmethod
    def joined(cls, tables: Sequence[RowTable]) -> RowTable:
        """Return tables one under the other."""
        if len(tables) < 2:
            return tables[0] if tables else cls.of([])
        ids = np.concatenate([table.ids for table in tables])
        return cls._of_columns(ids, [Coded.joined(columns) for columns in zip(*(table.columns for table in tables), strict=True)])

    def packed(self) -> PackedTable:
        """Return the table as it is sent and kept."""
        columns = [column.renumbered() for column in self.columns]
        return PackedTable(
            self.ids.dtype.itemsize,
            self.ids.tobytes(),
            tuple(column.codes.astype(_BYTES).tobytes() for column in columns),
            tuple(tuple(column.values.tolist()) for column in columns),
        )

    @classmethod
    def unpacked(cls, packed: PackedTable) -> RowTable:
        """Return the table that was packed.

        Raises:
            StateError: its columns do not belong together.
        """
        ids = np.frombuffer(packed.ids, dtype=f"S{max(1, packed.width)}")
        columns = [
            Coded(np.frombuffer(codes, dtype=_BYTES), texts_of(values)) for codes, values in zip(packed.codes, packed.values, strict=True)
        ]
        fits = len(columns) == len(QuasiIdentifiers._fields) + 2 and all(
            len(column.codes) == len(ids) and (not len(ids) or 0 <= column.codes.min() <= column.codes.max() < len(column.values))
            for column in columns
        )
        if not fits:
            raise StateError("staged payments of the privacy stage are damaged: restore its whole folder, or remove it to begin anew")
        return cls._of_columns(ids, columns)

    @classmethod
    def _of_columns(cls, ids: NDArray[np.bytes_], columns: Sequence[Coded]) -> RowTable:
        people, *quasi, sensitive = columns
        return cls(ids, people, tuple(quasi), sensitive)


def texts_of(values: Iterable[str]) -> NDArray[np.object_]:
    """Return texts as the values of a column."""
    listed = list(values)
    texts = np.empty(len(listed), dtype=np.object_)
    texts[:] = listed
    return texts

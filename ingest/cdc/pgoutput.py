"""Messages of PostgreSQL's output plugin `pgoutput`, protocol version 1. Pure.

A transaction comes as begin, changes, commit; a table is described before its first change, and again after it was altered. Values come as
text, as the table's types print them.

Source: PostgreSQL 15, chapter 55.9, Logical Replication Message Formats.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import NamedTuple

from veilocity.errors import StateError

__all__ = ["Begin", "Change", "Column", "Commit", "Decoder", "Relation", "Unchanged", "Value", "lsn_text"]


class Unchanged(Enum):
    """A large value that an update did not touch is not in the log."""

    UNCHANGED = "unchanged"


Value = str | None | Unchanged
_IGNORED = frozenset(b"OYM")
"""Origin, type, message: nothing of a payment is in them."""


class Column(NamedTuple):
    """A column of a table."""

    name: str
    type_oid: int


class Relation(NamedTuple):
    """A table as it was when the change was made."""

    name: str
    columns: tuple[Column, ...]


class Change(NamedTuple):
    """What was done to one row; a truncate has no row."""

    kind: str
    """`insert`, `update`, `delete` or `truncate`."""
    relation: Relation
    row: dict[str, Value]
    """By column; of a delete what the log has, which may be the key alone."""
    before: dict[str, Value] | None = None
    """The row before an update, where the table's REPLICA IDENTITY is FULL."""


class Begin(NamedTuple):
    """The begin of a transaction."""

    commit_lsn: int
    """Place in the log of its commit, by which it is known."""


class Commit(NamedTuple):
    """The end of a transaction."""

    end_lsn: int
    """Place in the log behind it: what comes later begins here or after."""


def lsn_text(lsn: int) -> str:
    """Return a place in the log as PostgreSQL writes it.

    >>> lsn_text(0x1_016B_3748)
    '1/16B3748'
    """
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


class _Reader:
    """Reads one message from its front to its end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 1

    def number(self, form: str) -> int:
        found: int = struct.unpack_from(f">{form}", self._data, self._at)[0]
        self._at += struct.calcsize(form)
        return found

    def skip(self, size: int) -> None:
        self._at += size

    def text(self) -> str:
        end = self._data.index(0, self._at)
        found, self._at = self._data[self._at : end].decode(), end + 1
        return found

    def sized(self) -> str:
        size = self.number("I")
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise ValueError("cut off")
        self._at += size
        return found.decode()

    def row(self, relation: Relation) -> dict[str, Value]:
        count = self.number("H")
        if count > len(relation.columns):
            raise ValueError("more values than columns")
        return {column.name: self._value() for column in relation.columns[:count]}

    def _value(self) -> Value:
        kind = chr(self.number("B"))
        if kind == "t":
            return self.sized()
        if kind in "nu":
            return None if kind == "n" else Unchanged.UNCHANGED
        raise ValueError("a value of an unknown kind")


class Decoder:
    r"""Reads the messages of one look into the log, in their order; a later look begins with a decoder of its own.

    >>> decoder = Decoder()
    >>> decoder.read(b"R" + bytes([0, 0, 0, 7]) + b"public\0payments\0d" + bytes([0, 1, 1]) + b"id\0" + bytes([0, 0, 0, 25, 0, 0, 0, 0]))
    >>> decoder.read(b"I" + bytes([0, 0, 0, 7]) + b"N" + bytes([0, 1]) + b"t" + bytes([0, 0, 0, 2]) + b"p1").row
    {'id': 'p1'}
    """

    def __init__(self) -> None:
        """Know no table yet."""
        self._relations: dict[int, Relation] = {}

    def read(self, message: bytes) -> Begin | Change | Commit | None:
        """Return what a message says, or None where it says nothing of a payment.

        Raises:
            StateError: the message is none of this protocol: going on could lose payments.
        """
        try:
            return self._read(message)
        except (struct.error, ValueError, IndexError, KeyError) as cause:
            raise StateError("PostgreSQL's change log cannot be read: is its server newer than this program knows?") from cause

    def _read(self, message: bytes) -> Begin | Change | Commit | None:
        kind, reader = message[0], _Reader(message)
        if kind in _IGNORED:
            return None
        if kind == ord("B"):
            return Begin(reader.number("Q"))
        if kind == ord("C"):
            reader.skip(9)
            return Commit(reader.number("Q"))
        if kind != ord("R"):
            return self._change(chr(kind), reader)
        self._learn(reader)
        return None

    def _change(self, kind: str, reader: _Reader) -> Change:
        if kind == "T":
            reader.skip(5)
            return Change("truncate", self._relations[reader.number("I")], {})
        relation = self._relations[reader.number("I")]
        part = chr(reader.number("B"))
        if kind == "U":
            return _updated(reader, relation, part)
        return Change({"I": "insert", "D": "delete"}[kind], relation, reader.row(relation))

    def _learn(self, reader: _Reader) -> None:
        number = reader.number("I")
        schema, name = reader.text(), reader.text()
        reader.skip(1)
        columns = []
        for _ in range(reader.number("H")):
            reader.skip(1)
            column = reader.text()
            columns.append(Column(column, reader.number("I")))
            reader.skip(4)
        self._relations[number] = Relation(f"{schema or 'pg_catalog'}.{name}", tuple(columns))


def _updated(reader: _Reader, relation: Relation, part: str) -> Change:
    before: dict[str, Value] = {}
    if part in "KO":
        before = reader.row(relation)
        reader.skip(1)
    after = reader.row(relation)
    # The old row has what the new one leaves out.
    row = {name: before.get(name, value) if value is Unchanged.UNCHANGED else value for name, value in after.items()}
    return Change("update", relation, row, before if part == "O" else None)

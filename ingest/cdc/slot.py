"""The replication slot and the publication of one table, by SQL. A thin shell.

A slot keeps the change log from a place on until we say that we have it. `peek` reads and moves nothing; `advance` says so. A slot that
nobody reads keeps log for ever and fills the server's disk: `max_slot_wal_keep_size` is the limit, and a slot beyond it is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from psycopg import sql

from ingest.cdc.pgoutput import Column, lsn_text
from veilocity.errors import ServiceUnavailableError, SettingsError, StateError
from veilocity.postgres import Connection, faults

__all__ = ["Lag", "Slot"]

_LOST = "lost"


class Lag(NamedTuple):
    """How far a slot is behind, in bytes of log."""

    unread: int
    """Written since what was read."""
    retained: int
    """Kept on the server's disk because of the slot."""


class Slot:
    """The change log of one table, for one reader at a time."""

    def __init__(self, connection: Connection, name: str, table: str) -> None:
        """Take a connection; nothing is asked yet.

        Args:
            connection: of a user with the attribute REPLICATION who may read the table.
            name: of the slot and of the publication.
            table: `payments`, or `schema.payments`.
        """
        self._connection = connection
        self._name = name
        self._table = table

    def claim(self) -> None:
        """Return once this connection alone may read the slot; it holds for as long as the connection.

        Raises:
            ServiceUnavailableError: another feed reads it.
        """
        with faults():
            found = self._connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [f"veilocity feed {self._name}"])
            if found.fetchone() != (True,):
                raise ServiceUnavailableError("another feed reads this slot; this one waits until it is gone")

    def ensure(self) -> bool:
        """Make publication and slot where they are missing; return whether the slot is new, so that rows of before are still to be read.

        Raises:
            SettingsError: no such table, a publication of other tables, a server without logical decoding, or a user without the right.
            StateError: the server gave the slot up, and with it changes that nobody read.
        """
        with faults():
            self.columns()
            # The publication first: a slot cannot look up one that was made after what it reads.
            published = self._connection.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", [self._name]).fetchone()
            if published is None:
                make = sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true)")
                self._connection.execute(make.format(sql.Identifier(self._name), self._identifier()))
            self._refuse_other_tables()
            found = self._connection.execute("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", [self._name]).fetchone()
            if found is None:
                self._connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [self._name])
                return True
        if found[0] == _LOST:
            raise StateError(
                "the server gave the slot up because it was too far behind (max_slot_wal_keep_size): run `veilocity feeds postgres --drop`,"
                " then start the feed again; it reads all rows anew, and only rows deleted meanwhile are missed"
            )
        return False

    def _refuse_other_tables(self) -> None:
        tables = self._connection.execute(
            "SELECT format('%%I.%%I', schemaname, tablename)::regclass = %s::regclass FROM pg_publication_tables WHERE pubname = %s",
            [self._table, self._name],
        ).fetchall()
        if tables != [(True,)]:
            raise SettingsError(
                "the publication of the slot's name must be for this one table: name another --slot, or mend the publication"
            )

    def columns(self) -> list[Column]:
        """Return the table's columns as they are now.

        Raises:
            SettingsError: no such table.
        """
        question = (
            "SELECT attname, atttypid::integer FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attnum"
        )
        with faults():
            return [Column(*row) for row in self._connection.execute(question, [self._table])]

    def row_filter(self) -> str | None:
        """Return the condition of the publication, which holds for rows of before as well; None where it has none."""
        with faults():
            found = self._connection.execute("SELECT rowfilter FROM pg_publication_tables WHERE pubname = %s", [self._name]).fetchone()
        return found[0] if found is not None else None

    def end(self) -> int:
        """Return the end of the log now."""
        with faults():
            found = self._connection.execute("SELECT pg_current_wal_flush_lsn() - '0/0'").fetchone()
        return int(found[0]) if found is not None else 0

    def peek(self, changes: int, chunk: int) -> Iterator[list[bytes]]:
        """Yield the messages of committed transactions that were not read yet, in pieces.

        Args:
            changes: stop after the transaction with which this number is reached: a transaction is never cut.
            chunk: messages in one piece, so that the largest transaction needs no more memory here.
        """
        question = "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, %s, 'proto_version', '1', 'publication_names', %s)"
        with faults(), self._connection.transaction(), self._connection.cursor(name="veilocity_changes") as cursor:
            cursor.execute(question, [self._name, changes, self._name])
            while rows := cursor.fetchmany(chunk):
                yield [bytes(row[0]) for row in rows]

    def advance(self, lsn: int) -> None:
        """Say that everything before `lsn` is read; saying it twice, or of a place behind, changes nothing."""
        question = (
            "SELECT pg_replication_slot_advance(slot_name, %s::pg_lsn) FROM pg_replication_slots"
            " WHERE slot_name = %s AND confirmed_flush_lsn < %s::pg_lsn"
        )
        with faults():
            self._connection.execute(question, [lsn_text(lsn), self._name, lsn_text(lsn)])

    def lag(self) -> Lag:
        """Return how far the slot is behind."""
        question = (
            "SELECT pg_current_wal_lsn() - confirmed_flush_lsn, pg_current_wal_lsn() - restart_lsn"
            " FROM pg_replication_slots WHERE slot_name = %s"
        )
        with faults():
            found = self._connection.execute(question, [self._name]).fetchone()
        if found is None or found[1] is None:
            raise StateError("the slot is gone: start the feed again, and it reads all rows anew")
        return Lag(int(found[0]), int(found[1]))

    def drop(self) -> None:
        """Remove slot and publication, so that the server keeps no log for them any more."""
        with faults():
            self._connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", [self._name]
            )
            self._connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(self._name)))

    def _identifier(self) -> sql.Identifier:
        return sql.Identifier(*self._table.split("."))

    def has_old_rows(self) -> bool:
        """Return whether the log holds the whole row before an update (REPLICA IDENTITY FULL)."""
        with faults():
            found = self._connection.execute("SELECT relreplident FROM pg_class WHERE oid = %s::regclass", [self._table]).fetchone()
        return found is not None and found[0] in ("f", b"f")

    def rows(self, names: list[str], key: str, after: str | None, chunk: int) -> Iterator[list[dict[str, str | None]]]:
        """Yield the rows that are there now, in pieces, as they were at one moment, with the columns of `names` as text.

        Args:
            names: columns to read.
            key: column by which rows are ordered, as bytes of text; those without a value come last.
            after: leave out what comes before this key and the key itself.
            chunk: rows in one piece.
        """
        wanted = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names)
        order = sql.SQL('{}::text COLLATE "C"').format(sql.Identifier(key))
        # The server's own print of its own condition; doubled, as a single % would ask for a value.
        condition = sql.SQL((self.row_filter() or "true").replace("%", "%%"))
        question = sql.SQL("SELECT {} FROM {} WHERE ({}) AND (%(after)s::text IS NULL OR {} > %(after)s OR {} IS NULL) ORDER BY {}")
        with faults(), self._connection.transaction(), self._connection.cursor(name="veilocity_rows") as cursor:
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(question.format(wanted, self._identifier(), condition, order, order, order), {"after": after})
            while found := cursor.fetchmany(chunk):
                yield [dict(zip(names, row, strict=True)) for row in found]

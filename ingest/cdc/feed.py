"""One life of the feed: from a connection to its loss. Reads the table once, then its change log, and moves the slot after Kafka.

    peek       what was committed since, and nothing moves
    write      to Kafka, acknowledged by all replicas
    advance    the slot, to the end of the last transaction that was written

A crash between the last two reads some changes again. The rows of before the slot are read after it was made, so a row may come both ways;
until a mark in the data folder says that all were read, a start reads them again. Both are harmless: a payment's id is its identity.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event

from ingest.cdc.mapping import Mapping
from ingest.cdc.pgoutput import Change, Commit, Decoder
from ingest.cdc.slot import Slot
from ingest.cdc.writer import Row, Writer
from ingest.fields import Arrival
from ingest.telemetry import CDC_CHANGES, CDC_RETAINED, CDC_UNREAD
from veilocity.errors import BrokerUnavailableError, ServiceUnavailableError
from veilocity.logs import get_logger

__all__ = ["Feed", "mark_of"]

_LAG_S = 2.0
_QUIET_S = 10.0
_PAUSES_S = (0.25, 0.5, 1.0, 2.0, 5.0)
_PER_LOOK = 10
"""Batches of one look into the log: a look begins by reading the log again from an older place."""
_logger = get_logger(__name__)


def mark_of(data: Path, slot: str) -> Path:
    """Return the file that says that the rows of before the slot were read."""
    return data / "feeds" / f"{slot}.snapshot"


class Feed:
    """Reads one table, for one thread."""

    def __init__(self, slot: Slot, mapping: Mapping, writer: Writer, mark: Path, future_limit_s: float, batch_rows: int) -> None:
        """Keep the parts.

        Args:
            slot: the table and its log.
            mapping: says which columns are read.
            writer: writes to Kafka.
            mark: see `mark_of`.
            future_limit_s: how far in the future a payment may lie.
            batch_rows: most rows written at a time.
        """
        self._slot, self._mapping, self._writer, self._mark = slot, mapping, writer, mark
        self._future_limit_s, self._batch_rows = future_limit_s, batch_rows
        self._lag_due_s = self._quiet_due_s = 0.0

    def run(self, stop: Event, poll_s: float, tell: Callable[[], None]) -> None:
        """Read until told to stop.

        Args:
            stop: when set, this returns.
            poll_s: pause after a look that found nothing.
            tell: told when the feed reads.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
            ServiceUnavailableError: another feed reads the slot, or we were told to stop before Kafka answered.
            SettingsError, StateError: see `Slot.ensure`, or the table lacks a column of the mapping; nothing of the log is lost.
        """
        self._slot.claim()
        columns = self._slot.columns()
        self._mapping.resolved(columns)
        if self._slot.ensure():
            self._mark.unlink(missing_ok=True)
        tell()
        if not self._mark.exists():
            self._snapshot(stop)
        while not stop.is_set():
            if not self._look(stop):
                stop.wait(poll_s)
            self._measure()

    def _snapshot(self, stop: Event) -> None:
        columns = self._slot.columns()
        names = sorted({column.name for column in self._mapping.resolved(columns).values()})
        count = 0
        for piece in self._slot.rows(names, self._batch_rows):
            self._write([Row("snapshot", columns, dict(row)) for row in piece], stop)
            count += len(piece)
            self._measure()
        self._mark.parent.mkdir(parents=True, exist_ok=True)
        self._mark.touch()
        _logger.info("The rows of before are read", rows=count)

    def _look(self, stop: Event) -> bool:
        """Write what was committed since; return whether there was anything."""
        before, end = self._slot.end(), 0
        for row in self._pieces():
            if isinstance(row, Commit):
                end = row.end_lsn
            else:
                self._write(row, stop)
        if end:
            self._slot.advance(end)
        elif time.monotonic() >= self._quiet_due_s:
            # Nothing of the table up to here: without this, other tables' changes would pile up behind the slot.
            self._slot.advance(before)
            self._quiet_due_s = time.monotonic() + _QUIET_S
        return end > 0

    def _pieces(self) -> Iterator[Sequence[Row] | Commit]:
        """Yield rows in batches, and the last commit at the end."""
        decoder, rows, last = Decoder(), list[Row](), None
        for piece in self._slot.peek(self._batch_rows * _PER_LOOK, self._batch_rows):
            for message in piece:
                found = decoder.read(message)
                if isinstance(found, Commit):
                    last = found
                elif found is not None and found.kind in ("insert", "update"):
                    rows.append(Row(found.kind, found.relation.columns, found.row))
                elif found is not None:
                    _leave(found)
            while len(rows) >= self._batch_rows:
                yield rows[: self._batch_rows]
                rows = rows[self._batch_rows :]
        if rows:
            yield rows
        if last is not None:
            yield last

    def _write(self, rows: Sequence[Row], stop: Event) -> None:
        """Return when the rows are in Kafka.

        Raises:
            ServiceUnavailableError: told to stop before.
        """
        arrival = Arrival(time.time_ns() // 1_000_000, self._future_limit_s)
        attempt = 0
        while not stop.is_set():
            try:
                self._writer.write(rows, arrival)
                return
            except BrokerUnavailableError:
                stop.wait(_PAUSES_S[min(attempt, len(_PAUSES_S) - 1)])
                attempt += 1
        raise ServiceUnavailableError("told to stop before Kafka answered; the slot gives the changes again")

    def _measure(self) -> None:
        if time.monotonic() >= self._lag_due_s:
            lag = self._slot.lag()
            CDC_UNREAD.set(lag.unread)
            CDC_RETAINED.set(lag.retained)
            self._lag_due_s = time.monotonic() + _LAG_S


def _leave(change: Change) -> None:
    CDC_CHANGES.labels(change.kind, "ignored").inc()
    if change.kind == "truncate":
        _logger.warning("The table of payments was emptied; what was read of it stays")

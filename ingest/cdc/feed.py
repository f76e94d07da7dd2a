"""One life of the feed: from a connection to its loss. Reads the table once, then its change log, and moves the slot after Kafka.

    peek       what was committed since, and nothing moves
    write      a batch to Kafka, acknowledged by all replicas
    advance    the slot to the end of the last whole transaction, or the file of progress inside of a larger one

A crash between the last two writes one batch again, which is less than the rules service remembers of a person: a payment's id is its
identity. The rows of before the slot are read after it was made, so a row may come both ways, which is harmless for the same reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import NamedTuple

from msgspec.structs import replace

from ingest.cdc.mapping import Mapping
from ingest.cdc.pgoutput import Begin, Change, Commit, Decoder
from ingest.cdc.progress import Progress, ProgressFile
from ingest.cdc.slot import Slot
from ingest.cdc.writer import Row, Writer
from ingest.fields import Arrival
from ingest.telemetry import CDC_CHANGES, CDC_RETAINED, CDC_UNREAD
from veilocity.errors import BrokerUnavailableError, ServiceUnavailableError
from veilocity.logs import get_logger

__all__ = ["Feed"]

_LAG_S = 2.0
_QUIET_S = 10.0
_PAUSES_S = (0.25, 0.5, 1.0, 2.0, 5.0)
_PER_LOOK = 20
"""Batches of one look into the log: a look begins by decoding the log again from an older place."""
_logger = get_logger(__name__)


class _Batch(NamedTuple):
    """Rows of the log, and what is true once they are written."""

    rows: Sequence[Row]
    end_lsn: int
    """End of the last transaction that is then whole; 0 for none."""
    commit_lsn: int
    """The transaction that is cut, by the place of its commit; 0 for none."""
    changes: int
    """Its changes up to here."""


class Feed:
    """Reads one table, for one thread."""

    def __init__(self, slot: Slot, mapping: Mapping, writer: Writer, file: ProgressFile, future_limit_s: float, batch_rows: int) -> None:
        """Keep the parts.

        Args:
            slot: the table and its log.
            mapping: says which columns are read.
            writer: writes to Kafka.
            file: keeps the progress.
            future_limit_s: how far in the future a payment may lie.
            batch_rows: most rows written at a time.
        """
        self._slot, self._mapping, self._writer, self._file = slot, mapping, writer, file
        self._future_limit_s, self._batch_rows = future_limit_s, batch_rows
        self._progress = Progress()
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
        self._mapping.resolved(self._slot.columns())
        if self._slot.ensure():
            self._file.remove()
        if not self._slot.has_old_rows():
            _logger.warning("Updates of payments that were read are written again; REPLICA IDENTITY FULL lets the feed leave them out")
        self._progress = self._file.read()
        tell()
        if not self._progress.is_snapshot_read:
            self._snapshot(stop)
        while not stop.is_set():
            if not self._look(stop):
                stop.wait(poll_s)
            self._measure()

    def _snapshot(self, stop: Event) -> None:
        columns = self._slot.columns()
        mapped = self._mapping.resolved(columns)
        names, key = sorted({column.name for column in mapped.values()}), mapped["id"].name
        count = 0
        for piece in self._slot.rows(names, key, self._progress.after, self._batch_rows):
            self._write([Row("snapshot", columns, dict(row)) for row in piece], stop)
            self._keep(replace(self._progress, after=piece[-1][key] or self._progress.after))
            count += len(piece)
            self._measure()
        self._keep(Progress(is_snapshot_read=True))
        _logger.info("The rows of before are read", rows=count)

    def _look(self, stop: Event) -> bool:
        """Write what was committed since; return whether there was anything."""
        before, found = self._slot.end(), False
        for batch in self._batches():
            found = True
            self._write(batch.rows, stop)
            if batch.end_lsn:
                self._slot.advance(batch.end_lsn)
            if batch.commit_lsn != self._progress.commit_lsn or batch.changes != self._progress.changes:
                self._keep(replace(self._progress, commit_lsn=batch.commit_lsn, changes=batch.changes))
        if not found and time.monotonic() >= self._quiet_due_s:
            # Nothing of the table up to here: without this, other tables' changes would pile up behind the slot.
            self._slot.advance(before)
            self._quiet_due_s = time.monotonic() + _QUIET_S
        return found

    def _batches(self) -> Iterator[_Batch]:
        """Yield what the log has, cut after whole transactions where they are small."""
        decoder, rows, end_lsn, commit_lsn, changes = Decoder(), list[Row](), 0, 0, 0
        known = self._progress
        for piece in self._slot.peek(self._batch_rows * _PER_LOOK, self._batch_rows):
            for message in piece:
                found = decoder.read(message)
                if isinstance(found, Begin):
                    commit_lsn, changes = found.commit_lsn, 0
                elif isinstance(found, Commit):
                    end_lsn, commit_lsn, changes = found.end_lsn, 0, 0
                elif found is not None:
                    changes += 1
                    if commit_lsn != known.commit_lsn or changes > known.changes:
                        rows.extend(_rows(found))
                if len(rows) >= self._batch_rows:
                    yield _Batch(rows, end_lsn, commit_lsn, changes)
                    rows, end_lsn = [], 0
        if rows or end_lsn:
            yield _Batch(rows, end_lsn, commit_lsn, changes)

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

    def _keep(self, progress: Progress) -> None:
        self._progress = progress
        self._file.write(progress)

    def _measure(self) -> None:
        if time.monotonic() >= self._lag_due_s:
            lag = self._slot.lag()
            CDC_UNREAD.set(lag.unread)
            CDC_RETAINED.set(lag.retained)
            self._lag_due_s = time.monotonic() + _LAG_S


def _rows(change: Change) -> list[Row]:
    """Return what is to be written of a change; the rest is counted."""
    if change.kind in ("insert", "update"):
        return [Row(change.kind, change.relation.columns, change.row, change.before)]
    CDC_CHANGES.labels(change.kind, "ignored").inc()
    if change.kind == "truncate":
        _logger.warning("The table of payments was emptied; what was read of it stays")
    return []

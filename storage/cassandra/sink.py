"""The sink's own work, one step at a time: take over batches that are complete, then erase what MongoDB has erased.

How far it came is kept beside the rows and written last. So a sink that was killed repeats the step it was at, and repeating changes
nothing: rows are known by their payment, and their timestamps by their batch.
"""

from __future__ import annotations

from collections.abc import Callable

from storage.cassandra.source import Source
from storage.cassandra.table import Held, PaymentTable
from veilocity import metrics
from veilocity.errors import StateError

__all__ = ["Sink"]

_PAYMENTS = metrics.counter("sink_payments", "Masked payments that a sink has written, found too old, or erased.", "store", "outcome")
_BEHIND = metrics.gauge("sink_behind_batches", "Complete micro-batches that a sink has not taken over yet.", "store")
_STORE = "cassandra"
_FEW, _MANY = 1_000, 4_000
"""Payments of one step: below the one the next takes more batches, above the other fewer. A single batch may have more."""

_LOOK_EVERY_STEPS = 100
"""A sink that never catches up must erase all the same."""


class Sink:
    """Keeps a table equal to its source; for one thread."""

    def __init__(self, source: Source, table: PaymentTable, clock_ms: Callable[[], int]) -> None:
        """Keep the parts.

        Args:
            source: masked payments.
            table: what is kept equal to it.
            clock_ms: the wall clock, by which rows expire.
        """
        self._source = source
        self._table = table
        self._clock_ms = clock_ms
        self._batches = 1
        self._steps_since_look = 0

    def step(self) -> bool:
        """Take over some batches, or erase; return whether there may be more to do.

        Raises:
            StoreUnavailableError: a store does not answer; repeat the step.
            StateError: the table was filled from another MongoDB, or from a newer state of this one.
        """
        last_seq = self._source.last_seq()
        if last_seq is None:
            return False
        held = self._table.held()
        if last_seq < held.seq:
            raise StateError(
                "Cassandra holds batches that MongoDB does not have: it was filled from another MongoDB, or MongoDB was put back; "
                "set VEILOCITY_CASSANDRA_KEYSPACE to a new name"
            )
        _BEHIND.labels(store=_STORE).set(last_seq - held.seq)
        if held.seq < last_seq and self._steps_since_look < _LOOK_EVERY_STEPS:
            self._steps_since_look += 1
            self._take_over(held, min(last_seq, held.seq + self._batches))
            return True
        self._steps_since_look = 0
        return self._erase(held) or held.seq < last_seq

    def _take_over(self, held: Held, up_to_seq: int) -> None:
        payments = self._source.payments(held.seq, up_to_seq)
        written, old = self._table.put(payments, self._clock_ms())
        self._table.hold(held._replace(seq=up_to_seq))
        _PAYMENTS.labels(store=_STORE, outcome="written").inc(written)
        _PAYMENTS.labels(store=_STORE, outcome="too_old").inc(old)
        if len(payments) < _FEW:
            self._batches *= 2
        elif len(payments) > _MANY:
            self._batches = max(1, self._batches // 2)

    def _erase(self, held: Held) -> bool:
        """Look for rows whose payment is gone, if any has gone since the last look.

        The count is asked for first: what is erased while this looks changes the count again, and so is looked for again.
        """
        erased = self._source.erased()
        if erased == held.erased:
            return False
        for ids in self._table.pages():
            gone = self._source.missing(ids)
            self._table.erase(gone)
            _PAYMENTS.labels(store=_STORE, outcome="erased").inc(len(gone))
        self._table.hold(held._replace(erased=erased))
        return True

"""Rows of the table as payments on Kafka, all of a piece acknowledged or none. What it is given, it counts.

Deletes and truncates are counted and go no further: a payment that was decided on happened, whatever its bank keeps of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from ingest.cdc.mapping import Mapping
from ingest.cdc.pgoutput import Column, Value
from ingest.fields import Arrival, Resolver, reject
from ingest.outcome import Outcome, Record, records
from ingest.telemetry import CDC_CHANGES
from ingest.transactions import parse
from veilocity.errors import InvalidInputError

__all__ = ["SOURCE", "Row", "Writer"]

SOURCE = "postgres"
"""What rejects of this feed are called."""


class Row(NamedTuple):
    """One row to write."""

    kind: str
    """`snapshot`, `insert` or `update`."""
    columns: Sequence[Column]
    values: dict[str, Value]
    before: dict[str, Value] | None = None
    """The row before an update, where the log has it."""


class Writer:
    """Reads rows and writes what they hold."""

    def __init__(self, mapping: Mapping, resolver: Resolver, send_all: Callable[[Sequence[Record]], object]) -> None:
        """Keep the parts.

        Args:
            mapping: names the fields.
            resolver: says who paid.
            send_all: returns when Kafka has acknowledged every record, and raises otherwise.
        """
        self._mapping = mapping
        self._resolver = resolver
        self._send_all = send_all

    def write(self, rows: Sequence[Row], arrival: Arrival) -> Outcome:
        """Return what became of the rows, once all of it is in Kafka.

        Raises:
            BrokerUnavailableError: it is not, or nobody knows: write the same rows again. Nothing was counted.
            SettingsError: the table lacks a column of the mapping. Nothing was written.
        """
        outcome, counts = Outcome(), Counter[tuple[str, str]]()
        for row in rows:
            judged = self._judge(row, arrival)
            outcome.accepted += judged.accepted
            outcome.rejects += judged.rejects
            counts[row.kind, "accepted" if judged.accepted else "rejected" if judged.rejects else "ignored"] += 1
        self._send_all(records(outcome))
        for (kind, ended), count in counts.items():
            CDC_CHANGES.labels(kind, ended).inc(count)
        return outcome

    def _judge(self, row: Row, arrival: Arrival) -> Outcome:
        try:
            payment = self._mapping.payment(row.columns, row.values)
        except InvalidInputError as cause:
            shown = {name: value for name, value in row.values.items() if isinstance(value, str)}
            return Outcome(rejects=[reject(cause, shown, SOURCE, arrival)])
        outcome = parse(msgspec.json.encode([payment]), arrival, self._resolver)
        outcome.rejects = [msgspec.structs.replace(item, source=SOURCE) for item in outcome.rejects]
        return Outcome(ignored=1) if outcome.accepted and self._was_payment(row, payment["id"], arrival) else outcome

    def _was_payment(self, row: Row, payment_id: str, arrival: Arrival) -> bool:
        """Say whether an update is of a payment that was whole before: it was written then, and the first version is decided on."""
        if row.before is None:
            return False
        try:
            payment = self._mapping.payment(row.columns, row.before)
        except InvalidInputError:
            return False
        return payment.get("id") == payment_id and bool(parse(msgspec.json.encode([payment]), arrival, self._resolver).accepted)

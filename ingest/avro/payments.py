"""Records of `payments-avro` as payments: opened by their writer's schema, then judged as if they had come over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ingest import transactions
from ingest.avro.wire import Schema, open_frame, read
from ingest.fields import Arrival, Resolver, reject
from ingest.outcome import Outcome
from veilocity.contracts import Reject
from veilocity.errors import InvalidInputError

__all__ = ["SOURCE", "judge"]

SOURCE = "avro"


def judge(values: Sequence[bytes | None], schema_of: Callable[[int], Schema], arrival: Arrival, resolver: Resolver) -> Outcome:
    """Return what became of every record.

    Args:
        values: records as they came.
        schema_of: gives the schema of a number, or raises `InvalidInputError`.
        arrival: when they came.
        resolver: says who paid.

    Guarantee: ``records = accepted + rejects``. What `schema_of` raises besides passes through.
    """
    items: list[Any] = []
    refused: list[Reject] = []
    for value in values:
        try:
            number, payload = open_frame(value)
            items.append(read(payload, schema_of(number)))
        except InvalidInputError as cause:
            # Binary, and perhaps an identifier in it: its first bytes as hex are what finds the sender's fault.
            refused.append(reject(cause, (value or b"")[:64].hex(), SOURCE, arrival))
    outcome = transactions.judge(items, arrival, resolver, SOURCE)
    outcome.rejects.extend(refused)
    return outcome

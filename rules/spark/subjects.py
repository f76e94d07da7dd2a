"""What Spark does with one subject's records of one micro-batch: pure, and apart from Spark.

Guarantee: the results are a function of the state, the records and the rules; a repeated micro-batch writes the same bytes again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rules.engine import Engine
from rules.merge import FIX, PAYMENT, Record, in_order
from rules.subject import SubjectState
from veilocity.contracts import Fix, Reject, Transaction, decode, encode
from veilocity.errors import RejectError, RejectReason
from veilocity.topics import ALERTS, DECISIONS, REJECTS

__all__ = ["Batch", "Result", "judge_batch"]

_CONTRACTS: dict[int, type[Fix | Transaction]] = {FIX: Fix, PAYMENT: Transaction}
_MAX_RECORD_BYTES = 900_000
"""A decision holds its transaction and must itself fit into a Kafka record of 1 MB."""
_PAYLOAD_CHARACTERS = 4_096


class Result(NamedTuple):
    """One record to write."""

    topic: str
    key: bytes
    value: bytes


class Batch(NamedTuple):
    """What a subject's records came to."""

    results: list[Result]
    changed: bool
    """Whether the state must be kept: some record was an event."""


def judge_batch(state: SubjectState, key: bytes, records: Iterable[Record], engine: Engine) -> Batch:
    """Judge a subject's records in the order in which Kafka took them, as the rules service does.

    Args:
        state: of the subject; brought up to date.
        key: of all the records: the subject. A record that says another subject is refused, because that one's state is elsewhere.
        records: of one micro-batch, in any order.
        engine: with the rules in force.
    """
    results: list[Result] = []
    changed = False
    for record in in_order(list(records)):
        try:
            outcome = engine.process(state, _event(record, key))
        except RejectError as refusal:
            results.append(Result(REJECTS.name, key, encode(_reject(record, refusal))))
            continue
        changed = True
        results.extend(Result(DECISIONS.name, key, encode(decision)) for decision in outcome.decisions)
        results.extend(Result(ALERTS.name, key, encode(alert)) for alert in outcome.alerts)
    return Batch(results, changed)


def _event(record: Record, key: bytes) -> Fix | Transaction:
    if len(record.value) > _MAX_RECORD_BYTES:
        raise RejectError(RejectReason.TOO_LARGE, f"the record is larger than {_MAX_RECORD_BYTES} bytes")
    event = decode(record.value, _CONTRACTS[record.rank])
    if event.subject.encode("utf-8", "surrogatepass") != key:
        raise RejectError(RejectReason.INVALID_FIELD, "the record's key is not its subject: check which program writes this topic")
    return event


def _reject(record: Record, refusal: RejectError) -> Reject:
    return Reject(
        reason=refusal.reason,
        detail=refusal.detail,
        source="rules",
        received_ms=record.timestamp_ms,
        payload=record.value[: 4 * _PAYLOAD_CHARACTERS].decode("utf-8", "replace")[:_PAYLOAD_CHARACTERS],
    )

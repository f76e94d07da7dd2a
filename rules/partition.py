"""One partition at work: records in; decisions, alerts, states, counters and offsets out, all in one commit.

Nothing here knows Kafka: what leaves goes through an `Outbox`, which makes one commit atomic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from rules.engine import Outcome, evaluate
from rules.parameters import EngineParameters
from rules.parts import page_of
from rules.store import StateStore
from veilocity.contracts import Decision, Fix, Reject, RulesProgress, Transaction, decode, encode
from veilocity.errors import RejectError, RejectReason
from veilocity.topics import ALERTS, DECISIONS, FIXES, REJECTS, RULES_PROGRESS, RULES_STATE, Topic

__all__ = ["Outbox", "Partition", "Record"]

_MAX_RECORD_BYTES = 900_000
"""A decision holds its transaction and must itself fit into a Kafka record of 1 MB."""
_PAYLOAD_CHARACTERS = 4_096
_UNCHANGED = frozenset(("fixes_duplicate", "fixes_late", "transactions_duplicate"))
_ALERT_COUNTERS = {"open": "alerts_opened", "amended": "alerts_amended", "retracted": "alerts_retracted"}
_VERDICT_COUNTERS = {"flagged": "flagged", "clear": "clear", "not-scorable": "not_scorable"}


_PASSED_OVER = Outcome("passed_over")


class Record(NamedTuple):
    """One record of an input topic."""

    topic: Topic
    offset: int
    key: bytes
    value: bytes
    timestamp_ms: int
    """When Kafka took it."""


class Outbox(Protocol):
    """Where results go; nothing of it is visible before `commit`, and all of it after."""

    def send(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        """Add one record."""

    def commit(self, offsets: Mapping[str, int]) -> None:
        """Make everything sent since the last commit visible, together with the next offset to read of each input topic (by name)."""


class Partition:
    """The state of one partition, and what has not been committed of it."""

    def __init__(self, parameters: EngineParameters, store: StateStore, outbox: Outbox, progress: RulesProgress) -> None:
        """Go on from what was restored.

        Args:
            parameters: of the engine.
            store: states as of the last commit.
            outbox: where results go.
            progress: counters as of the last commit, with the number of the partition.
        """
        self.number = progress.partition
        self._parameters = parameters
        self._store = store
        self._outbox = outbox
        self._counts: Counter[str] = Counter(
            {name: getattr(progress, name) for name in RulesProgress.__struct_fields__ if name not in ("partition", "schema")}
        )
        self._offsets: dict[str, int] = {}
        self._next: dict[str, int] = {}

    @property
    def is_dirty(self) -> bool:
        """Whether something waits for a commit."""
        return bool(self._offsets)

    @property
    def progress(self) -> RulesProgress:
        """Everything this partition has done since its beginning."""
        return RulesProgress(partition=self.number, **self._counts)

    def process(self, record: Record) -> Outcome | None:
        """Judge one record and send its results; None when it was rejected.

        A record that was processed before is passed over: around a rebalance the client may hand one out twice.

        Raises:
            StateError: the subject's saved state cannot be read.
        """
        if record.offset < self._next.get(record.topic.name, 0):
            return _PASSED_OVER
        self._offsets[record.topic.name] = self._next[record.topic.name] = record.offset + 1
        kind: type[Fix | Transaction] = Fix if record.topic is FIXES else Transaction
        self._counts["fixes_read" if kind is Fix else "transactions_read"] += 1
        try:
            event = self._read(record, kind)
            state = self._store.load(event.subject)
            outcome = evaluate(state, event, self._parameters)
        except RejectError as refusal:
            self._counts["fixes_rejected" if kind is Fix else "transactions_rejected"] += 1
            self._reject(record, refusal)
            return None
        self._counts[outcome.counted] += 1
        if outcome.counted not in _UNCHANGED:
            event_ns = event.fix_ns if isinstance(event, Fix) else event.authorised_ms * 1_000_000
            page = page_of(event_ns, self._parameters) if outcome.placed else None
            self._store.touch(event.subject, page, ids=isinstance(event, Transaction))
        self._send(outcome, event.subject.encode("utf-8", "surrogatepass"))
        return outcome

    def commit(self) -> None:
        """Make the results of everything processed so far visible, once."""
        for key, value in self._store.changes():
            self._outbox.send(RULES_STATE, key, value)
        self._outbox.send(RULES_PROGRESS, str(self.number).encode(), encode(self.progress))
        self._outbox.commit(self._offsets)
        self._offsets = {}

    @staticmethod
    def _read(record: Record, kind: type[Fix | Transaction]) -> Fix | Transaction:
        if len(record.value) > _MAX_RECORD_BYTES:
            raise RejectError(RejectReason.TOO_LARGE, f"the record is larger than {_MAX_RECORD_BYTES} bytes")
        return decode(record.value, kind)

    def _send(self, outcome: Outcome, key: bytes) -> None:
        if outcome.decision is not None:
            self._count_decision(outcome.decision)
            self._outbox.send(DECISIONS, key, encode(outcome.decision))
        for alert in outcome.alerts:
            self._counts[_ALERT_COUNTERS[alert.state]] += 1
            self._outbox.send(ALERTS, key, encode(alert))

    def _count_decision(self, decision: Decision) -> None:
        self._counts[_VERDICT_COUNTERS[decision.verdict]] += 1

    def _reject(self, record: Record, refusal: RejectError) -> None:
        reject = Reject(
            reason=refusal.reason,
            detail=refusal.detail,
            source="rules",
            received_ms=record.timestamp_ms,
            payload=record.value[: 4 * _PAYLOAD_CHARACTERS].decode("utf-8", "replace")[:_PAYLOAD_CHARACTERS],
        )
        self._outbox.send(REJECTS, record.key, encode(reject))

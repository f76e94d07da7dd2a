"""One partition at work: records in; decisions, alerts, counters, journal, snapshots and offsets out, all in one commit.

Nothing here knows Kafka: what leaves goes through an `Outbox`, which makes one commit atomic. States are not written per event: the journal
says how to make them again from the inputs, and now and then a bucket of them is saved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from rules.hosting import Engine, Outcome, SubjectState
from rules.journal import FORMAT, Entry, entry_key, pack
from rules.merge import FIX, PAYMENT, Record, Run
from rules.models.observing import Answer, Row, observe
from rules.snapshots import BUCKETS, Pace
from rules.store import StateStore, bucket_of
from veilocity.contracts import Alert, Decision, Fix, Reject, RulesProgress, Transaction, decode, encode
from veilocity.errors import RejectError, RejectReason
from veilocity.topics import ALERTS, DECISIONS, FIXES, REJECTS, RULES_PROGRESS, RULES_STATE, TRANSACTIONS, Topic

__all__ = ["INPUTS", "Judge", "Learned", "Outbox", "Partition", "Position", "Tally"]

INPUTS = (FIXES, TRANSACTIONS)
"""The input topics by rank."""
_CONTRACTS: tuple[type[Fix | Transaction], ...] = (Fix, Transaction)
_MAX_RECORD_BYTES = 900_000
"""A decision holds its transaction and must itself fit into a Kafka record of 1 MB."""
_PAYLOAD_CHARACTERS = 4_096
_SAVED_BYTES = 8_000_000
"""So much of snapshots may be in one transaction, or its results would wait for it."""
_READ = ("fixes_read", "transactions_read")
_REJECTED = ("fixes_rejected", "transactions_rejected")
_ALERT_COUNTERS = {"open": "alerts_opened", "amended": "alerts_amended", "retracted": "alerts_retracted"}
_VERDICT_COUNTERS = {"flagged": "flagged", "clear": "clear", "not-scorable": "not_scorable"}
_NO_COUNTERS = ("partition", "schema")


class Outbox(Protocol):
    """Where results go; nothing of it is visible before `commit`, and all of it after."""

    def send(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        """Add one record."""

    def commit(self, offsets: Mapping[str, int]) -> None:
        """Make everything sent since the last commit visible, together with the next offset to read of each input topic (by name)."""


class Position(NamedTuple):
    """Where a partition stands."""

    sequence: int
    """Transactions committed since its beginning."""
    offsets: tuple[int, int]
    """Next offsets of fixes and payments."""


class Tally(NamedTuple):
    """What a transaction came to, for the metrics."""

    counts: Counter[str]
    """What was added to the counters of `RulesProgress`."""
    alerts: Counter[tuple[str, str, str]]
    """Revisions by rule, state and severity."""


class Learned(Protocol):
    """The learned rules in force: `rules.models.scoring.Scorer`, or a test's own."""

    @property
    def is_scoring(self) -> bool:
        """Whether any model is in force, so that rows are wanted."""

    def look(self, now_s: float) -> None:
        """Take up other models where there are any; between two batches."""

    def answers(self, decisions: Sequence[Decision], rows: Sequence[Row | None]) -> list[Answer]:
        """Return the decisions with what the learned rules say of them."""


class Judge:
    """The engine and the states it works on."""

    def __init__(self, engine: Engine, store: StateStore) -> None:
        """Join the two."""
        self.engine = engine
        self.store = store

    def judge(self, record: Record) -> tuple[str, Outcome]:
        """Judge one record; return its subject and what follows.

        Raises:
            RejectError: the record is no event; nothing was changed.
            StateError: the subject's saved state cannot be read.
        """
        event = _read(record)
        bucket = bucket_of(event.subject)
        return event.subject, self._process(event, bucket)

    def judge_with_rows(self, record: Record) -> tuple[str, Outcome, tuple[Row | None, ...]]:
        """Judge one record; return also a row for each decision, for the learned rules.

        Raises:
            RejectError: the record is no event; nothing was changed.
            StateError: the subject's saved state cannot be read.
        """
        event = _read(record)
        bucket = bucket_of(event.subject)
        state = self.store.load(event.subject, bucket) or SubjectState()
        outcome, rows = observe(self.engine, state, event)
        self.store.keep(event.subject, bucket, state)
        return event.subject, outcome, rows

    def repeat(self, record: Record, sequence: int, saved_at: Mapping[int, int]) -> None:
        """Do again what a record did to the state, unless its bucket was saved after that.

        Args:
            record: as it was when it was judged.
            sequence: of the transaction that judged it.
            saved_at: sequence of the snapshots of the buckets that are behind.
        """
        try:
            event = _read(record)
            bucket = bucket_of(event.subject)
            if saved_at.get(bucket, sequence) < sequence:
                self._process(event, bucket)
        except RejectError:
            # It is in `rejects` since the first time.
            return

    def _process(self, event: Fix | Transaction, bucket: int) -> Outcome:
        state = self.store.load(event.subject, bucket) or SubjectState()
        outcome = self.engine.process(state, event)
        self.store.keep(event.subject, bucket, state)
        return outcome


def _read(record: Record) -> Fix | Transaction:
    if len(record.value) > _MAX_RECORD_BYTES:
        raise RejectError(RejectReason.TOO_LARGE, f"the record is larger than {_MAX_RECORD_BYTES} bytes")
    return decode(record.value, _CONTRACTS[record.rank])


class Partition:
    """The work on one partition, and what has not been committed of it."""

    def __init__(
        self,
        judge: Judge,
        outbox: Outbox,
        progress: RulesProgress,
        position: Position,
        pace: Pace | None = None,
        learned: Learned | None = None,
    ) -> None:
        """Go on from what was recovered.

        Args:
            judge: with the states as of the last commit.
            outbox: where results go.
            progress: counters as of the last commit, with the number of the partition.
            position: as of the last commit.
            pace: how often states are saved.
            learned: rules that score the decisions of a batch together; None for none.
        """
        self.number = progress.partition
        self._judge = judge
        self._store = judge.store
        self._outbox = outbox
        self._counts: Counter[str] = Counter(
            {name: getattr(progress, name) for name in RulesProgress.__struct_fields__ if name not in _NO_COUNTERS}
        )
        self._position = position
        self._pace = pace or Pace()
        self._next = list(position.offsets)
        self._runs: list[tuple[int, int]] = []
        self._events = 0
        self._latest_ns = 0
        self._due = 0.0
        self._cursor = 0
        self._committed_s: float | None = None
        self._told: Counter[str] = Counter(self._counts)
        self._alerts: Counter[tuple[str, str, str]] = Counter()
        self._learned = learned
        self._waiting: list[tuple[bytes, Outcome, tuple[Row | None, ...]]] = []

    @property
    def is_dirty(self) -> bool:
        """Whether something waits for a commit."""
        return bool(self._runs)

    @property
    def is_saved(self) -> bool:
        """Whether another process could go on without processing anything again."""
        return not self._runs and self._store.is_saved

    @property
    def position(self) -> Position:
        """Where it stood at the last commit."""
        return self._position

    @property
    def progress(self) -> RulesProgress:
        """Everything this partition has done since its beginning."""
        return RulesProgress(self.number, **self._counts)

    def process(self, run: Run) -> None:
        """Judge the records of one run, in order, and send their results; with learned rules those wait for `score`.

        Raises:
            StateError: a subject's saved state cannot be read.
        """
        is_scoring = self._learned is not None and self._learned.is_scoring
        counts, judge = self._counts, self._judge_and_hold if is_scoring else self._judge.judge
        for record in run.records:
            try:
                subject, outcome = judge(record)
            except RejectError as refusal:
                counts[_REJECTED[record.rank]] += 1
                self._reject(record, refusal)
                continue
            counts[outcome.counted] += 1
            if outcome.decisions or outcome.alerts:
                self._send(outcome, subject.encode())
        payments = sum(record.rank for record in run.records)
        counts[_READ[PAYMENT]] += payments
        counts[_READ[FIX]] += len(run.records) - payments
        self._runs.append(run.ends)
        self._next = [max(pair) for pair in zip(self._next, run.ends, strict=True)]
        self._events += len(run.records)
        self._latest_ns = max(self._latest_ns, run.records[-1].timestamp_ms * 1_000_000)

    def _judge_and_hold(self, record: Record) -> tuple[str, Outcome]:
        """Judge a record and hold back what it leads to, until the whole batch is scored; return what is left to say at once."""
        subject, outcome, rows = self._judge.judge_with_rows(record)
        if outcome.decisions or outcome.alerts:
            self._waiting.append((subject.encode(), outcome, rows))
        return subject, Outcome(outcome.counted)

    def look(self, now_s: float) -> None:
        """Take up other learned rules where there are any; between two batches.

        Args:
            now_s: monotonic time.
        """
        if self._learned is not None and not self._waiting:
            self._learned.look(now_s)

    def score(self) -> None:
        """Let the learned rules score all decisions that wait for it, together, and send them."""
        if self._learned is None or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        decisions = [decision for _, outcome, _ in waiting for decision in outcome.decisions]
        answered = iter(self._learned.answers(decisions, [row for _, _, rows in waiting for row in rows]))
        for key, outcome, _ in waiting:
            answers = list(islice(answered, len(outcome.decisions)))
            opened = tuple(one.alert for one in answers if one.alert is not None)
            self._send(outcome._replace(decisions=tuple(one.decision for one in answers), alerts=outcome.alerts + opened), key)

    def commit(self, now_s: float, *, save_all: bool = False) -> None:
        """Make the results of everything processed so far visible, once.

        Args:
            now_s: monotonic time.
            save_all: save every changed bucket, as far as one transaction may hold.
        """
        self.score()
        sequence = self._position.sequence + 1
        elapsed_s = now_s - (self._committed_s if self._committed_s is not None else now_s)
        self._due += self._pace.buckets(self._events, elapsed_s, self._store.subjects, self._store.size_bytes)
        self._due = float(BUCKETS) if save_all else min(self._due, float(BUCKETS))
        saved = self._save(sequence)
        starts = self._position.offsets
        store, version = self._store, self._judge.engine.version
        entry = Entry(FORMAT, sequence, version, starts, self._runs, store.newest_ns, store.forgotten, saved, store.behind())
        self._outbox.send(RULES_STATE, entry_key(sequence), pack(entry))
        self._outbox.send(RULES_PROGRESS, str(self.number).encode(), encode(self.progress))
        self._outbox.commit({topic.name: next_ for topic, next_ in zip(INPUTS, self._next, strict=True)})
        self._position = Position(sequence, (self._next[FIX], self._next[PAYMENT]))
        self._runs, self._events, self._committed_s = [], 0, now_s

    def take_tally(self) -> Tally:
        """Return what was added to the counters since the last call."""
        tally = Tally(self._counts - self._told, self._alerts)
        self._told, self._alerts = Counter(self._counts), Counter()
        return tally

    def _save(self, sequence: int) -> list[int]:
        saved: list[int] = []
        size = 0
        while self._due >= 1.0 and size < _SAVED_BYTES:
            self._due -= 1.0
            bucket, self._cursor = self._cursor, (self._cursor + 1) % BUCKETS
            if not self._store.must_save(bucket):
                continue
            for key, value in self._store.save(bucket, sequence, self._latest_ns):
                self._outbox.send(RULES_STATE, key, value)
                size += len(value or b"")
            saved.append(bucket)
        return saved

    def _send(self, outcome: Outcome, key: bytes) -> None:
        for decision in outcome.decisions:
            self._count_decision(decision)
            self._outbox.send(DECISIONS, key, encode(decision))
        for alert in outcome.alerts:
            self._count_alert(alert)
            self._outbox.send(ALERTS, key, encode(alert))

    def _count_decision(self, decision: Decision) -> None:
        if getattr(decision, "revision", 1) > 1:
            self._counts["decisions_amended"] += 1
            return
        self._counts[_VERDICT_COUNTERS[decision.verdict]] += 1

    def _count_alert(self, alert: Alert) -> None:
        self._counts[_ALERT_COUNTERS[alert.state]] += 1
        self._alerts[alert.rule, alert.state, alert.severity] += 1

    def _reject(self, record: Record, refusal: RejectError) -> None:
        reject = Reject(
            reason=refusal.reason,
            detail=refusal.detail,
            source="rules",
            received_ms=record.timestamp_ms,
            payload=record.value[: 4 * _PAYLOAD_CHARACTERS].decode("utf-8", "replace")[:_PAYLOAD_CHARACTERS],
        )
        self._outbox.send(REJECTS, record.key, encode(reject))

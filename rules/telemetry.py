"""What the rules service tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from rules.partition import Tally
from rules.store import StateStore
from veilocity.metrics import counter, gauge, histogram
from veilocity.topics import FIXES, TRANSACTIONS

__all__ = ["committed", "counted", "expired", "lag", "recovered", "released", "remembered"]

_EVENTS = counter("rules_events", "Records of the input topics, by what became of them.", "outcome")
_DECISIONS = counter("rules_decisions", "First decisions by verdict, and later revisions as amended.", "verdict")
_ALERTS = counter("rules_alerts", "Revisions of alerts.", "rule", "state", "severity")
_LATENCY = histogram("rules_latency_seconds", "From Kafka taking the oldest event of a batch to the commit of its results.")
_COMMIT = histogram("rules_commit_seconds", "Duration of one Kafka transaction's commit.")
_RECOVERY = histogram("rules_recovery_seconds", "Duration of taking over one partition.")
_SUBJECTS = gauge("rules_subjects", "Subjects remembered.", "partition")
_STATE_BYTES = gauge("rules_state_bytes", "Bytes of their states when they were last saved.", "partition")
_LARGEST_BYTES = gauge("rules_largest_state_bytes", "Bytes of the largest state when it was last saved.", "partition")
_FORGOTTEN = gauge("rules_subjects_forgotten", "Subjects forgotten since the beginning, being silent too long or too many.", "partition")
_LAG = gauge("rules_lag_records", "Records that wait in an input topic.", "topic", "partition")
_EXPIRED = counter("rules_expired_records", "Records that expired before they were judged.", "topic")

_EVENT_COUNTERS = (
    "fixes_kept",
    "fixes_duplicate",
    "fixes_thinned",
    "fixes_late",
    "fixes_rejected",
    "decided",
    "transactions_duplicate",
    "transactions_rejected",
)
_VERDICTS = {"flagged": "flagged", "clear": "clear", "not_scorable": "not-scorable", "decisions_amended": "amended"}


def counted(tally: Tally) -> None:
    """Count what one transaction came to."""
    for name in _EVENT_COUNTERS:
        if tally.counts[name]:
            _EVENTS.labels(name).inc(tally.counts[name])
    for name, verdict in _VERDICTS.items():
        if tally.counts[name]:
            _DECISIONS.labels(verdict).inc(tally.counts[name])
    for labels, count in tally.alerts.items():
        _ALERTS.labels(*labels).inc(count)


def committed(duration_s: float, latencies_s: Iterable[float]) -> None:
    """Record one commit and how long the oldest event of each of its batches had waited."""
    _COMMIT.observe(duration_s)
    for latency_s in latencies_s:
        _LATENCY.observe(latency_s)


def recovered(duration_s: float) -> None:
    """Record how long taking over a partition took."""
    _RECOVERY.observe(duration_s)


def remembered(partition: int, store: StateStore) -> None:
    """Tell the size of a partition's memory."""
    _SUBJECTS.labels(partition).set(store.subjects)
    _STATE_BYTES.labels(partition).set(store.size_bytes)
    _LARGEST_BYTES.labels(partition).set(store.largest_bytes)
    _FORGOTTEN.labels(partition).set(store.forgotten)


def lag(topic: str, partition: int, records: int) -> None:
    """Tell how far behind a partition is."""
    _LAG.labels(topic, partition).set(records)


def expired(topic: str, records: int) -> None:
    """Count records that are lost."""
    _EXPIRED.labels(topic).inc(records)


def released(partition: int) -> None:
    """Stop telling about a partition that another process works on now."""
    for told in (_SUBJECTS, _STATE_BYTES, _LARGEST_BYTES, _FORGOTTEN):
        told.remove(str(partition))
    for topic in (FIXES, TRANSACTIONS):
        _LAG.remove(topic.name, str(partition))

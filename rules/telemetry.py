"""What the rules service tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from rules.engine import Outcome
from veilocity.metrics import counter, gauge, histogram
from veilocity.topics import FIXES, TRANSACTIONS

__all__ = ["committed", "judged", "lag", "recovered", "rejected", "released", "remembered"]

_EVENTS = counter("rules_events", "Records of the input topics, by what became of them.", "outcome")
_DECISIONS = counter("rules_decisions", "Decisions, by verdict.", "verdict")
_ALERTS = counter("rules_alerts", "Revisions of alerts.", "rule", "state", "severity")
_LATENCY = histogram("rules_latency_seconds", "From Kafka taking an event to the commit of its results.")
_COMMIT = histogram("rules_commit_seconds", "Duration of one Kafka transaction's commit.")
_RECOVERY = histogram("rules_recovery_seconds", "Duration of taking over one partition.")
_SUBJECTS = gauge("rules_subjects", "Subjects remembered.", "partition")
_STATE_BYTES = gauge("rules_state_bytes", "Bytes of their written states.", "partition")
_LAG = gauge("rules_lag_records", "Records that wait in an input topic.", "topic", "partition")


def judged(outcome: Outcome) -> None:
    """Count one event and what followed from it."""
    _EVENTS.labels(outcome.counted).inc()
    if outcome.decision is not None:
        _DECISIONS.labels(outcome.decision.verdict).inc()
    for alert in outcome.alerts:
        _ALERTS.labels(alert.rule, alert.state, alert.severity).inc()


def rejected() -> None:
    """Count one record that was refused."""
    _EVENTS.labels("rejected").inc()


def committed(duration_s: float, latencies_s: Iterable[float]) -> None:
    """Record one commit and how long each of its events had waited."""
    _COMMIT.observe(duration_s)
    for latency_s in latencies_s:
        _LATENCY.observe(latency_s)


def recovered(duration_s: float) -> None:
    """Record how long taking over a partition took."""
    _RECOVERY.observe(duration_s)


def remembered(partition: int, subjects: int, size_bytes: int) -> None:
    """Tell the size of a partition's memory."""
    _SUBJECTS.labels(partition).set(subjects)
    _STATE_BYTES.labels(partition).set(size_bytes)


def lag(topic: str, partition: int, records: int) -> None:
    """Tell how far behind a partition is."""
    _LAG.labels(topic, partition).set(records)


def released(partition: int) -> None:
    """Stop telling about a partition that another process works on now."""
    for told in (_SUBJECTS, _STATE_BYTES):
        told.remove(str(partition))
    for topic in (FIXES, TRANSACTIONS):
        _LAG.remove(topic.name, str(partition))

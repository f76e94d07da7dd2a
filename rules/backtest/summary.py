"""What a backtest came to, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from rules.backtest.judging import Judgement
from rules.hits import severity_rank
from veilocity.contracts import Severity, Verdict
from veilocity.errors import RejectReason

__all__ = ["AlertCount", "Summary", "summarise"]


class AlertCount(msgspec.Struct, frozen=True):
    """How many alerts of one rule and severity stand at the end."""

    rule: str
    severity: Severity
    count: int


class Summary(msgspec.Struct, frozen=True):
    """The numbers of `summary.json`."""

    rules_version: str
    rows: int
    """Events and rows that are none."""
    fixes: int
    transactions: int
    subjects: int
    rejects: dict[str, int]
    """Rows that are no events and events that cannot be, by reason."""
    decisions: dict[str, int]
    """Final ones, by verdict."""
    alerts: tuple[AlertCount, ...]
    """Those that stand, by rule and, the gravest first, severity."""
    alerts_retracted: int
    counts: dict[str, int]
    """By the names of `RulesProgress`."""
    seconds: float
    events_per_s: float


def summarise(judgement: Judgement, unreadable: Mapping[RejectReason, int], rules_version: str, seconds: float) -> Summary:
    """Return the numbers of a judgement.

    Args:
        judgement: to sum up.
        unreadable: rows that were no events, by reason.
        rules_version: of the rule book in force.
        seconds: how long it took, reading included.
    """
    rejects = Counter(unreadable) + judgement.rejects
    verdicts = Counter(decision.verdict for decision in judgement.decisions.values())
    alerts = Counter((alert.rule, alert.severity) for alert in judgement.standing.values())
    ordered = sorted(alerts.items(), key=lambda one: (one[0][0], -severity_rank(one[0][1])))
    return Summary(
        rules_version=rules_version,
        rows=judgement.events + sum(unreadable.values()),
        fixes=judgement.counts["fixes_read"],
        transactions=judgement.counts["transactions_read"],
        subjects=judgement.subjects,
        rejects={reason.value: count for reason, count in sorted(rejects.items())},
        decisions={verdict.value: verdicts[verdict] for verdict in Verdict},
        alerts=tuple(AlertCount(rule, severity, count) for (rule, severity), count in ordered),
        alerts_retracted=len(judgement.alerts) - len(judgement.standing),
        counts=dict(sorted(judgement.counts.items())),
        seconds=round(seconds, 3),
        events_per_s=round(judgement.events / seconds, 1) if seconds > 0.0 else 0.0,
    )

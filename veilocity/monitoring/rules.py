"""Recording and alert rules for Prometheus. Each alert has a page in docs/runbooks that says what it means, what to look at and what to do.

An alert holds only what somebody should act on; a threshold that somebody might want otherwise is a constant here with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from veilocity.monitoring.expressions import changes_of_share, grew, quantile, rose, share

__all__ = [
    "ALERTS",
    "LAG",
    "LATENCY_P99",
    "RECORDINGS",
    "STATE_LIMIT_BYTES",
    "SUPPRESSED",
    "Alert",
    "Recording",
    "groups",
    "markdown",
    "runbook_of",
]

LATENCY_LIMIT_S = 0.3
"""What the README promises of an alert; also the bound of a bucket, so the comparison is exact there."""
LAG_LIMIT_RECORDS = 1_000
"""Less than a second of work at the measured rate: below it nothing is growing that matters."""
STATE_LIMIT_BYTES = 256 * 2**20
"""A third of what docker-compose.yml lets the rules service have; states take more in memory than saved."""
_SUPPRESSED_LIMIT = 0.3
_FLAGGED_LIMIT = 0.2


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus computes by itself, because several ask for it or it is dear."""

    name: str
    """level:metric:operations"""
    expr: str
    labels: tuple[str, ...] = ()
    """That are left on it."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alarm."""

    name: str
    expr: str
    severity: str
    """`critical`: somebody looks now. `warning`: today."""
    summary: str
    """One line; `{{ $labels.x }}` and `{{ $value }}` are filled in."""
    description: str
    wait: str = "0s"
    """How long it must hold."""


LAG = Recording(
    "veilocity:lag_records:sum",
    "sum by (service, topic) (veilocity_rules_lag_records) or sum by (service, topic) (veilocity_privacy_lag_records)",
    ("service", "topic"),
)
LATENCY_P99 = Recording("veilocity:rules_latency_seconds:p99_5m", quantile(0.99, "veilocity_rules_latency_seconds", over="5m"))
SUPPRESSED = Recording(
    "veilocity:privacy_suppressed:ratio_1d",
    changes_of_share("veilocity_privacy_payments", 'state="suppressed"', 'state="released"', "1d"),
)
FLAGGED = Recording(
    "veilocity:rules_flagged:ratio_10m",
    share(
        'sum(increase(veilocity_rules_decisions_total{verdict="flagged"}[10m]))',
        'sum(increase(veilocity_rules_decisions_total{verdict!="amended"}[10m]))',
    ),
)
RECORDINGS = (LAG, LATENCY_P99, SUPPRESSED, FLAGGED)

_SERVICES = (
    Alert(
        "GatewayDown",
        'up{service="ingest"} == 0',
        "critical",
        "The gateway does not answer",
        "Phones and payment feeds cannot deliver. Phones keep what they could not send for a while only.",
        "1m",
    ),
    Alert(
        "ServiceDown",
        'up{job="veilocity",service!="ingest"} == 0',
        "critical",
        "The {{ $labels.service }} service does not answer",
        "Nothing is lost: what it would read waits in Kafka or in the stores.",
        "1m",
    ),
    Alert(
        "ServiceRestarting",
        'sum by (service) (changes(process_start_time_seconds{job="veilocity"}[15m])) >= 3',
        "warning",
        "The {{ $labels.service }} service was started {{ $value }} times in 15 minutes",
        "It ends by itself and is started again. The rules service does so when another one has its name (fenced).",
    ),
    Alert(
        "GatewayRefusesRequests",
        share('sum(rate(veilocity_ingest_requests_total{outcome="unavailable"}[5m]))', "sum(rate(veilocity_ingest_requests_total[5m]))")
        + " > 0.05",
        "critical",
        "The gateway answers {{ $value | humanizePercentage }} of the requests with 503",
        "Kafka does not acknowledge in time, so nothing is taken over.",
        "2m",
    ),
    Alert(
        "GatewayRejectsItems",
        share(
            'sum(rate(veilocity_ingest_items_total{outcome="rejected"}[10m]))',
            'sum(rate(veilocity_ingest_items_total{outcome!="ignored"}[10m]))',
        )
        + " > 0.2",
        "warning",
        "{{ $value | humanizePercentage }} of the items break the format",
        "A sender was changed, or somebody sends rubbish. Nobody else is affected.",
        "10m",
    ),
)
_STREAM = (
    Alert(
        "LagGrows",
        f"{LAG.name} > {LAG_LIMIT_RECORDS} and deriv({LAG.name}[5m]) > 0",
        "warning",
        "{{ $value }} records of {{ $labels.topic }} wait for the {{ $labels.service }} service, and more every minute",
        "Alerts come late. Nothing is lost while Kafka keeps the topic.",
        "5m",
    ),
    Alert(
        "AlertLatencyHigh",
        f"{LATENCY_P99.name} > {LATENCY_LIMIT_S}",
        "warning",
        "One alert in a hundred takes longer than {{ $value | humanizeDuration }}",
        "From Kafka taking an event to the commit of its results.",
        "5m",
    ),
    Alert(
        "RecordsExpired",
        grew("veilocity_rules_expired_records_total", "1h"),
        "critical",
        "Records of {{ $labels.topic }} expired before they were judged",
        "They are lost. The rules service was down or slow for longer than Kafka keeps the topic.",
    ),
    Alert(
        "StateLarge",
        f"sum by (instance) (veilocity_rules_state_bytes) > {STATE_LIMIT_BYTES}",
        "warning",
        "The states of a rules service take {{ $value | humanize1024 }}B",
        "It will be ended when its memory is spent, and take long to start again.",
        "10m",
    ),
    Alert(
        "FlaggedShareHigh",
        f'{FLAGGED.name} > {_FLAGGED_LIMIT} and sum(increase(veilocity_rules_decisions_total{{verdict!="amended"}}[10m])) > 100',
        "warning",
        "{{ $value | humanizePercentage }} of the payments are flagged",
        "A wave of fraud, or a fault in what senders say of time or place.",
        "5m",
    ),
)
_PRIVACY = (
    Alert(
        "PrivacyStalled",
        "changes(veilocity_privacy_seq[5m]) == 0 and on (instance) sum by (instance) (veilocity_privacy_lag_records) > 0",
        "critical",
        "The privacy stage has finished no micro-batch for five minutes, and records wait",
        "The stores and the page stand still.",
        "2m",
    ),
    Alert(
        "RecordsUndecodable",
        grew("veilocity_privacy_rejected_total", "15m"),
        "warning",
        "Records for the privacy stage did not decode ({{ $labels.reason }})",
        "Another program writes into these topics, or versions differ.",
    ),
    Alert(
        "SuppressionHigh",
        f'{SUPPRESSED.name} > {_SUPPRESSED_LIMIT} and sum(delta(veilocity_privacy_payments{{state="suppressed"}}[1d])) > 100',
        "warning",
        "{{ $value | humanizePercentage }} of a day's payments were in no class that may be released",
        "Releases no longer show what happens. Nothing leaks.",
        "30m",
    ),
    Alert(
        "BudgetExhausted",
        rose("veilocity_privacy_budget_refused_windows", "1d"),
        "warning",
        "Counts with noise were not published because the privacy budget is spent",
        "They come back by themselves when old windows leave the horizon.",
        "10m",
    ),
    Alert(
        "AuditFailed",
        "veilocity_privacy_audit_passed == 0 and veilocity_privacy_audit_seconds > 0",
        "critical",
        "The audit found what must not be in a store",
        "Something left that should not have.",
    ),
    Alert(
        "AuditStale",
        "time() - veilocity_privacy_audit_last_seconds > 3 * (veilocity_privacy_audit_every_seconds > 0)",
        "warning",
        "The stores have not been audited for {{ $value | humanizeDuration }}",
        "What an audit would find is not known.",
        "5m",
    ),
)
_STORES = (
    Alert(
        "StoreUnavailable",
        "sum by (store) (increase(veilocity_store_retries_total[5m])) > 10",
        "warning",
        "{{ $labels.store }} does not answer the privacy stage",
        "Nothing is lost: writing waits for it, and so does everything behind.",
        "2m",
    ),
    Alert(
        "DocumentsRefused",
        grew("veilocity_store_refused_total", "15m"),
        "warning",
        "{{ $labels.store }} refused documents ({{ $labels.kind }}) for good",
        "They are in the other store and in dead_letters, and in this store never.",
    ),
    Alert(
        "DashboardBlind",
        'sum(increase(veilocity_dashboard_polls_total{outcome!="answered"}[5m])) > 10',
        "warning",
        "The dashboard gets no answer from MongoDB",
        "The page shows its last picture and says so.",
        "2m",
    ),
    Alert(
        "PasswordsGuessed",
        'sum(increase(veilocity_dashboard_logins_total{outcome!="opened"}[15m])) > 30',
        "warning",
        "{{ $value | humanize }} attempts to log in to the dashboard failed within 15 minutes",
        "Somebody may be trying passwords; they wait between two attempts, and no account is locked.",
        "0s",
    ),
    Alert(
        "DiskNearlyFull",
        "veilocity_privacy_disk_free_ratio < 0.1",
        "critical",
        "{{ $value | humanizePercentage }} of the disk is free",
        "A full disk stops Kafka, the stores and the privacy stage together.",
        "5m",
    ),
)
_NOTIFICATIONS = (
    Alert(
        "NotificationsGivenUp",
        'sum by (receiver) (increase(veilocity_notify_attempts_total{outcome="dead"}[15m])) > 0',
        "warning",
        "Messages for {{ $labels.receiver }} were given up",
        "Somebody was not told of alerts. The messages are kept, and can be sent once more.",
    ),
)
_GROUPS = {"services": _SERVICES, "stream": _STREAM, "privacy": _PRIVACY, "stores": _STORES, "notifications": _NOTIFICATIONS}
ALERTS = tuple(alert for alerts in _GROUPS.values() for alert in alerts)


def runbook_of(alert: Alert) -> str:
    """Return the path of an alert's page.

    >>> runbook_of(ALERTS[0])
    'docs/runbooks/gateway-down.md'
    """
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in alert.name)
    return f"docs/runbooks/{words.removeprefix('-')}.md"


def groups() -> list[dict[str, Any]]:
    """Return the groups of a rule file; what is recorded comes first."""
    recorded = [{"record": one.name, "expr": one.expr} for one in RECORDINGS]
    alarms = [{"name": name, "rules": [_rule(alert) for alert in alerts]} for name, alerts in _GROUPS.items()]
    return [{"name": "recorded", "rules": recorded}, *alarms]


def markdown() -> str:
    """Return the table of all alerts for docs/monitoring.md."""
    lines = ["| alarm | severity | after | condition |", "|---|---|---|---|"]
    for alert in ALERTS:
        page = runbook_of(alert).removeprefix("docs/")
        condition = alert.expr.replace("|", "\\|")
        lines.append(f"| [{alert.name}]({page}) | {alert.severity} | {alert.wait} | `{condition}` |")
    return "\n".join(lines) + "\n"


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.wait,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.description, "runbook_url": runbook_of(alert)},
    }

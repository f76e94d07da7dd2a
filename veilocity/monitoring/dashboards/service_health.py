"""Service health: lag, latency percentiles, errors, state size, release delay and suppression of all services."""

from __future__ import annotations

from veilocity.monitoring.expressions import quantile
from veilocity.monitoring.panels import Dashboard, Panel, Row, Target, lines, number, table
from veilocity.monitoring.rules import LAG, LATENCY_P99, SUPPRESSED

__all__ = ["SERVICE_HEALTH"]

_RATE = "$__rate_interval"


def _percentiles(title: str, histogram: str, description: str = "") -> Panel:
    targets = [Target(quantile(q, histogram), f"p{q * 100:g}") for q in (0.5, 0.9, 0.99)]
    return lines(title, "s", *targets, description=description)


_NOW = Row(
    "Now",
    (
        number("Services that answer", "short", 'sum(up{job="veilocity"})', description="Of four: gateway, rules, privacy, dashboard."),
        number("Events at the gateway", "cps", f'sum(rate(veilocity_ingest_items_total{{outcome="accepted"}}[{_RATE}]))'),
        number(
            "Records that wait", "short", f"sum({LAG.name})", description="In the input topics of the rules service and the privacy stage."
        ),
        number("Alert latency, p99 of 5 min", "s", LATENCY_P99.name, description="From Kafka taking an event to the commit of its alert."),
        number("Suppressed, last day", "percentunit", SUPPRESSED.name),
        number("Payments that wait for a release", "short", 'veilocity_privacy_payments{state="pending"}'),
        table(
            "Alarms",
            {"alertname": "alarm", "severity": "severity", "service": "service"},
            Target('ALERTS{alertstate="firing"}', instant=True, as_table=True),
            description="Each has a page in docs/runbooks.",
            width=24,
            height=5,
        ),
    ),
)
_TRAFFIC = Row(
    "Traffic",
    (
        lines(
            "Items at the gateway",
            "cps",
            Target(f"sum by (kind, outcome) (rate(veilocity_ingest_items_total[{_RATE}]))", "{{kind}} {{outcome}}"),
            description="Accepted and rejected items are in Kafka; ignored ones are readings of other sensors.",
        ),
        lines("Decisions", "cps", Target(f"sum by (verdict) (rate(veilocity_rules_decisions_total[{_RATE}]))", "{{verdict}}")),
        lines(
            "Alerts",
            "short",
            Target("sum by (state, severity) (increase(veilocity_rules_alerts_total[5m]))", "{{state}} {{severity}}"),
            description="Revisions in the last five minutes.",
        ),
        lines("Documents for the stores", "cps", Target(f"sum by (kind) (rate(veilocity_store_offered_total[{_RATE}]))", "{{kind}}")),
        lines(
            "Pages that watch",
            "short",
            Target("sum(veilocity_dashboard_streams)", "streams"),
            Target("sum(increase(veilocity_dashboard_overflows_total[5m]))", "too slow, 5 min"),
        ),
        lines("Frames", "cps", Target(f"sum by (kind) (rate(veilocity_dashboard_frames_total[{_RATE}]))", "{{kind}}")),
    ),
)
_LAG = Row(
    "Lag",
    (
        lines("Rules: records that wait", "short", Target("sum by (topic) (veilocity_rules_lag_records)", "{{topic}}")),
        lines(
            "Privacy: records that wait",
            "short",
            Target("sum by (topic) (veilocity_privacy_lag_records)", "{{topic}}"),
            description="No finished micro-batch has read them.",
        ),
        lines(
            "Dashboard: age of the picture",
            "s",
            Target("time() - (veilocity_dashboard_written_seconds > 0)", "age"),
            description="Also grows while nothing is sent.",
        ),
    ),
)
_LATENCY = Row(
    "Latency percentiles",
    (
        _percentiles("Gateway: time to answer", "veilocity_ingest_request_seconds"),
        _percentiles("Rules: Kafka to committed result", "veilocity_rules_latency_seconds", "The aim is 0.3 s at p99."),
        _percentiles("Rules: commit", "veilocity_rules_commit_seconds"),
        lines(
            "Privacy: micro-batch",
            "s",
            Target(quantile(0.5, "veilocity_privacy_batch_seconds", by="stage"), "{{stage}} p50"),
            Target(quantile(0.99, "veilocity_privacy_batch_seconds", by="stage"), "{{stage}} p99"),
        ),
        lines(
            "Stores: time to write a batch",
            "s",
            Target(quantile(0.5, "veilocity_store_write_seconds", by="store"), "{{store}} p50"),
            Target(quantile(0.99, "veilocity_store_write_seconds", by="store"), "{{store}} p99"),
        ),
        _percentiles("Rules: taking over a partition", "veilocity_rules_recovery_seconds"),
    ),
)
_ERRORS = Row(
    "Errors",
    (
        lines(
            "Refused items by reason",
            "cps",
            Target(f"sum by (reason) (rate(veilocity_ingest_rejects_total[{_RATE}]))", "{{reason}}"),
            description="Reasons are explained in docs/http-api.md.",
        ),
        lines(
            "Requests that failed",
            "cps",
            Target(f'sum by (outcome) (rate(veilocity_ingest_requests_total{{outcome!="ok"}}[{_RATE}]))', "{{outcome}}"),
        ),
        lines(
            "Rules: records not judged",
            "cps",
            Target(f'sum by (outcome) (rate(veilocity_rules_events_total{{outcome=~".*_(late|rejected)"}}[{_RATE}]))', "{{outcome}}"),
            Target(f"sum by (topic) (rate(veilocity_rules_expired_records_total[{_RATE}]))", "{{topic}} expired"),
        ),
        lines(
            "Privacy: records that did not decode",
            "cps",
            Target(f"sum by (reason) (rate(veilocity_privacy_rejected_total[{_RATE}]))", "{{reason}}"),
        ),
        lines(
            "Stores",
            "cps",
            Target(f"sum by (store) (rate(veilocity_store_retries_total[{_RATE}]))", "{{store}} asked again"),
            Target(f"sum by (store, kind) (rate(veilocity_store_refused_total[{_RATE}]))", "{{store}} refused {{kind}}"),
            Target(f'sum by (outcome) (rate(veilocity_dashboard_polls_total{{outcome!="answered"}}[{_RATE}]))', "poll {{outcome}}"),
        ),
        lines(
            "Starts in 15 min",
            "short",
            Target('sum by (service) (changes(process_start_time_seconds{job="veilocity"}[15m]))', "{{service}}"),
        ),
    ),
)
_STATE = Row(
    "State size",
    (
        lines(
            "Rules: states of subjects",
            "bytes",
            Target("sum(veilocity_rules_state_bytes)", "all"),
            Target("max(veilocity_rules_largest_state_bytes)", "largest"),
        ),
        lines(
            "Rules: subjects",
            "short",
            Target("sum(veilocity_rules_subjects)", "remembered"),
            Target("sum(veilocity_rules_subjects_forgotten)", "forgotten"),
        ),
        lines("Privacy: items between micro-batches", "short", Target("sum by (kind) (veilocity_privacy_state_items)", "{{kind}}")),
        lines(
            "Memory of each process",
            "bytes",
            Target('sum by (service) (process_resident_memory_bytes{job="veilocity"})', "{{service}}"),
            description="Of the privacy stage the driver's Python alone: Spark's Java is a process of its own.",
        ),
        lines("Directory", "short", Target("sum(veilocity_ingest_directory_entries)", "entries")),
        lines(
            "Free disk",
            "percentunit",
            Target("min(veilocity_privacy_disk_free_ratio)", "privacy stage"),
            defaults={"min": 0, "max": 1},
        ),
    ),
)
_RELEASES = Row(
    "Release delay and suppression",
    (
        lines(
            "Release delay",
            "s",
            Target(quantile(0.5, "veilocity_privacy_release_delay_seconds", over="1h"), "p50"),
            Target(quantile(0.99, "veilocity_privacy_release_delay_seconds", over="1h"), "p99"),
            description="From the end of a window to its release, classes of the last hour. A replay has clocks of its own.",
        ),
        lines("Payments by what became of them", "short", Target("sum by (state) (veilocity_privacy_payments)", "{{state}}")),
        lines(
            "Suppressed share, last day",
            "percentunit",
            Target(SUPPRESSED.name, "suppressed"),
            defaults={"min": 0, "max": 1},
            description="Of payments whose last window closed: those that found no class of k people.",
        ),
    ),
)
_NOTIFICATIONS = Row(
    "Notifications",
    (
        lines("Alerts read", "cps", Target(f"sum(rate(veilocity_notify_alerts_total[{_RATE}]))", "revisions")),
        lines("Messages made", "short", Target("sum by (kind) (increase(veilocity_notify_made_total[5m]))", "{{kind}}")),
        lines(
            "Attempts",
            "short",
            Target("sum by (receiver, outcome) (increase(veilocity_notify_attempts_total[5m]))", "{{receiver}} {{outcome}}"),
        ),
        lines("Messages that wait", "short", Target("max by (receiver) (veilocity_notify_pending)", "{{receiver}}")),
        lines(
            "Time to the receiver",
            "s",
            Target(quantile(0.5, "veilocity_notify_delay_seconds", over="1h"), "p50"),
            Target(quantile(0.99, "veilocity_notify_delay_seconds", over="1h"), "p99"),
        ),
        lines(
            "Batches behind the stores",
            "short",
            Target("max(veilocity_privacy_seq) - max(veilocity_notify_seq * veilocity_notify_leads > 0)", "behind"),
            description="Of the process that leads; nothing where notifications are off.",
        ),
    ),
)

_SINKS = Row(
    "Other stores",
    (
        lines(
            "Payments of sinks",
            "cps",
            Target(f"sum by (store, outcome) (rate(veilocity_sink_payments_total[{_RATE}]))", "{{store}} {{outcome}}"),
            description="Nothing where no sink runs.",
        ),
        lines("Batches that sinks are behind", "short", Target("max by (store) (veilocity_sink_behind_batches)", "{{store}}")),
    ),
)

_LABELS = Row(
    "What people decided",
    (
        lines(
            "Precision of each rule",
            "percentunit",
            Target("max by (rule) (veilocity_rule_precision)", "{{rule}}"),
            description="Share of a rule's labelled alerts that analysts confirmed as fraud; a rule without labels has no line.",
            defaults={"min": 0, "max": 1},
        ),
    ),
)

_LEARNED = Row(
    "Learned rules",
    (
        lines(
            "Versions in force",
            "short",
            Target("max by (rule, version) (veilocity_rules_model_info)", "{{rule}} {{version}}"),
            description="A line for each version while it scores; `veilocity models promote` changes it without a restart.",
        ),
        lines(
            "Payments scored",
            "short",
            Target("sum by (rule) (rate(veilocity_rules_model_scored_total[5m]))", "{{rule}} scored"),
            Target("sum by (rule) (rate(veilocity_rules_model_flagged_total[5m]))", "{{rule}} at threshold"),
            description="Per second.",
        ),
        lines(
            "Worst drift",
            "short",
            Target("max by (rule) (veilocity_rules_model_drift)", "{{rule}}"),
            description="Population stability index of the figure that moved farthest from training: over 0.25 is much. Train anew then.",
            defaults={"min": 0},
        ),
        lines(
            "Labelled payments",
            "short",
            Target("max by (rule, outcome) (veilocity_rule_labelled_payments)", "{{rule}} {{outcome}}"),
            description="Payments at or above the threshold that people decided, in 90 days and over all versions.",
        ),
        lines(
            "Time to score a batch",
            "s",
            Target(quantile(0.5, "veilocity_rules_model_seconds", over="5m"), "p50"),
            Target(quantile(0.99, "veilocity_rules_model_seconds", over="5m"), "p99"),
        ),
        lines(
            "Swaps and refusals",
            "short",
            Target("sum(increase(veilocity_rules_model_swaps_total[5m]))", "taken up"),
            Target("sum by (reason) (increase(veilocity_rules_model_refused_total[5m]))", "refused: {{reason}}"),
            description="In the last five minutes. What is refused leaves the versions of before in force; the log says why.",
        ),
        lines("Thresholds", "short", Target("max by (rule) (veilocity_rules_model_threshold)", "{{rule}}")),
    ),
)

_LOGINS = Row(
    "Logins",
    (
        lines(
            "Attempts to log in",
            "short",
            Target("sum by (outcome) (increase(veilocity_dashboard_logins_total[5m]))", "{{outcome}}"),
            description="In the last five minutes. Many that are wrong or limited: somebody guesses.",
        ),
        lines(
            "Requests that the gate refused",
            "short",
            Target("sum by (reason) (increase(veilocity_dashboard_refused_total[5m]))", "{{reason}}"),
            description="In the last five minutes; docs/http-api.md explains the reasons. A page whose session is over asks a few times.",
        ),
    ),
)

_CHANGE_LOG = Row(
    "Payments from PostgreSQL",
    (
        lines(
            "Rows and changes",
            "cps",
            Target(f"sum by (kind, outcome) (rate(veilocity_ingest_cdc_changes_total[{_RATE}]))", "{{kind}} {{outcome}}"),
            Target("sum(veilocity_ingest_cdc_connected)", "feeds that read"),
            description="Nothing where no feed runs.",
        ),
        lines(
            "Change log behind the slot",
            "bytes",
            Target("max(veilocity_ingest_cdc_unread_bytes)", "not read"),
            Target("max(veilocity_ingest_cdc_retained_bytes)", "kept on the server's disk"),
            description="What is kept grows while the feed is away, until max_slot_wal_keep_size or the disk is full (docs/extras.md).",
        ),
    ),
)

SERVICE_HEALTH = Dashboard(
    "service-health",
    "Service health",
    "What the services of Veilocity do, and what holds them up. docs/monitoring.md",
    (_NOW, _TRAFFIC, _LAG, _LATENCY, _ERRORS, _STATE, _RELEASES, _NOTIFICATIONS, _SINKS, _LABELS, _LEARNED, _LOGINS, _CHANGE_LOG),
)

"""Privacy: what the audit of the stores found, what was released and what was not, and what is left of the budget."""

from __future__ import annotations

from veilocity.monitoring.expressions import quantile
from veilocity.monitoring.panels import Dashboard, Row, Target, bar_gauge, lines, number
from veilocity.monitoring.rules import SUPPRESSED

__all__ = ["PRIVACY"]

_AUDITED = "veilocity_privacy_audit_seconds > 0"
_WINDOW_END = "veilocity_segments_newest_end_seconds"
_YES_NO = {
    "mappings": [{"type": "value", "options": {"0": {"text": "faults", "color": "red"}, "1": {"text": "nothing", "color": "green"}}}]
}

_AUDIT = Row(
    "Audit of the stores",
    (
        number(
            "The last audit found",
            "short",
            f"veilocity_privacy_audit_passed and {_AUDITED}",
            width=6,
            defaults=_YES_NO,
            description="It reads both stores as an outsider would. No figure before the first.",
        ),
        number("Ended before", "s", "time() - veilocity_privacy_audit_last_seconds", width=6),
        number("Took", "s", _AUDITED, width=6),
        number("Documents read", "short", "sum(veilocity_privacy_audit_records)", width=6),
        bar_gauge("Faults by check", "short", Target("max by (kind) (veilocity_privacy_audit_faults)", "{{kind}}", instant=True), width=12),
        lines("Documents read by store", "short", Target("max by (store) (veilocity_privacy_audit_records)", "{{store}}"), width=12),
    ),
)
_RELEASES = Row(
    "Releases and suppression",
    (
        lines(
            "Payments by what became of them",
            "short",
            Target("sum by (state) (veilocity_privacy_payments)", "{{state}}"),
            description="Released, suppressed, late, pending and erased add up to all decided payments.",
        ),
        lines(
            "Classes released in an hour",
            "short",
            Target('sum(increase(veilocity_privacy_documents_total{kind="releases"}[1h]))', "classes"),
        ),
        lines("Suppressed share, last day", "percentunit", Target(SUPPRESSED.name, "suppressed"), defaults={"min": 0, "max": 1}),
        lines(
            "Release delay",
            "s",
            Target(quantile(0.5, "veilocity_privacy_release_delay_seconds", over="1h"), "p50"),
            Target(quantile(0.99, "veilocity_privacy_release_delay_seconds", over="1h"), "p99"),
        ),
        lines("Held between micro-batches", "short", Target("sum by (kind) (veilocity_privacy_state_items)", "{{kind}}")),
        lines("Records read", "short", Target("sum by (kind) (veilocity_privacy_records)", "{{kind}}")),
    ),
)
_LIMITS = Row(
    "Limits",
    (
        lines(
            "Budget: windows without counts",
            "short",
            Target("max(veilocity_privacy_budget_refused_windows)", "refused since the beginning"),
            description="Counts with noise that the budget of a horizon did not allow.",
        ),
        lines("Budget: epsilon left at the last refusal", "short", Target("max(veilocity_privacy_budget_left_epsilon)", "epsilon")),
        lines(
            "Seen before: chance of a wrong yes",
            "percentunit",
            Target("max(veilocity_privacy_filter_error_rate)", "error rate"),
            description="Grows with the places in the filter.",
        ),
        lines(
            "Mean places, minutes",
            "short",
            Target("sum by (outcome) (increase(veilocity_privacy_average_minutes_total[5m]))", "{{outcome}}"),
        ),
        lines("Seen before: bits that are set", "percentunit", Target("max(veilocity_privacy_filter_fill_ratio)", "fill")),
        lines("Memory of the sketches", "bytes", Target("max by (kind) (veilocity_privacy_sketch_bytes)", "{{kind}}")),
        number("Seen before: made for", "short", "max(veilocity_privacy_filter_capacity)", width=8, height=7),
        number("Micro-batches", "short", "max(veilocity_privacy_seq)", width=8, height=7),
    ),
)

_REPORTS = Row(
    "Streaming reports",
    (
        lines(
            "Windows given out in a minute", "short", Target("sum by (kind) (rate(veilocity_reports_documents_total[5m])) * 60", "{{kind}}")
        ),
        lines(
            "Figures withheld in a minute",
            "short",
            Target("sum by (kind) (rate(veilocity_reports_suppressed_total[5m])) * 60", "{{kind}}"),
            description="Fewer than k people stand behind them.",
        ),
        lines("Records of the reports", "cps", Target("sum by (outcome) (rate(veilocity_reports_records_total[5m]))", "{{outcome}}")),
        lines(
            "A micro-batch of the reports takes",
            "s",
            Target(quantile(0.5, "veilocity_reports_batch_seconds", by="stage"), "{{stage}} p50"),
            Target(quantile(0.99, "veilocity_reports_batch_seconds", by="stage"), "{{stage}} p99"),
        ),
    ),
)

_SEGMENTS = Row(
    "Customer segments",
    (
        number(
            "The newest window ended before",
            "s",
            f"time() - max({_WINDOW_END} > 0)",
            width=6,
            description="By event time. No figure before the first release.",
        ),
        number("Segments of it", "short", f"max(veilocity_segments_newest_segments and {_WINDOW_END} > 0)", width=6),
        number("People in them", "short", f"max(veilocity_segments_newest_people and {_WINDOW_END} > 0)", width=6),
        number(
            "People in none",
            "short",
            f"max(veilocity_segments_newest_suppressed_people and {_WINDOW_END} > 0)",
            width=6,
            description="Too few payments, or too few people.",
        ),
        lines("Windows released in an hour", "short", Target("sum(increase(veilocity_segments_released_total[1h]))", "windows")),
        lines(
            "Failed looks in an hour", "short", Target("sum by (reason) (increase(veilocity_segments_failures_total[1h]))", "{{reason}}")
        ),
        lines(
            "A run of the segments takes",
            "s",
            Target(quantile(0.5, "veilocity_segments_run_seconds", over="1d"), "p50"),
            Target(quantile(0.99, "veilocity_segments_run_seconds", over="1d"), "p99"),
        ),
    ),
)

PRIVACY = Dashboard(
    "privacy",
    "Privacy",
    "Whether what left may have left. docs/privacy.md",
    (_AUDIT, _RELEASES, _REPORTS, _SEGMENTS, _LIMITS),
    refresh="30s",
    since="now-6h",
)

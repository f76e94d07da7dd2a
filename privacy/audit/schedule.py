"""When an audit is due, and what its result tells machines."""

from __future__ import annotations

import msgspec

from privacy.audit.model import AuditReport
from veilocity import metrics
from veilocity.errors import SettingsError

__all__ = ["AuditSchedule", "expect", "observe"]

_PASSED = metrics.gauge("privacy_audit_passed", "Whether the last audit of the stores found nothing: 1, else 0.")
_FAULTS = metrics.gauge("privacy_audit_faults", "Faults that the last audit found, by check.", "kind")
_SECONDS = metrics.gauge("privacy_audit_seconds", "How long the last audit took.")
_LAST = metrics.gauge("privacy_audit_last_seconds", "When the last audit ended, else when the stage began, in seconds since 1970.")
_EVERY = metrics.gauge("privacy_audit_every_seconds", "Time between two audits; 0 for none.")
_RECORDS = metrics.gauge("privacy_audit_records", "Documents that the last audit read.", "store")


class AuditSchedule(msgspec.Struct, frozen=True):
    """How often to audit.

    >>> AuditSchedule(3600.0).is_due(now_s=7200.0, last_s=3700.0), AuditSchedule(3600.0).is_due(now_s=7300.0, last_s=3700.0)
    (False, True)
    >>> AuditSchedule(0.0).is_due(now_s=7300.0, last_s=None)
    False
    """

    every_s: float
    """From the beginning of one to that of the next; 0 for never."""
    first_after_s: float = 0.0
    """Clock before which none is due, so that a stage that starts is not slowed down."""

    def __post_init__(self) -> None:
        if self.every_s < 0:
            raise SettingsError("the time between two audits is negative: give seconds, or 0 for none")

    def is_due(self, now_s: float, last_s: float | None) -> bool:
        """Say whether an audit should begin now.

        Args:
            now_s: a clock that never goes back.
            last_s: the same clock when the last one began, None before the first.
        """
        if not self.every_s or now_s < self.first_after_s:
            return False
        return last_s is None or now_s - last_s >= self.every_s


def expect(every_s: float, now_s: float) -> None:
    """Set the metrics of a stage that begins: from now on an audit is awaited.

    Args:
        every_s: time between two audits; 0 for never.
        now_s: seconds since 1970.
    """
    _EVERY.set(every_s)
    _LAST.set(now_s)


def observe(report: AuditReport) -> None:
    """Set the metrics to a report."""
    _PASSED.set(report.passed)
    _LAST.set(report.written_ms / 1000.0 + report.seconds)
    _SECONDS.set(report.seconds)
    for check in report.checks:
        _FAULTS.labels(kind=check.name).set(check.fault_count)
    totals: dict[str, int] = {}
    for place, count in report.read.items():
        store = place.partition("/")[0]
        totals[store] = totals.get(store, 0) + count
    for store, count in totals.items():
        _RECORDS.labels(store=store).set(count)

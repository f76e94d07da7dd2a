"""What the reports tell about themselves."""

from __future__ import annotations

from collections.abc import Sequence

from privacy.reports.taking import Taken
from storage.reports import ReportDocument
from veilocity import metrics
from veilocity.logs import get_logger

__all__ = ["told"]

_LOG = get_logger(__name__)
_DURATION = metrics.histogram("reports_batch_seconds", "Time of a micro-batch of the reports: read by Spark, counted and written.", "stage")
_DOCUMENTS = metrics.counter("reports_documents", "Windows that the reports gave out.", "kind")
_SUPPRESSED = metrics.counter("reports_suppressed", "Figures withheld because fewer than k people stand behind them.", "kind")
_RECORDS = metrics.counter("reports_records", "Records read: counted, late, amended, rejected, or of people without a band.", "outcome")


def told(found: Taken, documents: Sequence[ReportDocument], late: int, reading_s: float, writing_s: float) -> None:
    """Note what a micro-batch did.

    Args:
        found: what was read.
        documents: the windows that closed.
        late: records of this micro-batch that came too late.
        reading_s: time of Spark's job.
        writing_s: time of everything after it.
    """
    _DURATION.labels("read").observe(reading_s)
    _DURATION.labels("write").observe(writing_s)
    read = sum(map(len, found.records.values()))
    outcomes = {
        "counted": read - late,
        "late": late,
        "amended": found.amended,
        "rejected": found.rejected,
        "unknown_customer": found.nameless,
    }
    for outcome, count in outcomes.items():
        _RECORDS.labels(outcome).inc(count)
    for document in documents:
        _DOCUMENTS.labels(document.report).inc()
        _SUPPRESSED.labels(document.report).inc(document.suppressed)
    if found.rejected:
        _LOG.warning("Records did not decode.", count=found.rejected)

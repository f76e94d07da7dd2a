"""What the privacy stage tells about itself: metrics for machines, one log line for what a person should look at."""

from __future__ import annotations

from collections.abc import Sequence

from privacy.state import StageState
from storage.documents import MaskedBatch, Progress
from veilocity import metrics
from veilocity.logs import get_logger

__all__ = ["Telemetry"]

_LOG = get_logger(__name__)
_DURATION = metrics.histogram("privacy_batch_seconds", "Time of a micro-batch: mask on the executors, write on the driver.", "stage")
_DOCUMENTS = metrics.counter("privacy_documents", "Masked documents handed to the stores.", "kind")
_REJECTED = metrics.counter("privacy_rejected", "Records that did not decode.", "reason")
_PAYMENTS = metrics.gauge("privacy_payments", "Decided payments since the beginning, by what became of them.", "state")
_RECORDS = metrics.gauge("privacy_records", "Records read since the beginning.", "kind")
_STATE = metrics.gauge("privacy_state_items", "Items held between micro-batches.", "kind")
_ERROR_RATE = metrics.gauge("privacy_filter_error_rate", "Chance that the `seen before` filter takes a new place for a known one.")
_REFUSED_WINDOWS = metrics.gauge("privacy_budget_refused_windows", "Windows without counts, because the budget of their people was spent.")
_SEQ = metrics.gauge("privacy_seq", "Number of the last micro-batch.")


class Telemetry:
    """Counters of this process; the progress document has those since the beginning."""

    def __init__(self) -> None:
        self._overfilled = False

    def batch_took(self, masking_s: float, writing_s: float) -> None:
        """Note how long a micro-batch took on the executors, and on the driver with the stores."""
        _DURATION.labels("mask").observe(masking_s)
        _DURATION.labels("write").observe(writing_s)

    def batch_done(self, documents: MaskedBatch, state: StageState, rejected: Sequence[dict[str, int]]) -> None:
        """Note what a micro-batch wrote."""
        _show_progress(documents.progress)
        for kind in ("transactions", "amendments", "alerts", "positions", "releases", "groups", "aggregates"):
            _DOCUMENTS.labels(kind).inc(len(getattr(documents, kind)))
        for reasons in rejected:
            for reason, count in reasons.items():
                _REJECTED.labels(reason).inc(count)
                _LOG.warning("Records did not decode.", reason=reason, count=count, batch=documents.progress.seq)
        _STATE.labels("open_windows").set(sum(map(len, state.open_windows)))
        _STATE.labels("held").set(sum(sum(windows.values()) for windows in state.open_windows[1:]))
        _STATE.labels("sample").set(len(state.sample))
        _STATE.labels("places").set(len(state.places))
        if state.counts:
            _REFUSED_WINDOWS.set(state.counts.windows_left_out)
        _ERROR_RATE.set(state.places.present_error_rate())
        if state.applied:
            _LOG.info("Requests to forget somebody were carried out.", count=len(state.applied), batch=documents.progress.seq)
        if documents.releases:
            _LOG.info("Windows were released.", released=len(documents.releases), batch=documents.progress.seq)
        if state.places.overfilled and not self._overfilled:
            self._overfilled = True
            _LOG.warning("The `seen before` filter holds more places than it was made for: raise privacy_bloom_capacity.")


def _show_progress(progress: Progress) -> None:
    for state in ("released", "suppressed", "late", "pending", "erased"):
        _PAYMENTS.labels(state).set(getattr(progress, state))
    for kind in ("decisions", "transactions", "amendments", "fixes", "alerts", "alert_revisions", "rejected"):
        _RECORDS.labels(kind).set(getattr(progress, kind))
    _SEQ.set(progress.seq)

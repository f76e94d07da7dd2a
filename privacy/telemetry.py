"""What the privacy stage tells about itself: metrics for machines, one log line for what a person should look at."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from math import nan
from pathlib import Path

from privacy.crowds import Average, CrowdedNames, PlaceAverages, Seen
from privacy.masking import MONGODB
from privacy.parts import MaskedPart
from privacy.state import StageState
from storage.documents import MaskedBatch, Progress
from veilocity import metrics
from veilocity.logs import get_logger

__all__ = ["Telemetry", "watch_disk"]

_LOG = get_logger(__name__)
_RELEASE_BUCKETS_S = (60.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 57_600.0, 86_400.0, 172_800.0)
_DURATION = metrics.histogram("privacy_batch_seconds", "Time of a micro-batch: mask on the executors, write on the driver.", "stage")
_DOCUMENTS = metrics.counter("privacy_documents", "Masked documents handed to the stores.", "kind")
_REJECTED = metrics.counter("privacy_rejected", "Records that did not decode.", "reason")
_PAYMENTS = metrics.gauge("privacy_payments", "Decided payments since the beginning, by what became of them.", "state")
_RECORDS = metrics.gauge("privacy_records", "Records read since the beginning.", "kind")
_STATE = metrics.gauge("privacy_state_items", "Items held between micro-batches.", "kind")
_ERROR_RATE = metrics.gauge("privacy_filter_error_rate", "Chance that the `seen before` filter takes a new place for a known one.")
_SKETCH_BYTES = metrics.gauge("privacy_sketch_bytes", "Bytes that a sketch of the stream holds, without the language's overhead.", "kind")
_FILL = metrics.gauge("privacy_filter_fill_ratio", "Share of the bits of the `seen before` filter that are set.")
_CAPACITY = metrics.gauge("privacy_filter_capacity", "Pairs of a person and a place that the `seen before` filter holds at its error rate.")
_REFUSED_WINDOWS = metrics.gauge("privacy_budget_refused_windows", "Windows without counts, because the budget of their people was spent.")
_SEQ = metrics.gauge("privacy_seq", "Number of the last micro-batch.")
_RELEASE_DELAY = metrics.histogram(
    "privacy_release_delay_seconds",
    "From the end of a window, by the clocks of its events, to the release of each of its classes.",
    buckets_s=_RELEASE_BUCKETS_S,
)
_BUDGET_LEFT = metrics.gauge("privacy_budget_left_epsilon", "Most that a publication of the last refused window might still have cost.")
_DISK_FREE = metrics.gauge("privacy_disk_free_ratio", "Share of the disk under the stage's folder that is free.")
_BY_CHANNEL = metrics.counter("privacy_channel_payments", "First answers by channel and verdict.", "channel", "verdict")
_BY_COUNTRY = metrics.counter(
    "privacy_country_payments", "First answers by the merchant's country, named once k people paid there.", "country", "verdict"
)
_MINUTES = metrics.counter("privacy_average_minutes", "Minutes whose mean place was told, or withheld to hide people in it.", "outcome")
_AVERAGE_LAT = metrics.gauge("privacy_average_latitude_degrees", "Mean latitude of the cells of k people or more in one minute.")
_AVERAGE_LON = metrics.gauge("privacy_average_longitude_degrees", "Mean longitude of the cells of k people or more in one minute.")
_AVERAGE_ALT = metrics.gauge("privacy_average_altitude_meters", "Mean height of k people or more in one minute, each in tens of metres.")
for _average in (_AVERAGE_LAT, _AVERAGE_LON, _AVERAGE_ALT):
    _average.set(nan)


class Telemetry:
    """Counters of this process; the progress document has those since the beginning."""

    def __init__(self, k: int, *, averages: bool = True) -> None:
        """Begin with nothing told.

        Args:
            k: fewest people behind a figure that tells where people are.
            averages: whether to tell mean places.
        """
        self._overfilled = False
        self._countries = CrowdedNames(k)
        self._places = PlaceAverages(k) if averages else None

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
        _show_sketches(state)
        if state.applied:
            _LOG.info("Requests to forget somebody were carried out.", count=len(state.applied), batch=documents.progress.seq)
        for one in documents.releases:
            _RELEASE_DELAY.observe(max(0, documents.progress.written_ms - one.release.window_end_ms) / 1000.0)
        for window in documents.aggregates:
            if window.refused:
                _BUDGET_LEFT.set(window.epsilon_left or 0.0)
        if documents.releases:
            _LOG.info("Windows were released.", released=len(documents.releases), batch=documents.progress.seq)
        if state.places.overfilled and not self._overfilled:
            self._overfilled = True
            _LOG.warning("The `seen before` filter holds more places than it was made for: raise privacy_bloom_capacity.")

    def people_seen(self, parts: Sequence[MaskedPart]) -> None:
        """Note where people paid and where their phones were, as far as that tells of k of them at least."""
        for part in parts:
            for payment in part.payments:
                document = payment.documents[MONGODB]
                _BY_CHANNEL.labels(document.channel.value, document.verdict.value).inc()
                _BY_COUNTRY.labels(self._countries.shown(document.country, payment.person), document.verdict.value).inc()
        if self._places is not None:
            for average in self._places.add(seen for part in parts for seen in _sightings(part)):
                _show_average(average)


def watch_disk(folder: Path) -> None:
    """Tell at each scrape how full the disk is that a folder lies on."""

    def free_ratio() -> float:
        usage = shutil.disk_usage(folder)
        return usage.free / usage.total

    _DISK_FREE.set_function(free_ratio)


def _sightings(part: MaskedPart) -> list[Seen]:
    # An executor of another version may know no heights: then it has no say, and stops nothing.
    return [
        Seen(position.id, position.minute_ms, position.place.lat, position.place.lon, altitude_m)
        for position, altitude_m in zip(part.positions, part.altitudes_m, strict=False)
    ]


def _show_average(average: Average) -> None:
    # No figure is a figure too: the last one would stand there as if it were of now.
    for gauge, value in ((_AVERAGE_LAT, average.lat), (_AVERAGE_LON, average.lon), (_AVERAGE_ALT, average.altitude_m)):
        gauge.set(nan if value is None else value)
    _MINUTES.labels("withheld" if average.lat is None else "told").inc()


def _show_sketches(state: StageState) -> None:
    sizes = {"sample": state.sample.memory_bytes, "visits": state.places.memory_bytes, **state.distinct.memory_bytes()}
    for kind, size in sizes.items():
        _SKETCH_BYTES.labels(kind).set(size)
    _FILL.set(state.places.fill())
    _CAPACITY.set(state.places.capacity)


def _show_progress(progress: Progress) -> None:
    for state in ("released", "suppressed", "late", "pending", "erased"):
        _PAYMENTS.labels(state).set(getattr(progress, state))
    for kind in ("decisions", "transactions", "amendments", "fixes", "alerts", "alert_revisions", "rejected"):
        _RECORDS.labels(kind).set(getattr(progress, kind))
    _SEQ.set(progress.seq)

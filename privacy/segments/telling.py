"""What the service of segments tells about itself: its newest release, which it finds in the store when it starts, and what failed."""

from __future__ import annotations

from storage.segments import SegmentsDocument
from veilocity import metrics

__all__ = ["failed", "told", "took"]

_END = metrics.gauge("segments_newest_end_seconds", "End of the newest window whose segments were released, in seconds since 1970.")
_SEGMENTS = metrics.gauge("segments_newest_segments", "Segments of that window.")
_PEOPLE = metrics.gauge("segments_newest_people", "People in them.")
_SUPPRESSED = metrics.gauge("segments_newest_suppressed_people", "People of that window who are in no segment.")
_RELEASED = metrics.counter("segments_released", "Windows released by this process.")
_FAILURES = metrics.counter("segments_failures", "Looks that failed, by what did not answer.", "reason")
_RUN = metrics.histogram(
    "segments_run_seconds",
    "Time of a run of Spark, its start and end included.",
    buckets_s=(5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)


def told(newest: SegmentsDocument, released: int = 0) -> None:
    """Note the newest release.

    Args:
        newest: document in the store.
        released: windows that were released just now.
    """
    _END.set(newest.end_ms / 1000)
    _SEGMENTS.set(len(newest.segments))
    _PEOPLE.set(newest.people)
    _SUPPRESSED.set(newest.suppressed_people)
    _RELEASED.inc(released)


def took(seconds: float) -> None:
    """Note the time of a run."""
    _RUN.observe(seconds)


def failed(reason: str) -> None:
    """Note a look that failed: `kafka`, `store` or `spark`."""
    _FAILURES.labels(reason).inc()

"""The figures of the course as the page of streams shows them, from the file that `veilocity rubric --serve` wrote beside its report.

The file is read again when it was replaced. One that cannot be read is told like none, and logged once.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import msgspec

from veilocity.logs import get_logger

__all__ = ["Course", "CourseChapter", "CourseFigure", "CourseFile"]

_log = get_logger(__name__)


class CourseFigure(msgspec.Struct, frozen=True):
    """An estimate beside the truth at the end of the course's stream."""

    what: str
    estimate: float | None
    truth: float | None
    low: float | None
    high: float | None
    """None where there is no bound, or an infinite one: `holds` tells which."""
    memory_bytes: int
    exact_bytes: int
    error: float | None
    """Relative to the truth."""
    holds: bool | None
    """Whether the truth lies in the bounds; None where the algorithm states none."""


class CourseChapter(msgspec.Struct, frozen=True):
    """One algorithm."""

    id: str
    """Anchor in the report."""
    part: str
    title: str
    guarantee: str
    figures: tuple[CourseFigure, ...] = ()


class Course(msgspec.Struct, frozen=True):
    """The whole run."""

    source: str
    confidence: float
    chapters: tuple[CourseChapter, ...]
    written_ms: int = 0


class CourseFile:
    """The file in the state folder. Safe with threads."""

    def __init__(self, report: Path) -> None:
        """Take the file of the report; the figures lie beside it."""
        self._file = report.with_suffix(".json")
        self._lock = Lock()
        self._known: tuple[int, int] = (0, 0)
        self._course: Course | None = None

    def read(self) -> Course | None:
        """Return what the file holds, or None where there is none that can be read."""
        with self._lock:
            try:
                status = self._file.stat()
            except OSError:
                self._known, self._course = (0, 0), None
                return None
            known = (status.st_mtime_ns, status.st_size)
            if known != self._known:
                self._known = known
                self._course = self._decoded(status.st_mtime_ns // 1_000_000)
            return self._course

    def _decoded(self, written_ms: int) -> Course | None:
        try:
            found = msgspec.json.decode(self._file.read_bytes(), type=Course)
        except (OSError, msgspec.MsgspecError) as cause:
            _log.warning(
                "the figures of the course cannot be read; `veilocity rubric --serve` writes them anew", cause=type(cause).__name__
            )
            return None
        return msgspec.structs.replace(found, written_ms=written_ms)

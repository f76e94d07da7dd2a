"""Old reports deleted on a schedule: documents of MongoDB and Parquet files, by days that are wholly too old.

Nothing is counted as with payments: a report is derived, and its window can be computed again. A window that is deleted stays deleted,
because only windows that close are written.
"""

from __future__ import annotations

import threading
import time

from privacy.reports.parquet import ParquetFiles
from storage.reports import ReportStore
from storage.retention import cut_ms
from veilocity.errors import VeilocityError
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["Sweeper"]

_LOG = get_logger(__name__)
_FIRST_AFTER_S = 60.0
_STOP_WITHIN_S = 5.0


class Sweeper:
    """Deletes every `storage_retain_s`, first after a minute or that time, whichever is shorter; 0 for never."""

    def __init__(self, settings: Settings, store: ReportStore, files: ParquetFiles) -> None:
        self._every_s = settings.storage_retain_s
        self._days = settings.reports_keep_days
        self._store = store
        self._files = files
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Start looking at the clock."""
        if self._every_s and self._days:
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_WITHIN_S)

    def _run(self) -> None:
        wait_s = min(_FIRST_AFTER_S, self._every_s)
        while not self._stop.wait(wait_s):
            wait_s = self._every_s
            try:
                self.sweep(time.time_ns() // 1_000_000)
            except VeilocityError as cause:
                _LOG.warning("Old reports were not deleted; trying again when the next run is due.", cause=str(cause))

    def sweep(self, now_ms: int) -> int:
        """Delete what is too old at a time; return how many documents that were.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        before_ms = cut_ms(now_ms, self._days)
        deleted = self._store.delete_before(before_ms)
        self._files.delete_before(before_ms)
        if deleted:
            _LOG.info("Old reports were deleted.", count=deleted)
        return deleted

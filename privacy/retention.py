"""Old documents deleted on a schedule, by a thread beside the micro-batches.

A run that fails is told in the log and tried again when the next is due; micro-batches go on either way. What a run was killed in is
finished by the next one.
"""

from __future__ import annotations

import threading
import time

from storage.retention import retain
from veilocity.errors import VeilocityError
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["Sweeper"]

_LOG = get_logger(__name__)
_FIRST_AFTER_S = 60.0
_STOP_WITHIN_S = 10.0


class Sweeper:
    """Deletes every `storage_retain_s`, first after a minute or that time, whichever is shorter; 0 for never."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Start looking at the clock."""
        if self._settings.storage_retain_s:
            self._thread.start()

    def stop(self) -> None:
        """End the run that is under way, if any, after the batch it is at."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_WITHIN_S)

    def _run(self) -> None:
        wait_s = min(_FIRST_AFTER_S, self._settings.storage_retain_s)
        while not self._stop.wait(wait_s):
            wait_s = self._settings.storage_retain_s
            try:
                done = retain(self._settings, time.time_ns() // 1_000_000, self._stop)
            except VeilocityError as cause:
                _LOG.warning("Old documents were not deleted; trying again when the next run is due.", cause=str(cause))
                continue
            for store, kinds in done.deleted.items():
                _LOG.info("Old documents were deleted.", store=store, count=sum(kinds.values()))

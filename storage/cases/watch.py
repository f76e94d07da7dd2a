"""The precision of each rule, written or learned, as a metric of the process that shows cases, read anew every few minutes."""

from __future__ import annotations

import time
from threading import Event, Thread

from storage.cases.labelling import publish, read_precision
from storage.cases.learned import publish_learned, read_learned
from veilocity.errors import VeilocityError
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["LabelWatch"]

_EVERY_S = 300.0
_SPAN_MS = 90 * 86_400_000
_log = get_logger(__name__)


class LabelWatch:
    """Asks the store from a daemon thread; a store that does not answer leaves the metric as it was, and is asked again when due."""

    def __init__(self, settings: Settings, every_s: float = _EVERY_S) -> None:
        """Do nothing yet."""
        self._settings = settings
        self._every_s = every_s
        self._stop = Event()
        self._thread = Thread(target=self._run, name="labels", daemon=True)

    def start(self) -> None:
        """Begin to ask, at once and then every `every_s`."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()

    def _run(self) -> None:
        while True:
            now_ms = time.time_ns() // 1_000_000
            try:
                # The newest alerts may be of a minute that this clock has not reached.
                publish(read_precision(self._settings, now_ms - _SPAN_MS, now_ms + _SPAN_MS))
                publish_learned(read_learned(self._settings, now_ms - _SPAN_MS, now_ms + _SPAN_MS))
            except VeilocityError as cause:
                _log.warning("the labels of alerts cannot be read; asking again", cause=str(cause))
            if self._stop.wait(self._every_s):
                return

"""Ends the process when one step takes too long: a service that hangs is worse than one that starts again."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from veilocity.logs import get_logger

__all__ = ["Watchdog"]

_log = get_logger(__name__)


def _end_process() -> None:
    os._exit(1)


class Watchdog:
    """Watches steps, several at a time, from a thread of its own."""

    def __init__(self, limit_s: float, bite: Callable[[], None] = _end_process) -> None:
        """Start watching.

        Args:
            limit_s: longest that a step may take.
            bite: what to do then; by default the process ends with code 1.
        """
        self._limit_s = limit_s
        self._bite = bite
        self._deadlines: dict[object, float] = {}
        self._stopped = Event()
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch the step inside the `with`."""
        step = object()
        self._deadlines[step] = time.monotonic() + self._limit_s
        try:
            yield
        finally:
            del self._deadlines[step]

    def close(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(min(1.0, self._limit_s / 4)):
            if time.monotonic() > min(list(self._deadlines.values()), default=math.inf):
                _log.error("A step took too long, the process ends", seconds=self._limit_s)
                self._bite()
                return

"""One thread that asks the store for news: first how far it is, then, only if it moved, what changed.

However many pages are open, the store is asked by one. News of several batches within a quarter of a second come as one frame, because a
range of batches is one question. When the store does not answer, viewers are told, the last picture stays, and the questions go on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Event, Thread

from dashboard.events import Hub
from dashboard.picture import Limits, Source
from storage.documents import Progress
from storage.queries import ChangeLimits
from veilocity import metrics
from veilocity.errors import RetryableError
from veilocity.logs import get_logger

__all__ = ["FRAME_INTERVAL_S", "Poller"]

FRAME_INTERVAL_S = 0.25
"""Shortest time between two frames: people see no more than four a second as change."""
_SLOWEST_RETRY_S = 2.0

_POLLS = metrics.counter("dashboard_polls", "Questions to the store", "outcome")
_log = get_logger(__name__)


class Poller:
    """Keeps a hub's picture the same as the store's, late by at most one poll and one frame interval."""

    def __init__(self, connect: Callable[[], Source], hub: Hub, poll_s: float, limits: Limits | None = None) -> None:
        """Do nothing yet: `start` begins, or a test calls `step`.

        Args:
            connect: opens the store; called again until it succeeds, so the store may come up later than the page.
            hub: is told what changed.
            poll_s: time between two questions.
            limits: how much to ask for when a picture begins.
        """
        self._connect = connect
        self._source: Source | None = None
        self._hub = hub
        self._poll_s = poll_s
        self._limits = limits or Limits()
        self._change_limits = ChangeLimits(self._limits.people, self._limits.alerts, self._limits.payments)
        self._framed_s = float("-inf")
        self._failures = 0
        self._stop = Event()
        self._thread = Thread(target=self._run, name="poller", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Ask no more; return once the thread is gone, or after `timeout_s` when the store hangs."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def step(self, now_s: float) -> float:
        """Ask once and return how many seconds to wait before the next question.

        Args:
            now_s: a clock that never goes back.
        """
        try:
            self._ask(now_s)
        except RetryableError as cause:
            return self._failed(cause, expected=True)
        except Exception as cause:  # whatever a store returns must not end the page: it is logged, counted and shown as store down
            return self._failed(cause, expected=False)
        if self._failures:
            _log.info("the store answers again", attempt=self._failures)
        self._failures = 0
        self._hub.set_store("up")
        _POLLS.labels(outcome="answered").inc()
        return self._poll_s

    def _ask(self, now_s: float) -> None:
        if self._source is None:
            self._source = self._connect()
        source = self._source
        progress = source.progress()
        reached = progress.seq if progress else -1
        shown = self._hub.seq
        if shown is None or reached < shown:
            # Fewer batches than we know of: somebody began anew with empty stores.
            self._load(source, progress)
        elif progress is not None and reached > shown and now_s - self._framed_s >= FRAME_INTERVAL_S:
            changes = source.changes(shown, reached, self._change_limits)
            # Of payments the newest are enough; a place or an alert left out would be missing for good.
            cut = len(changes.positions) >= self._limits.people or len(changes.alerts) >= self._limits.alerts
            if cut and not changes.complete:
                self._load(source, progress)
            else:
                self._hub.advance(progress, changes)
        else:
            return
        self._framed_s = now_s

    def _load(self, source: Source, progress: Progress | None) -> None:
        limits = self._limits
        positions = source.positions(limits.people)
        alerts = source.alerts(limits.alerts)
        self._hub.load(progress, positions, alerts, source.recent_transactions(limits.payments))

    def _failed(self, cause: Exception, *, expected: bool) -> float:
        self._failures += 1
        self._hub.set_store("down")
        _POLLS.labels(outcome="unavailable" if expected else "failed").inc()
        if not expected:
            _log.error("what the store answered cannot be shown; asking again", exc_info=cause)
        elif self._failures == 1:
            _log.warning("the store does not answer; asking again until it does", cause=str(cause))
        longest_s = min(_SLOWEST_RETRY_S, self._poll_s * 2.0 ** min(self._failures, 8))
        # Jitter, so that several dashboards do not all ask a store in the moment it comes back.
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, guards nothing

    def _run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(self.step(time.monotonic()))

"""Waiting for a store: again and again, ever more slowly, until it answers or the program is told to stop.

A store that is down costs delay, never data: nothing that has been taken over is given up here.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TypeVar

from veilocity import metrics
from veilocity.errors import StoreUnavailableError
from veilocity.logs import get_logger
from veilocity.processes import pause_s

__all__ = ["FIRST_DELAY_S", "LONGEST_DELAY_S", "delay_s", "insist"]

FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 2.0
"""Short enough that a store's return is noticed at once, long enough to leave a starting store alone."""

_T = TypeVar("_T")
_log = get_logger(__name__)
_RETRIES = metrics.counter("store_retries", "Calls to a store that were repeated because it did not answer", "store")


def delay_s(attempt: int, share: float | None = None) -> float:
    """Return how long to wait after failure number `attempt` (from 1): between half of a bound that doubles, and all of it.

    Args:
        attempt: number of failures so far.
        share: 0..1, drawn anew by default, so that several clients do not come back together.

    >>> [round(delay_s(attempt, 1.0), 2) for attempt in (1, 2, 3, 9)]
    [0.05, 0.1, 0.2, 2.0]
    """
    return pause_s(attempt, first_s=FIRST_DELAY_S, longest_s=LONGEST_DELAY_S, chance=share)


def insist(store: str, call: Callable[[], _T], stop: Event, moved: Callable[[], int] = lambda: 0) -> _T:
    """Return what `call` returns, repeating it for as long as the store does not answer.

    Args:
        store: name for logs and metrics.
        call: may be repeated: doing it twice is the same as doing it once.
        stop: when set, waiting ends.
        moved: how far `call` got; a store that takes some each time is not made to wait ever longer.

    Raises:
        StoreUnavailableError: only when told to stop while waiting; the caller must not count the work as done.
    """
    attempt = 0
    reached = moved()
    while True:
        try:
            result = call()
        except StoreUnavailableError as cause:
            if moved() > reached:
                attempt, reached = 0, moved()
            attempt += 1
            _RETRIES.labels(store=store).inc()
            wait_s = delay_s(attempt)
            if attempt == 1 or attempt % 15 == 0:
                _log.warning("a store does not answer; asking until it does", store=store, attempt=attempt, cause=str(cause))
            if stop.wait(wait_s):
                raise StoreUnavailableError(f"{cause} (stopped while waiting for it; the batch is repeated at the next start)") from cause
            continue
        if attempt:
            _log.info("the store answers again", store=store, attempt=attempt)
        return result

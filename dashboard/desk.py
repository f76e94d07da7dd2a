"""What a page shows, read when somebody looks and not more often than every few seconds, however many look.

A question that hangs holds one thread: whoever asks meanwhile gets the answer of before. When the question fails, the last answer stays and
is said to be old.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from veilocity.errors import RetryableError
from veilocity.logs import get_logger

__all__ = ["Desk", "wall_clock_ms"]

_R = TypeVar("_R")
_log = get_logger(__name__)


def wall_clock_ms() -> int:
    """Return this computer's clock."""
    return time.time_ns() // 1_000_000


class Desk(Generic[_R]):
    """Keeps the last answer to one question. Safe with threads.

    >>> desk = Desk(lambda before: (before or 0) + 1, read_every_s=60.0)
    >>> desk.look(), desk.look()
    (('up', 1), ('up', 1))
    """

    def __init__(
        self, ask: Callable[[_R | None], _R], *, read_every_s: float, clock_ms: Callable[[], int] = wall_clock_ms, page: str = "a page"
    ) -> None:
        """Nothing is asked before somebody looks.

        Args:
            ask: given the last answer, returns the next one; may raise.
            read_every_s: pause between two questions.
            clock_ms: a clock.
            page: what asks, for the log.
        """
        self._ask = ask
        self._read_every_ms = int(read_every_s * 1000)
        self._clock_ms = clock_ms
        self._page = page
        self._asking = Lock()
        self._store = "unknown"
        self._answer: _R | None = None
        self._asked_ms = -1

    def look(self) -> tuple[str, _R | None]:
        """Return `up`, `down` or `unknown` (before the first answer), and the last answer."""
        if self._asking.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._asking.release()
        return self._store, self._answer

    def _refresh(self) -> None:
        # A clock that was put back must not keep the answer of before for as long.
        if self._asked_ms >= 0 and 0 <= self._clock_ms() - self._asked_ms < self._read_every_ms:
            return
        try:
            self._answer = self._ask(self._answer)
        except Exception as cause:  # whatever is answered must not end the page: it is logged and shown
            self._failed(cause)
        else:
            if self._store == "down":
                _log.info("what a page asks is answered again", service=self._page)
            self._store = "up"
        # After the answer: who takes long is not asked again at once.
        self._asked_ms = self._clock_ms()

    def _failed(self, cause: Exception) -> None:
        if self._store == "down":
            return
        self._store = "down"
        if isinstance(cause, RetryableError):
            _log.warning("what a page asks is not answered; asking again until it is", service=self._page, cause=str(cause))
        else:
            _log.error("what a page was answered cannot be shown; asking again", service=self._page, exc_info=cause)
